"""One JSON file per run, with everything needed to believe it: written and read."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lnl_core._arrays import numbers
from lnl_core._files import is_number, read_json, read_text, user_path, variable, write_atomically, write_json
from lnl_core.config import RunConfig
from lnl_core.errors import ConfigError, DataError, RecordError
from lnl_core.hyperparameters import shown

SCHEMA = 3
"""Layout of a record, see :func:`migrated` for the earlier ones."""
_RESTORE = "restore it from the repository"


@dataclass(frozen=True)
class RunRecord:
    """One finished run.

    Attributes:
        schema: version of this layout.
        experiment, method, setting, seed, profile: what was run; ``setting`` is what the results table varies.
        selection: how the reported model was chosen; "last_epoch" looks at no held-out data.
        config: every hyper-parameter, see :class:`lnl_core.config.RunConfig`.
        metrics: numbers by name; accuracies in [0, 1], information in nats, see :func:`lnl_core.evaluation.accuracy.evaluate`.
        data: source and number of training and test images.
        provenance: commit, dirty tree, start, seconds, device, packages.
    """

    schema: int
    experiment: str
    method: str
    setting: dict[str, float | str]
    seed: int
    profile: str
    selection: str
    config: dict[str, Any]
    metrics: dict[str, float]
    data: dict[str, Any]
    provenance: dict[str, Any]

    def run_config(self) -> RunConfig:
        return RunConfig.from_dict(self.config)


def write_record(record: RunRecord, path: Path | str) -> Path:
    """Write a record as JSON, atomically.

    Raises:
        RecordError: if a metric is not finite.
    """
    _check_metrics(record)
    return write_json(user_path(path), asdict(record))


def _check_metrics(record: RunRecord) -> None:
    bad = [name for name, value in record.metrics.items() if not math.isfinite(value)]
    if bad:
        raise RecordError(f"the metric {bad[0]} is not finite: a record cannot hold it")


def read_record(path: Path | str) -> RunRecord:
    """Read a record; one of schema 1 or 2 is read as :func:`migrated` makes it.

    Raises:
        RecordError: if the file is missing, cut short, of another schema, or lacks a field, or a field holds something else than it
            should, such as null for a metric.
    """
    path = user_path(path)
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist: train first, or check the path") from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is no readable JSON ({error}): delete it and run again") from None
    return parse_record(text, path)


def parse_record(text: str, path: Path | str) -> RunRecord:
    """A record from its JSON; ``path`` is how messages call the place that it comes from.

    Raises:
        RecordError: if it is no record of this version, or values are missing or of another type.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is no readable JSON ({error}): delete it and run again") from None
    values = migrated(values) if isinstance(values, dict) else values
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        found = values.get("schema") if isinstance(values, dict) else None
        raise RecordError(
            f"{path} is a record of schema {found!r}, this version reads schema {SCHEMA}: run again or use the other version"
        )
    names = {field.name for field in fields(RunRecord)}
    if set(values) != names:
        odd = sorted(set(values) ^ names)
        raise RecordError(f"{path} is no complete record (see field {odd[0]!r}): delete it and run again")
    for name, holds in _HOLDS.items():
        if not holds(values[name]):
            raise RecordError(f"{path} has {shown(values[name])} for {name}: delete it and run again")
    for name, value in values["metrics"].items():
        if not is_number(value):
            raise RecordError(f"{path} has {shown(value)} for the metric {name} and no finite number: delete it and run again")
    return RunRecord(**values)


