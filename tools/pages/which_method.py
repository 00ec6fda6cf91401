"""The tables of "Which method when": what each method must know, and what it does where it was run."""

from pathlib import Path

from lnl_core import methods
from lnl_core.methods.base import KNOWLEDGE
from lnl_core.runs.records import RunRecord, read_record, read_records
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import comparisons, group_numbers, records as record_pages
from tools.pages.rows import by_configuration, of_seeds, table_head, where
from tools.studies import newer, search
from tools.studies.runs import SEVERAL
from tools.studies.study import diverged

COLUMNS = {
    "test_accuracy": "accuracy",
    "bias_conflicting_accuracy": "conflicting",
    "worst_group_accuracy": "worst cell",
    "bias_mlp_probe_information": "leak in nats",
}
SMALL_COLUMNS = {name: word for name, word in COLUMNS.items() if name != "bias_conflicting_accuracy"}
DIGITS = {"worst_group_accuracy": 2, "bias_mlp_probe_information": 2}
"""Columns of the small table, and digits where they are not three: more would not fit beside the contents."""
LEAST = "seconds, least of n"
MISSING = "not measured"
RESULTS = "runs"
"""The folder of the results page, whose runs of ``newer.BESIDE`` stand where this study does not make them again or has not yet."""


def must_know_table() -> str:
    """What each method that is compared must be told beside images and labels."""
    lines = table_head("method", *KNOWLEDGE)
    for method in newer.METHODS:
        told = methods.find(method).must_know
        lines.append(f"| {method} | " + " | ".join("yes" if word in told else "no" for word in KNOWLEDGE) + " |")
    return "\n".join(lines) + "\n"


def which_method_table(root: Path = ROOT) -> str:
    """By variance a row a method: means over seeds with the standard deviation; what has no record says so.

    Where all rows of a variance are in one precision, its heading says which, and no column does.
    """
    own = {record.run_config().fingerprint(): record for record in read_records(root / "results" / newer.FOLDER)}
    others = by_configuration(read_records(root / "results" / RESULTS))
    found: list[RunRecord] = []
    borrowed = False
    blocks = []
    for color_var in SEVERAL:
        rows: dict[str, tuple[list[str], str, list[str]]] = {}
        for method in newer.METHODS:
            runs = [newer.config_of(method, color_var, seed).fingerprint() for seed in range(newer.SEEDS)]
            records = [own[run] for run in runs if run in own]
            found += records
            seconds = [record.provenance["seconds"] for record in records if _knows_its_time(record)]
            instead = others.get(newer.config_of(method, color_var, 0).fingerprint(), []) if method in newer.BESIDE else []
            if instead and len(records) < newer.SEEDS:
                records, seconds, borrowed = instead, [], True
            if records:
                cells = [*(_cell(name, records, root) for name in COLUMNS), f"{min(seconds):.0f}" if seconds else MISSING]
                precision = " and ".join(sorted({record.config["precision"] for record in records}))
                rows[method] = cells, precision, [str(len(records)), group_numbers.links(records, root)]
        missing = [method for method in newer.METHODS if method not in rows]
        absent = f"Not measured at this variance: {'; '.join(missing)}.\n" if missing else ""
        blocks.append(f"**σ² = {color_var:g}**{_table_of(rows)}{absent}")
    return f"{_how_much(found)}{_BORROWED if borrowed else ''}\n\n" + "\n".join(blocks)


def _table_of(rows: dict[str, tuple[list[str], str, list[str]]]) -> str:
    """What follows the variance: the precision of all rows, or none where each row says its own, and the table if there is one."""
    if not rows:
        return "\n\n"
    precisions = {precision for _, precision, _ in rows.values()}
    column = ["precision"] if len(precisions) > 1 else []
    lines = table_head("method", *COLUMNS.values(), LEAST, *column, "n", record_pages.HEAD)
    for method, (cells, precision, rest) in rows.items():
        lines.append(f"| {method} | {' | '.join([*cells, *(precision for _ in column), *rest])} |")
    return f"{'' if column else f', in {precisions.pop()}'}\n\n" + "\n".join(lines) + "\n\n"


def full_scores(root: Path = ROOT) -> dict[str, dict[float, list[float]]]:
    """By row and variance the accuracies of the full setting: this study's runs, and those of the results page in bf16 beside them.

    At the smallest variance this study's runs are in float32, at the others in bf16, as those beside them are.
    """
    own, beside = (read_records(root / "results" / folder) for folder in (newer.FOLDER, RESULTS))
    others = by_configuration(beside)
    rows = {method: {value: where(own, method=method, color_var=value) for value in SEVERAL} for method in newer.METHODS}
    rows |= {
        f"{one}, bf16": {value: others.get(newer.config_of(one, value, 0).fingerprint(), []) for value in SEVERAL}
        for one in newer.BESIDE
    }
    return {
        name: {value: [one.metrics["test_accuracy"] for one in found] for value, found in cells.items()}
        for name, cells in rows.items()
    }


