"""How fast is one epoch, beside a straightforward reference? Measured, never tested: run it with ``lnl bench``."""

import importlib.util
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from lnl_core.config import RunConfig, preset
from lnl_core.datasets.colored_mnist import colored_mnist
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.networks import build_network
from lnl_core.records import provenance
from lnl_core.training import choose_device, fit

BATCH = 128


def find_reference(path: Path | str | None = None) -> Callable[..., float]:
    """``train_epoch`` of ``benchmarks/reference.py``, which belongs to the repository and not to the package.

    Raises:
        ConfigError: if the file is not there.
    """
    file = Path(path) if path else Path(__file__).resolve().parents[1] / "benchmarks" / "reference.py"
    if not file.is_file():
        raise ConfigError(f"{file} does not exist: run lnl bench from a checkout, or leave the reference out with --no-reference")
    spec = importlib.util.spec_from_file_location("lnl_reference", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    train_epoch: Callable[..., float] = module.train_epoch
    return train_epoch


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


def _reference_epoch(data: BiasedImages, method: str, train_epoch: Callable[..., float]) -> float:
    images, labels = data.images.permute(0, 2, 3, 1).contiguous().numpy(), data.labels.numpy()
    train_epoch(images[: 4 * BATCH], labels[: 4 * BATCH], method)
    return _seconds(lambda: train_epoch(images, labels, method))


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
    """Time one epoch of baseline and lnl, in float32 and in bf16, and the reference's, in turn.

    Args:
        source, data_dir: see :func:`lnl_core.datasets.colored_mnist`; the goals are set for the full MNIST.
        size: use only the first so many images and scale nothing; for a quick look.
        reference: also time ``benchmarks/reference.py`` (minutes on a CPU).
        repeats: rounds; the smallest time of each side counts.

    Returns:
        seconds of every side, ratios reference / ours, memory (peak resident MiB of this process before the reference ran,
        data made included), the seconds of making the data and of the import, and where it was measured.
    """
    device = choose_device()
    data: list[BiasedImages] = []
    made = _seconds(lambda: data.append(colored_mnist("trainval", 0.03, source=source, data_dir=data_dir)))
    images = data[0] if size is None else data[0].subset(slice(0, size))
    seconds: dict[str, float] = {}

    def measure(name: str, work: Callable[[], float]) -> None:
        seconds[name] = min(seconds.get(name, float("inf")), work())

    memory = 0.0
    train_epoch = find_reference() if reference else None
    for _ in range(repeats):
        for method in ("baseline", "lnl"):
            for variant in ("float32", "bf16"):
                measure(f"{method} {variant}", lambda m=method, v=variant: _our_epoch(images, m, v))  # type: ignore[misc]
        # Linux counts kilobytes, macOS bytes; read before the reference adds its own.
        memory = memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if platform.system() == "Darwin" else 1024)
        if train_epoch is not None:
            for method in ("baseline", "lnl"):
                measure(f"{method} reference", lambda m=method: _reference_epoch(images, m, train_epoch))  # type: ignore[misc]
    ratios = {
        f"{method} reference / {variant}": seconds[f"{method} reference"] / seconds[f"{method} {variant}"]
        for method in ("baseline", "lnl")
        for variant in ("float32", "bf16")
        if reference
    }
    return {
        "images": len(images),
        "source": images.source,
        "repeats": repeats,
        "seconds": seconds,
        "ratios": ratios,
        "lnl / baseline": seconds["lnl bf16"] / seconds["baseline bf16"],
        "data_seconds": made,
        "peak_memory_mib": memory,
        "import_seconds": import_seconds(),
        "environment": provenance(datetime.now(UTC), 0.0, device),
    }


def report(results: dict[str, Any]) -> str:
    """The benchmark as a few readable lines."""
    lines = [f"{results['images']:,} images of {results['source']}, one epoch, batch {BATCH}, {results['environment']['device']}"]
    lines += [f"{name:<24}{value:8.1f} s" for name, value in results["seconds"].items()]
    lines += [f"{name:<32}{value:6.2f} times" for name, value in results["ratios"].items()]
    lines.append(f"making the data {results['data_seconds']:.1f} s, peak memory {results['peak_memory_mib']:.0f} MiB")
    lines.append(f"import lnl_core adds {results['import_seconds']:.3f} s to importing torch")
    return "\n".join(lines)
