"""Kinds of probe: the three of ours as they have always been, one from outside, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lnl_core._random import seeded
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation import PROBES, Probe, code_length, find_probe, leakage, probe_kinds, probe_leakage, probes, register_probe


@pytest.fixture(autouse=True)
def _quick_and_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for measure in (probe_leakage, code_length):
        monkeypatch.setitem(measure.__kwdefaults__ or {}, "steps", 20)
    monkeypatch.setattr(probe_kinds, "PROBES", dict(PROBES))


def maps() -> tuple[Tensor, Tensor]:
    """240 maps (4, 6, 6) whose first channel tells the bias, one of three, and whose second one is 0."""
    generator = torch.Generator().manual_seed(0)
    bias = torch.randint(0, 3, (240,), generator=generator)
    found = torch.randn(240, 4, 6, 6, generator=generator)
    found[:, 0] += 0.7 * bias.view(-1, 1, 1)
    found[:, 1] = 0.0
    return found, bias


@pytest.mark.parametrize(
    ("kind", "accuracy", "information", "control"),
    [
        ("linear", 0.71667, 0.431339, -0.025400),
        ("mlp", 0.75833, 0.560561, -0.030012),
        ("conv", 0.95833, 0.899160, -0.004257),
    ],
)
def test_our_three_read_what_they_read_when_they_were_one_function(
    kind: str, accuracy: float, information: float, control: float
) -> None:
    """Against values from before a probe could be registered; on one machine they were the same to the last bit."""
    found = probe_leakage(*maps(), kind=kind, epochs=2, seed=3)
    assert found.accuracy == pytest.approx(accuracy, abs=0.01)
    assert (found.information, found.control_information) == pytest.approx((information, control), abs=2e-3)


def test_our_three_are_drawn_as_they_always_were() -> None:
    """The order of layers is the order of random numbers: another one would change every record to come."""
    shape = torch.Size((4, 6, 6))
    wanted: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: nn.Linear(144, 3),
        "mlp": lambda: nn.Sequential(nn.Linear(144, 256), nn.Linear(256, 3)),
        "conv": lambda: nn.Sequential(nn.Conv2d(4, 32, 3, padding=1), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.Linear(64, 3)),
    }
    assert list(PROBES) == list(wanted)
    for kind, plain in wanted.items():
        states = []
        for build in (lambda kind=kind: find_probe(kind).build(shape, 3), plain):
            with seeded(5):
                states.append(list(build().state_dict().values()))
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(*states, strict=True)), kind


class Normalized(nn.Module):
    """A batch norm, whose running means are no parameters, dropout, and a linear layer."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(inputs), nn.Dropout(0.2), nn.Linear(inputs, classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


def test_a_probe_of_ones_own_is_measured_as_ours_are() -> None:
    features, bias = maps()
    register_probe(Probe("normalized", lambda shape, classes: Normalized(shape.numel(), classes)))
    found = leakage(features, bias, kind="normalized", seeds=2)
    assert (found.kind, found.seeds) == ("normalized", 2)
    assert found.accuracy.mean > 0.6 > 0.5 > found.control.mean
    assert found.accuracy == leakage(features, bias, kind="normalized", seeds=2).accuracy, "dropout is off while it is measured"
    assert code_length(features, bias, kind="normalized", epochs=1, seeds=1).kind == "normalized"


def test_the_best_epoch_of_a_probe_has_the_running_means_of_that_epoch() -> None:
    features, bias = maps()
    register_probe(Probe("normalized", lambda shape, classes: Normalized(shape.numel(), classes)))
    trained = probes.train_probe("normalized", features.shape[1:], 5 + features.flatten(1), bias, 3, 2, 0, steps=20)
    norm = next(layer for layer in trained.modules() if isinstance(layer, nn.BatchNorm1d))
    assert not trained[0].training  # type: ignore[index]
    assert norm.running_mean is not None
    assert float(norm.running_mean.mean()) > 1


def built(network: Any) -> Callable[[torch.Size, int], Any]:
    return lambda shape, classes: network


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        ("tree", "^a probe is an object of lnl_core.evaluation.Probe, got 'tree'$"),
        (Probe("", built(None)), "^the probe '' lacks a name of letters, digits and _: see"),
        (Probe("a,b", built(None)), "^the probe 'a,b' lacks a name of letters, digits and _: see"),
        (Probe("tree", None), "^the probe 'tree' lacks a function build: see lnl_core.evaluation.Probe$"),  # type: ignore[arg-type]
        (Probe("tree", built(None), "no"), "^the probe 'tree' lacks skips_constant, true or false: see"),  # type: ignore[arg-type]
        (Probe("mlp", built(None)), "^there is a probe 'mlp' already: choose another name$"),
    ],
)
def test_a_probe_that_lacks_a_part_is_refused(probe: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        register_probe(probe)
    assert list(probe_kinds.PROBES) == ["linear", "mlp", "conv"]


@pytest.mark.parametrize(
    ("network", "skips", "message"),
    [
        (None, False, "must build a torch.nn.Module with weights to train, got None"),
        (nn.ReLU(), False, r"must build a torch.nn.Module with weights to train, got ReLU\(\)"),
        (nn.Linear(144, 2), False, r"must give logits of shape \(N, 3\), got float32 of shape \(2, 2\) for two examples"),
        (nn.Sequential(nn.BatchNorm1d(144), nn.Linear(144, 3)), True, "so its first layer must be an nn.Linear of all of them"),
    ],
)
def test_what_a_probe_builds_has_to_be_a_network_that_reads(network: Any, skips: bool, message: str) -> None:
    register_probe(Probe("odd", built(network), skips))
    with pytest.raises(ConfigError, match=f"^the probe 'odd' .*{message}$"):
        probe_leakage(*maps(), kind="odd")


def test_an_unknown_probe_is_refused_with_those_that_there_are() -> None:
    register_probe(Probe("tree", built(None)))
    with pytest.raises(DataError, match=r"^unknown probe 'trees': choose one of linear, mlp, conv, tree$"):
        find_probe("trees")
