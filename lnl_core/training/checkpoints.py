"""What a run keeps after every epoch, and how it goes on from there: the same run on the same data, or none."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lnl_core._files import user_path, write_atomically
from lnl_core.config import RunConfig
from lnl_core.datasets.container import BiasedImages
from lnl_core.errors import ConfigError, RecordError
from lnl_core.methods import find
from lnl_core.networks.parts import LNLNetwork
from lnl_core.training.optimisers import load_optimizer_state, optimizer_state
from lnl_core.training.precision import settle, warn_if_emulated

if TYPE_CHECKING:
    from lnl_core.training.loop import Training

CHECKPOINT = "checkpoint.safetensors"
"""File of an unfinished run, from which it goes on; a finished run has none."""
_FORMAT = "lnl_core checkpoint 1"
_ANEW = "delete it to begin this run anew, or choose another folder"
Metrics = dict[str, float]
"""What is measured after an epoch, by name: losses in nats, accuracies from 0 to 1."""


def settled(config: RunConfig, device: torch.device, folder: Path | None) -> RunConfig:
    """:func:`lnl_core.training.precision.settle` for a training that may go on from a checkpoint in ``folder``; warns if slow."""
    begun = None
    if config.precision == "auto" and folder is not None and (folder / CHECKPOINT).exists():
        begun = _read(folder).config.precision
    config = settle(config, device, begun)
    warn_if_emulated(config, device)
    return config


@dataclass
class _Checkpoint:
    """What the checkpoint of a folder holds: weights and what a training remembers by name, and its header."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    config: RunConfig
    history: list[Metrics]


def _read(folder: Path) -> _Checkpoint:
    """The checkpoint in ``folder``.

    Raises:
        RecordError: missing, damaged, or not ours.
    """
    path = folder / CHECKPOINT
    tensors, metadata = read_safetensors(path, _FORMAT, _ANEW)
    try:
        config = RunConfig.from_dict(json.loads(metadata["config"]), former=True)
        history = json.loads(metadata["history"])
    except ConfigError as error:  # a plug-in that is not there, for one: the weights are sound
        what = f"{path} has a header that this version of lnl_core cannot read"
        raise RecordError(f"{what} ({error}): put that right, or {_ANEW}") from None
    except (KeyError, ValueError, TypeError, RecursionError):
        raise RecordError(f"{path} has a damaged header: {_ANEW}") from None
    if not (isinstance(history, list) and all(isinstance(line, dict) for line in history)):
        raise RecordError(f"{path} has a damaged header: {_ANEW}")
    if metadata.get("names", _digest(tensors)) != _digest(tensors):  # checkpoints of earlier versions do not say
        raise RecordError(f"{path} lacks something of what it held, such as the momentum: {_ANEW}")
    return _Checkpoint(tensors, metadata, config, history)


def _digest(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]


