"""One JSON file per run, with everything needed to believe it: written, read, averaged over seeds, set beside the paper."""

import json
import math
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from lnl_core._arrays import numbers
from lnl_core._files import is_number, read_json, read_text, user_path, variable, write_atomically, write_json
from lnl_core.config import ALL_METHODS, EXPERIMENTS, RunConfig, shown
from lnl_core.errors import ConfigError, DataError, RecordError
from lnl_core.experiments.splits import OPPOSITE

SCHEMA = 2
"""Layout of a record. In schema 1 "worst_group_accuracy" was what "worst_bias_accuracy" is now, see :func:`migrated`."""
_RESTORE = "restore it from the repository"
Setting = tuple[tuple[str, float | str], ...]
FULL_DATA = {
    "colored_mnist": ("mnist",),
    "dogs_cats": ("kaggle", "kaggle-part"),
    "faces": ("utkface", "imdb", "imdb_cleaned", "imdb_authors"),
    "jlu_faces": ("utkface", "imdb", "imdb_cleaned", "imdb_authors"),
    "census": ("uci",),
}
"""Sources whose records may enter a results table; the embedded digits and the drawn stand-ins never do."""
FEWEST_RUNS = 3
"""Below this number of runs nothing is concluded: two values say next to nothing about their spread."""
MARGIN = 0.02
"""Accuracies that differ by less count as the same: about what a fresh drawing of colours and other versions of libraries move."""
_PACKAGES = ("torch", "numpy", "torchvision", "scikit-learn", "fairlearn", "lnl_core")


@dataclass(frozen=True)
class RunRecord:
    """One finished run.

    Attributes:
        schema: version of this layout.
        experiment, method, setting, seed, profile: what was run; ``setting`` is what the results table varies.
        selection: how the reported model was chosen; "last_epoch" looks at no held-out data.
        config: every hyper-parameter, see :class:`lnl_core.config.RunConfig`.
        metrics: numbers by name; accuracies in [0, 1], information in nats, see :func:`lnl_core.evaluation.evaluate`.
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
    from lnl_core.training.loop import choose_device

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
    """Read a record; one of schema 1 is read as :func:`migrated` makes it.

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
    return _record(text, path)


def _record(text: str, path: Path | str) -> RunRecord:
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
    """The fields of a record in the present schema; those of another than schema 1 as they are.

    Schema 1 called the least accuracy on a kind of the bias "worst_group_accuracy". Here it is "worst_bias_accuracy", and
    "worst_group_accuracy" is the least over labels with kinds of the bias, which schema 1 did not measure. No number changes.
    """
    if type(values.get("schema")) is not int or values["schema"] != 1:
        return values
    metrics = values.get("metrics")
    if isinstance(metrics, dict):
        metrics = {"worst_bias_accuracy" if name == "worst_group_accuracy" else name: value for name, value in metrics.items()}
    return values | {"schema": SCHEMA} | ({"metrics": metrics} if "metrics" in values else {})


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
    return [_record(line, f"line {number} of {path}") for number, line in enumerate(lines, start=1)]


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


def paper_numbers(experiment: str = "colored_mnist", folder: Path | None = None) -> dict[str, dict[float, float]]:
    """Published test accuracies by method and colour variance, from ``results/paper.json``."""
    numbers: dict[str, dict[float, float]] = {}
    for row in _published_rows(experiment, folder or results_folder()):
        if "color_var" in row["setting"]:
            numbers.setdefault(row["method"], {})[row["setting"]["color_var"]] = row["value"]
    return numbers


def _published(experiment: str, folder: Path) -> dict[tuple[str, Setting], float]:
    """Every published number of the methods that we have, by method and setting."""
    return {(row["method"], _key(row["setting"])): row["value"] for row in _published_rows(experiment, folder)}


