"""Every committed record as data of two pages: one that lists, sorts and filters them, one that shows the record of its fragment.

A record that cannot be read keeps its row, with the reason, and the others stay. The tables of the pages link to their records.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lnl_core._files import read_json
from lnl_core.config import RunConfig, preset
from lnl_core.errors import ConfigError, RecordError
from lnl_core.experiments import find
from lnl_core.runs.records import SCHEMA, RunRecord, parse_record, read_record, read_record_lines
from lnl_core.runs.run import run_folder
from tools import ROOT

FOLDERS = (
    *("runs", "ablations", "retrained", "figure_4_groups", "limit/records", "newer", "newer_small", "newer_float32"),
    *("figure_4_small", "conditional", "pretrained", "exceptions", "pretrained_faces", "longer", "pretrained_curves", "released"),
)
"""The folders of ``results`` with a record a file; those of ``fairness`` have a record a line."""
ABOUT_RUNS = ("leakage", "limit/runs", "models", "maps", "last_layer", "confidence", "answers")
"""Folders with further measurements of the network of a run."""

SMALL = ("search", "choosing", "digit_exceptions", "look_alikes")
"""Folders of studies that keep of a run what they compare; their name is that of the study."""

_RESTORE = "restore it from the repository"

Record = RunRecord | str
"""A record, or why it cannot be read."""


def _as_record(path: Path, read: Callable[[dict[str, Any]], dict[str, Any]]) -> RunRecord:
    """What is no record as one: ``read`` gives of the file's table setting, metrics and data, the rest is in its configuration.

    Raises:
        RecordError: if anything is missing or of another type.
    """
    found = read_json(path, _RESTORE)
    try:
        of_run = {name: found["config"][name] for name in ("experiment", "method", "seed", "profile")}
        own = {"schema": SCHEMA, "selection": "last_epoch", "config": found["config"], "provenance": found["provenance"]}
        values = {**of_run, **own, **read(found)}
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise RecordError(f"{path} holds no run ({error}): {_RESTORE}") from None
    return parse_record(json.dumps(values), path)


def _small(found: dict[str, Any]) -> dict[str, Any]:
    """Of a run of the studies in SMALL: its scores are the metrics; none if the training diverged, and then the data say why."""
    config, scores = found["config"], found["scores"] or {}
    data = {name: config[name] for name in ("source", "train_size") if name in config}
    return {
        "setting": {name: found[name] for name in ("data_set", "color_var", "number", "share") if name in found},
        "metrics": {("test_accuracy" if name == "accuracy" else name): value for name, value in scores.items()},
        "data": data if scores else {**data, "diverged": found["diverged"]},
    }


def _diverged(found: dict[str, Any]) -> dict[str, Any]:
    """Of a run that ended without a record because its loss was not finite: no metrics, and data that say why."""
    config = RunConfig.from_dict(found["config"])
    return {"setting": config.setting, "metrics": {}, "data": {"source": config.source, "diverged": found["reason"]}}


def read_all(root: Path = ROOT) -> dict[str, Record]:
    """Every record below ``results`` by its address: folder and file, ``runs/NAME``, or with the line, ``fairness/NAME/3``."""
    results = root / "results"
    readers: dict[str, Callable[[Path], RunRecord]] = dict.fromkeys(FOLDERS, read_record)
    readers |= {f"{folder}/diverged": partial(_as_record, read=_diverged) for folder in FOLDERS}
    readers |= {folder: partial(_as_record, read=_small) for folder in SMALL}
    found: dict[str, Record] = {}
    for folder, read in readers.items():
        for path in sorted((results / folder).glob("*.json")):
            try:
                found[f"{folder}/{path.stem}"] = read(path)
            except RecordError as error:
                found[f"{folder}/{path.stem}"] = str(error).replace(f"{root}/", "")
    for path in sorted((results / "fairness").glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            try:
                found[f"fairness/{path.stem}/{number}"] = parse_record(line, f"line {number} of results/fairness/{path.name}")
            except RecordError as error:
                found[f"fairness/{path.stem}/{number}"] = str(error)
    return found


def command(address: str, record: RunRecord) -> str:
    """What to type in a clone to make the record again; ``git checkout`` of its commit comes before that.

    Not so for a study in SMALL: which runs it makes depends on the results of its earlier ones, which its commit did not have yet.
    """
    if address.startswith("fairness/"):
        return "python -m tools.studies fairness"
    study, _, name = address.rpartition("/")
    if study in SMALL:
        return f"rm {shlex.quote(_file(address))}\n{shlex.join(['python', '-m', 'tools.studies', study, '--only', name])}"
    config = record.run_config()
    named = {name: value for name, value in config.to_dict().items() if name in find(config.experiment).varied}
    profile = "short" if config.profile == "custom" else config.profile
    usual = preset(profile, config.method, experiment=config.experiment, seed=config.seed, **named).to_dict()
    parts = ["lnl", "train", "--experiment", config.experiment, "--method", config.method, "--profile", profile]
    options = [name for name in named if name in ("color_var", "train_set", "learn", "protected")]
    for name in options:
        parts += [f"--{name.replace('_', '-')}", str(named[name])]
    parts += ["--seed", str(config.seed), "--source", str(config.source)]
    known = {"experiment", "method", "profile", "seed", "source", *options}
    for name, value in config.to_dict().items():
        if name not in known and usual.get(name) != value:
            parts += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join([*parts, "--out", "run"])


def _file(address: str) -> str:
    folder, _, number = address.rpartition("/")
    return f"results/{folder}.jsonl, line {number}" if address.startswith("fairness/") else f"results/{address}.json"


def bundle(root: Path = ROOT) -> dict[str, Any]:
    """The records in little space: tables as the place of their names in ``names`` and their values, equal tables once.

    Returns:
        ``names``: lists of names; ``tables``: [place in names, values]; ``records``: address, file, the fields of a record in the
        order of ``fields`` with tables as places in ``tables``, command and further files; ``damaged``: address, file and reason;
        ``today``: the folders whose commands are for today's commit, see :func:`command`.
    """
    names: dict[str, int] = {}
    tables: dict[str, int] = {}

    def table(values: dict[str, Any]) -> int:
        flat = {name: value for name, value in values.items() if not isinstance(value, dict)}
        for outer, inner in values.items():
            flat |= {f"{outer} {name}": value for name, value in inner.items()} if isinstance(inner, dict) else {}
        shape = names.setdefault(json.dumps(list(flat)), len(names))
        return tables.setdefault(json.dumps([shape, list(flat.values())]), len(tables))

    further: dict[str, list[str]] = {}
    for folder in ABOUT_RUNS:
        for path in sorted((root / "results" / folder).glob("*.json")):
            stored = json.loads(path.read_text(encoding="utf-8"))
            address = measured_at({"record": stored.get("run", path.stem), **stored}, root)
            further.setdefault(str(address), []).append(f"results/{folder}/{path.name}")
    records, damaged = [], []
    for address, record in read_all(root).items():
        if isinstance(record, str):
            damaged.append([address, _file(address), record])
            continue
        origin = record.provenance
        spent = {name: origin.get(name) for name in ("commit", "dirty", "started", "seconds", "device")}
        fields = [record.experiment, record.method, record.seed, record.profile, record.selection]
        parts = [table(record.setting), table(record.config), table(record.metrics), table(record.data), table(spent)]
        parts.append(table(origin.get("packages") or {}))
        try:
            again = command(address, record)
        except ConfigError:
            again = ""
        records.append([address, _file(address), *fields, *parts, again, further.get(address, [])])
    return {
        "names": [json.loads(one) for one in names],
        "tables": [json.loads(one) for one in tables],
        "records": records,
        "damaged": damaged,
        "today": SMALL,
    }


def fragments() -> dict[str, str]:
    """The two pages' places and scripts by file name."""
    where = "../_static/explorables"
    note = "<!-- written by `make results` from results/; edits are lost -->"
    without = "This page needs JavaScript. Without it, the records are the files below <code>results/</code> in the repository."

    def one(name: str) -> str:
        return "\n".join(
            [
                note,
                f'<link rel="stylesheet" href="{where}/explorables.css">',
                f'<div class="explorable" data-explorable="{name}"><noscript><p>{without}</p></noscript></div>',
                f'<script defer src="{where}/records_data.js"></script>',
                f'<script defer src="{where}/records.js"></script>',
                "",
            ]
        )

    return {"records.html": one("records"), "record.html": one("record")}


