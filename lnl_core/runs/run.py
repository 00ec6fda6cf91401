"""One configuration in, one record out: data, network, training, evaluation, files."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lnl_core import experiments, methods
from lnl_core._files import check_file, leftovers, read_text, user_path, write_atomically, write_json
from lnl_core._memory import keep_freed_memory
from lnl_core._tf32 import whole_float32
from lnl_core.config import PROFILES, RunConfig
from lnl_core.datasets.container import BiasedImages
from lnl_core.datasets.readers.dogs_cats_files import write_test_labels
from lnl_core.errors import ConfigError, DataError, RecordError
from lnl_core.evaluation.accuracy import accuracy, data_information, evaluate, predict
from lnl_core.evaluation.fairness import fairness_by_split
from lnl_core.experiments.splits import load_data as load_data, load_probe_data, load_unbiased, measured_on, resolve
from lnl_core.hyperparameters import shown
from lnl_core.methods import find
from lnl_core.methods.base import UNBIASED_TRAINING, value_of
from lnl_core.methods.hyperparameters import AUGMENT, ELASTIC
from lnl_core.networks.build import build_network
from lnl_core.networks.frozen import with_features
from lnl_core.networks.parts import LNLNetwork
from lnl_core.runs.provenance import code_state, provenance
from lnl_core.runs.records import SCHEMA, RunRecord, read_record, write_record
from lnl_core.training.checkpoints import CHECKPOINT, Metrics, checkpoint_history, read_safetensors, same_run
from lnl_core.training.devices import choose_device
from lnl_core.training.loop import fit
from lnl_core.training.precision import reason, settle

_MODEL_FORMAT = "lnl_core model 1"
_log = logging.getLogger(__name__)
MODEL = "model.safetensors"
"""File of a run with the weights of its network."""
RECORD = "record.json"
"""File of a run with its configuration, metrics and origin."""
CONFIG = "config.json"
"""File of a run with its configuration, written before the first epoch."""
HISTORY = "metrics.jsonl"
"""File of a run with a line of JSON an epoch: losses in nats, accuracies from 0 to 1."""
PARTS = "parts.json"
"""Which code trained which epochs, while a run is on its way; the record says it in the end."""
_FILES = (MODEL, RECORD, CONFIG, HISTORY, PARTS, CHECKPOINT)


def _files() -> tuple[str, ...]:
    """What may lie in the folder of a run."""
    return (*_FILES, *(name for method in methods.registered().values() for name in method.files))


def run_folder(root: Path | str, config: RunConfig) -> Path:
    """The folder of a run below ``root``, named after what it is, so that whoever wants the same run finds it."""
    name = f"{config.experiment}-{config.method}-{config.setting_name}-seed{config.seed}-{config.profile}-{config.fingerprint()}"
    return _root(root) / name


def _root(root: Path | str) -> Path:
    return user_path(root) if os.fspath(root) else Path()


def save_model(network: LNLNetwork, config: RunConfig, path: Path | str, dtype: torch.dtype = torch.float32) -> Path:
    """Write the weights as safetensors with the configuration as JSON in its header; ``dtype`` float16 halves the file."""
    from safetensors.torch import save_file

    tensors = {
        name: value.detach().cpu().to(dtype if value.is_floating_point() else value.dtype).contiguous()
        for name, value in network.state_dict().items()
    }
    metadata = {"format": _MODEL_FORMAT, "config": json.dumps(config.to_dict())}
    return write_atomically(user_path(path), lambda temporary: save_file(tensors, str(temporary), metadata=metadata))


def _read_model(path: Path | str) -> tuple[dict[str, Tensor], RunConfig, Path]:
    path = user_path(path)
    path = path / MODEL if path.is_dir() else path
    tensors, metadata = read_safetensors(path, _MODEL_FORMAT, "train the model again, or name another file")
    try:
        return tensors, RunConfig.from_dict(json.loads(metadata["config"]), former=True), path
    except ConfigError as error:  # a plug-in that is not there, for one: the weights are sound
        what = f"{path} has a header that this version of lnl_core cannot read"
        raise RecordError(f"{what} ({error}): put that right, or train the model again") from None
    except (KeyError, ValueError, TypeError, RecursionError):
        raise RecordError(f"{path} has a header that this version of lnl_core cannot read: train the model again") from None


def model_config(path: Path | str) -> RunConfig:
    """The configuration a model was trained with, from the header of its file; arguments and errors as :func:`load_model`."""
    return _read_model(path)[1]


def load_model(path: Path | str) -> LNLNetwork:
    """A trained network in evaluation mode, on the CPU.

    Args:
        path: a ``.safetensors`` file of ours, or the folder of a run.

    Raises:
        RecordError: if the file is missing, damaged or not ours. Nothing is ever unpickled.
    """
    tensors, config, path = _read_model(path)
    network = build_network(experiments.find(config.experiment).without_files(config))
    try:
        network.load_state_dict(tensors)
    except RuntimeError:
        raise RecordError(f"{path} holds the weights of another network than its header says: train it again") from None
    network.h_trained = methods.find(config.method).trains_h
    return network.eval()


def oracle_labels(path: Path | str, out: Path | str, data_dir: Path | str | None = None) -> dict[str, int]:
    """Label Kaggle's test images of Dogs and Cats with a trained network, as the paper does (section 4.2), and write a ``.csv``.

    The paper's oracle is a ResNet-18 trained on all labelled images: a "baseline" run of experiment "dogs_cats" with
    ``train_set="train"``. Other runs take the file as their ``test_labels``.

    Args:
        path: the oracle, as for :func:`load_model`.
        out: the file to write.
        data_dir: see :func:`lnl_core.datasets.dogs_cats`.

    Returns:
        0 (cat) or 1 (dog) for each file name.

    Raises:
        ConfigError: if the model was trained on something else, or ``out`` is no name of a ``.csv``.
        DataError: if the photographs are missing.
    """
    file = user_path(out)
    check_file(file, "test_labels.csv")
    if file.suffix != ".csv":
        raise ConfigError(f"{file} would not be read as the table that it is: let its name end in .csv")
    config = model_config(path)
    names, images = experiments.find(config.experiment).unlabelled(config, data_dir)
    nothing = torch.zeros(len(images), dtype=torch.long)
    answers = predict(load_model(path), BiasedImages(images, nothing, nothing, nothing, source=config.source, classes=2))
    labels = dict(zip(names, answers.tolist(), strict=True))
    write_test_labels(file, labels)
    return labels


def read_history(folder: Path | str) -> list[dict[str, float]]:
    """The lines of a run's ``metrics.jsonl``, one dictionary an epoch."""
    path = user_path(folder) / HISTORY
    try:
        lines = [json.loads(line) for line in read_text(path).splitlines()]
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist: train first, or check the path") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} is damaged ({error}): the same run again writes it anew from its checkpoint") from None
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, dict) or not all(value is None or isinstance(value, int | float) for value in line.values()):
            remedy = "the same run again writes it anew from its checkpoint"
            raise RecordError(f"{path}, line {number}, is no table of numbers: {remedy}")
    return lines


