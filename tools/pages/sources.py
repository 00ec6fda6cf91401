"""What a number in a sentence may come from: the functions over ``results/`` that :mod:`tools.pages.numbers` finds in comments."""

import json
import math
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from lnl_core.errors import RecordError
from lnl_core.evaluation import Interval, least_by_chance
from lnl_core.evaluation.fairness import UNLEARNING
from lnl_core.figures.leakage import nats_left
from lnl_core.information.limit import unbiased_accuracy
from lnl_core.networks import digit_network
from lnl_core.runs.bench import LayerCost, roofline, roofline_seconds
from lnl_core.runs.comparison import agreement, paper_numbers, results_table
from lnl_core.runs.records import RunRecord, read_record, read_records
from tools import ROOT
from tools.pages import (
    choosing,
    conditional,
    dial,
    digit_exceptions,
    figure_4_tables,
    fresh_h,
    group_numbers,
    leak_tables,
    longer,
    look_alikes,
    pretrained_curves,
    pretrained_faces,
    search,
)
from tools.pages.rows import by_configuration, by_precision, of_precision, where
from tools.studies import ablations, fairness, forgetting, under_limit
from tools.studies.confidence import read_confidence
from tools.studies.last_layer import read_last_layers
from tools.studies.leakage import read_leakage
from tools.studies.limit import read_limit
from tools.studies.look_alikes import SHORT
from tools.studies.pretrained_curves import chosen as chosen_on_photographs
from tools.studies.search import validation

VARIANTS = {**ablations.TABLES, "adversaries": forgetting.ADVERSARIES}
"""The tables of variants: in each every row is a configuration, see ``ablations`` and ``forgetting`` in :mod:`tools.studies`."""

REVERSED = ("lnl", "grl", "blind_eye_grl")
"""The methods with a reversed gradient."""


def _only(found: list[Any], what: str) -> Any:
    if len(found) != 1:
        raise RecordError(f"{what}: {len(found)} are stored, and a number in a sentence needs exactly one")
    return found[0]


