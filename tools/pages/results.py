"""Tables, figures and numbers of the book's pages, made again from the run records: ``make results``.

python -m tools.pages.results            write book/results/* and the bound numbers of book/*.md
python -m tools.pages.results --check    write nothing; fail if anything is not what the records say
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from lnl_core import figures
from lnl_core._files import write_atomically, write_json
from lnl_core.figures import fairness as fairness_figures, information as information_figures, leakage as leak_figures
from lnl_core.networks import digit_network
from lnl_core.runs.bench import roofline, roofline_markdown
from lnl_core.runs.comparison import (
    FEWEST_RUNS,
    results_table,
)
from lnl_core.runs.records import read_records
from tools import ROOT, write_if_changed
from tools.pages import (
    ablation_tables,
    choosing,
    comparison_families,
    conditional,
    confidence,
    dial,
    digit_exceptions,
    drawn,
    estimator_tables,
    explorables,
    fairness_tables,
    figure_4_tables,
    fresh_h,
    hyperparameters,
    information_tables,
    last_layer,
    leak_tables,
    left_out,
    longer,
    look_alikes,
    moved,
    numbers,
    precision,
    pretrained,
    pretrained_curves,
    pretrained_faces,
    records as record_pages,
    released,
    search,
    settings_tried,
    which_method,
)
from tools.pages.drawn import Drawing
from tools.pages.estimator_tables import ESTIMATORS
from tools.pages.fairness_tables import CRITERIA, FAIRNESS_ROWS, fairness_rows
from tools.pages.rows import by_precision, of_precision, where
from tools.pipes import while_read
from tools.studies import ablations, estimators, fairness, forgetting, limit, pretrained_curves as study_of_curves, under_limit
from tools.studies.maps import read_maps

_NOTE = "<!-- written by `make results` from the run records; edits are lost -->\n\n"


FAMILIES = (
    *(figure_4_tables, longer, ablation_tables, estimator_tables, information_tables, fairness_tables, leak_tables),
    *(which_method, confidence, choosing, search, fresh_h, last_layer, pretrained, pretrained_curves, pretrained_faces),
    *(moved, digit_exceptions, look_alikes, released, precision, left_out, settings_tried, conditional, comparison_families),
)
"""The modules that make tables: each has a function ``tables`` that gives them by file name."""


def _pareto(task: str, root: Path) -> Drawing:
    found = fairness.read_task(task, root / "results" / "fairness")
    train_set, protected = fairness.TASKS[task]
    title = f"{train_set.capitalize()}, {protected} forgotten: what each method pays in accuracy, test rows"
    shown = {method: found[method] for method in FAIRNESS_ROWS if method in found}
    return partial(fairness_figures.pareto, shown, title, overlap=fairness.overlap(task, found.get("baseline", [])))


def _estimators_drawing(root: Path) -> Drawing:
    runs = [
        run | {"estimator": ESTIMATORS[run["estimator"]]} for run in estimators.read_runs(root)["normal"] if run["kind"] == "grid"
    ]
    return partial(information_figures.estimator_errors, runs)


def tables(root: Path = ROOT) -> dict[str, str]:
    """Every generated table by file name, with the commands that make it in its last line."""
    texts = {"roofline.md": roofline_markdown(roofline(digit_network())) + "\n", "hyperparameters.md": hyperparameters.tables()}
    for family in FAMILIES:
        texts |= family.tables(root)
    for name, cells in _record_links(root).items():
        texts[name] = record_pages.with_column(texts[name], cells)
    return {name: f"{_NOTE}{text.rstrip()}\n\n{made_by(name)}\n" for name, text in texts.items()}


def _record_links(root: Path) -> dict[str, list[str]]:
    """The links of each row to its records, of the tables whose rows are runs, by file name."""
    rows = dial.records_of_rows(root)
    judged = [found for row, found in rows if row["published"] is not None and row["n"] >= FEWEST_RUNS]
    variants_of = by_precision(read_records(root / "results" / "ablations"))
    links = {
        "figure_4.md": [found for _, found in rows],
        "agreement.md": judged,
        "record.md": [found for row, found in rows if where([row], method="bias_balanced")],
    }
    for name, variants in {**ablations.TABLES, "adversaries": forgetting.ADVERSARIES}.items():
        config_of = forgetting.config_of if name == "adversaries" else ablations.config_of
        runs_of = [variants_of.get(config_of(one).fingerprint(), {}) for one in variants.values()]
        links[f"{name}.md"] = [of_precision(runs, ablations.PRECISION.get(name)) for runs in runs_of]
    for task in fairness.TASKS:
        stored = fairness.read_task(task, root / "results" / "fairness")
        both = (fairness_rows(stored, criterion) for criterion in CRITERIA)
        links[f"fairness_{task.partition('-')[0]}.md"] = [rows.get(method, []) for rows in both for method in FAIRNESS_ROWS]
    return {name: [record_pages.links(found, root) for found in of_table] for name, of_table in links.items()}


MADE_BY: dict[str, tuple[str, ...]] = {
    "figure_4": ("figure_4",),
    "figure_4_conflicting": ("figure_4", "groups", "figure_4_groups"),
    "figure_4_worst": ("figure_4", "groups", "figure_4_groups"),
    "agreement": ("figure_4",),
    "groups": ("figure_4", "groups", "figure_4_groups"),
    "record": ("figure_4", "ablations", "divided"),
    "others": ("figure_4", "ablations", "longer"),
    "longer": ("figure_4", "longer"),
    "grayscale": ("figure_4", "grayscale"),
    "places": ("ablations", "maps"),
    "parts": ("ablations",),
    "choices": ("ablations",),
    "moved": ("ablations",),
    "estimators": ("estimators",),
    "parity": ("estimators",),
    "counts": ("labels",),
    "probes": ("labels",),
    "limit": ("limit",),
    "limit_methods": ("figure_4", "no_variance", "limit", "under_limit"),
    "mi_backprop": ("figure_4", "their_network", "without_second_step", "limit", "under_limit"),
    "mi_backprop_network": ("their_network", "limit", "under_limit"),
    "mi_cost": ("mi_cost",),
    "fairness_adult": ("fairness",),
    "fairness_german": ("fairness",),
    "fooled": ("figure_4", "leakage"),
    "said": ("figure_4", "leakage"),
    "left": ("figure_4", "leakage"),
    "erased": ("figure_4", "leakage"),
    "networks": ("search", "newer_small"),
    "networks_full": ("figure_4", "leakage", "leakage_seeds"),
    "leak_training": ("courses",),
    "adversaries": ("adversaries",),
    "which_method": ("newer",),
    "which_method_small": ("search", "newer_small"),
    "must_know": (),
    "last_layer": ("last_layer",),
    "choosing": ("choosing",),
    "choosing_settings": (),
    "search": ("search", "newer_small", "figure_4_small"),
    "search_tried": ("search",),
    "settings_tried": (),
    "search_ranks": ("search",),
    "search_worst": ("search", "newer_small", "figure_4_small"),
    "search_conflicting": ("newer_small", "figure_4_small"),
    "fresh_h": ("fresh_h",),
    "confidence": ("confidence",),
    "reliability": ("confidence",),
    "pretrained": ("pretrained",),
    "pretrained_search": ("pretrained",),
    "pretrained_frozen": ("pretrained", "freezing"),
    "exceptions": ("pretrained", "exceptions"),
    "pretrained_curves_dogs_cats": ("pretrained", "pretrained_curves"),
    "pretrained_curves_faces": ("pretrained_faces", "pretrained_curves"),
    "pretrained_faces": ("pretrained_faces",),
    "pretrained_faces_search": ("pretrained_faces",),
    "answers_faces": ("pretrained_faces", "answers"),
    "answers_dogs_cats": ("pretrained", "answers"),
    "released": ("released",),
    "precision": ("figure_4", "newer", "newer_float32"),
    "left_out": (),
    "comparisons": (),
    "comparisons_simulated": (),
    "conditional": ("newer", "conditional"),
    "digit_exceptions": ("search", "digit_exceptions"),
    "digit_draws": ("digit_draws",),
    "look_alikes": ("search", "look_alikes"),
    "roofline": (),
    "hyperparameters": (),
}
"""The studies behind each table and figure, by the name of its file without suffix, in the order in which they are run."""


def made_by(name: str) -> str:
    """By which commands a table or figure is made; what is computed from the code alone is made by ``make results``."""
    commands = [f"`python -m tools.studies {study}`" for study in MADE_BY[name.partition(".")[0]]] or ["`make results`"]
    return f"Made by {' and '.join(filter(None, (', '.join(commands[:-1]), commands[-1])))}."


MESSAGES = {
    "figure_4": "Accuracy grows as the bias weakens, published and ours",
    "figure_4_conflicting": "At strong bias bias_balanced alone reads nearly all digits in another colour than their own\n"
    "(a dot a run, dashed: the baseline)",
    "figure_4_worst": "At strong bias all but bias_balanced hardly read some digit in some colour\n"
    "(a dot a run: the worst of a hundred groups)",
    "places": "Where a linear probe reads the colour in f(x), one run a panel: a probe a place, chance 0.1",
    "said": "Where h is at chance, a fresh linear probe still reads the colour",
    "left": "Every network holds some of the colour, the baseline most",
    "leak_training": "The colour stays readable throughout training, whatever h sees",
    "reliability": "The baseline's sure answers are often wrong",
    "choosing": "Accuracy by the rule that chose, small runs at σ² = 0.02",
    "pretrained": "Table 1 from ImageNet's weights: published (open marks)\nand ours on a part of the set (bars, a dot a seed)",
    "exceptions": "TB1 with exceptions, tested on the half of TB2 that is left",
    "pretrained_curves_dogs_cats": "lnl on dogs and cats, one weight at a time\n(a dot a run, dashed: the baseline)",
    "pretrained_curves_faces": "lnl on faces, gender learnt, one weight at a time\n(a dot a run, dashed: the baseline)",
    "pretrained_faces": "Table 2 from ImageNet's weights, gender: published (open marks)\nand ours (bars, a dot a seed)",
    "answers_faces": "Baseline and lnl answer by the age alike\n(mean of a kind filled, first face open, a mark a seed)",
    "answers_dogs_cats": "What the training set makes of each coat\n(mean of a kind filled, first photograph open, a mark a seed)",
    "search": "Reversed gradients, grey images and bias_balanced gain most at strong bias\n(a dot a run, dashed: the baseline)",
    "search_worst": "At strong bias all but bias_balanced hardly read some digit in some colour\n"
    "(a dot a run: the worst of a hundred)",
    "search_conflicting": "At strong bias bias_balanced reads nine of ten digits in another colour than their own,\n"
    "the baseline three (a dot a run, dashed: the baseline)",
    "digit_exceptions": "bias_balanced falls with 1 % of exceptions and leads from 5 % on\n(a dot a run, dashed: the baseline)",
    "limit": "The stronger the bias, the less of the digit is left once the colour is forgotten",
    "limit_methods": "Every network knows the colour of digits that are painted as in training",
}
"""What each picture of the stored records shows, in its title; the functions' own titles say only what is drawn."""


