"""The claim of the book on real digits, with its controls: lnl forgets the colour and reads the digit, the baseline does not.

Small budgets on 2,000 of the embedded digits, three seeds. The budget was chosen on the validation split of seed 0. A game of two
optimisers ends differently with every rounding, so claims about lnl are made over the seeds, and the margins ask for about half of
what was measured with one thread: accuracy on the unbiased test digits 0.35 to 0.38 (baseline) against 0.62 to 0.73 (lnl); nats of
colour in the answers 0.59 to 0.63 against 0.10 to 0.15; a linear probe of the colour 0.48 to 0.50 and 0.98 to 1.05 nats against
0.39 to 0.45 and 0.65 to 0.89 nats.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from lnl_core.config import RunConfig, preset
from lnl_core.evaluation import ProbeResult, accuracy, embeddings, prediction_information, probe_leakage
from lnl_core.experiments.splits import load_data
from lnl_core.methods.bias_balanced import Balance
from lnl_core.networks import LNLNetwork, build_network
from lnl_core.training import fit

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)
COLOR_VAR = 0.05


@dataclass(frozen=True)
class Outcome:
    accuracy: float
    probe: ProbeResult
    information: float


def config_of(method: str, seed: int, epochs: int = 6) -> RunConfig:
    budget: dict[str, Any] = {"epochs": epochs, "train_size": 2000, "batch_size": 20, "lr": 0.01}
    if method == "lnl":
        budget |= {"bias_lr": 0.03, "adv_weight": 1.0, "mi_weight": 0.1}
    return preset("demo", method, color_var=COLOR_VAR, seed=seed, **budget)


def trained(config: RunConfig) -> LNLNetwork:
    network = build_network(config)
    fit(network, load_data(config, "train"), config, device="cpu", progress=False)
    return network


def varying(features: torch.Tensor) -> torch.Tensor:
    """Without the features that hardly vary: scaled to variance one, their rare large values would blind a probe.

    In lnl a third of all features are such, so that a probe of all of them finds far too little and flatters the method.
    """
    deviation = features.std(0)
    return features[:, deviation > 0.05 * deviation.max()]


@cache
def outcome(method: str, seed: int) -> Outcome:
    """Train, then measure on the unbiased test digits and probe unbiased training digits."""
    config = config_of(method, seed)
    network = trained(config)
    test, unbiased = load_data(config, "test"), load_data(config, "train", random_colors=True)
    probe = probe_leakage(varying(embeddings(network, unbiased)), unbiased.group, seed=seed)
    return Outcome(accuracy(network, test), probe, prediction_information(network, test))


def over_seeds(method: str, measure: Callable[[Outcome], float]) -> float:
    return float(np.mean([measure(outcome(method, seed)) for seed in SEEDS]))


def test_lnl_reads_unbiased_digits_better_than_the_baseline() -> None:
    lnl, baseline = (over_seeds(method, lambda found: found.accuracy) for method in ("lnl", "baseline"))
    assert lnl > baseline + 0.14


def test_predictions_of_lnl_follow_the_colour_less() -> None:
    lnl, baseline = (over_seeds(method, lambda found: found.information) for method in ("lnl", "baseline"))
    assert lnl < 0.6 * baseline


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fresh_probe_recovers_the_colour_from_the_baseline(seed: int) -> None:
    probe = outcome("baseline", seed).probe
    assert probe.accuracy > probe.chance + 0.20
    assert probe.information > 0.3


def test_a_fresh_probe_recovers_less_from_lnl() -> None:
    measures: list[Callable[[Outcome], float]] = [lambda found: found.probe.accuracy, lambda found: found.probe.information]
    for measure, margin in zip(measures, (0.035, 0.12), strict=True):
        assert over_seeds("lnl", measure) < over_seeds("baseline", measure) - margin


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", ["baseline", "lnl"])
def test_control_a_probe_of_shuffled_labels_is_at_chance(method: str, seed: int) -> None:
    probe = outcome(method, seed).probe
    assert abs(probe.control_accuracy - 0.1) < 0.05


def test_negative_control_without_its_two_weights_lnl_gains_nothing() -> None:
    """The gain comes from the two terms, not from h, its labels or its optimiser: without them f and g are the baseline's."""
    baseline = trained(config_of("baseline", 0, epochs=1).with_options(train_size=640))
    without = config_of("lnl", 0, epochs=1).with_options(mi_weight=0.0, adv_weight=0.0, train_size=640)
    network = trained(without)
    for part in ("extractor", "label_head"):
        for mine, theirs in zip(getattr(network, part).parameters(), getattr(baseline, part).parameters(), strict=True):
            assert torch.equal(mine, theirs)
    test = load_data(without, "test")
    assert accuracy(network, test) == accuracy(baseline, test)
    assert np.isclose(prediction_information(network, test), prediction_information(baseline, test))


def test_bias_balanced_reads_unbiased_digits_better_than_lnl() -> None:
    """As many epochs, over two seeds; measured before the margin was set: 0.70 and 0.80 against 0.68 and 0.62."""
    reached, lnl, baseline = [], [], []
    for seed in SEEDS[:2]:
        config = preset("demo", "bias_balanced", color_var=COLOR_VAR, seed=seed, epochs=6, train_size=2000, batch_size=20)
        reached.append(accuracy(trained(config), load_data(config, "test")))
        lnl.append(outcome("lnl", seed).accuracy)
        baseline.append(outcome("baseline", seed).accuracy)
    assert np.mean(reached) > np.mean(baseline) + 0.2
    assert np.mean(reached) > np.mean(lnl) + 0.05


def test_negative_control_a_bias_that_tells_nothing_is_not_balanced_away() -> None:
    """Where the colours are random, the prior is nearly uniform: the method has nothing to explain away and nothing to draw for."""
    config = preset("demo", "bias_balanced", color_var=COLOR_VAR)
    data = load_data(config, "train", random_colors=True)
    balance = Balance.of(data, config)
    assert float(balance.log_prior.exp().max()) < 0.3
    assert float(balance.weights.max() / balance.weights.min()) < 4
    biased = Balance.of(load_data(config, "train"), config)
    assert float(biased.weights.max() / biased.weights.min()) > 10
