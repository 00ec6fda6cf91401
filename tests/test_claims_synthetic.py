"""The claim of the synthetic pictures, with its controls: the task can be learnt, and a bias in the training set hurts a baseline.

A small network, 48 pixels, seed 0. Measured on these before the margins were set, as accuracy on the unbiased test pictures when
trained without and with bias, and with bias on the split of the opposite one: animals 0.95, 0.72 and 0.50; gender 0.98, 0.69 and
0.39; age 0.99, 0.82 and 0.61.
"""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import nn

from lnl_core.config import preset
from lnl_core.datasets import BiasedImages, animals, synthetic_faces
from lnl_core.evaluation import ProbeResult, accuracy, embeddings, group_accuracy, probe_leakage
from lnl_core.evaluation.mixing import MixingScore, mixing_score
from lnl_core.networks import LNLNetwork, Standardize, face_network
from lnl_core.training import fit, fit_jlu

pytestmark = pytest.mark.slow

TASKS = ("animals", "gender", "age")
BIASED = {"animals": ("tb1", "tb2"), "gender": ("eb1", "eb2"), "age": ("eb1", "eb2")}


def synthetic(task: str, split: str, n: int, contrast: float = 0.5) -> BiasedImages:
    if task == "animals":
        return animals(split, n=n, size=48, bias_labels="image", contrast=contrast)
    return synthetic_faces(split, n=n, size=48, learn=task)


def small_network() -> LNLNetwork:
    def halved(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]

    extractor = nn.Sequential(Standardize(), *halved(3, 16), *halved(16, 32), *halved(32, 64))
    head = nn.Sequential(*halved(64, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 2))
    return LNLNetwork(extractor, head, nn.Linear(1, 1))  # h has no part in a baseline


def trained_on(task: str, split: str, contrast: float = 0.5) -> LNLNetwork:
    animal = task == "animals"
    config = preset("demo", "baseline", epochs=9 if animal else 6, batch_size=32, lr=0.03)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = small_network()
    fit(network, synthetic(task, split, 2000 if animal else 1500, contrast), config, device="cpu", progress=False)
    return network


@cache
def reached(task: str, split: str) -> tuple[float, float, float]:
    """Accuracy on the unbiased test pictures, on their worse group, and on the split with the opposite bias."""
    network, test = trained_on(task, split), synthetic(task, "test", 1000)
    opposite = synthetic(task, BIASED[task][1], 500)
    return accuracy(network, test), float(group_accuracy(network, test).min()), accuracy(network, opposite)


@pytest.mark.parametrize("task", TASKS)
def test_the_task_is_learnable_without_bias(task: str) -> None:
    overall, worst, opposite = reached(task, "unbiased")
    assert overall > 0.91
    assert worst > 0.89
    assert opposite > 0.89, "control: the opposite split is no harder by itself"


@pytest.mark.parametrize("task", TASKS)
def test_bias_hurts_a_baseline(task: str) -> None:
    fair, biased = reached(task, "unbiased"), reached(task, BIASED[task][0])
    assert biased[0] < fair[0] - 0.08
    assert biased[2] < fair[2] - 0.2, "it follows the bias where bias and label disagree"


def test_negative_control_a_bias_that_cannot_be_seen_hurts_nobody() -> None:
    """The same split, coats drawn alike: the loss above comes from the coat and from nothing else that differs between splits."""
    network = trained_on("animals", "tb1", contrast=0.0)
    assert accuracy(network, synthetic("animals", "test", 1000, contrast=0.0)) > 0.91


# Joint learning and unlearning. Measured on three seeds before the margins were set, for alpha 0, 0.4 and 1 in this short training:
# mixing of the genders on EBD 0.35 to 0.37, 0.38 to 0.45 and 0.65 to 0.82; a linear probe of gender 0.83 to 0.86, 0.78 to 0.84 and
# 0.63 to 0.70. The age is read less well as alpha grows (0.20, 0.15 to 0.18, 0.12 to 0.16 in 14 bins): on BD gender tells half
# of it.


@cache
def unlearned(alpha: float, seed: int) -> tuple[MixingScore, ProbeResult, float]:
    """How mixed the genders are on EBD, what a fresh probe finds of them, and h's last loss, after training on BD."""
    config = preset("demo", "jlu", epochs=5, batch_size=32, lr=0.02, bias_lr=0.05, confusion_weight=alpha, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = face_network()
    history, _ = fit_jlu(network, synthetic_faces("bd", n=1000, size=32, learn="age"), config, device="cpu", progress=False)
    balanced = synthetic_faces("ebd", size=32, learn="age")
    features = embeddings(network, balanced)
    return mixing_score(features, balanced.group), probe_leakage(features, balanced.group), history[-1]["bias_loss"]


def test_genders_mix_as_jlu_unlearns_them() -> None:
    """In the mean of three seeds: rounding alone moves one seed's mixing from 0.65 to 0.43 on a processor without AVX-512."""
    apart, mixed = ([unlearned(alpha, seed) for seed in (0, 1, 2)] for alpha in (0.0, 1.0))

    def gain(measure: Callable[[tuple[MixingScore, ProbeResult, float]], float]) -> float:
        return sum(map(measure, mixed)) / 3 - sum(map(measure, apart)) / 3

    assert gain(lambda found: found[0].score) > 0.12
    assert gain(lambda found: found[1].accuracy) < -0.04
    assert gain(lambda found: found[2]) > 0.2, "h, which had all the turns it wanted, reads the gender worse too"


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_controls_of_the_score_and_the_probe(alpha: float) -> None:
    score, probe, _ = unlearned(alpha, 0)
    assert abs(score.control - 1) < 0.1
    assert abs(probe.control_accuracy - 0.5) < 0.08
