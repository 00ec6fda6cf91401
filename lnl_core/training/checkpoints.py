"""What a run keeps after every epoch, and how it goes on from there: the same run on the same data, or none."""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor

from lnl_core._files import user_path, write_atomically
from lnl_core.config import RunConfig
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import RecordError
from lnl_core.methods import trains_h
from lnl_core.networks.parts import LNLNetwork
from lnl_core.training.optimisers import _Optimizers
from lnl_core.training.precision import settle, warn_if_emulated

CHECKPOINT = "checkpoint.safetensors"
_FORMAT = "lnl_core checkpoint 1"
Metrics = dict[str, float]


def settled(config: RunConfig, device: torch.device, folder: Path | None) -> RunConfig:
    """:func:`lnl_core.training.precision.settle` for a training that may go on from a checkpoint in ``folder``; warns if slow."""
    begun = None
    if config.precision == "auto" and folder is not None and (folder / CHECKPOINT).exists():
        begun = _config_of(read_safetensors(folder / CHECKPOINT, _FORMAT)[1]).precision
    config = settle(config, device, begun)
    warn_if_emulated(config, device)
    return config


def _config_of(metadata: dict[str, str]) -> RunConfig:
    return RunConfig.from_dict(json.loads(metadata["config"]))


def _fingerprint(data: BiasedImages) -> str:
    """Twelve hex digits that tell data sets apart: sizes, all labels, and every so many images with their bias labels."""
    index = torch.arange(0, len(data), max(1, len(data) // 256), device=data.device)
    some = data.subset(index)
    digest = hashlib.sha256(str(tuple(data.images.shape)).encode())
    for part in (data.labels, some.images, some.bias):
        digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _save_checkpoint(
    path: Path,
    network: LNLNetwork,
    optimizers: _Optimizers,
    config: RunConfig,
    history: list[Metrics],
    data: str,
    more: dict[str, Tensor] | None = None,
    notes: dict[str, str] | None = None,
) -> None:
    from safetensors.torch import save_file

    all_of_it = {f"network.{name}": value for name, value in network.state_dict().items()} | optimizers.state() | (more or {})
    tensors = {name: value.detach().cpu().contiguous() for name, value in all_of_it.items()}
    metadata = {"format": _FORMAT, "config": json.dumps(config.to_dict()), "history": json.dumps(history), "data": data}
    metadata |= notes or {}
    write_atomically(path, lambda temporary: save_file(tensors, str(temporary), metadata=metadata))


def read_safetensors(path: Path, expected_format: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of one of our safetensors files.

    Raises:
        RecordError: if the file is missing, damaged, or not of ``expected_format``.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise RecordError(f"{path} does not exist: train a model first, or check the path")
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise RecordError(
            f"{path} is not a readable safetensors file ({error}): it is damaged or was not written by lnl_core"
        ) from None
    if metadata.get("format") != expected_format:
        raise RecordError(f"{path} was not written by this version of lnl_core (expected format {expected_format!r})")
    return tensors, metadata


def restore(network: LNLNetwork, folder: Path | str) -> int:
    """Give ``network`` the weights of the last good epoch of a run that was stopped, to begin another run from them.

    The optimisers begin anew, and the other run needs a folder of its own: its configuration does not say where it began.

    Args:
        network: of the same layers as the run's; changed in place.
        folder: of the run, with its checkpoint.

    Returns:
        The number of epochs behind these weights.

    Raises:
        RecordError: no checkpoint, a damaged one, or one of another network.
    """
    folder = user_path(folder)
    tensors, metadata = read_safetensors(folder / CHECKPOINT, _FORMAT)
    _load_weights(network, tensors, folder)
    network.h_trained = trains_h(_config_of(metadata).method) or network.h_trained
    return len(_history(metadata, folder))


def checkpoint_history(folder: Path | str) -> list[Metrics]:
    """The epochs that the checkpoint in ``folder`` holds, one dictionary each; empty without one. ``metrics.jsonl`` is a copy.

    Raises:
        RecordError: if the checkpoint is damaged or not ours.
    """
    folder = user_path(folder)
    path = folder / CHECKPOINT
    return _history(read_safetensors(path, _FORMAT)[1], folder) if path.exists() else []


def _history(metadata: dict[str, str], folder: Path) -> list[Metrics]:
    try:
        history: list[Metrics] = json.loads(metadata["history"])
    except (KeyError, ValueError):
        raise RecordError(f"the checkpoint in {folder} has a damaged header: choose another folder or delete this one") from None
    return history


def _load_weights(network: LNLNetwork, tensors: dict[str, Tensor], folder: Path) -> None:
    try:
        network.load_state_dict({n.removeprefix("network."): value for n, value in tensors.items() if n.startswith("network.")})
    except RuntimeError:
        raise RecordError(f"the checkpoint in {folder} belongs to another network: choose another folder") from None


def _resume(path: Path, network: LNLNetwork, optimizers: _Optimizers, config: RunConfig, data: str) -> list[Metrics]:
    """Load network, momentum and history from a checkpoint of the same run on the same data."""
    tensors, metadata = read_safetensors(path, _FORMAT)
    same_run(config, _config_of(metadata), path.parent)
    if metadata.get("data") != data:
        raise RecordError(f"the checkpoint in {path.parent} was trained on other data: choose another folder or delete this one")
    _load_weights(network, tensors, path.parent)
    optimizers.load_state(tensors)
    return _history(metadata, path.parent)


def same_run(config: RunConfig, other: RunConfig, folder: Path) -> None:
    """Refuse to continue or to reuse ``folder`` if it holds a run of another configuration, or of another precision by name.

    Raises:
        RecordError: naming the first hyper-parameters that differ.
    """
    other_precision = config.precision not in ("auto", other.precision)
    if config.fingerprint() != other.fingerprint() or other_precision:
        mine, theirs = config.to_dict(), other.to_dict()
        odd = [name for name in mine if mine[name] != theirs[name] and (name != "precision" or other_precision)]
        differing = [f"{name} {theirs[name]!r} instead of {mine[name]!r}" for name in odd]
        raise RecordError(f"{folder} holds another run ({', '.join(differing[:3])}): choose another folder or delete this one")


def write_history(folder: Path, history: list[Metrics]) -> None:
    """Write ``metrics.jsonl``, one line an epoch."""
    text = "".join(json.dumps(line) + "\n" for line in history)
    write_atomically(folder / "metrics.jsonl", lambda temporary: temporary.write_text(text, encoding="utf-8"))
