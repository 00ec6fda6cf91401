"""The roofline: its counts against numbers worked out by hand and against the calls that a step really makes."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lnl_core.config import preset
from lnl_core.datasets import BiasedImages, synthetic_faces
from lnl_core.datasets.container import Batch
from lnl_core.errors import ConfigError
from lnl_core.methods import find
from lnl_core.networks import LNLNetwork, PixelBiasHead, digit_network
from lnl_core.runs import bench
from lnl_core.runs.bench import (
    LayerCost,
    device_limits,
    mi_backprop_cost,
    photograph_costs,
    precisions,
    roofline,
    roofline_markdown,
    roofline_seconds,
)
from tools import ROOT
from tools.pages.numbers import said


def total(costs: list[LayerCost], parts: str) -> int:
    return sum(cost.operations for cost in costs if cost.part in parts)


def test_the_layers_of_the_digit_network_are_all_there() -> None:
    assert [(cost.part, cost.layer, cost.shape) for cost in roofline(digit_network())] == [
        ("f", "NormalizedConv", (32, 28, 28)),
        ("f", "MaxPool", (32, 14, 14)),
        ("f", "ReLU", (32, 14, 14)),
        ("f", "Conv2d", (32, 14, 14)),
        ("f", "ReLU", (32, 14, 14)),
        ("g", "Conv2d", (64, 7, 7)),
        ("g", "ReLU", (64, 7, 7)),
        ("g", "Conv2d", (64, 7, 7)),
        ("g", "ReLU", (64, 7, 7)),
        ("g", "AdaptiveAvgPool2d", (64, 1, 1)),
        ("g", "Linear", (10,)),
        ("h", "Conv2d", (96, 14, 14)),
        ("h", "BatchNorm2d", (96, 14, 14)),
        ("h", "ReLU", (96, 14, 14)),
        ("h", "Conv2d", (24, 14, 14)),
    ]


def test_convolutions_by_hand() -> None:
    """Ten images. An output value costs two operations for each weight of its kernel."""
    first, *_, second = [cost for cost in roofline(digit_network(), 10) if cost.layer.endswith(("NormalizedConv", "Conv2d"))][:2]
    assert first.forward == 2 * 10 * (32 * 28 * 28) * (4 * 5 * 5), "three colours and a channel of ones"
    assert first.operations == 2 * first.forward, "forward and weight gradient; the images need none"
    values = 10 * 4 * 28 * 28 + 32 * 4 * 25 + 10 * 32 * 28 * 28
    assert first.traffic == 4 * (2 * values + 3 * 10 * 3 * 28 * 28 + 10 * 4 * 28 * 28)
    assert second.forward == 2 * 10 * (32 * 14 * 14) * (32 * 3 * 3)
    assert second.operations == 3 * second.forward
    assert second.traffic == 4 * 3 * (2 * 10 * 32 * 14 * 14 + 32 * 32 * 9)


def test_h_by_hand() -> None:
    """Two gradients come down as far as h's first layer; the last convolution has three groups."""
    first, norm, relu, last = [cost for cost in roofline(digit_network(), 10) if cost.part == "h"]
    assert (first.operations, last.operations) == (3 * first.forward, 4 * last.forward)
    assert last.forward == 2 * 10 * (24 * 14 * 14) * (32 * 3 * 3)
    values = 10 * 96 * 14 * 14
    assert last.traffic == 4 * 4 * (values + 24 * 32 * 9 + 10 * 24 * 14 * 14)
    assert norm.traffic == 4 * (3 + 2 * 5) * values
    assert relu.traffic == 4 * (2 + 2 * 3) * values


def test_elementwise_layers_by_hand() -> None:
    costs = roofline(digit_network(), 10)
    pool, relu = costs[1], costs[2]
    assert relu.traffic == 4 * 5 * 10 * 32 * 14 * 14
    assert pool.traffic == 4 * 2 * 10 * 32 * (28 * 28 + 14 * 14) + 8 * 2 * 10 * 32 * 14 * 14
    assert relu.operations == pool.operations == 0


def test_bf16_halves_all_but_indices() -> None:
    for wide, narrow in zip(roofline(digit_network(), 10), roofline(digit_network(), 10, width=2), strict=True):
        assert wide.operations == narrow.operations
        assert wide.layer == "MaxPool" or wide.traffic == 2 * narrow.traffic


