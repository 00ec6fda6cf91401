"""Whatever the library draws, the generators of the caller stay as they were: the processor's and every GPU's."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import lnl_core
from lnl_core._random import seed_cpu, seeded
from lnl_core.config import preset
from lnl_core.datasets import BiasedImages
from lnl_core.evaluation import train_probe
from lnl_core.evaluation.adversary import retrain_adversary
from lnl_core.information.estimators import estimate_information
from lnl_core.methods.bias_balanced import label_given_bias
from lnl_core.methods.statistics_network import statistics_network
from lnl_core.networks import build_network

CONFIG = preset("smoke", "lnl")
DRAWING: dict[str, Callable[[BiasedImages], object]] = {
    "build_network": lambda _: build_network(CONFIG),
    "statistics_network": lambda _: statistics_network(torch.eye(3), 4, preset("smoke", "mi_backprop")),
    "label_given_bias": lambda data: label_given_bias(data),
    "estimate_information": lambda _: estimate_information(torch.arange(64.0), torch.arange(64.0).cos(), batch_size=8, steps=1),
    "train_probe": lambda _: train_probe("linear", torch.Size([2]), torch.ones(10, 2), torch.arange(10) % 2, 2, 1, 0),
    "retrain_adversary": lambda data: retrain_adversary(build_network(CONFIG), data, epochs=1),
}


@pytest.mark.parametrize("name", DRAWING)
def test_the_generators_of_the_caller_are_left_alone(name: str, few: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the generator of a GPU was seeded")

    monkeypatch.setattr("torch.cuda.manual_seed_all", fail)  # which torch.manual_seed calls, with or without a GPU
    before = torch.get_rng_state()
    DRAWING[name](few)
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_in_the_library_seeds_every_generator() -> None:
    for path in sorted(Path(lnl_core.__file__).parent.rglob("*.py")):
        assert not re.search(r"(torch|random)\.manual_seed\(|np\.random\.seed\(", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("seed", [0, 7, 2**40, 2**64 - 1])
def test_a_seed_draws_what_it_always_drew(seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        usual = torch.rand(3), torch.randperm(9), nn.Linear(3, 2).weight
    with seeded(seed):
        own = torch.rand(3), torch.randperm(9), nn.Linear(3, 2).weight
        assert all(torch.equal(one, other) for one, other in zip(usual, own, strict=True))
        seed_cpu(seed)
        assert torch.equal(torch.rand(3), usual[0])