def read_runs(root: Path | str, experiment: str, profile: str | None = None) -> list[RunRecord]:
    """The records of one experiment among the finished runs in the folders below ``root``, sorted by the folders' names.

    Runs of several experiments, and other files, may lie side by side there; an empty list if the folder does not exist.

    Args:
        profile: only the runs of this profile.

    Raises:
        ConfigError: an unknown experiment or profile.
        RecordError: a record that cannot be read, see :func:`lnl_core.runs.records.read_record`.
    """
    experiments.find(experiment)
    if profile is not None and profile not in (*PROFILES, "custom"):
        raise ConfigError(f"unknown profile {shown(profile)}: choose one of {', '.join((*PROFILES, 'custom'))}")
    records = [read_record(path) for path in sorted(_root(root).glob(f"*/{RECORD}"))]
    return [record for record in records if record.experiment == experiment and profile in (None, record.profile)]


def _config_in(folder: Path) -> RunConfig | None:
    """The configuration of the run in ``folder``, if there is one.

    Raises:
        RecordError: a file that cannot be read.
    """
    marker = folder / CONFIG
    if not marker.exists():
        return None
    try:
        return RunConfig.from_dict(json.loads(marker.read_text(encoding="utf-8")), former=True)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RecordError(f"{marker} is no configuration of ours ({error}): choose another folder or delete this one") from None


def _begun_in(folder: Path) -> str | None:
    """The precision of the run in ``folder``, if there is one."""
    found = _config_in(folder)
    return None if found is None or found.precision == "auto" else str(found.precision)


def _check_free(folder: Path, config: RunConfig) -> None:
    """Refuse a folder that holds something else than this run, or nothing."""
    other = _config_in(folder)
    if other is not None:
        same_run(config, other, folder)
    elif folder.exists() and (not folder.is_dir() or set(folder.iterdir()) - set(leftovers(folder, _files()))):
        raise RecordError(f"{folder} exists and is not the folder of a run: choose another folder")


