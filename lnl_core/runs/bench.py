"""How fast is one epoch, beside a straightforward reference (``lnl bench``), and what bounds it (:func:`roofline`)?"""

import copy
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lnl_core.config import RunConfig, preset
from lnl_core.datasets.colored_mnist import colored_mnist
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.synthetic.animals import animals
from lnl_core.datasets.synthetic.faces import synthetic_faces
from lnl_core.errors import ConfigError
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import LNLNetwork, NormalizedConv
from lnl_core.runs.provenance import provenance
from lnl_core.training.devices import choose_device
from lnl_core.training.loop import fit
from lnl_core.training.precision import native_bf16

BATCH = 128
"""Images a step of the benchmark: the batch of the paper's digits."""


def find_reference(path: Path | str | None = None) -> Path:
    """The script ``benchmarks/reference.py``, which belongs to the repository and not to the package.

    Raises:
        ConfigError: if the file is not there.
    """
    file = Path(path) if path else Path(__file__).resolve().parents[2] / "benchmarks" / "reference.py"
    if not file.is_file():
        raise ConfigError(f"{file} does not exist: run lnl bench from a checkout, or leave the reference out with --no-reference")
    return file


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _config(method: str, variant: str) -> RunConfig:
    return preset("full", method, color_var=0.03, epochs=1, precision=variant)


def _our_epoch(data: BiasedImages, method: str, variant: str) -> float:
    config = _config(method, variant)
    network = build_network(config)
    warm_up = data.subset(slice(0, 4 * BATCH))
    fit(build_network(config), warm_up, config, progress=False)
    return _seconds(lambda: fit(network, data, config, progress=False))


_LIKE_LNL: dict[str, Any] = {"color_var": 0.03, "epochs": 1, "network": None, "optimizer": "sgd"}
"""What makes the preset of mi_backprop comparable with that of lnl."""


def precisions(device: torch.device) -> tuple[str, ...]:
    """What is worth timing: float32, and bf16 where the device does not only imitate it."""
    return ("float32", "bf16") if native_bf16(device) else ("float32",)


def _mi_variants(fast: str) -> dict[str, dict[str, Any]]:
    """mi_backprop in float32, and in the fastest precision of the device as it is, with older features, and with its authors' f."""
    return {
        "mi_backprop float32": {"features": "vector", "precision": "float32"},
        f"mi_backprop {fast}": {"features": "vector", "precision": fast},
        f"mi_backprop {fast}, features every 4 steps": {"features": "vector", "precision": fast, "statistics_refresh": 4},
        f"mi_backprop {fast}, network of its authors": {"network": "ragonesi", "precision": fast},
    }


def mi_backprop_cost(data: BiasedImages, repeats: int = 1) -> dict[str, float]:
    """What an epoch of mi_backprop with K = 40 costs, in epochs of lnl in the same precision, measured in turn.

    Only as many images are used as make K + 1 batches: from there on the quotient is that of whole epochs.

    Args:
        data: at least two batches of digits.
        repeats: rounds; the smallest time of each side counts.
    """
    some, warm_up = data.subset(slice(0, min(len(data), 41 * BATCH))), data.subset(slice(0, 2 * BATCH))
    seconds: dict[str, float] = {}
    timed = precisions(choose_device())
    variants = _mi_variants(timed[-1])

    def measure(name: str, work: Callable[..., Any], config: RunConfig) -> None:
        work(build_network(config), warm_up, config, progress=False)
        taken = _seconds(lambda: work(build_network(config), some, config, progress=False))
        seconds[name] = min(seconds.get(name, float("inf")), taken)

    for _ in range(repeats):
        for precision in timed:
            measure(precision, fit, _config("lnl", precision))
        for name, changes in variants.items():
            measure(name, fit, preset("full", "mi_backprop", **{**_LIKE_LNL, **changes}))
    return {name: seconds[name] / seconds[str(changes["precision"])] for name, changes in variants.items()}


