"""Dogs and cats from ImageNet's weights, and with exceptions: tables, and what the figures draw."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Any

from lnl_core.experiments.dogs_cats import exceptions_of
from lnl_core.runs.comparison import FEWEST_RUNS, results_table
from lnl_core.runs.records import RunRecord
from tools import ROOT
from tools.pages import comparisons, records as record_pages
from tools.pages.rows import of_seeds, table_head
from tools.studies import exceptions, pretrained
from tools.studies.study import record_of

MISSING = "not measured"
_SPLITS = ("opposite", "test")


def _values(metric: str, root: Path) -> dict[tuple[str, str], list[float]]:
    """By method and training set the metric of each seed's run that is there."""
    found: dict[tuple[str, str], list[float]] = {}
    for method, train_set, config in pretrained.cells(root):
        record = record_of(config, pretrained.FOLDER, root)
        if record is not None:
            found.setdefault((method, train_set), []).append(record.metrics[metric])
    return found


def table_rows(root: Path = ROOT) -> list[dict[str, Any]]:
    """The rows of Table 1 as :func:`lnl_core.figures.table_figure` draws them: published, and ours from ImageNet's weights."""
    ours = {split: _values(f"{split}_accuracy", root) for split in _SPLITS}
    rows = results_table("dogs_cats", records=[], folder=root / "results")
    for row in rows:
        split = "test" if row["setting"]["test"] == "test" else "opposite"
        values = ours[split].get((row["method"], str(row["setting"]["train"]).lower()), [])
        row |= {"values": values, "n": len(values), "mean": mean(values) if values else None}
    return [row for row in rows if row["method"] in (*pretrained.PLAIN, *pretrained.SEARCHED)]


def _links(root: Path) -> dict[tuple[str, str], str]:
    """By method and training set the links to the records of its runs."""
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for method, train_set, config in pretrained.cells(root):
        record = record_of(config, pretrained.FOLDER, root)
        found.setdefault((method, train_set), []).extend([record] if record is not None else [])
    return {key: record_pages.links(records, root) for key, records in found.items()}


COMPARED = (*pretrained.PLAIN[1:], pretrained.LONGER, *pretrained.SEARCHED)
"""The rows that are held against the baseline."""


def beside_the_baseline(root: Path = ROOT) -> dict[tuple[str, str, str], tuple[list[float], list[float]]]:
    """By row, training set and set tested on the runs of a row and those of the baseline."""
    ours = {split: _values(f"{split}_accuracy", root) for split in _SPLITS}
    return {
        (method, train_set, split): (found.get((method, train_set), []), found.get((pretrained.PLAIN[0], train_set), []))
        for split, found in ours.items()
        for train_set in pretrained.TRAIN_SETS
        for method in COMPARED
    }


