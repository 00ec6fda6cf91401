"""Records averaged over seeds and set beside the published numbers: the results table, and whether the two agree."""

import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy.special import stdtr, stdtrit

from lnl_core import methods
from lnl_core._files import is_number, read_text
from lnl_core.config import RunConfig
from lnl_core.errors import ConfigError, DataError, RecordError
from lnl_core.experiments.registry import find, registered
from lnl_core.hyperparameters import shown
from lnl_core.runs.records import _HOLDS, _RESTORE, RunRecord, read_record, results_folder

Key = TypeVar("Key", bound=Hashable)
Setting = tuple[tuple[str, float | str], ...]
FEWEST_RUNS = 3
"""Below this number of runs nothing is concluded: two values say next to nothing about their spread."""
DISCOVERY_RATE = 0.05
"""Of many answers "higher" or "lower" that are read together, the share that may be expected to be false."""
MARGIN = 0.02
"""Accuracies that differ by less count as the same: about what a fresh drawing of colours and other versions of libraries move."""


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
    if not path.exists() and (folder / "runs").is_dir() and folder != results_folder() and experiment in registered():
        return []  # somebody's own runs, compared with nothing published
    if not path.exists():
        raise RecordError(f"{folder} is no results folder, as it has no paper.json: name the one of the repository")
    try:
        published = json.loads(read_text(path))["experiments"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise RecordError(f"{path} is damaged: {_RESTORE}") from None
    if not isinstance(published, dict):
        raise RecordError(f"{path} is damaged: {_RESTORE}")
    known = registered().get(experiment)
    if known is not None:
        experiment = known.published or known.name
        if experiment not in published:
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


def _readable(folder: Path, experiment: str) -> list[RunRecord]:
    """The records of an experiment in a folder, with configurations that can be read."""
    found = []
    for path in sorted(folder.glob("*.json")):
        record = read_record(path)
        if record.experiment == experiment:
            try:
                record.run_config()
            except ConfigError as error:
                raise RecordError(f"{path} has a configuration that cannot be read ({error}): delete it and run again") from None
            found.append(record)
    return found


def _key(setting: dict[str, float | str]) -> Setting:
    return tuple(sorted(setting.items()))


def _columns(record: RunRecord) -> dict[str, dict[str, float | str]]:
    """The setting of each of a record's accuracies, by metric: on photographs it also says what the network was tested on."""
    return find(record.experiment).columns(record.setting, record.metrics)


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

    Only records of ``profiles`` on the experiment's ``table_sources`` enter, and a row holds those of one profile; smoke, demo and
    changed hyper-parameters never do. What a record says of its profile is not believed: see :func:`of_its_preset`.

    Args:
        experiment: which experiment.
        records: by default those of ``folder/runs``.
        folder: by default :func:`results_folder`.
        source: by default the experiment's ``table_sources``; "authors" for their published Colored MNIST. Sources never mix.
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
    wanted = _readable(place / "runs", experiment) if records is None else list(records)
    sources = find(experiment).table_sources if source is None else (source,)
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
    half = float(stdtrit(len(values) - 1, 0.95)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
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


def welch_interval(values: Sequence[float], others: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the difference of two means, ``values`` less ``others``, for normal values of unlike scatter (Welch).

    Raises:
        DataError: for fewer than two values of either, or one that is not finite.
    """
    _refuse_infinite([*values, *others])
    if min(len(values), len(others)) < 2:
        raise DataError(f"how far runs scatter cannot be told from {min(len(values), len(others))}: give two or more of each")
    difference, error, freedom = _welch(values, others)
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * error if error else 0.0
    return difference - half, difference + half


def _mean_and_square(runs: Sequence[float]) -> tuple[float, float]:
    """The mean and its squared standard error; those of equal numbers are exact, for a rounded sum would make a scatter of them."""
    if min(runs) == max(runs):
        return float(runs[0]), 0.0
    return float(np.mean(runs)), float(np.var(runs, ddof=1)) / len(runs)


def _welch(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """The difference of two means, its standard error, and the degrees of freedom of Welch and Satterthwaite."""
    (mean, square), (other_mean, other_square) = (_mean_and_square(runs) for runs in (values, others))
    difference, squares = mean - other_mean, (square, other_square)
    if not sum(squares) > 0:
        return difference, 0.0, math.inf
    parts = (square**2 / (len(runs) - 1) for square, runs in zip(squares, (values, others), strict=True))
    return difference, math.sqrt(sum(squares)), sum(squares) ** 2 / sum(parts)


def welch_p_value(values: Sequence[float], others: Sequence[float]) -> float:
    """The two-sided p-value of Welch's test that two means are equal.

    It is 1 minus the confidence at which :func:`welch_interval` just reaches 0.

    Raises:
        DataError: for fewer than two values of either, or one that is not finite.
    """
    welch_interval(values, others)  # refuses what has no spread
    difference, error, freedom = _welch(values, others)
    if not error:
        return float(difference == 0)
    return float(2 * stdtr(freedom, -abs(difference) / error))


def ordering(values: Sequence[float], others: Sequence[float]) -> str:
    """Whether one method's runs score "higher" or "lower" than another's, or one "cannot say".

    An answer needs :data:`FEWEST_RUNS` runs of each and a 95 % interval of the difference of the means (Welch) that leaves out 0.

    Raises:
        DataError: for a number that is not finite.
    """
    _refuse_infinite([*values, *others])
    if min(len(values), len(others)) < FEWEST_RUNS:
        return "cannot say"
    low, high = welch_interval(values, others)
    if low <= 0 <= high:
        return "cannot say"
    return "higher" if low > 0 else "lower"


def orderings(
    pairs: Mapping[Key, tuple[Sequence[float], Sequence[float]]],
    rate: float = DISCOVERY_RATE,
    *,
    any_dependence: bool = False,
) -> dict[Key, str]:
    """:func:`ordering` for comparisons that are read together, with their number taken into account.

    Of many comparisons at 95 % some leave out 0 by chance. Here the expected share of answers "higher" or "lower" that are given
    where nothing differs, the false discovery rate, is at most ``rate``: of m p-values the k smallest count as differences, for the
    largest k whose p-value is at most k rate / m (Benjamini and Hochberg, 1995). A comparison with fewer than :data:`FEWEST_RUNS`
    runs on a side is "cannot say" and does not count. One comparison alone is answered as by :func:`ordering`. With few runs of
    unequal scatter Welch's p-values are not exact, and neither is the rate.

    Args:
        pairs: by any name the runs of the one and of the other.
        rate: the largest expected share of false answers, 0.05 as the level of :func:`ordering`.
        any_dependence: hold the rate however the comparisons depend on each other, with rate / (1 + 1/2 + ... + 1/m) in its place
            (Benjamini and Yekutieli, 2001); else for those that are independent or depend on each other positively.

    Raises:
        ConfigError: for a rate that is not between 0 and 1.
        DataError: for a number that is not finite.
    """
    from scipy.stats import false_discovery_control  # slow to import, and most users of this module do without

    if not 0 < rate < 1:
        raise ConfigError(f"the rate must lie between 0 and 1, got {rate}")
    for values, others in pairs.values():
        _refuse_infinite([*values, *others])
    enough = [name for name, runs in pairs.items() if min(map(len, runs)) >= FEWEST_RUNS]
    answers = dict.fromkeys(pairs, "cannot say")
    if not enough:
        return answers
    adjusted = false_discovery_control([welch_p_value(*pairs[name]) for name in enough], method="by" if any_dependence else "bh")
    for name, value in zip(enough, adjusted, strict=True):
        if value <= rate:
            one, other = (float(np.mean(runs)) for runs in pairs[name])
            answers[name] = "higher" if one > other else "lower"
    return answers


def next_run(values: Sequence[float], confidence: float = 0.95, runs: int = 1) -> tuple[float, float]:
    """Between which ends the mean of k more runs of the same kind would lie: mean ± t s sqrt(1/k + 1/n), for normal values.

    Args:
        values: the n runs that are known.
        confidence: the share of such intervals that hold it.
        runs: k, one unless told.

    Raises:
        ConfigError: for fewer runs than one.
        DataError: for fewer than two values, or one that is not finite.
    """
    if runs < 1:
        raise ConfigError(f"the mean of {runs} runs is none: give one or more")
    _refuse_infinite(values)
    if len(values) < 2:
        raise DataError(f"how far runs scatter cannot be told from {len(values)}: give two or more")
    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2) * np.std(values, ddof=1)) * math.sqrt(1 / runs + 1 / len(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


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
    columns = [(record, _columns(record)) for record in records]
    rows = []
    for metric in sorted({metric for _, found in columns for metric in found}, reverse=True):
        rows += aggregate([replace(record, setting=found[metric]) for record, found in columns if metric in found], metric)
    return rows


def _table_order(key: tuple[str, Setting]) -> tuple[Any, ...]:
    """Rows by task, then by method in the order of the registered ones, then by training set, with the unbiased test last."""
    method, values = key[0], dict(key[1])
    order = [*methods.registered()]
    place = order.index(method) if method in order else len(order)
    number = next((value for value in values.values() if isinstance(value, int | float)), 0.0)
    return values.get("learn") != "gender", place, method, values.get("train", ""), values.get("test") == "test", number


def _where(setting: dict[str, float | str]) -> str:
    """A setting in words: "0.03", "TB1, tested on TB2", "gender, EB1, tested on test", "BD, tested on EBD, α 0.4"."""
    if "color_var" in setting:
        return f"{setting['color_var']}"
    if not {"train", "test"} <= set(setting):  # an experiment of somebody else's, in its own words
        return ", ".join(f"{name} {value}" for name, value in setting.items()) or "–"
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