def photograph_costs(repeats: int = 1, *, pictures: int = 1000, steps: int = 8) -> dict[str, float]:
    """What the experiments on photographs cost, at 64 pixels a side and measured on synthetic pictures.

    Args:
        repeats: rounds; the smallest time of each side counts.
        pictures: how many are drawn.
        steps: of ResNet-18, batch 64, in a round.

    Returns:
        "animals drawn a second", "faces drawn a second", and "ResNet-18: lnl / baseline", the ratio of the time of a step.
    """
    best: dict[str, float] = {}

    def measure(name: str, work: Callable[[], Any]) -> None:
        best[name] = min(best.get(name, float("inf")), _seconds(work))

    data = synthetic_faces("eb1", size=64, n=64 * steps, learn="gender")
    for _ in range(repeats):
        measure("animals", lambda: animals("tb1", size=64, n=pictures))
        measure("faces", lambda: synthetic_faces("eb1", size=64, n=pictures))
        for method in ("baseline", "lnl"):
            config = preset("short", method, experiment="faces", epochs=1)
            network = build_network(config)
            fit(build_network(config), data.subset(slice(0, 128)), config, progress=False)  # warm-up
            measure(method, lambda n=network, c=config: fit(n, data, c, progress=False))  # type: ignore[misc]
    drawn = {f"{name} drawn a second": pictures / best[name] for name in ("animals", "faces")}
    return {**drawn, "ResNet-18: lnl / baseline": best["lnl"] / best["baseline"]}