class Operations(TorchDispatchMode):
    """Counts the operations of the convolutions and matrix products that run."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.count += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=result)
        return result


@pytest.mark.parametrize(("method", "parts"), [("baseline", "fg"), ("lnl", "fgh"), ("blind_eye", "fgh"), ("lnl_adv", "fgh")])
def test_a_step_computes_what_the_roofline_counts(method: str, parts: str, few: BiasedImages) -> None:
    """With one bias channel: torch counts the weight gradient of a convolution with groups as if it had none."""
    network = digit_network(bias_head=PixelBiasHead(channels=1)).train()
    batch = few.batch(slice(0, 4))
    with Operations() as operations:
        find(method).step(network, Batch(batch.images, batch.labels, batch.bias[:, :1]), preset("full", method))
    assert operations.count == total(roofline(network, 4), parts)


def test_the_network_is_left_alone() -> None:
    network = digit_network().eval()
    roofline(network)
    assert not network.training
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    assert not any(module._forward_hooks for module in network.modules())


def test_a_layer_that_is_not_known_is_refused() -> None:
    network = LNLNetwork(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU()), nn.Flatten(), nn.Flatten())
    with pytest.raises(ConfigError, match="the roofline does not know layers of kind GELU"):
        roofline(network)


def test_the_least_time_waits_for_arithmetic_or_memory() -> None:
    costs = [LayerCost("f", "a", (1,), 0, 100, 10), LayerCost("f", "b", (1,), 0, 0, 40), LayerCost("f", "c", (1,), 0, 10, 50)]
    assert roofline_seconds(costs, operations_per_second=10, bytes_per_second=5) == 10 + 8 + 10


NATIVE = pytest.mark.parametrize(("native", "timed"), [(True, ("float32", "bf16")), (False, ("float32",))])


@NATIVE
def test_limits_are_measured(native: bool, timed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lnl_core.runs.bench.native_bf16", lambda device: native)
    limits = device_limits(torch.device("cpu"), repeats=1)
    assert set(limits) == {*(f"{precision} operations/s" for precision in timed), "bytes/s"}
    assert all(value > 1e6 for value in limits.values())


def test_the_page_shows_the_table_and_what_follows_from_it() -> None:
    page = said("fast_training.md")
    costs = roofline(digit_network())
    assert roofline_markdown(costs) in (ROOT / "book" / "results" / "roofline.md").read_text(encoding="utf-8")
    assert "{include} results/roofline.md" in page
    steps = 7 * 3 * 4 * 100 * 469  # variances, seeds, methods, epochs, batches of 128 in 60,000
    operations = steps / 4 * 2 * (total(costs, "fg") + total(costs, "fgh"))
    half = roofline(digit_network(), width=2)
    traffic = steps / 4 * 2 * sum(cost.traffic * (2 if cost.part in "fg" else 1) for cost in half)
    for fact in (
        f"{steps / 1e6:.2f} million steps of one network",
        f"{operations / 1e15:.1f} · 10¹⁵ operations",
        f"{600e3 / steps:.2f} ms a step",
        f"{operations / 600 / 1e12:.0f} · 10¹² operations and, in bf16, {traffic / 600 / 1e12:.2f} · 10¹² bytes a second",
    ):
        assert fact in page, fact


def test_what_mi_backprop_costs_is_counted_in_epochs_of_lnl(few: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """With batches of 16, of which a full one and a smaller one are trained on."""
    config = bench._config
    monkeypatch.setattr(bench, "_config", lambda method, variant: config(method, variant).with_options(batch_size=16))
    costs = mi_backprop_cost(few.subset(slice(0, 20)))
    fast = precisions(torch.device("cpu"))[-1]
    assert set(costs) == {
        "mi_backprop float32",
        f"mi_backprop {fast}",
        f"mi_backprop {fast}, features every 4 steps",
        f"mi_backprop {fast}, network of its authors",
    }
    assert all(value > 0 for value in costs.values())


def test_the_costs_on_photographs_have_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """On pictures of 32 pixels a side: what is asked for is of 64, and takes four times as long."""
    sizes: list[int] = []

    def small(split: str, *, size: int, n: int, **rest: Any) -> BiasedImages:
        sizes.append(size)
        return synthetic_faces(split, size=32, n=n, **rest)

    monkeypatch.setattr(bench, "synthetic_faces", small)
    costs = photograph_costs(pictures=8, steps=1)
    assert list(costs) == ["animals drawn a second", "faces drawn a second", "ResNet-18: lnl / baseline"]
    assert min(costs.values()) > 0
    assert set(sizes) == {64}