def fingerprint(data: BiasedImages) -> str:
    """Hex digits that tell data sets apart: of sizes, all labels and some images with their bias labels; after a hyphen of the
    groups and colours, which some methods read. Older checkpoints have the first part alone."""
    index = torch.arange(0, len(data), max(1, len(data) // 256), device=data.device)
    some = data.subset(index)
    digest = hashlib.sha256(str(tuple(data.images.shape)).encode())
    for part in (data.labels, some.images, some.bias):
        digest.update(part.cpu().contiguous().numpy().tobytes())
    more = hashlib.sha256()
    for part in (data.group, *(() if data.color is None else (data.color,))):
        more.update(part.cpu().contiguous().numpy().tobytes())
    return f"{digest.hexdigest()[:12]}-{more.hexdigest()[:12]}"


def remembered(training: "Training") -> dict[str, Tensor]:
    """What a training remembers beside the weights of f, g and h, by name; all of it finite."""
    found = training.optimizers.state()
    for name, module in training.course.modules.items():
        found |= {f"{name}/{key}": value for key, value in module.state_dict().items()}
    for name, (optimizer, module) in training.course.optimizers.items():
        state = optimizer_state(optimizer, dict(module.named_parameters()))
        found |= {f"{name}/{key}": value for key, value in state.items()}
    return found | training.course.tensors()


def save(training: "Training", folder: Path, data: str) -> None:
    """Write the checkpoint and the copies of what it holds; ``data`` tells the data set from others."""
    from safetensors.torch import save_file

    weights = {f"network.{name}": value for name, value in training.network.state_dict().items()}
    all_of_it = weights | remembered(training) | training.course.log()
    tensors = {name: value.detach().cpu().contiguous() for name, value in all_of_it.items()}
    config, history = json.dumps(training.config.to_dict()), json.dumps(training.history)
    header = {"format": _FORMAT, "config": config, "history": history, "data": data, "names": _digest(tensors)}
    metadata = header | training.course.notes()
    training.course.write_copies(folder)
    write_atomically(folder / CHECKPOINT, lambda temporary: save_file(tensors, str(temporary), metadata=metadata))
    write_history(folder, training.history)


def read_safetensors(path: Path, expected_format: str, remedy: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of one of our safetensors files.

    Args:
        path: of the file.
        expected_format: what its header must say.
        remedy: what to do about a file that is damaged or of others, the end of the sentence.

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
        raise RecordError(f"{path} is no readable safetensors file of ours ({error}): {remedy}") from None
    if metadata.get("format") != expected_format:
        raise RecordError(f"{path} was not written by this version of lnl_core (expected format {expected_format!r}): {remedy}")
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
    found = _read(folder)
    _load_weights(network, found.tensors, folder)
    network.h_trained = find(found.config.method).trains_h or network.h_trained
    return len(found.history)


def checkpoint_history(folder: Path | str) -> list[Metrics]:
    """The epochs that the checkpoint in ``folder`` holds, one dictionary each; empty without one. ``metrics.jsonl`` is a copy.

    Raises:
        RecordError: if the checkpoint is damaged or not ours.
    """
    folder = user_path(folder)
    return _read(folder).history if (folder / CHECKPOINT).exists() else []


def _load_weights(network: LNLNetwork, tensors: dict[str, Tensor], folder: Path) -> None:
    try:
        network.load_state_dict({n.removeprefix("network."): value for n, value in tensors.items() if n.startswith("network.")})
    except RuntimeError:
        raise RecordError(f"{folder / CHECKPOINT} holds the weights of another network: {_ANEW}") from None


def resume(training: "Training", folder: Path, data: str) -> None:
    """Go on from the checkpoint of the same run on the same data, if there is one, and write its copies anew.

    Raises:
        RecordError: the folder holds another run, or a run on other data.
    """
    if not (folder / CHECKPOINT).exists():
        return
    found = _read(folder)
    tensors = found.tensors
    same_run(training.config, found.config, folder)
    if found.metadata.get("data") not in (data, data.partition("-")[0]):
        raise RecordError(f"the checkpoint in {folder} was trained on other data: choose another folder or delete this one")
    _load_weights(training.network, tensors, folder)
    training.optimizers.load_state(tensors)
    for name, module in training.course.modules.items():
        module.load_state_dict(_part(tensors, name))
    for name, (optimizer, module) in training.course.optimizers.items():
        load_optimizer_state(optimizer, dict(module.named_parameters()), _part(tensors, name))
    training.history = found.history
    training.course.resume(tensors, found.metadata, folder)
    if training.history:  # an interruption may have come between the checkpoint and these files
        training.course.write_copies(folder)
        write_history(folder, training.history)


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")}


def same_run(config: RunConfig, other: RunConfig, folder: Path) -> None:
    """Refuse to continue or to reuse ``folder`` if it holds a run of another configuration, or of another precision by name.

    Raises:
        RecordError: naming the first hyper-parameters that differ.
    """
    other_precision = config.precision not in ("auto", other.precision)
    if config.fingerprint() != other.fingerprint() or other_precision:
        mine, theirs = config.to_dict(), other.to_dict()
        both = {name: (theirs.get(name), mine.get(name)) for name in {**mine, **theirs}}  # None: a run that does not read it
        odd = [name for name, (that, this) in both.items() if that != this and (name != "precision" or other_precision)]
        differing = [f"{name} {both[name][0]!r} instead of {both[name][1]!r}" for name in odd]
        raise RecordError(f"{folder} holds another run ({', '.join(differing[:3])}): choose another folder or delete this one")


def write_history(folder: Path, history: list[Metrics]) -> None:
    """Write ``metrics.jsonl``, one line an epoch."""
    text = "".join(json.dumps(line) + "\n" for line in history)
    write_atomically(folder / "metrics.jsonl", lambda temporary: temporary.write_text(text, encoding="utf-8"))
