"""The device that a run is trained on, and what is moved there."""

import torch

from lnl_core._files import variable
from lnl_core.config import RunConfig
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.networks.parts import LNLNetwork


def choose_device(name: str = "auto") -> torch.device:
    """The device to run on: CUDA, else Apple's MPS, else the CPU; ``name`` (or ``LNL_DEVICE``) names one instead.

    Raises:
        ConfigError: if the named device is not there.
    """
    name = (variable("LNL_DEVICE") or "auto").strip() if name == "auto" else name
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    try:
        device = torch.device(name)
        there = present[device.type]
    except (RuntimeError, KeyError):
        raise ConfigError(f"unknown device {name!r}: choose auto, cuda, mps or cpu") from None
    if not there or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ConfigError(f"device {name!r} is not available here: choose auto or cpu")
    return device


def moved(network: LNLNetwork, data: BiasedImages, config: RunConfig, device: torch.device) -> BiasedImages:
    """Move the network, in place, and the data to the device they are trained on, as ``config`` lays out memory."""
    network.to(device)
    if config.channels_last:
        network.to(memory_format=torch.channels_last)
    return data if data.device == device else data.to(device)