def _reference_epoch(images: Path, method: str, script: Path) -> float:
    """Seconds of one epoch of the reference, in a process of its own with its own memory."""
    done = subprocess.run((sys.executable, str(script), method, str(images)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{script} failed: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def import_seconds(repeats: int = 5) -> float:
    """Seconds that ``import lnl_core`` adds to a fresh Python in which torch is imported; the median of several."""
    code = "import torch, time; t = time.perf_counter(); import lnl_core; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout)
        for _ in range(repeats)
    ]
    return sorted(times)[repeats // 2]


def benchmark(
    *, source: str = "auto", data_dir: Path | str | None = None, size: int | None = None, reference: bool = True, repeats: int = 1
) -> dict[str, Any]:
    """Time one epoch of baseline and lnl, in the precisions of :func:`precisions`, and the reference's, in turn.

    Args:
        source, data_dir: see :func:`lnl_core.datasets.colored_mnist`; the goals are set for the full MNIST.
        size: use only the first so many images and scale nothing; for a quick look.
        reference: also time ``benchmarks/reference.py`` (minutes on a CPU).
        repeats: rounds; the smallest time of each side counts.

    Returns:
        seconds of every side, ratios reference / ours, memory (peak resident MiB of this process, data made included; the
        reference runs in another), the seconds of making the data and of the import, and where it was measured.
    """
    device = choose_device()
    data: list[BiasedImages] = []
    made = _seconds(lambda: data.append(colored_mnist("trainval", 0.03, source=source, data_dir=data_dir)))
    images = data[0] if size is None else data[0].subset(slice(0, size))
    seconds: dict[str, float] = {}

    def measure(name: str, work: Callable[[], float]) -> None:
        seconds[name] = min(seconds.get(name, float("inf")), work())

    timed = precisions(device)
    script = find_reference() if reference else None
    for _ in range(repeats):
        for method in ("baseline", "lnl"):
            for variant in timed:
                measure(f"{method} {variant}", lambda m=method, v=variant: _our_epoch(images, m, v))  # type: ignore[misc]
    # Linux counts kilobytes, macOS bytes.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if platform.system() == "Darwin" else 1024)
    if script is not None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "images.npz"
            np.savez(file, images=images.images.permute(0, 2, 3, 1).numpy(), labels=images.labels.numpy())
            for _ in range(repeats):
                for method in ("baseline", "lnl"):
                    measure(f"{method} reference", lambda m=method: _reference_epoch(file, m, script))  # type: ignore[misc]
    ratios = {
        f"{method} reference / {variant}": seconds[f"{method} reference"] / seconds[f"{method} {variant}"]
        for method in ("baseline", "lnl")
        for variant in timed
        if reference
    }
    return {
        "images": len(images),
        "source": images.source,
        "repeats": repeats,
        "seconds": seconds,
        "ratios": ratios,
        "lnl / baseline": seconds[f"lnl {timed[-1]}"] / seconds[f"baseline {timed[-1]}"],
        "mi_backprop / lnl": mi_backprop_cost(images, repeats),
        "photographs": photograph_costs(repeats),
        "data_seconds": made,
        "peak_memory_mib": memory,
        "import_seconds": import_seconds(),
        "environment": provenance(datetime.now(UTC), 0.0, device),
    }


def report(results: dict[str, Any]) -> str:
    """The benchmark as a few readable lines."""
    lines = [f"{results['images']:,} images of {results['source']}, one epoch, batch {BATCH}, {results['environment']['device']}"]
    lines += [f"{name:<24}{value:8.1f} s" for name, value in results["seconds"].items()]
    if "lnl bf16" not in results["seconds"]:
        lines.append("bf16 is not timed: it is slower than float32 on this device")
    lines += [f"{name:<32}{value:6.2f} times" for name, value in results["ratios"].items()]
    lines += [f"{name:<52}{value:6.1f} epochs of lnl" for name, value in results["mi_backprop / lnl"].items()]
    lines += [f"{name:<32}{value:10,.2f}" for name, value in results["photographs"].items()]
    lines.append(f"making the data {results['data_seconds']:.1f} s, peak memory {results['peak_memory_mib']:.0f} MiB")
    lines.append(f"import lnl_core adds {results['import_seconds']:.3f} s to importing torch")
    return "\n".join(lines)


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs in one step of ``lnl``.

    Attributes:
        part: "f", "g" or "h".
        layer: its kind.
        shape: of its output for one image.
        forward: operations of the forward pass; a multiply-add counts as two, anything else as none.
        operations: those of the whole step.
        traffic: bytes of the whole step between the layer and memory.
    """

    part: str
    layer: str
    shape: tuple[int, ...]
    forward: int
    operations: int
    traffic: int

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / self.traffic


def roofline(
    network: LNLNetwork, batch: int = BATCH, *, size: tuple[int, int, int] = (3, 28, 28), width: int = 4
) -> list[LayerCost]:
    """Operations and bytes of every layer of f, g and h in one step of ``lnl``; the baseline's step is that of f and g alone.

    Counted is the least that layers cost that pass nothing on in a cache: each pass reads what it needs once and writes what it
    makes once. Gradients come down through h twice, once for f and once for h's own weights, of which the second stops at h's first
    layer; none reaches the images.

    Args:
        network: any f, g and h made of the layers that the networks of this library are made of.
        batch: images a step.
        size: of one image.
        width: bytes a value, 4 for float32 and 2 for bf16. Indices of max-pooling always have 8.
    """
    network = copy.deepcopy(network).to("meta").train()
    images = torch.empty(batch, *size, device="meta")
    features = network.extractor(images)
    costs: list[LayerCost] = []
    for part, module, inputs in (
        ("f", network.extractor, images),
        ("g", network.label_head, features),
        ("h", network.bias_head, features),
    ):
        for number, (layer, before, after) in enumerate(_layers(module, inputs)):
            down = int(number > 0) if part == "f" else 2 if part == "h" and number > 0 else 1
            forward, operations, values, indices = _count(layer, before, after, down)
            name = type(layer).__name__
            shape = tuple(after.shape[1:])
            costs.append(LayerCost(part, name, shape, forward, operations, values * width + indices * 8))
    return costs


def _layers(module: nn.Module, inputs: Tensor) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """The layers that compute something, in order, each with its input and output."""
    found: list[tuple[nn.Module, Tensor, Tensor]] = []
    inside = {child for layer in module.modules() if isinstance(layer, NormalizedConv) for child in layer.children()}
    for layer in module.modules():
        whole = isinstance(layer, NormalizedConv) or not list(layer.children())
        if whole and layer not in inside and not isinstance(layer, nn.Flatten):
            layer.register_forward_hook(lambda layer, given, result: found.append((layer, given[0], result)))
    module(inputs)
    return found


def _count(layer: nn.Module, x: Tensor, y: Tensor, down: int) -> tuple[int, int, int, int]:
    """Forward and all operations, values and indices moved, if ``down`` gradients pass through the layer."""
    conv = layer.conv if isinstance(layer, NormalizedConv) else layer
    if isinstance(conv, nn.Conv2d | nn.Linear):
        weights, inputs, extra = conv.weight.numel(), x.numel(), 0
        if isinstance(layer, NormalizedConv):  # a channel of ones more, and reads for mean, variance and the copy with that channel
            ones = x.numel() // x.shape[1]
            weights, inputs = weights + weights // x.shape[1], inputs + ones
            extra = 3 * x.numel() + inputs
        forward = 2 * y.numel() * (weights // conv.weight.shape[0])
        passes = 2 + down  # forward, weight gradient, input gradients: each touches input, weights and output
        return forward, passes * forward, passes * (inputs + weights + y.numel()) + extra, 0
    if isinstance(layer, nn.MaxPool2d):
        return 0, 0, (1 + down) * (x.numel() + y.numel()), (1 + down) * y.numel()
    if isinstance(layer, nn.BatchNorm2d):  # forward: read for the statistics, read, write; back: two of each for the sums, ...
        return 0, 0, (3 + 5 * down) * y.numel(), 0
    if isinstance(layer, nn.ReLU):  # in place; back: read the output and the gradient, write
        return 0, 0, (2 + 3 * down) * y.numel(), 0
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        return 0, 0, (1 + down) * (x.numel() + y.numel()), 0
    raise ConfigError(f"the roofline does not know layers of kind {type(layer).__name__}: leave it out, or teach it")


def roofline_markdown(costs: list[LayerCost]) -> str:
    """The table of a roofline, with the sums of the baseline's step (f and g) and of lnl's."""

    def row(part: str, layer: str, shape: str, forward: int, operations: int, traffic: int) -> str:
        ratio = f"{operations / traffic:.0f}" if operations else "–"
        return f"| {part} | {layer} | {shape} | {forward / 1e6:,.0f} | {operations / 1e6:,.0f} | {traffic / 1e6:,.1f} | {ratio} |"

    def total(name: str, parts: str) -> str:
        chosen = [cost for cost in costs if cost.part in parts]
        sums = (sum(getattr(cost, key) for cost in chosen) for key in ("forward", "operations", "traffic"))
        return row("", f"**{name}**", "", *sums)

    lines = ["| | layer | output | Mop forward | Mop a step | MB a step | op/byte |", "|---|---|---|---:|---:|---:|---:|"]
    for cost in costs:
        shape = " × ".join(map(str, cost.shape))
        lines.append(row(f"${cost.part}$", cost.layer, shape, cost.forward, cost.operations, cost.traffic))
    return "\n".join([*lines, total("baseline: f and g", "fg"), total("lnl: f, g and h", "fgh")])


def roofline_seconds(costs: list[LayerCost], operations_per_second: float, bytes_per_second: float) -> float:
    """The least time of a step: every layer waits for its arithmetic or for its memory, whichever takes longer."""
    return sum(max(cost.operations / operations_per_second, cost.traffic / bytes_per_second) for cost in costs)


def device_limits(device: torch.device | None = None, repeats: int = 30) -> dict[str, float]:
    """The two roofs as measured: operations/s of a large 3x3 convolution, bytes/s of a large copy (read and write)."""
    device = choose_device() if device is None else device
    images, channels, side = (4 if device.type == "cpu" else 256), 128, 28
    operations = 2 * images * channels * side**2 * channels * 9
    limits: dict[str, float] = {}
    for name in precisions(device):
        dtype = {"float32": torch.float32, "bf16": torch.bfloat16}[name]
        x = torch.randn(images, channels, side, side, device=device).to(dtype, memory_format=torch.channels_last)
        layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(device, dtype).to(memory_format=torch.channels_last)
        with torch.no_grad():
            fastest = min(_seconds(lambda x=x, layer=layer: layer(x)) for _ in range(repeats))  # type: ignore[misc]
        limits[f"{name} operations/s"] = operations / fastest
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    limits["bytes/s"] = 2 * source.nbytes / min(_seconds(lambda: target.copy_(source)) for _ in range(repeats))
    return limits