def _published_rows(experiment: str, folder: Path) -> list[dict[str, Any]]:
    path = folder / "paper.json"
    try:
        published = json.loads(read_text(path))["experiments"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise RecordError(f"{path} is damaged: {_RESTORE}") from None
    if not isinstance(published, dict):
        raise RecordError(f"{path} is damaged: {_RESTORE}")
    if experiment not in published and experiment in EXPERIMENTS:
        return []
    if experiment not in published:
        raise ConfigError(f"unknown experiment {experiment!r}: choose one of {', '.join(published)}")
    try:
        found = list[dict[str, Any]](published[experiment]["results"])
        rows = [{key: row[key] for key in ("method", "setting", "value")} for row in found]
    except (KeyError, TypeError):
        raise RecordError(f"{path} has a result of {experiment} without method, setting and value: {_RESTORE}") from None
    if not rows:
        raise RecordError(f"{path} has no results of {experiment}: {_RESTORE}")
    for row in rows:
        if not (isinstance(row["method"], str) and _HOLDS["setting"](row["setting"]) and is_number(row["value"])):
            raise RecordError(f"{path} has the result {shown(row)} of {experiment}: {_RESTORE}")
    return rows


def _key(setting: dict[str, float | str]) -> Setting:
    return tuple(sorted(setting.items()))


def _columns(record: RunRecord) -> dict[str, dict[str, float | str]]:
    """The setting of each of a record's accuracies, by metric: on photographs it also says what the network was tested on."""
    if record.experiment == "colored_mnist":
        return {"test_accuracy": record.setting}
    test = "EBD" if record.experiment == "jlu_faces" else "test"
    columns = {"test_accuracy": {**record.setting, "test": test}}
    if "opposite_accuracy" in record.metrics:
        opposite = OPPOSITE[str(record.setting["train"]).lower()].upper()
        columns = {"opposite_accuracy": {**record.setting, "test": opposite}, **columns}
    return columns


def aggregate(records: Iterable[RunRecord], metric: str = "test_accuracy") -> list[dict[str, Any]]:
    """Mean and spread over seeds of records that share method, setting, precision and every hyper-parameter but the seed.

    Returns:
        One row a group: method, setting, color_var (None on photographs), profile, source, variant (fingerprint at seed 0),
        precision, left_out (0), mean, std (sample deviation; None for one run), n, values.

    Raises:
        RecordError: if a run appears twice in one precision, or a record does not hold the metric.
    """
    groups: dict[tuple[Any, ...], dict[int, float]] = {}
    for record in records:
        config = RunConfig.from_dict({**record.config, "seed": 0})
        source, variant = record.data.get("source"), config.fingerprint()
        key = (record.method, _key(record.setting), record.profile, source, variant, config.precision)
        values = groups.setdefault(key, {})
        if record.seed in values:
            raise RecordError(f"two records hold the same run ({record.method}, {record.setting}, seed {record.seed}): delete one")
        if metric not in record.metrics:
            raise RecordError(f"the record of {record.method}, {record.setting}, seed {record.seed} holds no {metric!r}")
        values[record.seed] = record.metrics[metric]
    return [
        {
            "method": key[0],
            "setting": dict(key[1]),
            "color_var": dict(key[1]).get("color_var"),
            "profile": key[2],
            "source": key[3],
            "variant": key[4],
            "precision": key[5],
            "left_out": 0,
            "mean": float(np.mean(list(values.values()))),
            "std": float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else None,
            "n": len(values),
            "values": [values[seed] for seed in sorted(values)],
        }
        for key, values in groups.items()
    ]


def results_table(
    experiment: str = "colored_mnist",
    records: Iterable[RunRecord] | None = None,
    folder: Path | None = None,
    source: str | None = None,
    profiles: Sequence[str] = ("full", "short"),
) -> list[dict[str, Any]]:
    """Ours beside the published: one row a method and setting that either has; on photographs one for each set tested on.

    Only records of ``profiles`` on real data enter, :data:`FULL_DATA`, and a row holds those of one profile; smoke, demo and
    changed hyper-parameters never do. What a record says of its profile is not believed: see :func:`of_its_preset`.

    Args:
        experiment: which experiment.
        records: by default those of ``folder/runs``.
        folder: by default :func:`results_folder`.
        source: by default the experiment's :data:`FULL_DATA`; "authors" for their published Colored MNIST. Sources never mix.
        profiles: which profiles may enter; where several have records of a row, the one with more runs, then the earlier one.

    Returns:
        Rows of method, setting, color_var, profile, source, precision, left_out, published, mean, std, n, values, difference (mean
        minus published); None for a missing number. A mean is of runs in one precision, the one that has more runs and float32 of
        as many; "left_out" counts the runs in the other.

    Raises:
        ConfigError: if ``profiles`` names another than "full" or "short".
        RecordError: if one profile's records of a row differ in source, so that no mean can be formed.
    """
    if not set(profiles) <= {"full", "short"}:
        raise ConfigError(f"a results table holds the profiles full and short only, got {', '.join(profiles)}")
    place = folder or results_folder()
    published = _published(experiment, place)
    wanted = read_records(place / "runs") if records is None else list(records)
    sources = FULL_DATA[experiment] if source is None else (source,)
    named = [r for r in wanted if r.experiment == experiment and r.profile in profiles and r.data.get("source") in sources]
    complete = [record for record in named if of_its_preset(record)]
    ours: dict[tuple[str, Setting], dict[str, Any]] = {}

    def order(row: dict[str, Any]) -> tuple[int, int, bool]:
        return -row["n"], profiles.index(row["profile"]), row["precision"] != "float32"

    for row in sorted(_accuracies(complete), key=order):
        first = ours.setdefault((row["method"], _key(row["setting"])), row)
        if first is not row and first["profile"] == row["profile"]:
            if first["source"] == row["source"] and first["variant"] == row["variant"]:
                first["left_out"] += row["n"]  # the same runs in another precision
                continue
            which = f"the {row['profile']} records of {row['method']} at {_where(row['setting'])}"
            if first["source"] != row["source"]:
                raise RecordError(f"{which} are of {first['source']} and of {row['source']}: name one as source")
            raise RecordError(f"{which} differ in hyper-parameters: keep those of one kind")
    rows = []
    for method, setting in sorted(set(published) | set(ours), key=_table_order):
        mine, theirs = ours.get((method, setting)), published.get((method, setting))
        rows.append(
            {
                "method": method,
                "setting": dict(setting),
                "color_var": dict(setting).get("color_var"),
                "profile": mine["profile"] if mine else None,
                "source": mine["source"] if mine else None,
                "precision": mine["precision"] if mine else None,
                "left_out": mine["left_out"] if mine else 0,
                "published": theirs,
                "mean": mine["mean"] if mine else None,
                "std": mine["std"] if mine else None,
                "n": mine["n"] if mine else 0,
                "values": mine["values"] if mine else [],
                "difference": mine["mean"] - theirs if mine and theirs is not None else None,
            }
        )
    return rows


def difference_interval(values: Sequence[float], published: float) -> tuple[float, float]:
    r"""The 90 % interval of the mean over n seeds (Student's t) minus a published number, which is taken as exact.

    .. math:: \bar v - p \pm t_{0.95, n - 1}\, s / \sqrt n

    Raises:
        DataError: for fewer than two values, or one that is not finite.
    """
    _refuse_infinite([*values, published])
    if len(values) < 2:
        raise DataError(f"an interval needs at least two runs, got {len(values)}")
    half = float(student.ppf(0.95, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    difference = float(np.mean(values)) - published
    return difference - half, difference + half


def agreement(values: Sequence[float], published: float, margin: float = MARGIN) -> str:
    """Whether runs over seeds agree with a published number: "agrees", "differs" or "cannot say".

    It agrees if all of :func:`difference_interval` lies within ``margin`` of 0 (two one-sided tests at 5 %), and differs if it
    lies wholly further away. Else nothing can be said, nor with fewer than :data:`FEWEST_RUNS` runs. A wider spread widens the
    interval, so a method that scatters more is never judged sooner, in either direction.

    Args:
        values: accuracies, one a seed.
        published: one number, taken as exact since no spread is published with it.
        margin: the largest difference that counts as the same.

    Raises:
        ConfigError: for a margin that is not positive.
        DataError: for a number that is not finite.
    """
    if not 0 < margin < math.inf:
        raise ConfigError(f"the margin must be a positive number, got {margin}")
    _refuse_infinite([*values, published])
    if len(values) < FEWEST_RUNS:
        return "cannot say"
    low, high = difference_interval(values, published)
    if -margin <= low and high <= margin:
        return "agrees"
    return "differs" if low > margin or high < -margin else "cannot say"


def ordering(values: Sequence[float], others: Sequence[float]) -> str:
    """Whether one method's runs score "higher" or "lower" than another's, or one "cannot say".

    An answer needs :data:`FEWEST_RUNS` runs of each and a 95 % interval of the difference of the means (Welch) that leaves out 0.

    Raises:
        DataError: for a number that is not finite.
    """
    _refuse_infinite([*values, *others])
    if min(len(values), len(others)) < FEWEST_RUNS:
        return "cannot say"
    difference = float(np.mean(values) - np.mean(others))
    squares = [float(np.var(runs, ddof=1)) / len(runs) for runs in (values, others)]
    half = 0.0
    if sum(squares) > 0:
        freedom = sum(squares) ** 2 / sum(
            square**2 / (len(runs) - 1) for square, runs in zip(squares, (values, others), strict=True)
        )
        half = float(student.ppf(0.975, freedom)) * math.sqrt(sum(squares))
    if abs(difference) <= half:
        return "cannot say"
    return "higher" if difference > 0 else "lower"


def decided(answers: Sequence[str], needed: int) -> str:
    """Whether a claim "holds", "does not hold" or one "cannot say".

    Args:
        answers: those of :func:`ordering` to each comparison that the claim makes, which it wants to be "higher".
        needed: how many of them have to be. So many "lower" that this cannot be reached refute the claim.
    """
    if answers.count("higher") >= needed:
        return "holds"
    return "does not hold" if len(answers) - answers.count("lower") < needed else "cannot say"


def _refuse_infinite(values: Sequence[float]) -> None:
    bad = [value for value in values if not math.isfinite(value)]
    if bad:
        raise DataError(f"accuracies must be finite, got {bad[0]}: leave out runs that diverged and say so")


def of_its_preset(record: RunRecord) -> bool:
    """Whether a record's configuration has every value of the preset it is called after, and is that of its other fields.

    Raises:
        ConfigError: a configuration of another version of lnl_core.
    """
    config = record.run_config()
    said = (record.experiment, record.method, record.setting, record.seed, record.profile)
    return config.is_preset() and said == (config.experiment, config.method, config.setting, config.seed, config.profile)


def _accuracies(records: list[RunRecord]) -> list[dict[str, Any]]:
    """:func:`aggregate` for every accuracy of the records, its setting being that of the table's column."""
    rows = []
    for metric in ("test_accuracy", "opposite_accuracy"):
        having = [replace(record, setting=_columns(record)[metric]) for record in records if metric in _columns(record)]
        rows += aggregate(having, metric)
    return rows


def _table_order(key: tuple[str, Setting]) -> tuple[Any, ...]:
    """Rows by task, then by method in the order of :data:`ALL_METHODS`, then by training set, with the unbiased test last."""
    method, values = key[0], dict(key[1])
    order = ALL_METHODS
    place = order.index(method) if method in order else len(order)
    number = values.get("color_var", values.get("alpha", 0.0))
    return values.get("learn") != "gender", place, method, values.get("train", ""), values.get("test") == "test", number


def _where(setting: dict[str, float | str]) -> str:
    """A setting in words: "0.03", "TB1, tested on TB2", "gender, EB1, tested on test", "BD, tested on EBD, α 0.4"."""
    if "color_var" in setting:
        return f"{setting['color_var']}"
    learn = f"{setting['learn']}, " if "learn" in setting and "alpha" not in setting else ""
    alpha = f", α {setting['alpha']:g}" if "alpha" in setting else ""
    if "protected" in setting:
        return f"{setting['train']}, {setting['protected']} forgotten, tested on {setting['test']}"
    return f"{learn}{setting['train']}, tested on {setting['test']}{alpha}"


def table_markdown(rows: list[dict[str, Any]]) -> str:
    """The table as Markdown; a mean of fewer than three runs is marked "single run" or "two runs"."""

    def number(value: float | None, sign: str = "") -> str:
        return "–" if value is None else f"{value:{sign}.4f}"

    def spread(row: dict[str, Any]) -> str:
        few = {0: "", 1: " (single run)", 2: " (two runs)"}.get(row["n"], "")
        return number(row["mean"]) + (f" ± {row['std']:.4f}" if row["std"] is not None else "") + few

    def precision(row: dict[str, Any]) -> str:
        return (row["precision"] or "–") + (f" ({row['left_out']} in the other precision left out)" if row["left_out"] else "")

    what = "σ²" if all(row["color_var"] is not None for row in rows) else "trained on"
    lines = [f"| method | {what} | published | ours | difference | n | profile | precision |", "|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {row['method']} | {_where(row['setting'])} | {number(row['published'])} | {spread(row)} "
        f"| {number(row['difference'], '+')} | {row['n']} | {row['profile'] or '–'} | {precision(row)} |"
        for row in rows
    ]
    return "\n".join(lines)