# Links from the rows of tables

HEAD = "records, by seed"
"""The head of a column of links."""


@cache
def _lines(path: Path) -> list[RunRecord]:
    return read_record_lines(path) if path.is_file() else []


def address_of(record: RunRecord, root: Path = ROOT) -> str | None:
    """Where the record of a run is stored, looked for in the order of FOLDERS; None if it is not there.

    The same run in another precision or on another machine has the same name, in another folder.
    """
    if "protected" in record.setting:  # a table of people: its runs are lines of one file
        name = f"{record.setting['train']}-{record.setting['protected']}-{record.method}"
        lines = _lines(root / "results" / "fairness" / f"{name}.jsonl")
        return f"fairness/{name}/{lines.index(record) + 1}" if record in lines else None
    found = _stored(run_folder("", record.run_config()).name, root)
    alike = (address for address in found if len(found) == 1 or read_record(root / "results" / f"{address}.json") == record)
    return next(alike, next(iter(found), None))


def _stored(name: str, root: Path) -> list[str]:
    return [f"{folder}/{name}" for folder in FOLDERS if (root / "results" / folder / f"{name}.json").is_file()]


def link(address: str, words: str, said: str) -> str:
    return f'<a href="record.html#{address}" aria-label="{said}">{words}</a>'


def links(records: Iterable[RunRecord], root: Path = ROOT, more: str = "") -> str:
    """A link a record, named by its seed with ``more`` words; a dash if there is none."""
    found = [(record.seed, address) for record in records if (address := address_of(record, root))]
    return " ".join(link(address, f"{seed}{more}", f"record of seed {seed}{more}") for seed, address in sorted(found)) or "–"