def pretrained_table(root: Path = ROOT) -> str:
    """A block for each training set and set tested on, a row for each method: published, ours, and ours against the baseline."""
    ours = {split: _values(f"{split}_accuracy", root) for split in _SPLITS}
    if not ours["test"]:
        return "Nothing has been measured yet.\n"
    worst, links = _values("worst_group_accuracy", root), _links(root)
    pairs = beside_the_baseline(root)
    said = comparisons.verdicts(pairs)
    blocks = []
    for row_of, block in groupby(_in_blocks(root), key=_block):
        train_set, split = row_of[0].lower(), "test" if row_of[1] == "test" else "opposite"
        published = {row["method"]: f"{row['published']:.4f}" for row in block}
        also = ["worst group"] if split == "test" else []
        lines = table_head("method", "published", "ours", "against the baseline", *also, "n", record_pages.HEAD)
        for method in (*pretrained.PLAIN, pretrained.LONGER, *pretrained.SEARCHED):
            values = ours[split].get((method, train_set), [])
            cells = [published.get(method, "–"), of_seeds(values, missing=MISSING), said.get((method, train_set, split), "–")]
            cells += [of_seeds(worst.get((method, train_set), []), missing=MISSING) for _ in also]
            cells += [str(len(values)), links.get((method, train_set), "–")]
            lines.append(f"| {method} | {' | '.join(cells)} |".replace(" ± ", "\u00a0±\u00a0"))
        blocks.append(f"**Trained on {row_of[0]}, tested on {row_of[1]}**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks) + f"\n{summary([*said.values()])}\n"


def _block(row: dict[str, Any]) -> tuple[str, str]:
    return row["setting"]["train"], row["setting"]["test"]


def _in_blocks(root: Path) -> list[dict[str, Any]]:
    """The rows of Table 1, those of one training set and one set tested on together."""
    rows = table_rows(root)
    order = list(dict.fromkeys(map(_block, rows)))
    return sorted(rows, key=lambda row: order.index(_block(row)))


def summary(verdicts: Sequence[str]) -> str:
    """How often each of these verdicts was given, and what the words say."""
    few = verdicts.count(comparisons.FEW)
    words = [one.strip("()") for one in verdicts]
    higher, lower, unsaid = (words.count(word) for word in ("higher", "lower", "cannot say"))
    told = f"; {few} have {comparisons.FEW} on a side" if few else ""
    stay = sum(one in ("higher", "lower") for one in verdicts)
    return (
        f"Of {len(verdicts)} comparisons with the baseline {higher} lie above it, one at a time, {lower} below, and {unsaid} "
        f"cannot be told apart{told}. Read together, {stay} of these {higher + lower} differences stay. "
        + comparisons.how(len(verdicts) - few)
    )


def search_table(root: Path = ROOT) -> str:
    """The search: by method and strength the mean accuracy on photographs of neither coat, and what was chosen."""
    lines = table_head("method", *(f"{one:g}" for one in pretrained.STRENGTHS), "chosen", "records")
    for method in pretrained.SEARCHED:
        scores, strength = pretrained.curve(method, root=root), pretrained.chosen(method, root)
        cells = [f"{mean(scores[one]):.3f}" if len(scores[one]) == len(pretrained.TRAIN_SETS) else "–" for one in scores]
        cells += [MISSING if strength is None else f"{strength:g}", _of_seed_0(method)]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    plain = (pretrained.config_of(pretrained.PLAIN[0], name, 0) for name in pretrained.TRAIN_SETS)
    base = [record_of(config, pretrained.FOLDER, root) for config in plain]
    there = [one.metrics["other_accuracy"] for one in base if one is not None]
    told = f" The baseline at the same seed has {mean(there):.3f}." if len(there) == len(base) else ""
    return "\n".join(lines) + f"\n\nEach number is the mean of n = 2 runs, one on TB1 and one on TB2, seed 0.{told}\n"


def _of_seed_0(method: str) -> str:
    return record_pages.listed(f"{pretrained.FOLDER}/ -{method}- -seed0-", "seed 0")


def freezing_table(root: Path = ROOT) -> str:
    """One baseline with fewer frozen blocks beside that of the table, seed 0."""
    lines = table_head("frozen blocks", "neither coat", "TB2", "test", "seconds", "n", record_pages.HEAD)
    for config in (pretrained.config_of(pretrained.PLAIN[0], "tb1", 0), *pretrained.freezing()):
        record = record_of(config, pretrained.FOLDER, root)
        cells, links = [MISSING] * 4, record_pages.links([] if record is None else [record], root)
        if record is not None:
            cells = [f"{record.metrics[f'{split}_accuracy']:.3f}" for split in ("other", *_SPLITS)]
            seconds = record.provenance["seconds"]
            cells.append(MISSING if seconds is None else f"{seconds:.0f}")
        lines.append(f"| {config.frozen_blocks} of 16 | {' | '.join(cells)} | {0 if record is None else 1} | {links} |")
    return "\n".join(lines) + "\n"


Dial = dict[str, dict[float, list[float]]]


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def dial(metric: str = "opposite_accuracy", root: Path = ROOT) -> Dial:
    """By method and share of exceptions the metric of each seed's run that is there."""
    found: Dial = {method: {share: [] for share in exceptions.SHARES} for method in exceptions.METHODS}
    for method, share, config in exceptions.cells(root):
        record = record_of(config, exceptions.FOLDER, root)
        if record is not None:
            found[method][share].append(record.metrics[metric])
    return found


def dial_drawn(root: Path = ROOT) -> Dial:
    """On the other half of TB2 the methods that have runs; the first of them in any case."""
    found = dial(root=root)
    return {method: values for method, values in found.items() if any(values.values()) or method == exceptions.METHODS[0]}


def exceptions_table(root: Path = ROOT) -> str:
    """On the other half of TB2 and on the test set, a row a method, a column a share of exceptions."""
    blocks = []
    words = {"opposite_accuracy": "The other half of TB2", "test_accuracy": "The test set"}
    counts = {share: exceptions_of(share, exceptions.TB2) for share in exceptions.SHARES}
    for metric, title in words.items():
        found = dial(metric, root)
        lines = table_head("method", *(f"{_percent(share)}: {count}" for share, count in counts.items()), "records")
        for method, values in found.items():
            cells = []
            for share, those in values.items():
                why = exceptions.without(method, share)
                count = "" if len(those) == exceptions.SEEDS else f" (n = {len(those)})"
                cells.append(why or (f"{of_seeds(those)}{count}" if those else MISSING))
            cells.append(record_pages.listed(f"{exceptions.FOLDER}/dogs_cats-{method}-", f"runs of {method}"))
            lines.append(f"| {method} | {' | '.join(cells)} |")
        blocks.append(f"**{title}**\n\n" + "\n".join(lines) + "\n")
    found = dial(root=root)
    number = f"n = {exceptions.SEEDS} seeds a cell where it does not say another number."
    return "\n".join(blocks) + f"\n{number}\n\n{dial_answer(found)}\n\n{same_exceptions(found)}\n"


def beside_same_exceptions(
    found: Mapping[str, Mapping[float, Sequence[float]]],
) -> dict[tuple[str, float], tuple[Sequence[float], Sequence[float]]]:
    """By method and share the runs of a method and those of the baseline with the same exceptions."""
    plain = found.get(exceptions.METHODS[0], {})
    others = [name for name in found if name != exceptions.METHODS[0] and plain]
    return {(name, share): (values, plain[share]) for name in others for share, values in found[name].items()}


def same_exceptions(found: Mapping[str, Mapping[float, Sequence[float]]], where: str = "on the other half of TB2") -> str:
    """Each method against the baseline with the same exceptions, in a sentence each."""
    pairs = beside_same_exceptions(found)
    said, lines = comparisons.verdicts(pairs), []
    for method in (name for name in found if name != exceptions.METHODS[0]):
        told = []
        for word in ("higher", "(higher)", "lower", "(lower)", "cannot say"):
            shares = ", ".join(_percent(share) for share in found[method] if said[method, share] == word)
            told += [f"{word} at {shares}"] if shares else []
        lines.append(f"- `{method}`: {'; '.join(told) if told else comparisons.FEW}")
    head = f"Against the baseline with the same exceptions, {where}:"
    return "\n".join([head, "", *lines, "", comparisons.how(comparisons.counted(pairs), "of this list")])


def dial_answer(found: Mapping[str, Mapping[float, Sequence[float]]]) -> str:
    """From how many exceptions on the baseline does better than unlearning without any, in a sentence."""
    plain, unlearnt = found[exceptions.METHODS[0]], found[exceptions.UNLEARNING[0]][0.0]
    enough = [share for share, values in plain.items() if share and min(len(values), len(unlearnt)) >= FEWEST_RUNS]
    if not enough:
        return f"Whether collecting or unlearning does better is not said here from fewer than {FEWEST_RUNS} runs."
    said = comparisons.verdicts({share: (plain[share], unlearnt) for share in enough})
    better = [share for share in enough if said[share] == "higher"]
    start = f"On the other half of TB2 {exceptions.UNLEARNING[0]} without exceptions has {of_seeds(unlearnt)} (n = {len(unlearnt)})"
    if not better:
        return f"{start}, and no share of exceptions that was measured takes the baseline above it beyond its spread."
    first = better[0]
    count = exceptions_of(first, exceptions.TB2)
    return (
        f"{start}, and the baseline with {count} exceptions, {_percent(first)} of TB2, is the first share measured above it "
        f"beyond their spread, all of them read together: {of_seeds(plain[first])} (n = {len(plain[first])})."
    )


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "pretrained.md": pretrained_table(root),
        "pretrained_search.md": search_table(root),
        "pretrained_frozen.md": freezing_table(root),
        "exceptions.md": exceptions_table(root),
    }
