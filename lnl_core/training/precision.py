"""Which precision a run is computed in: bf16 autocast where the device computes bf16 faster than float32, else float32."""

import logging
import platform
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lnl_core.config import RunConfig

_log = logging.getLogger(__name__)


def native_bf16(device: torch.device) -> bool:
    """Whether ``device`` has instructions for bf16 that make a step faster than in float32.

    torch is asked, and the limits that ``ATEN_CPU_CAPABILITY`` and ``ONEDNN_MAX_CPU_ISA`` set are heeded. An Intel processor must
    have AMX tiles: its AVX-512 multiplies bf16 at half the speed of float32. Apple's MPS has never been measured here and counts
    as a device without.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    return device.type == "cpu" and _cpu_computes_bf16()


def _cpu_computes_bf16() -> bool:
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    has = {name: bool(getattr(torch.cpu, f"_is_{name}_supported", bool)()) for name in ("avx512", "avx512_bf16", "amx_tile")}
    if not has["avx512"]:  # mkldnn's answer is about other processors' own instructions
        return not getattr(torch.cpu, "_is_avx2_supported", bool)()
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    return has["amx_tile"] or (has["avx512_bf16"] and not _made_by_intel())


@cache
def _made_by_intel() -> bool:
    try:
        vendor = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        vendor = platform.processor()
    return "GenuineIntel" in vendor


def settle(config: RunConfig, device: torch.device, begun: str | None = None) -> RunConfig:
    """The configuration with the precision that it is trained in: "float32" or "bf16" in the place of "auto".

    Args:
        config: any configuration.
        device: where it is to run.
        begun: the precision of an interrupted run that is to go on. "auto" keeps it: one run has one precision.
    """
    if config.precision != "auto":
        return config
    used = begun or ("bf16" if native_bf16(device) else "float32")
    return config.with_options(precision=used)


def reason(asked: str, used: str, device: torch.device, begun: str | None = None) -> str:
    """Why a run was computed in precision ``used``, in one sentence for its record."""
    if asked != "auto":
        return f"{asked} was asked for by name"
    if begun:
        return f"auto: the run was begun in {begun}"
    return f"auto: {device.type} {'has' if used == 'bf16' else 'has no'} fast instructions for bf16"


def warn_if_emulated(config: RunConfig, device: torch.device) -> None:
    """Say in one line that bf16, where the device has no fast instructions for it, is slow."""
    if config.precision == "bf16" and not native_bf16(device):
        _log.warning("precision 'bf16' is slower than float32 on this device: leave it at 'auto'")


def autocast(config: RunConfig, device: torch.device) -> AbstractContextManager[Any]:
    """bf16 autocast if the configuration comes to it on this device; the losses compute in float32 all the same."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=settle(config, device).precision == "bf16")