def _lock(folder: Path) -> int | None:
    """Lock a folder, not a file in it, so that nothing is left behind; a process that dies opens its lock.

    Returns:
        What :func:`_unlock` takes; ``None`` where there are no such locks, as on some network file systems.

    Raises:
        RecordError: if another process, or another call in this one, holds the lock.
        FileNotFoundError: if the folder is not there, or no longer.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), folder.stat()):  # whoever had it has removed it, and somebody made another
            raise BlockingIOError
    except BlockingIOError:
        os.close(handle)
        raise RecordError(f"another run is at work in {folder}: wait until it ends, or choose another folder") from None
    except FileNotFoundError:
        os.close(handle)
        raise
    except OSError:
        os.close(handle)
        return None
    return handle


def _unlock(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)


@contextmanager
def _claimed(folder: Path, config: RunConfig) -> Iterator[None]:
    """A block in which ``folder`` belongs to this run and to nobody else.

    If the block fails before it has left anything there, the claim is taken back: no file and no folder that was not there before.

    Raises:
        RecordError: if the folder holds something else, or another process works in it.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle = _lock(folder)
    except FileNotFoundError:
        raise RecordError(f"another run has just removed {folder}: give the same command again") from None
    try:
        _check_free(folder, config)
        for leftover in leftovers(folder, _files()):
            leftover.unlink()
        if not (folder / CONFIG).exists():
            write_json(folder / CONFIG, config.to_dict())
        yield
    except BaseException:
        with suppress(OSError):  # somebody else may have put something there
            if {path.name for path in folder.iterdir()} <= {CONFIG, PARTS}:
                for name in (CONFIG, PARTS):
                    (folder / name).unlink(missing_ok=True)
                for place in missing:
                    place.rmdir()
        raise
    finally:
        _unlock(handle)


def _begin(folder: Path, resumed: int, code: dict[str, Any], started: datetime) -> list[dict[str, Any]]:
    """Note which code goes on from here, and return what earlier processes noted of the epochs that are kept.

    Args:
        folder: of the run.
        resumed: epochs that are done.
        code: see :func:`lnl_core.runs.provenance.code_state`.
        started: when this process began.

    Returns:
        ``commit``, ``dirty``, ``started``, ``after_epochs`` and ``seconds`` (until its last checkpoint) of each earlier process, in
        order; None where that is not known.
    """
    try:
        parts = json.loads((folder / PARTS).read_text(encoding="utf-8"))
        earlier = [{**part} for part in parts if part["after_epochs"] < resumed]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        earlier = []
    if resumed and (not earlier or earlier[0]["after_epochs"]):  # begun by a version that kept no notes
        earlier.insert(0, {"commit": None, "dirty": None, "started": None, "after_epochs": 0})
    if earlier:
        earlier[-1]["seconds"] = _seconds_of(earlier[-1], folder)
    now = {**code, "started": started.isoformat(timespec="milliseconds"), "after_epochs": resumed}
    write_json(folder / PARTS, [*earlier, now])
    return earlier


def _seconds_of(part: dict[str, Any], folder: Path) -> float | None:
    """How long the last process worked on the epochs that are kept: from its start until the checkpoint was written."""
    try:
        begun = datetime.fromisoformat(part["started"]).timestamp()
        return round(max((folder / CHECKPOINT).stat().st_mtime - begun, 0.0), 1)
    except (OSError, TypeError, ValueError, KeyError):
        return None


