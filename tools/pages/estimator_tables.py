"""The tables of what estimators of information say of pairs and tables that are known exactly."""

import math
from pathlib import Path
from typing import Any

from tools import ROOT
from tools.pages.rows import grouped, spread, table_head
from tools.studies import estimators

ESTIMATORS = {"ksg": "KSG", "donsker_varadhan": "DV", "mine": "MINE", "nwj": "NWJ", "info_nce": "InfoNCE", "club": "CLUB"}
COUNTS = {"plug_in": "counted", "miller_madow": "counted and corrected"}
READERS = {"linear": "linear probe", "mlp": "probe with a hidden layer"}


def _settings(found: dict[str, Any]) -> str:
    """One sentence on how the runs were made."""
    settings, critic, origin = found["settings"], found["settings"]["critic"], found["provenance"]
    batch = critic["batch_size"]
    commit = f" Commit {origin['commit'][:7]}, {origin['seconds']:.0f} s." if origin.get("commit") else ""
    return (
        f"{len(settings['seeds'])} seeds. KSG with {settings['neighbors']} neighbours. Critics: two hidden layers of "
        f"{critic['hidden']}, {critic['steps']} steps of {batch} pairs (log {batch} = {math.log(batch):.3f}), "
        f"{critic['test_share']:.0%} of the pairs held out.{commit}\n"
    )


def estimators_table(root: Path = ROOT) -> str:
    """One row a kind of normal pairs, one column an estimator."""
    found = estimators.read_runs(root)
    lines = table_head("dimensions", "pairs", "exact", *ESTIMATORS.values(), "CLUB, true q")
    for (kind, dimensions, size, exact), runs in grouped(found["normal"], "kind", "dimensions", "size", "exact").items():
        cells = [spread([run for run in runs if run["estimator"] == name]) for name in ESTIMATORS]
        best = dimensions * math.expm1(2 * exact / dimensions)
        pairs = f"{size}, shuffled" if kind == "shuffled" else str(size)
        lines.append(f"| {dimensions} | {pairs} | {exact:.3f} | {' | '.join(cells)} | {best:.3f} |")
    return "\n".join(lines) + "\n\n" + _settings(found)


def counts_table(root: Path = ROOT) -> str:
    """Counting on samples of tables that are known."""
    found = estimators.read_labels(root)
    lines = table_head("classes", "pairs", "exact", *COUNTS.values())
    for (classes, size, exact), runs in grouped(found["tables"], "classes", "size", "exact").items():
        cells = [spread([run for run in runs if run["estimator"] == name]) for name in COUNTS]
        lines.append(f"| {classes} | {size} | {exact:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + _drawn(found, "tables")


def probes_table(root: Path = ROOT) -> str:
    """The bound of a probe on features whose information is known."""
    found = estimators.read_labels(root)
    lines = table_head("dimensions", "examples", "exact", *READERS.values())
    for (kind, dimensions, size, exact), runs in grouped(found["features"], "kind", "dimensions", "size", "exact").items():
        cells = [spread([run for run in runs if run["estimator"] == name]) for name in READERS]
        examples = f"{size}, shuffled" if kind == "shuffled" else str(size)
        lines.append(f"| {dimensions} | {examples} | {exact:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n\n" + _drawn(found, "features")


def _drawn(found: dict[str, Any], part: str) -> str:
    commit = f" Commit {found['provenance']['commit'][:7]}." if found["provenance"].get("commit") else ""
    return f"Nats, mean and standard deviation over {len(found['settings'][part]['seeds'])} samples.{commit}\n"


def parity_table(root: Path = ROOT) -> str:
    """Readers of features that show a bit and of features that hold it as a parity."""
    found = estimators.read_runs(root)
    readers = {
        "bilinear critic": ("donsker_varadhan", "bilinear"),
        "trained critic": ("donsker_varadhan", "mlp"),
        "linear probe": ("probe", "linear"),
        "probe with a hidden layer": ("probe", "mlp"),
    }
    names = {"shown": "$(B, U)$", "parity": "$(U, UB)$"}
    lines = table_head("features", "exact", *readers)
    for (kind, exact), runs in grouped(found["parity"], "kind", "exact").items():
        cells = [spread([run for run in runs if (run["estimator"], run["reader"]) == reader]) for reader in readers.values()]
        lines.append(f"| {names[kind]} | {exact:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "estimators.md": estimators_table(root),
        "counts.md": counts_table(root),
        "probes.md": probes_table(root),
        "parity.md": parity_table(root),
    }