VARIANCE: dict[str, Any] = {"percent": False, "xlabel": "variance σ²"}
"""How a dial is drawn that turns the variance."""


GROUP_FIGURES = {
    "conflicting": ("bias_conflicting_accuracy", "accuracy of conflicting digits"),
    "worst": ("worst_group_accuracy", "accuracy of the worst group"),
}
"""What is drawn beside Figure 4: a number of the runs that have it, and what it is called."""


def _choices_drawing(root: Path) -> Drawing:
    groups, precision = by_precision(read_records(root / "results" / "ablations")), ablations.PRECISION["choices"]
    known = {name: groups.get(ablations.config_of(changes).fingerprint(), {}) for name, changes in ablations.CHOICES.items()}
    found = {name: of_precision(runs, precision) for name, runs in known.items()}
    values = {name: [record.metrics["validation_accuracy"] for record in records] for name, records in found.items() if records}
    means = [sum(runs) / len(runs) for runs in values.values()]
    least, most = f"{min(means):.2f}", f"{max(means):.2f}"
    title = f"With one choice changed, runs of lnl lie between {least} and {most}: validation digits, σ² = {ablations.COLOR_VAR:g}"
    return partial(figures.ablation, values, title=title)


def _places_drawing(root: Path) -> Drawing:
    maps = {name: found["accuracy"] for name, found in read_maps(root).items()}
    return partial(figures.place_maps, maps, title=MESSAGES["places"])