@whole_float32()
@keep_freed_memory()
def run(
    config: RunConfig,
    out_dir: Path | str,
    *,
    data_dir: Path | str | None = None,
    device: torch.device | str = "auto",
    progress: bool = True,
    tensorboard: bool = False,
) -> RunRecord:
    """Train and evaluate one configuration and leave ``record.json``, ``model.safetensors`` and ``metrics.jsonl`` in ``out_dir``.

    A folder that already holds this run's record gives it back at once; one that holds an interrupted run of the same
    configuration goes on from its last epoch. A run that fails before its first epoch is done leaves nothing. The record's
    configuration names the source and the precision that "auto" stood for; its provenance why that precision, the code at the
    start, and if the run was resumed the code of every earlier part that trained an epoch ("earlier"). Its seconds are those of
    all parts together, each until its last checkpoint, or None if those of one are not known.

    Args:
        config: what to run.
        out_dir: the run's own folder, created if needed.
        data_dir: see :func:`lnl_core.datasets.colored_mnist`.
        device: "auto", "cuda", "mps" or "cpu".
        progress: show a progress bar.
        tensorboard: also write scalars for TensorBoard.

    Raises:
        ConfigError: an unknown device.
        RecordError: if ``out_dir`` holds another run, or a run is at work there.
        DataError: if the data are not there.
        NonFiniteLossError: if training diverged; the last good checkpoint stays.
        StorageError: if the disk is full; the last good checkpoint stays.
    """
    folder = user_path(out_dir)
    place = choose_device(str(device))
    config = resolve(config, data_dir)
    done = _finished(folder, config)
    if done is not None:
        return done
    asked, begun = config.precision, _begun_in(folder)
    config = settle(config, place, begun)
    _check_free(folder, config)
    if folder.is_dir():  # say so before the data are read
        _unlock(_lock(folder))
    started, clock, code = datetime.now(UTC), time.perf_counter(), code_state()
    splits = _Splits(config, data_dir, place)
    network = build_network(config, data_dir)
    splits.compute_features(network, config)
    with _claimed(folder, config):
        done = _finished(folder, config)
        if done is not None:  # another process was faster
            return done
        resumed = len(checkpoint_history(folder))
        earlier = _begin(folder, resumed, code, started)
        options: dict[str, Any] = {"out_dir": folder, "device": place, "validate": splits.validate, "progress": progress}
        knows = UNBIASED_TRAINING in find(config.method).must_know
        options["unbiased"] = load_unbiased(config, data_dir) if knows else None
        fit(network, splits.data, config, tensorboard=tensorboard, **options)
        origin = provenance(started, time.perf_counter() - clock, place, code)
        origin["precision"] = reason(asked, config.precision, place, begun)
        if resumed:
            origin |= {"resumed_after_epochs": resumed, "earlier": earlier}
            times = [part["seconds"] for part in earlier if part.get("seconds") is not None]
            origin["seconds"] = origin["seconds"] + sum(times) if len(times) == len(earlier) else None
        return _leave_record(config, network, splits, folder, data_dir, origin)


def _finished(folder: Path, config: RunConfig) -> RunRecord | None:
    if not (folder / RECORD).exists():
        return None
    record = read_record(folder / RECORD)
    same_run(config, record.run_config(), folder)
    return record


class _Splits:
    """What a run reads: training images, test images, and validation images where the training images leave them out."""

    def __init__(self, config: RunConfig, data_dir: Path | str | None, place: torch.device) -> None:
        experiment = experiments.find(config.experiment)
        self.data = load_data(config, experiment.training_split(config), data_dir)
        self.tests = {}
        for split in measured_on(config):
            try:
                self.tests[split] = load_data(config, split, data_dir)
            except DataError as reason:
                if split not in experiment.may_lack:
                    raise
                _log.warning("%s; the run is not measured on it", reason)
        self.validate: Callable[[LNLNetwork], Metrics] | None = None
        measured = dict(self.tests)
        if (name := experiment.validation_split(config)) is not None:
            held_out = measured[name] = load_data(config, name, data_dir).to(place)
            self.validate = lambda trained: {"validation_accuracy": accuracy(trained, held_out)}
        self.compared = {split: measured[split] for split in experiment.compared if split in measured}

    def compute_features(self, network: LNLNetwork, config: RunConfig) -> None:
        """Once, of a network whose first layers are frozen, where no random map changes the images."""
        self.tests = {split: with_features(network, data) for split, data in self.tests.items()}
        if not value_of(config, AUGMENT) and not value_of(config, ELASTIC):
            self.data = with_features(network, self.data)


def _leave_record(
    config: RunConfig, network: LNLNetwork, splits: _Splits, folder: Path, data_dir: Path | str | None, origin: dict[str, Any]
) -> RunRecord:
    """Evaluate a trained network and write model and record; ``origin`` is its provenance up to here."""
    clock = time.perf_counter()
    measured = {} if splits.validate is None else splits.validate(network)
    measured["train_information"] = data_information(splits.data)
    unbiased = load_probe_data(config, data_dir)
    probed: dict[str, Any] = {"probe_data": unbiased, "probe_limit": config.probe_images, "probe_steps": config.probe_steps}
    measured |= evaluate(network, splits.tests["test"], train=splits.data, seed=config.seed, **probed)
    measured |= fairness_by_split(lambda data: predict(network, data), splits.compared)
    measured |= {f"{split}_accuracy": accuracy(network, data) for split, data in splits.tests.items() if split != "test"}
    save_model(network, config, folder / MODEL)
    record = RunRecord(
        schema=SCHEMA,
        experiment=config.experiment,
        method=config.method,
        setting=config.setting,
        seed=config.seed,
        profile=config.profile,
        selection="last_epoch",
        config=config.to_dict(),
        metrics=measured,
        data={"source": splits.data.source, "train_size": len(splits.data), "test_size": len(splits.tests["test"])},
        provenance=origin | {"seconds": origin["seconds"] and round(origin["seconds"] + time.perf_counter() - clock, 1)},
    )
    write_record(record, folder / RECORD)
    for served in (CHECKPOINT, PARTS):
        (folder / served).unlink(missing_ok=True)
    return record
