"""The runs behind "Measuring mutual information": every estimator on data whose information is known.

python -m tools.estimators     writes results/estimators/runs.json (about ten minutes on one core)

Normal pairs of several dimensions and sizes, all with the same information; some of them shuffled, whose information is 0; strongly
dependent pairs; and a parity, which a weak reader cannot see.
"""

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lnl_core._files import write_json
from lnl_core.estimators import BOUNDS, estimate_information, ksg
from lnl_core.evaluation import probe_leakage
from lnl_core.information import gaussian_information, mutual_information
from lnl_core.records import provenance
from tools.notebooks import ROOT

FILE = Path("results", "estimators", "runs.json")
SETTINGS: dict[str, Any] = {
    "information": 2.0,
    "dimensions": [1, 4, 16],
    "sizes": [500, 1500, 4500],
    "strong": {"information": 6.0, "dimensions": 4, "size": 4500},
    "control": {"dimensions": 4, "size": 4500},
    "parity_size": 3000,
    "seeds": [0, 1, 2, 3, 4],
    "neighbors": 3,
    "critic": {"hidden": 64, "steps": 400, "batch_size": 64, "lr": 2e-3, "test_share": 0.5, "moving_average": 0.01},
}


def normal_pairs(size: int, dimensions: int, information: float, seed: int) -> tuple[Any, Any]:
    """(size, dimensions) each: pairs of coordinates with the correlation that gives the information in nats."""
    correlation = math.sqrt(-math.expm1(-2 * information / dimensions))
    rng = np.random.default_rng([seed, size, dimensions])
    a = rng.normal(size=(size, dimensions))
    return a, correlation * a + math.sqrt(1 - correlation**2) * rng.normal(size=(size, dimensions))


def _measure(name: str, a: Any, b: Any, seed: int, **changes: Any) -> dict[str, Any]:
    clock = time.perf_counter()
    if name == "ksg":
        found: dict[str, Any] = {"value": ksg(a, b, neighbors=SETTINGS["neighbors"]), "note": ""}
    else:
        estimate = estimate_information(a, b, bound=name, seed=seed, **{**SETTINGS["critic"], **changes})
        found = {key: getattr(estimate, key) for key in ("value", "standard_error", "ceiling", "note")}
        if estimate.diverged:
            found |= {"value": None, "standard_error": None}
    return {"estimator": name, "seed": seed, **found, "seconds": round(time.perf_counter() - clock, 2)}


def normal_runs(seed: int) -> list[dict[str, Any]]:
    """Every estimator on every kind of normal pairs."""
    cells = [("grid", d, n, SETTINGS["information"]) for d in SETTINGS["dimensions"] for n in SETTINGS["sizes"]]
    strong, control = SETTINGS["strong"], SETTINGS["control"]
    cells += [("strong", strong["dimensions"], strong["size"], strong["information"])]
    cells += [("shuffled", control["dimensions"], control["size"], SETTINGS["information"])]
    runs = []
    for kind, dimensions, size, information in cells:
        a, b = normal_pairs(size, dimensions, information, seed)
        exact = gaussian_information(math.sqrt(-math.expm1(-2 * information / dimensions)), dimensions)
        if kind == "shuffled":
            b, exact = np.random.default_rng(seed).permutation(b), 0.0
        for name in ("ksg", *BOUNDS):
            where = {"kind": kind, "dimensions": dimensions, "size": size, "exact": exact}
            runs.append({**where, **_measure(name, a, b, seed)})
    return runs


def parity_runs(seed: int) -> list[dict[str, Any]]:
    """Features that show a fair bit b, (b, u), and features that hold it as a parity, (u, u b); weak and strong readers of both."""
    size = SETTINGS["parity_size"]
    u, b = np.random.default_rng([seed, size]).choice([-1, 1], size=(2, size))
    runs = []
    for kind, features in (("shown", np.stack([b, u], axis=1)), ("parity", np.stack([u, u * b], axis=1))):
        joint = np.zeros((4, 2))
        for one in (-1, 1):
            for bit in (-1, 1):
                first, second = (bit, one) if kind == "shown" else (one, one * bit)
                joint[(first + 1) + (second + 1) // 2, (bit + 1) // 2] += 0.25
        where = {"kind": kind, "size": size, "exact": mutual_information(joint)}
        for reader, hidden in (("bilinear", 0), ("mlp", SETTINGS["critic"]["hidden"])):
            runs.append({**where, "reader": reader, **_measure("donsker_varadhan", features, b, seed, hidden=hidden)})
        for reader in ("linear", "mlp"):
            probe = probe_leakage(features.astype(np.float32), (b + 1) // 2, kind=reader, seed=seed)
            runs.append({**where, "reader": reader, "estimator": "probe", "seed": seed, "value": probe.information})
    return runs


def read_runs(root: Path = ROOT) -> dict[str, Any]:
    """The stored runs: ``settings``, ``normal``, ``parity`` and ``provenance``; empty lists where nothing has been run."""
    path = root / FILE
    if not path.is_file():
        return {"settings": SETTINGS, "normal": [], "parity": [], "provenance": {}}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> None:
    started, clock = datetime.now(UTC), time.perf_counter()
    normal = [run for seed in SETTINGS["seeds"] for run in normal_runs(seed)]
    parity = [run for seed in SETTINGS["seeds"] for run in parity_runs(seed)]
    origin = provenance(started, time.perf_counter() - clock, torch.device("cpu"))
    write_json(ROOT / FILE, {"settings": SETTINGS, "normal": normal, "parity": parity, "provenance": origin})
    print(f"wrote {len(normal) + len(parity)} runs into {FILE}")


if __name__ == "__main__":
    main()
