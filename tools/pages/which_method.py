"""The tables of "Which method when": what each method must know, and what it does where it was run."""

from pathlib import Path

from lnl_core import methods
from lnl_core.methods.base import KNOWLEDGE
from lnl_core.runs.records import RunRecord, read_records
from tools import ROOT
from tools.pages.rows import of_seeds, table_head
from tools.studies import newer
from tools.studies.runs import SEVERAL

COLUMNS = {
    "test_accuracy": "accuracy",
    "bias_conflicting_accuracy": "conflicting",
    "worst_group_accuracy": "worst cell",
    "bias_mlp_probe_information": "leak in nats",
}
MISSING = "not measured"


def must_know_table() -> str:
    """What each method that is compared must be told beside images and labels."""
    lines = table_head("method", *KNOWLEDGE)
    for method in (*newer.BESIDE, *newer.NEW):
        told = methods.find(method).must_know
        lines.append(f"| {method} | " + " | ".join("yes" if word in told else "no" for word in KNOWLEDGE) + " |")
    return "\n".join(lines) + "\n"


def which_method_table(root: Path = ROOT) -> str:
    """By variance a row a method: means over seeds with the standard deviation; what has no record says so."""
    stored = {record.run_config().fingerprint(): record for record in read_records(root / "results" / newer.FOLDER)}
    found: list[RunRecord] = []
    blocks = []
    for color_var in SEVERAL:
        lines = table_head("method", *COLUMNS.values(), "seconds", "n")
        for row in newer.ROWS:
            fingerprints = [newer.config_of(row, color_var, seed).fingerprint() for seed in range(newer.SEEDS)]
            records = [stored[one] for one in fingerprints if one in stored]
            cells = [of_seeds([one.metrics[name] for one in records if name in one.metrics], missing=MISSING) for name in COLUMNS]
            cells.append(of_seeds([one.provenance["seconds"] for one in records], 0, MISSING))
            lines.append(f"| {row} | {' | '.join(cells)} | {len(records)} |")
            found += records
        blocks.append(f"**σ² = {color_var:g}**\n\n" + "\n".join(lines) + "\n")
    return f"{_how_much(found)}\n\n" + "\n".join(blocks)


def _how_much(records: list[RunRecord]) -> str:
    """In words how many of the runs there are, and where they were made."""
    wanted = len(newer.ROWS) * len(SEVERAL) * newer.SEEDS
    if not records:
        return f"**These numbers have not been measured yet**: none of the {wanted} runs has been made."
    devices = " and ".join(sorted({str(record.provenance["device"]) for record in records}))
    some = "" if len(records) == wanted else "; the others have not been measured yet"
    made = f"{len(records)} of the {wanted} runs {'has' if len(records) == 1 else 'have'} been made{some}."
    return f"{made} Seconds are those of whole runs with their probes, on {devices}; other work may have run beside them."