def migrated(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record in the present schema; those of another than schemas 1 and 2 as they are. No number changes.

    Schema 1 called the least accuracy on a kind of the bias "worst_group_accuracy". Here it is "worst_bias_accuracy", and
    "worst_group_accuracy" is the least over labels with kinds of the bias, which schema 1 did not measure. Schema 2 listed under
    "config" the hyper-parameters of every experiment and method; here are those that the run read, under the names of today.
    """
    if type(values.get("schema")) is not int or values["schema"] not in (1, 2):
        return values
    found = values | {"schema": SCHEMA}
    if values["schema"] == 1 and isinstance(values.get("metrics"), dict):
        old = {"worst_group_accuracy": "worst_bias_accuracy"}
        found["metrics"] = {old.get(name, name): value for name, value in values["metrics"].items()}
    return found | ({"config": migrated_config(values["config"])} if "config" in values else {})


def migrated_config(values: Any) -> Any:
    """The configuration of a run as :meth:`lnl_core.config.RunConfig.to_dict` gives it today; anything else as it is."""
    if not isinstance(values, dict) or not {"experiment", "method", "epochs"} <= set(values):
        return values
    try:
        return RunConfig.from_dict(values, former=True).to_dict()
    except ConfigError:
        return values


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


_HOLDS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("experiment", "method", "profile", "selection"), lambda value: isinstance(value, str)),
    **dict.fromkeys(("config", "metrics", "data", "provenance"), _is_table),
    "setting": lambda value: _is_table(value) and all(isinstance(one, str) or is_number(one) for one in value.values()),
    "seed": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
"""What a field of a record must be; the first that is not is named."""


def write_record_lines(records: Sequence[RunRecord], path: Path | str) -> Path:
    """Write many small records into one file, a JSON line each, atomically.

    Raises:
        RecordError: if a metric is not finite.
    """
    for record in records:
        _check_metrics(record)
    text = "".join(json.dumps(asdict(record), allow_nan=False) + "\n" for record in records)
    return write_atomically(user_path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_record_lines(path: Path | str) -> list[RunRecord]:
    """The records that :func:`write_record_lines` wrote.

    Raises:
        RecordError: as :func:`read_record`, naming the line.
    """
    try:
        lines = read_text(user_path(path)).splitlines()
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read ({error}): run again, or check the path") from None
    return [parse_record(line, f"line {number} of {path}") for number, line in enumerate(lines, start=1)]


def read_records(folder: Path | str) -> list[RunRecord]:
    """All records ``*.json`` of a folder, sorted by file name; an empty list if the folder does not exist."""
    return [read_record(path) for path in sorted(user_path(folder).glob("*.json"))]


def results_folder() -> Path:
    """The folder with ``paper.json`` and ``runs/``: ``LNL_RESULTS_DIR``, the checkout around us, or the installed copy.

    Raises:
        RecordError: if there is none.
    """
    named = variable("LNL_RESULTS_DIR")
    candidates = [user_path(named)] if named else []
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        candidates += [folder / "results" for folder in (start, *start.parents)]
    candidates.append(Path(sys.prefix) / "share" / "lnl_core" / "results")
    for candidate in candidates:
        if (candidate / "paper.json").is_file():
            return candidate
    raise RecordError("no results folder with a paper.json was found: set LNL_RESULTS_DIR to the one of the repository")


def published_models(folder: Path | None = None) -> list[dict[str, Any]]:
    """What is known of the small trained models in ``results/models``, one dictionary each, sorted by file name.

    Args:
        folder: by default :func:`results_folder`.

    Returns:
        ``path`` (of the .safetensors file, for :func:`lnl_core.load_model`), ``record`` (the name of its run), ``method``,
        ``color_var``, ``profile``, ``test_accuracy``, and ``confusion_by_color``: (10, 10, 10) counts of colour, digit, answer.

    Raises:
        RecordError: a file that is cut short, or holds something else, such as null for the accuracy.
    """
    models = []
    for path in sorted(((folder or results_folder()) / "models").glob("*.json")):
        found = read_json(path, _RESTORE)
        for name in ("record", "method", "profile"):
            if not isinstance(found.get(name), str):
                raise RecordError(f"{path} has {shown(found.get(name))} for {name}: {_RESTORE}")
        for name in ("color_var", "test_accuracy"):
            if not is_number(found.get(name)):
                raise RecordError(f"{path} has {shown(found.get(name))} for {name} and no number: {_RESTORE}")
        try:
            counts = numbers("confusion_by_color", found.get("confusion_by_color"))
        except DataError as error:
            raise RecordError(f"{path} is damaged ({error}): {_RESTORE}") from None
        if counts.shape != (10, 10, 10):
            raise RecordError(f"{path} has counts of shape {counts.shape} instead of (10, 10, 10): {_RESTORE}")
        models.append({"path": path.with_suffix(".safetensors"), **found})
    return models
