"""The authors' released settings as they are: lambda 0.01, mu 0.1, labels of the stroke's pixels, two updates a batch, 100 epochs.

The preset "full" has their weights, rates, schedule and labels; ``updates="alternating"`` is their two passes. BlindEye is not in
their code and has the same settings with alpha 0.01. "Cold" begins with all losses, "warm" after WARM epochs in which f and g learn
the label alone and h watches, as their README advises; there the rate falls once, after 40 epochs of unlearning. In the order in
which a part of them is worth most.
"""

from itertools import product
from typing import Any

from lnl_core.config import RunConfig, preset
from tools.studies.study import Runs

FOLDER = "released"
METHODS = ("lnl", "blind_eye")
WARM = 20
STARTS: dict[str, dict[str, Any]] = {"cold": {}, "warm": {"warmup_epochs": WARM, "epochs": 100 + WARM, "lr_step": 40 + WARM}}
CELLS = ((0.02, 0), (0.05, 0), (0.02, 1))
"""Variance and seed."""
EXACT = ("cold", 0.02, 0)
"""Start, variance and seed of the runs in float32, as theirs. All others are in bf16, which takes half as long."""


def config_of(method: str, start: str, color_var: float, seed: int) -> RunConfig:
    """One run, in the precision that EXACT says."""
    precision = "float32" if (start, color_var, seed) == EXACT else "bf16"
    options: dict[str, Any] = {"color_var": color_var, "seed": seed, "source": "mnist", "precision": precision}
    return preset("full", method, updates="alternating", **options, **STARTS[start])


def configs() -> list[RunConfig]:
    """A cell at a time, cold starts first."""
    return [config_of(method, start, *cell) for cell, start, method in product(CELLS, STARTS, METHODS)]


STUDIES = (Runs("released", "The authors' released settings, 100 epochs, cold and with a warm start.", FOLDER, configs),)