def links_of_runs(names: Iterable[str], root: Path = ROOT) -> str:
    """The same for runs that are known by the name of their folder."""
    stored = (address for name in names for address in _stored(name, root)[:1])
    return links([read_record(root / "results" / f"{address}.json") for address in stored], root)


def measured_at(found: dict[str, Any], root: Path = ROOT) -> str | None:
    """The address of the run whose network was measured; ``None`` where it has no record.

    The same run on another machine has the same name: of several the one whose accuracy is nearest to that of the measured network.
    A copy in half precision may differ from its own by some images.

    Args:
        found: the measurement, with ``record``, the name of the run, and ``test_accuracy`` where the network's is known.
    """
    stored = _stored(str(found["record"]), root)
    if "test_accuracy" not in found or len(stored) < 2:
        return next(iter(stored), None)
    accuracy = {one: read_record(root / "results" / f"{one}.json").metrics["test_accuracy"] for one in stored}
    return min(stored, key=lambda one: abs(accuracy[one] - found["test_accuracy"]))


def links_of_measured(found: Iterable[dict[str, Any]], root: Path = ROOT) -> str:
    """:func:`links` to the runs whose networks were measured, see :func:`measured_at`."""
    addresses = (address for one in found if (address := measured_at(one, root)))
    return links([read_record(root / "results" / f"{address}.json") for address in addresses], root)


def listed(words: str, text: str) -> str:
    """A link to the list of those records in which all ``words`` occur, for a row of more runs than a cell has room for."""
    return f'<a href="records.html#{quote(words)}">{text}</a>'


def with_column(markdown: str, cells: Sequence[str], head: str = HEAD) -> str:
    """Markdown with one column more in its tables, whose rows take the cells in their order; what is no table stays.

    Raises:
        RecordError: if the tables have another number of rows than there are cells.
    """
    lines = markdown.split("\n")
    heads = [number for number in range(1, len(lines)) if lines[number].startswith("|---")]
    rows = [number for number, line in enumerate(lines) if line.startswith("|") and not {number, number + 1} & set(heads)]
    if len(rows) != len(cells):
        raise RecordError(f"tables of {len(rows)} rows cannot link to the records of {len(cells)}: see tools/pages/records.py")
    for number in heads:
        lines[number - 1] += f" {head} |"
        lines[number] += "---|"
    for number, cell in zip(rows, cells, strict=True):
        lines[number] += f" {cell} |"
    return "\n".join(lines)