_BORROWED = (
    f" Where they have not been run again, the rows {', '.join(newer.BESIDE[:-1])} and {newer.BESIDE[-1]} hold the runs of the"
    " results page, of the same configurations; their seconds are of other machines and are left out"
    " (*again*: the groups are of the same seed, trained again)."
)


def small_runs(method: str, color_var: float, root: Path = ROOT) -> tuple[list[RunRecord], int]:
    """In the small setting the records of a cell that are there, and how many of its runs diverged."""
    names = [run_folder("", newer.small_config_of(method, color_var, seed)).name for seed in range(newer.SEEDS)]
    folder = root / "results" / newer.SMALL
    files = [folder / f"{name}.json" for name in names]
    lost = sum(diverged(folder, name).is_file() for name in names)
    return [read_record(file) for file in files if file.is_file()], lost


def small_values(method: str, color_var: float, metric: str = "test_accuracy", root: Path = ROOT) -> list[float]:
    return [record.metrics[metric] for record in small_runs(method, color_var, root)[0]]


def small_scores(root: Path = ROOT) -> dict[str, dict[float, list[float]]]:
    """By method and variance the accuracies of the small setting on unbiased test digits."""
    return {method: {value: small_values(method, value, root=root) for value in SEVERAL} for method in newer.METHODS}


def small_table(root: Path = ROOT) -> str:
    """By variance a row a method in the small setting: means over seeds with the standard deviation, and against the baseline."""
    scores = small_scores(root)
    said = comparisons.of_every_two(scores)
    blocks = []
    for color_var in SEVERAL:
        found = {method: small_runs(method, color_var, root) for method in newer.METHODS}
        if not any(records for records, _ in found.values()):
            continue
        lines = table_head("method", *SMALL_COLUMNS.values(), "against the baseline", LEAST, "n", record_pages.HEAD)
        for method, (records, lost) in found.items():
            cells = [of_seeds([one.metrics[name] for one in records], DIGITS.get(name, 3), MISSING) for name in SMALL_COLUMNS]
            cells.append("–" if method == newer.BESIDE[0] else said[method, newer.BESIDE[0], color_var])
            cells.append(f"{min(one.provenance['seconds'] for one in records):.0f}" if records else MISSING)
            cells += [f"{len(records)}{f', {lost} diverged' if lost else ''}", record_pages.links(records, root)]
            lines.append(f"| {method} | {' | '.join(cells)} |".replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"))
        blocks.append(f"**σ² = {color_var:g}**\n\n" + "\n".join(lines) + "\n")
    if not blocks:
        return "Nothing has been measured yet.\n"
    shared = search.SETTINGS
    how = (
        f"Mean and standard deviation over n seeds. {shared['train_size']:,} training digits, {shared['epochs']} epochs in batches "
        f"of {shared['batch_size']}. {comparisons.how(comparisons.counted(comparisons.every_two(scores)), 'of two methods')} "
        "Seconds are those of whole runs with their probes on one processor core, the least of a row, as some shared it."
    )
    return "\n".join(blocks) + f"\n{how}\n"


def _knows_its_time(record: RunRecord) -> bool:
    """Whether the seconds are of the whole run: older records of resumed runs hold those of the last part."""
    parts = record.provenance.get("earlier", [])
    return record.provenance["seconds"] is not None and all(part.get("seconds") is not None for part in parts)


def _cell(name: str, records: list[RunRecord], root: Path) -> str:
    """The mean over seeds, with its own n where not all of the runs hold this number."""
    values = group_numbers.values(name, records, root)
    own = f" (n = {len(values)})" if 0 < len(values) < len(records) else ""
    return of_seeds(values, DIGITS.get(name, 3), MISSING) + own


def _how_much(records: list[RunRecord]) -> str:
    """In words how many of the runs there are, and where they were made."""
    wanted = len(newer.configs())
    if not records:
        return f"**These numbers have not been measured yet**: none of the {wanted} runs has been made."
    devices = " and ".join(sorted({str(record.provenance["device"]) for record in records}))
    some = "" if len(records) == wanted else "; the others have not been measured yet"
    made = f"{len(records)} of the {wanted} runs {'has' if len(records) == 1 else 'have'} been made{some}."
    return f"{made} Seconds are those of whole runs with their probes, on {devices}: the least of a row, as some ran beside others."


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "which_method.md": which_method_table(root),
        "which_method_small.md": small_table(root),
        "must_know.md": must_know_table(),
    }