class Sources:
    """The stored results below ``root``; each kind is read once, when it is first asked for."""

    def __init__(self, root: Path = ROOT) -> None:
        self._folder = root / "results"
        self._root = root

    # Figure 4 and the published numbers

    @cached_property
    def _rows(self) -> dict[tuple[str, float], dict[str, Any]]:
        return {(row["method"], row["color_var"]): row for row in results_table(folder=self._folder)}

    def ours(self, method: str, color_var: float) -> float:
        """Mean accuracy on unbiased test digits over the seeds of the results table."""
        return float(self._rows[method, color_var]["mean"])

    def n(self, method: str, color_var: float) -> int:
        """How many seeds that mean is of."""
        return int(self._rows[method, color_var]["n"])

    def divided(self, color_var: float) -> float:
        """Mean test accuracy of a plain network on images whose channels were divided by their own deviations."""
        return float(np.mean(self._divided(color_var)))

    def divided_n(self, color_var: float) -> int:
        """How many seeds that mean is of."""
        return len(self._divided(color_var))

    def _divided(self, color_var: float) -> list[float]:
        same = ablations.divided_config(color_var).fingerprint()
        return [one.metrics["test_accuracy"] for one in by_configuration(read_records(self._folder / "ablations"))[same]]

    def spread(self, method: str, *color_vars: float) -> list[float]:
        """Standard deviation over those seeds, at each of these variances."""
        return [float(self._rows[method, color_var]["std"]) for color_var in color_vars]

    def published(self, method: str, color_var: float) -> float:
        return paper_numbers(folder=self._folder)[method][color_var]

    def off(self, method: str, *color_vars: float) -> list[float]:
        """How far our means are from the published ones, as absolute values, at these variances."""
        return [abs(self.ours(method, one) - self.published(method, one)) for one in color_vars]

    def judged(self, answer: str) -> int:
        """About how many of the published numbers of Figure 4 the rule of the chapter gives this answer."""
        published = [row for row in self._rows.values() if row["published"] is not None]
        return sum(agreement(row["values"], row["published"]) == answer for row in published)

    def apart(self, one: str, two: str, *color_vars: float) -> list[float]:
        """How far the means of two methods of ours lie apart, as absolute values, at these variances."""
        return [abs(self.ours(one, place) - self.ours(two, place)) for place in color_vars]

    @cached_property
    def _paper(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._folder / "paper.json").read_text(encoding="utf-8"))
        return found

    def reading(self, name: str, color_var: float) -> float:
        """What was read off a figure of another protocol, by the label of its line, or by its method if it has none."""
        rows = self._paper["figure_readings"]["colored_mnist"]["results"]
        there = [row for row in rows if row["setting"]["color_var"] == color_var]
        found = [row["value"] for row in there if row.get("label", row["method"]) == name]
        return float(_only(found, f"readings of {name} at {color_var}"))

    def other(self, label: str, color_var: float) -> float:
        """A published number of a method that this library does not have."""
        rows = self._paper["experiments"]["colored_mnist"]["other_results"]
        found = [row["value"] for row in rows if (row["label"], row["setting"]["color_var"]) == (label, color_var)]
        return float(_only(found, f"numbers of {label} at {color_var}"))

    # Single runs and variants

    @cache  # noqa: B019  one object a command
    def _records(self, folder: str) -> list[RunRecord]:
        return read_records(self._folder / folder)

    def run(self, folder: str, fingerprint: str, metric: str = "test_accuracy") -> float:
        """A metric of the record in ``results/folder`` whose file name ends in the fingerprint."""
        path = _only(list((self._folder / folder).glob(f"*-{fingerprint}.json")), f"records of {fingerprint} in results/{folder}")
        return read_record(path).metrics[metric]

    def faces(self, method: str, train_set: str, metric: str = "test_accuracy") -> float:
        """Of one method on faces, learning the gender, the mean over seeds."""
        wanted = where(self._records("runs"), experiment="faces", method=method, train_set=train_set, learn="gender")
        return float(np.mean([one.metrics[metric] for one in wanted]))

    def from_imagenet(self, method: str, learn: str, train_set: str, split: str) -> float:
        """Mean accuracy over seeds of faces from ImageNet's weights, on "test" or "opposite"."""
        return float(np.mean([one.metrics[f"{split}_accuracy"] for one in self._imagenet_faces[learn, train_set, method]]))

    @cached_property
    def _imagenet_faces(self) -> dict[pretrained_faces.Key, list[RunRecord]]:
        return pretrained_faces.records_of(self._root)

    def faces_most_gained(self) -> float:
        """How far the best strength of the search lies above the baseline of its seed on the opposite set, the most of all."""
        return pretrained_faces.most_gained(self._root)

    def faces_published(self, method: str, learn: str, train_set: str, tested: str) -> float:
        """What Table 2 has."""
        rows = [row for row in pretrained_faces.table_rows(learn, self._root) if row["method"] == method]
        sets = [row for row in rows if (row["setting"]["train"], row["setting"]["test"]) == (train_set, tested)]
        return float(_only(sets, f"{method} on {tested}")["published"])

    def faces_published_gains(self, method: str) -> list[float]:
        """How far a method lies above the baseline in Table 2 on the four opposite sets, those of gender first."""
        cells = [(learn, *sets) for learn in ("gender", "age") for sets in (("EB1", "EB2"), ("EB2", "EB1"))]
        return [self.faces_published(method, *cell) - self.faces_published("baseline", *cell) for cell in cells]

    def longer(self, metric: str = "test_accuracy") -> list[float]:
        """A metric of the runs of bias_balanced of the chosen length, see ``tools.studies.longer``."""
        return [one.metrics[metric] for one in longer.chosen_runs(self._root)]

    def longer_n(self) -> int:
        """How many runs these are."""
        return len(longer.chosen_runs(self._root))

    def alone(self, experiment: str, weight: str, value: float, train_set: str, split: str) -> float:
        """Mean accuracy over seeds at a point of the curves of lnl, "lambda" or "mu" alone; see ``pretrained_curves``."""
        return float(np.mean(pretrained_curves.values(experiment, split, self._root)[weight, train_set][value]))

    def elsewhere(self, experiment: str, train_set: str, split: str) -> list[float]:
        """Mean accuracies at all points of these curves but the one that the search chose."""
        of_weights = pretrained_curves.values(experiment, split, self._root)
        both = chosen_on_photographs(experiment, self._root)
        curves = [of for (_, name), of in of_weights.items() if name == train_set]
        return [float(np.mean(runs)) for of in curves for value, runs in of.items() if value != both]

    def plain(self, experiment: str, train_set: str, split: str) -> float:
        """Mean accuracy of the baseline with the seeds of the curves."""
        return float(np.mean(pretrained_curves.baseline(experiment, train_set, split, self._root)))

    def turned(self, experiment: str, method: str) -> float:
        """See :func:`tools.pages.pretrained_faces.turned`."""
        return pretrained_faces.turned(experiment, method, self._root)

    def every(self, folder: str, method: str, color_var: float, metric: str) -> list[float]:
        """A metric of every record of a method at a variance."""
        wanted = where(self._records(folder), experiment="colored_mnist", method=method, color_var=color_var)
        return [one.metrics[metric] for one in wanted]

    def newer(self, method: str, color_var: float, metric: str = "test_accuracy") -> float:
        """The mean over the seeds that there are of a method of the study "newer"."""
        return float(np.mean(self.every("newer", method, color_var, metric)))

    def given_label(self, row: str, metric: str = "test_accuracy") -> float:
        """The mean over the seeds of a row of the study "conditional", see :mod:`tools.pages.conditional`."""
        return float(np.mean([one.metrics[metric] for one in conditional.runs(conditional.BF16, row, self._root)]))

    def newer_spread(self, method: str, color_var: float) -> float:
        """The standard deviation of the accuracy over these seeds."""
        return float(np.std(self.every("newer", method, color_var, "test_accuracy"), ddof=1))

    def probed(self, method: str, color_var: float, metric: str) -> float:
        """The mean over the runs of the results page of what a probe that every run keeps is right on."""
        found = [records for row, records in self._of_figure_4 if (row["method"], row["color_var"]) == (method, color_var)]
        return float(np.mean([one.metrics[metric] for records in found for one in records]))

    @cached_property
    def _of_figure_4(self) -> list[tuple[dict[str, Any], list[RunRecord]]]:
        return dial.records_of_rows(self._root)

    def small_nats(self, method: str, color_var: float) -> float:
        """The mean over three networks of the small setting, see :func:`tools.pages.leak_tables.nats_in_small`."""
        return float(np.mean(leak_tables.nats_in_small(method, color_var, self._root)))

    def grey_off(self, grayscale: str, *color_vars: float) -> list[float]:
        """How far the method "gray" under another formula lies from the published numbers, at these variances."""
        records = where(self._records("ablations"), method="gray", grayscale=grayscale)
        found = {one.config["color_var"]: one.metrics["test_accuracy"] for one in records}
        return [abs(found[color_var] - self.published("gray", color_var)) for color_var in color_vars]

    def again(self) -> list[float]:
        """How far the accuracies lie apart of runs that were trained again with the same seed, elsewhere."""
        stored = {one.run_config().fingerprint(): one.metrics["test_accuracy"] for one in self._records("runs")}
        second = [
            (one.run_config().fingerprint(), one.metrics["test_accuracy"])
            for folder in ("retrained", group_numbers.FOLDER)
            for one in self._records(folder)
        ]
        return [abs(accuracy - stored[run]) for run, accuracy in second if run in stored]

    def cells_with_groups(self, networks: int) -> int:
        """In how many cells of Figure 4 at least so many networks were measured on conflicting digits and on the worst cell."""
        found = figure_4_tables.of_groups("worst_group_accuracy", self._root)
        return sum(len(runs) >= networks for of in found.values() for runs in of.values())

    def worst_group(self, method: str, color_var: float) -> float:
        """The mean worst group over the networks of a cell of Figure 4 that were measured on groups."""
        return float(np.mean(figure_4_tables.of_groups("worst_group_accuracy", self._root)[method][color_var]))

    def worst_by_chance(self, method: str, color_var: float) -> float:
        """The worst of a hundred groups of a hundred digits if the mean accuracy of this cell were that of every group."""
        return least_by_chance(self.ours(method, color_var), images=100, groups=100)

    @cached_property
    def _variants(self) -> dict[str, dict[str, list[RunRecord]]]:
        """The ablations by the fingerprint of their configuration at seed 0 and by precision."""
        return by_precision(self._records("ablations"))

    def _seeds_of(self, table: str, row: str, metric: str, precision: str = "") -> list[float]:
        config_of = forgetting.config_of if table == "adversaries" else ablations.config_of
        runs = self._variants.get(config_of(VARIANTS[table][row]).fingerprint(), {})
        found = of_precision(runs, precision or ablations.PRECISION.get(table))
        if not found:
            raise RecordError(f"the row {row!r} of {table} has no record yet: leave its number out, or run it")
        return [one.metrics[metric] for one in found]

    def variant(self, table: str, row: str, metric: str = "validation_accuracy") -> float:
        """A row of a table of variants ("places", "parts", "choices" or "adversaries"): the mean of a metric over its runs."""
        return float(np.mean(self._seeds_of(table, row, metric)))

    def runs_of(self, table: str, row: str, precision: str) -> list[float]:
        """The accuracy on validation digits of each run of a row in a precision."""
        return self._seeds_of(table, row, "validation_accuracy", precision)

    def scatter(self, table: str, row: str, metric: str = "validation_accuracy") -> float:
        """How far the runs of a row lie apart."""
        return float(np.ptp(self._seeds_of(table, row, metric)))

    # What is left in the features

    @cached_property
    def _leakage(self) -> dict[tuple[str, float], dict[str, Any]]:
        return {(one["method"], one["color_var"]): one for one in reversed(read_leakage(self._root))}

    def leak(self, method: str, color_var: float, path: str) -> float:
        """A number of ``results/leakage`` by its path, such as "probes.mlp.accuracy.mean"."""
        found: Any = self._leakage[method, color_var]
        for name in path.split("."):
            found = found[name]
        return float(found)

    def levels_seen(self, color_var: float) -> list[float]:
        """How much more often than a constant a fresh linear probe names the level of a channel, of each of REVERSED."""
        found = [(name, color_var) for name in REVERSED]
        return [self.leak(*one, "levels.accuracy.mean") - self.leak(*one, "levels.chance") for one in found]

    @cached_property
    def _confidence(self) -> dict[tuple[str, float], dict[str, Any]]:
        return {(one["method"], one["color_var"]): one for one in read_confidence(self._root)}

    def sure(self, method: str, color_var: float, name: str, colors: str = "unbiased") -> float:
        """A number of ``results/confidence``, such as "error"; ``colors`` may be "training_colors"."""
        return float(self._confidence[method, color_var][colors][name])

    def fresh(self, method: str, color_var: float, path: str) -> float:
        """A number of ``results/fresh_h``, of a published network or the "untrained" one, by its path, names joined by dots."""
        found: Any = fresh_h.of(method, color_var, self._root)
        for name in path.split("."):
            found = found[name]
        return float(found)

    def ruled(self, method: str, rule: str, name: str = "accuracy") -> float:
        """The mean over seeds of a score on test digits of the setting that a rule chose, see ``results/choosing``."""
        return float(np.mean(choosing.on_test(name, self._root)[method][rule]))

    def ruled_least(self, method: str, rule: str) -> float:
        """The least accuracy among these seeds."""
        return choosing.least(method, rule, self._root)

    def searched(self, method: str, color_var: float, name: str = "accuracy") -> float:
        """The mean over fresh seeds of a score on test digits in the small setting, see ``results/search``."""
        return float(np.mean(search.of_all(name, self._root)[method][color_var]))

    def exceptional(self, method: str, share: float, name: str = "accuracy") -> float:
        """The mean over seeds of a score with this share of exceptions among the digits, see ``results/digit_exceptions``."""
        return float(np.mean(digit_exceptions.dial(name, self._root)[method][share]))

    def drawn(self, share: float, name: str) -> float:
        """The mean over seeds of what ``bias_balanced`` draws with this share of exceptions, see ``results/digit_draws``."""
        return digit_exceptions.drawn(share, name, self._root)

    def searched_worst(self, color_var: float) -> float:
        """The most that any run of it has on the worst cell of digit and colour."""
        return max(max(of[color_var]) for of in search.on_test("worst_group_accuracy", self._root).values() if color_var in of)

    def alike(self, short: str, method: str, measure: str = "accuracy", rate: float | None = None) -> float:
        """The mean over seeds of an accuracy on a data set called Colored MNIST, see ``results/look_alikes``."""
        (name,) = (name for name, known in SHORT.items() if known == short)
        return float(np.mean(look_alikes.values(name, method, measure, rate, self._root)))

    def validated(self, method: str, number: int, seed: int) -> float:
        """Accuracy on validation digits of a setting of that search, counted from 1 as in its table."""
        return validation(method, number - 1, self._root)[seed]

    def tried(self, method: str, rule: str) -> list[float]:
        """What a rule compares on validation digits, of every setting of a method."""
        return choosing.scores(method, rule, self._root)

    @cached_property
    def _last_layers(self) -> dict[tuple[str, float], dict[str, Any]]:
        return {(one["method"], one["color_var"]): one for one in read_last_layers(self._root)}

    def _draws(self, method: str, color_var: float, images: int, name: str, colors: str) -> list[float]:
        found = self._last_layers[method, color_var]
        return [row[name] for row in (where(found[colors], images=images) if images else [found["before"]])]

    def refitted(self, method: str, color_var: float, images: int, name: str = "test_accuracy", colors: str = "unbiased") -> float:
        """A number of ``results/last_layer``, the mean over draws of so many images; with 0 images the network as it is stored."""
        return float(np.mean(self._draws(method, color_var, images, name, colors)))

    def nats(self, method: str, color_var: float) -> float:
        """The most nats of the colour that one of the probes proves."""
        return nats_left(self._leakage[method, color_var])["mean"]

    def held(self, method: str, color_var: float) -> float:
        """The same as the mean over the measured networks of a cell in the full setting."""
        return self._held(method, color_var).mean

    def held_half(self, method: str, color_var: float) -> float:
        """Half of its 95 % interval over networks."""
        return self._held(method, color_var).high - self._held(method, color_var).mean

    def held_n(self, method: str, color_var: float) -> int:
        """How many networks those are."""
        return len(leak_tables.of_seeds(method, color_var, self._root))

    def _held(self, method: str, color_var: float) -> Interval:
        return Interval.of([nats_left(model)["mean"] for model in leak_tables.of_seeds(method, color_var, self._root)])

    def saved(self, method: str, color_var: float) -> float:
        """The share of the code length that the features save a reader."""
        return 1 - 1 / self.leak(method, color_var, "code_length.compression.mean")

    def most_frequent(self) -> list[float]:
        """The chance of the fresh probes of the colour, of every network: the share of the most frequent colour."""
        return [probe["chance"] for model in self._leakage.values() for probe in model["probes"].values()]

    # The limit

    def limit(self, color_var: float, column: str = "accuracy") -> float:
        """A column of the table of the limit at a variance: "accuracy", "entropy", "information"."""
        return float(_only([row[column] for row in read_limit(self._root)["rows"] if row["color_var"] == color_var], column))

    def limit_on_test(self, color_var: float) -> float:
        return unbiased_accuracy(self.limit(color_var))

    @cached_property
    def _measured(self) -> list[dict[str, Any]]:
        return under_limit.read_measured(self._root)

    def beside_limit(self, method: str, color_var: float, key: str = "test_accuracy") -> float:
        """The mean of a number of ``results/limit/runs``: "painted_accuracy", "proved_leak", "test_accuracy"."""
        found = [run[key] for run in self._measured if (run["method"], run["color_var"]) == (method, color_var)]
        return float(np.mean(found))

    def beside_limit_but(self, method: str, color_var: float, key: str) -> list[float]:
        """The same of every network at a variance but those of one method."""
        return [run[key] for run in self._measured if run["method"] != method and run["color_var"] == color_var]

    def reversed_beside_limit(self, color_var: float) -> list[float]:
        """The accuracy on unbiased digits of each of REVERSED."""
        return [self.beside_limit(method, color_var) for method in REVERSED]

    # Mutual information backpropagation

    def backprop_painted(self) -> list[float]:
        """How often each network of the two tables of the chapter names digits in the colours of training."""
        both = [*self._measured, *under_limit.read_measured(self._root, other_networks=True)]
        return [run["painted_accuracy"] for run in where(both, method="mi_backprop") if run["color_var"] > 0]

    def below_least(self) -> list[float]:
        """By how many nats the last bound of each run with its authors' network, second step and all, lies below the least."""
        runs = under_limit.read_measured(self._root, other_networks=True)
        found = [(run["color_var"], run["last_epoch"]) for run in runs if run["changed"].get("mi_weight") != 0]
        left = {row["color_var"]: float(row["by_levels"]["8"]) for row in read_limit(self._root)["rows"]}
        return [math.log(10) - end["label_loss"] - left[color_var] - end["bound"] for color_var, end in found]

    # Fairness

    @cache  # noqa: B019  one object a command
    def _task(self, task: str) -> dict[tuple[str, float], list[RunRecord]]:
        found: dict[tuple[str, float], list[RunRecord]] = {}
        for records in fairness.read_task(task, self._folder / "fairness").values():
            for one in records:
                found.setdefault((one.method, float(one.setting["weight"])), []).append(one)
        return found

    def fair(self, task: str, method: str, weight: float, metric: str) -> float:
        """The mean over seeds of a metric on a census table, "adult-sex" or "german-age"."""
        return float(np.mean([one.metrics[metric] for one in self._task(task)[method, float(weight)]]))

    def fair_spread(self, task: str, method: str, weight: float, metric: str) -> float:
        """The standard deviation of the same over the seeds."""
        return float(np.std([one.metrics[metric] for one in self._task(task)[method, float(weight)]], ddof=1))

    def fair_networks(self, task: str, metric: str) -> list[float]:
        """That mean of every network at every weight."""
        names = ("baseline", *UNLEARNING)
        return [self.fair(task, method, weight, metric) for method, weight in self._task(task) if method in names]

    # Fast training

    @cached_property
    def _costs(self) -> list[LayerCost]:
        return roofline(digit_network(), width=2)

    def roof(self, parts: str, operations_per_second: float, bytes_per_second: float) -> float:
        """Milliseconds that a step in bf16 takes at least, of "fg" (the baseline) or "fgh" (lnl)."""
        costs = [cost for cost in self._costs if cost.part in parts]
        return 1000 * roofline_seconds(costs, operations_per_second, bytes_per_second)

    def roof_moving(self, parts: str, bytes_per_second: float) -> float:
        """How many of them go to layers without arithmetic."""
        return 1000 * sum(cost.traffic for cost in self._costs if cost.part in parts and not cost.operations) / bytes_per_second

    def stored(self, file: str, path: str) -> float:
        """A number of a JSON file below ``results`` by its path, the names joined by " / "."""
        found: Any = json.loads((self._folder / file).read_text(encoding="utf-8"))
        for name in path.split(" / "):
            found = found[name]
        return float(found)

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Everything that an expression may call: the public methods above and a little arithmetic."""
        mine = {name: getattr(self, name) for name in vars(type(self)) if not name.startswith("_") and name != "functions"}
        return {**mine, "min": _of_numbers(min), "max": _of_numbers(max), "mean": _of_numbers(fmean), "abs": abs, "log": math.log}


def _of_numbers(function: Callable[[list[float]], float]) -> Callable[..., float]:
    """``function`` of all its arguments, numbers or lists of numbers."""
    return lambda *given: function([one for arg in given for one in (arg if isinstance(arg, list) else [arg])])
