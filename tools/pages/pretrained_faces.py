"""Faces from ImageNet's weights: Table 2, its search, and what the networks answer (Figures 6 and 7)."""

import json
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from lnl_core.experiments.faces import OTHER
from lnl_core.runs.comparison import results_table
from lnl_core.runs.records import RunRecord
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import comparisons, records as record_pages
from tools.pages.pretrained import MISSING, summary
from tools.pages.rows import of_seeds, table_head
from tools.studies import answers, pretrained_faces as study
from tools.studies.pretrained import STRENGTHS, scored
from tools.studies.study import Found, record_of

Key = tuple[str, str, str]
"""What is learnt, training set, method."""


def records_of(root: Path = ROOT) -> dict[Key, list[RunRecord]]:
    """By what is learnt, training set and method the record of each seed's run that is there."""
    found: dict[Key, list[RunRecord]] = {}
    for method, learn, train_set, config in study.cells(root):
        record = record_of(config, study.FOLDER, root)
        if record is not None:
            found.setdefault((learn, train_set, method), []).append(record)
    return found


def table_rows(learn: str, root: Path = ROOT) -> list[dict[str, Any]]:
    """The rows of Table 2 for what is learnt, as :func:`lnl_core.figures.table_figure` draws them, with our runs."""
    ours = records_of(root)
    rows = [row for row in results_table("faces", records=[], folder=root / "results") if row["setting"]["learn"] == learn]
    for row in rows:
        split = "test" if row["setting"]["test"] == "test" else "opposite"
        records = ours.get((learn, row["setting"]["train"].lower(), row["method"]), [])
        those = [one.metrics[f"{split}_accuracy"] for one in records]
        row |= {"values": those, "n": len(those), "mean": mean(those) if those else None, "records": records}
    order = list(dict.fromkeys((row["setting"]["train"], row["setting"]["test"]) for row in rows))
    return sorted(rows, key=lambda row: order.index((row["setting"]["train"], row["setting"]["test"])))


def beside_the_baseline(root: Path = ROOT) -> dict[tuple[str, str, str, str], tuple[list[float], list[float]]]:
    """By what is learnt, training set, set tested on and method the runs of the method and those of the baseline."""
    found = {}
    for learn in study.LEARNT:
        rows = {(row["setting"]["train"], row["setting"]["test"], row["method"]): row["values"] for row in table_rows(learn, root)}
        for (train, test, method), values in rows.items():
            if method != study.METHODS[0]:
                found[learn, train, test, method] = values, rows[train, test, study.METHODS[0]]
    return found