def drawings(root: Path = ROOT) -> dict[str, Drawing]:
    """Every generated figure by file name: the function that draws it, with what it draws."""
    rows, leaks = limit.read_limit(root)["rows"], leak_tables.shown(root)
    return {
        "figure_4.png": partial(figures.results, results_table(folder=root / "results"), title=MESSAGES["figure_4"]),
        **{
            f"figure_4_{name}.png": partial(
                figures.dial_figure,
                figure_4_tables.of_groups(metric, root),
                MESSAGES[f"figure_4_{name}"],
                chance=None,
                ylabel=label,
                **VARIANCE,
            )
            for name, (metric, label) in GROUP_FIGURES.items()
        },
        "choices.png": _choices_drawing(root),
        "places.png": _places_drawing(root),
        "estimators.png": _estimators_drawing(root),
        "said.png": partial(leak_figures.what_h_says, leaks, MESSAGES["said"]),
        "left.png": partial(leak_figures.what_is_left, leaks, MESSAGES["left"]),
        "leak_training.png": partial(leak_figures.over_training, leak_tables.courses(root), MESSAGES["leak_training"]),
        "reliability.png": partial(figures.reliability, confidence.diagrams(root), MESSAGES["reliability"]),
        "choosing.png": partial(figures.by_rule, choosing.drawing(root), MESSAGES["choosing"]),
        "pretrained.png": partial(figures.table_figure, pretrained.table_rows(root), MESSAGES["pretrained"]),
        "exceptions.png": partial(figures.dial_figure, pretrained.dial_drawn(root), MESSAGES["exceptions"]),
        "pretrained_faces.png": partial(
            figures.table_figure, pretrained_faces.table_rows("gender", root), MESSAGES["pretrained_faces"]
        ),
        "answers_faces.png": partial(
            figures.answers_by_kind, pretrained_faces.answered("faces", root), "female", MESSAGES["answers_faces"]
        ),
        "answers_dogs_cats.png": partial(
            figures.answers_by_kind, pretrained_faces.answered("dogs_cats", root), "dog", MESSAGES["answers_dogs_cats"]
        ),
        **{
            f"{name}.png": partial(figures.dial_figure, search.drawn(score, root), MESSAGES[name], chance=None, **VARIANCE)
            for name, score in {"search": "accuracy", "search_worst": "worst_group_accuracy"}.items()
        },
        "search_conflicting.png": partial(
            figures.dial_figure,
            search.drawn(search.CONFLICTING, root),
            MESSAGES["search_conflicting"],
            chance=None,
            ylabel="accuracy of conflicting digits",
            **VARIANCE,
        ),
        **{
            f"pretrained_curves_{experiment}.png": partial(
                figures.weight_curves,
                pretrained_curves.drawn(experiment, root),
                study_of_curves.chosen(experiment, root),
                MESSAGES[f"pretrained_curves_{experiment}"],
                xlabel="value of the weight (dotted: the search's)",
            )
            for experiment in pretrained_curves.TESTED
        },
        "digit_exceptions.png": partial(
            figures.dial_figure, digit_exceptions.dial(root=root), MESSAGES["digit_exceptions"], chance=0.1
        ),
        "limit.png": partial(information_figures.limit, rows, MESSAGES["limit"]),
        "limit_methods.png": partial(
            information_figures.limit_methods, rows, under_limit.read_measured(root), MESSAGES["limit_methods"]
        ),
        "fairness_adult.png": _pareto("adult-sex", root),
        "fairness_german.png": _pareto("german-age", root),
    }


