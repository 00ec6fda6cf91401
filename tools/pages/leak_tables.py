"""Tables and figures of "Is the bias gone?", from the measurements in results/leakage."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.figures.leakage import nats_left
from lnl_core.runs.comparison import FEWEST_RUNS
from tools import ROOT
from tools.pages import comparisons, records, which_method
from tools.pages.rows import table_head, with_interval
from tools.studies import forgetting, newer, search
from tools.studies.leakage import METHODS, OF_SEEDS, read_leakage
from tools.studies.runs import FIVE, SEVERAL

Model = dict[str, Any]


def _with_spread(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f} ± {value['high'] - value['mean']:.3f}"


def _shown(root: Path) -> dict[tuple[float, str], Model]:
    """The stored measurements by variance and method, of several seeds the first."""
    found: dict[tuple[float, str], Model] = {}
    for one in read_leakage(root):
        found.setdefault((one["color_var"], one["method"]), one)
    return found


def _rows(root: Path, columns: dict[str, Callable[[Model], str]]) -> str:
    """One row a variance and method; what has no measurement is named below the table."""
    found = _shown(root)
    lines = table_head("σ²", "method", *columns, "record")
    for (color_var, method), model in sorted(found.items(), key=lambda item: (item[0][0], METHODS.index(item[0][1]))):
        cells = " | ".join(cell(model) for cell in columns.values())
        seed = f"seed {model['seed']}"
        address = records.measured_at(model, root) or f"runs/{model['record']}"
        record = records.link(address, seed, f"{seed}, record of {method} at {color_var:g}")
        lines.append(f"| {color_var:g} | {method} | {cells} | {record} |")
    return "\n".join(lines) + "\n\n" + _how(list(found.values()), _missing(set(found)))


def _missing(found: set[tuple[float, str]]) -> list[str]:
    """What of :data:`METHODS` at the variances of Figure 4 is not among ``found``, in few words."""
    empty = [color_var for color_var in COLOR_VARS if not any(color_var == there for there, _ in found)]
    missing = [f"any method at {', '.join(f'{color_var:g}' for color_var in empty)}"] if empty else []
    for color_var in (color_var for color_var in COLOR_VARS if color_var not in empty):
        absent = [method for method in METHODS if (color_var, method) not in found]
        missing += [f"{', '.join(absent)} at {color_var:g}"] if absent else []
    return missing


def _how(models: list[Model], missing: list[str]) -> str:
    if not models:
        return "Nothing has been measured yet.\n"
    without = f" Not measured: {'; '.join(missing)}." if missing else ""
    copies = [f"{model['method']} at {model['color_var']:g}" for model in models if model["weights"] == "float16"]
    rounded = f" The weights of {', '.join(copies)} are the published ones, in float16." if copies else ""
    settings, commits = models[0]["settings"], sorted({str(model["provenance"]["commit"])[:7] for model in models})
    return (
        f"{settings['images']:,} test digits in random colours, half of them held out; {settings['seeds']} probes, fresh h's and "
        f"codes of each kind, ± is half a 95 % interval over them; for probes and fresh h's the correction of Nadeau and Bengio "
        f"for splits of the same images is already in it. One trained model a row, seed 0. Commit {', '.join(commits)}."
        f"{rounded}{without}\n"
    )


def _beside_chance(reading: dict[str, float]) -> str:
    return f"{reading['accuracy']:.3f} ({reading['chance']:.3f})"


def _of_h(place: str, show: Callable[[dict[str, float]], str]) -> Callable[[Model], str]:
    return lambda model: "no h" if model["adversary"] is None else show(model["adversary"][place])


def _nats(reading: dict[str, float]) -> str:
    return f"{reading['information']:.3f}"


def fooled_table(root: Path = ROOT) -> str:
    """The table of the chapter: what h says beside the strongest of the fresh probes."""
    return _rows(
        root,
        {
            "test accuracy": lambda model: f"{model['test_accuracy']:.3f}",
            "h (chance)": _of_h("unbiased", lambda reading: _beside_chance(reading).replace(" ", "\N{NO-BREAK SPACE}")),
            "nats: h": _of_h("unbiased", _nats),
            "fresh probe": lambda model: f"{max(probe['accuracy']['mean'] for probe in model['probes'].values()):.3f}",
            "nats left": lambda model: f"{nats_left(model)['mean']:.3f}",
            "compression": lambda model: f"{model['code_length']['compression']['mean']:.2f}",
        },
    )


def said_table(root: Path = ROOT) -> str:
    """What h says beside what a fresh probe says to the same question."""
    return _rows(
        root,
        {
            "test accuracy": lambda model: f"{model['test_accuracy']:.3f}",
            "h, training images (chance)": _of_h("training", _beside_chance),
            "h (chance)": _of_h("unbiased", _beside_chance),
            "nats: h": _of_h("unbiased", _nats),
            "fresh h (chance)": lambda model: f"{_with_spread(model['fresh_h']['accuracy'])} ({model['fresh_h']['chance']:.3f})",
            "nats: fresh h": lambda model: _with_spread(model["fresh_h"]["information"]),
            "fresh linear probe": lambda model: _with_spread(model["levels"]["accuracy"]),
            "nats: probe": lambda model: _with_spread(model["levels"]["information"]),
        },
    )


def left_table(root: Path = ROOT) -> str:
    """What fresh probes read of the colour, in accuracy, nats and code length, and after linear erasure."""

    def probe(kind: str) -> Callable[[Model], str]:
        return lambda model: _with_spread(model["probes"][kind]["accuracy"]) if kind in model["probes"] else "no map"

    return _rows(
        root,
        {
            "linear": probe("linear"),
            "MLP": probe("mlp"),
            "conv": probe("conv"),
            "control": lambda model: f"{max(one['control']['mean'] for one in model['probes'].values()):.3f}",
            "nats left": lambda model: _with_spread(nats_left(model)),
            "nats, control": lambda model: f"{max(one['control_information']['mean'] for one in model['probes'].values()):.3f}",
            "compression": lambda model: _with_spread(model["code_length"]["compression"]),
        },
    )


def erased_table(root: Path = ROOT) -> str:
    """Probes before and after linear erasure, of the features that vary and of all."""

    def probe(name: str) -> Callable[[Model], str]:
        return lambda model: _with_spread(model["erased"][name]["accuracy"])

    return _rows(
        root,
        {
            "features that vary": lambda model: f"{model['erased']['features']} of {model['erased']['all_features']}",
            "linear, before": probe("linear_before"),
            "linear, after LEACE": probe("linear"),
            "nats, linear, after": lambda model: _with_spread(model["erased"]["linear"]["information"]),
            "MLP, after LEACE": probe("mlp"),
            "linear, after LEACE of all features": probe("all_linear"),
        },
    )


NETWORKS = ("σ²", "method", "probe", "control", "nats left", "nats beside the baseline's", "n")
"""The columns of a table of several networks a cell."""
PROBE, CONTROL, NATS = "bias_mlp_probe_accuracy", "bias_mlp_probe_control_accuracy", "bias_mlp_probe_information"
"""What every run measures of its network with an MLP."""


def nats_in_small(method: str, color_var: float, root: Path = ROOT) -> list[float]:
    """The nats of colour that an MLP proves in each network of a cell of the small setting."""
    return which_method.small_values(method, color_var, NATS, root)


def small_beside_the_baseline(root: Path = ROOT) -> dict[tuple[str, float], tuple[list[float], list[float]]]:
    """By method and variance the nats in the networks of a method and in those of the baseline, in the small setting."""
    nats = {(method, value): nats_in_small(method, value, root) for value in SEVERAL for method in newer.METHODS}
    return {cell: (found, nats[newer.BESIDE[0], cell[1]]) for cell, found in nats.items() if cell[0] != newer.BESIDE[0]}


def networks_table(root: Path = ROOT) -> str:
    """Several networks a cell, in the small setting: what an MLP reads of the colour, with intervals over networks."""
    pairs = small_beside_the_baseline(root)
    told = comparisons.verdicts(pairs)
    rows = []
    for color_var in SEVERAL:
        for method in newer.METHODS:
            found = which_method.small_runs(method, color_var, root)[0]
            if len(found) < newer.SEEDS:
                continue
            cells = [with_interval([one.metrics[name] for one in found]) for name in (PROBE, CONTROL, NATS)]
            cells += [told.get((method, color_var), "–"), str(len(found)), records.links(found, root)]
            rows.append(f"| {color_var:g} | {method} | {' | '.join(cells)} |")
    if not rows:
        return "Nothing has been measured yet.\n"
    return (
        "\n".join([*table_head(*NETWORKS, records.HEAD), *rows]) + "\n\nMean over n networks, ± half a 95 % interval over them "
        f"(Student's t). {search.SETTINGS['train_size']:,} training digits, {search.SETTINGS['epochs']} epochs; MLP probes learn "
        "from training digits in random colours and are asked about others of them. Beside the baseline's: "
        f"{comparisons.how(comparisons.counted(pairs))}\n"
    )


def of_seeds(method: str, color_var: float, root: Path = ROOT) -> list[Model]:
    """The measured networks of a cell in the full setting, seed 0 first."""
    every = [*_shown(root).values(), *read_leakage(root, OF_SEEDS)]
    return [model for model in every if (model["method"], model["color_var"]) == (method, color_var)]


def _strongest(model: Model, name: str) -> float:
    return float(max(probe[name]["mean"] for probe in model["probes"].values()))


def nats_of(models: Sequence[Model]) -> list[float]:
    """What the probes prove of the colour in each of these networks."""
    return [float(nats_left(model)["mean"]) for model in models]


def beside_the_baseline(root: Path = ROOT) -> dict[tuple[str, float], tuple[list[float], list[float]]]:
    """By method and variance the nats in the networks of a method and in those of the baseline, in the full setting."""
    nats = {(method, value): nats_of(of_seeds(method, value, root)) for value in SEVERAL for method in FIVE}
    return {cell: (found, nats[newer.BESIDE[0], cell[1]]) for cell, found in nats.items() if cell[0] != newer.BESIDE[0]}


def full_networks_table(root: Path = ROOT) -> str:
    """Several networks a cell in the full setting, with intervals over networks, as :func:`networks_table`."""
    pairs, rows = beside_the_baseline(root), []
    told = comparisons.verdicts(pairs)
    for color_var in SEVERAL:
        found = {method: of_seeds(method, color_var, root) for method in reversed(FIVE)}
        for method, models in found.items():
            if len(models) < FEWEST_RUNS:
                continue
            cells = [with_interval([_strongest(model, name) for model in models]) for name in ("accuracy", "control")]
            cells += [with_interval(nats_of(models)), told.get((method, color_var), "–"), str(len(models))]
            cells.append(records.links_of_measured(models, root))
            rows.append(f"| {color_var:g} | {method} | {' | '.join(cells)} |")
    if not rows:
        return "Nothing has been measured yet.\n"
    return (
        "\n".join([*table_head(*NETWORKS, records.HEAD), *rows]) + "\n\nMean over n networks, ± half a 95 % interval over them "
        "(Student's t); a network's own numbers are means over five probes of the strongest of three kinds, as in the table of one "
        f"network a cell. Beside the baseline's: {comparisons.how(comparisons.counted(pairs))} "
        f"Cells with fewer than {FEWEST_RUNS} networks are left out.\n"
    )


def shown(root: Path = ROOT) -> list[Model]:
    """The measurements that the tables and figures show, in the order of the files."""
    return [*_shown(root).values()]


def courses(root: Path = ROOT) -> dict[str, list[list[dict[str, float]]]]:
    """The stored courses of training, by method."""
    found: dict[str, list[list[dict[str, float]]]] = {}
    for course in forgetting.read_training(root):
        found.setdefault(course["name"], []).append(course["epochs"])
    return found


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {
        "fooled.md": fooled_table(root),
        "said.md": said_table(root),
        "left.md": left_table(root),
        "erased.md": erased_table(root),
        "networks.md": networks_table(root),
        "networks_full.md": full_networks_table(root),
    }
