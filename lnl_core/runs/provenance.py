"""Where a result comes from: the code, the device, the packages and the time."""

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("torch", "numpy", "torchvision", "scikit-learn", "fairlearn", "lnl_core")


def _git(*arguments: str) -> str | None:
    here = Path(__file__).resolve().parents[1]  # the package
    try:
        done = subprocess.run(("git", "-C", str(here), *arguments), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """Versions of the packages a result depends on; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def device_name(device: torch.device) -> str:
    """The device in words: the GPU's name, or the processor's kind and the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


def describe_environment() -> str:
    """Versions and device in a few lines, for the end of a notebook."""
    from lnl_core.training.devices import choose_device

    lines = [f"{name} {number}" for name, number in versions().items()]
    return "\n".join([*lines, f"device {device_name(choose_device())}"])


def code_state() -> dict[str, Any]:
    """Commit and whether tracked files of the package differ from it; both None where no git repository tracks the package."""
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return {"commit": None, "dirty": None}
    dirty = bool(_git("status", "--porcelain", "--untracked-files=no", "--", "."))
    return {"commit": _git("rev-parse", "HEAD"), "dirty": dirty}


def provenance(started: datetime, seconds: float, device: torch.device, code: dict[str, Any] | None = None) -> dict[str, Any]:
    """Where a result comes from: commit, changed code, time, device and packages.

    ``code`` is what :func:`code_state` said when the work began; without it the code is looked up now, which after long work may
    be another.
    """
    return {
        **(code_state() if code is None else code),
        "started": started.astimezone(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "device": device_name(device),
        "packages": versions(),
    }