def stale(root: Path = ROOT) -> list[str]:
    """The tables on disk that are not what the records say."""
    folder = root / "book" / "results"
    return [
        name
        for name, text in tables(root).items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def stale_figures(root: Path = ROOT) -> list[str]:
    """The figures on disk that were drawn from other records or by other code."""
    return drawn.stale(drawings(root), root / "book" / "results")


def check(root: Path = ROOT) -> list[str]:
    """What is out of step with the records, in words: tables, figures, numbers in sentences."""
    found = [f"book/results/{name} is not what the records say" for name in stale(root)]
    found += [f"book/results/{name} was drawn from other records or by other code" for name in stale_figures(root)]
    return found + numbers.stale(root)


def write(root: Path = ROOT) -> str:
    """Bring tables, numbers and figures up to date, drawing only what changed; says in words what there is."""
    folder = root / "book" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    texts, pictures = tables(root), drawings(root)
    for name, text in texts.items():
        write_if_changed(folder / name, text)
    bound = numbers.write_pages(root)
    old = [name for name in drawn.stale(pictures, folder) if name in pictures]
    for name in old:
        draw = pictures[name]
        write_atomically(folder / name, lambda temporary, draw=draw: draw().savefig(temporary, format="png", dpi=150))  # type: ignore[misc]
    write_json(folder / drawn.INPUTS, {name: drawn.entry(drawing, folder / name) for name, drawing in pictures.items()})
    return f"{len(texts)} tables, {bound} numbers in sentences, {len(pictures)} figures ({len(old)} drawn anew)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything is not up to date")
    if parser.parse_args().check:
        old = [*check(), *(f"{(explorables.FOLDER / name).as_posix()} is not what the results say" for name in explorables.stale())]
        for line in old:
            print(f"{line}: run 'make results'", file=sys.stderr)
        return 1 if old else 0
    print(f"{write()}, {explorables.write()} files of explorables")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))