def faces_table(root: Path = ROOT) -> str:
    """A block for what is learnt, a row for each training set, set tested on and method: published, ours, against the baseline."""
    said = comparisons.verdicts(beside_the_baseline(root))
    blocks = []
    for learn in study.LEARNT:
        lines = table_head("trained on", "tested on", "method", "published", "ours", "against the baseline", "n", record_pages.HEAD)
        rows = table_rows(learn, root)
        for row in rows:
            where = row["setting"]
            verdict = said.get((learn, where["train"], where["test"], row["method"]), "–")
            ours = of_seeds(row["values"], missing=MISSING).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
            named = (where["train"], where["test"], row["method"], f"{row['published']:.4f}")
            found = (ours, verdict, str(row["n"]), record_pages.links(row["records"], root))
            lines.append(f"| {' | '.join((*named, *found))} |")
        blocks.append(f"**The {learn} is learnt, the {OTHER[learn]} is to be forgotten**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks) + f"\n{summary([*said.values()])}\n"


def search_table(root: Path = ROOT) -> str:
    """By method and strength the mean accuracy on the faces of 30 to 39, and what was chosen."""
    lines = table_head("method", *(f"{one:g}" for one in STRENGTHS), "chosen", "records")
    for method in study.SEARCHED:
        scores, strength = study.curve(method, root=root), study.chosen(method, root)
        cells = [f"{mean(those):.3f}" if len(those) == len(study.TRAIN_SETS) else "–" for those in scores.values()]
        cells += [MISSING if strength is None else f"{strength:g}", _of_seed_0(method)]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    there = _baselines("other_accuracy", root)
    told = f" The baseline at the same seed has {mean(there):.3f}." if len(there) == len(study.TRAIN_SETS) else ""
    chose = "\n".join(lines) + f"\n\nMean of n = 2 runs, one on EB1 and one on EB2, seed 0; 0.000: the training diverged.{told}\n"
    lines = table_head("trained on", "method", "baseline", *(f"{one:g}" for one in STRENGTHS), "records")
    for name, method in product(study.TRAIN_SETS, study.SEARCHED):
        runs = [("baseline", None), *((method, strength) for strength in STRENGTHS)]
        asked = [study.config_of(who, study.CHOSEN_ON, name, 0, strength) for who, strength in runs]
        found = [scored([config], study.FOLDER, "opposite_accuracy", root) for config in asked]
        cells = [f"{one[0]:.3f}" if one else "–" for one in found]
        lines.append(f"| {name.upper()} | {method} | {' | '.join(cells)} | {_of_seed_0(method, name)} |")
    return f"{chose}\nThe opposite set, which chose nothing, n = 1 a number, seed 0:\n\n" + "\n".join(lines) + "\n"


def _of_seed_0(method: str, train_set: str = "") -> str:
    return record_pages.listed(f"{study.FOLDER}/ -{method}- -{study.CHOSEN_ON}- {train_set}-seed0-", "seed 0")


def _baselines(metric: str, root: Path) -> list[float]:
    """The metric of the baselines of seed 0 that are there, trained on EB1 and on EB2."""
    found = [record_of(study.config_of("baseline", study.CHOSEN_ON, name, 0), study.FOLDER, root) for name in study.TRAIN_SETS]
    return [one.metrics[metric] for one in found if one is not None]


def most_gained(root: Path = ROOT) -> float:
    """How far a strength of the search lies above the baseline of its seed on the opposite set, the most of all of them."""
    base = _baselines("opposite_accuracy", root)
    curves = [study.curve(method, "opposite_accuracy", root).values() for method in study.SEARCHED]
    return max(value - plain for curve in curves for values in curve for value, plain in zip(values, base, strict=True))


def answered(experiment: str, root: Path = ROOT) -> dict[str, list[dict[str, Any]]]:
    """The stored answers by kind: of each network its method, training set, and the probabilities of the second class."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in answers.KINDS[experiment]}
    for one in _stored(experiment, root):
        for kind, shares in one["kinds"].items():
            name = f"{one['method']}, {one['train_set'].upper()}"
            found[kind].append({"name": name, "method": one["method"], "first": shares["first"], "mean": shares["mean"]})
    return found


def _stored(experiment: str, root: Path) -> list[Found]:
    asked = {run_folder("", config).name for config in answers.networks(root)}  # another choice of the search leaves others behind
    files = [path for path in sorted((root / answers.FOLDER).glob("*.json")) if path.stem in asked]
    found: list[Found] = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    return sorted(
        (one for one in found if one["experiment"] == experiment), key=lambda one: (one["method"], one["train_set"], one["seed"])
    )


def turned(experiment: str, method: str, root: Path = ROOT) -> float:
    """How far the mean answer to a kind moves between the two training sets, the mean over kinds and seeds, in [0, 1].

    0: the same answer whichever set was trained on; 1: the sure opposite, as of a network that reads nothing but the bias.
    """
    by: dict[tuple[str, int], dict[str, float]] = {}
    for one in _stored(experiment, root):
        for kind, shares in one["kinds"].items():
            if one["method"] == method:
                by.setdefault((kind, one["seed"]), {})[one["train_set"]] = shares["mean"]
    return mean(abs(first - second) for first, second in (tuple(sets.values()) for sets in by.values()))


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "pretrained_faces.md": faces_table(root),
        "pretrained_faces_search.md": search_table(root),
    }
