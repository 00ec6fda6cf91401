"""The command ``lnl``; its configurations are those of the notebooks."""

import codecs
import errno
import json
import logging
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lnl_core import __version__
from lnl_core._files import user_path
from lnl_core._threads import SHORT_WAITS
from lnl_core.config import preset
from lnl_core.errors import ConfigError, DataError, LNLError

if TYPE_CHECKING:
    from lnl_core.config import RunConfig
    from lnl_core.datasets.container import BiasedImages
    from lnl_core.experiments.base import Experiment

_log = logging.getLogger(__name__)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_MOST = 10_000  # seeds, rounds, processes or threads that anybody asks for on purpose
_ASCII = {"σ": "sigma", "α": "alpha", "λ": "lambda", "μ": "mu", "²": "^2", "±": "+-", "–": "-", "×": "x", "→": "->"}

_UsageError: Any = typer.BadParameter.__bases__[0]  # click's or, in newer versions, typer's own copy of it


def _path(text: str) -> Path:
    """A path as it is meant, with ``~`` for a home folder; a path that cannot be is a usage error."""
    try:
        return user_path(text)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from None


_PATH: dict[str, Any] = {"parser": _path, "metavar": "PATH"}
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the data sets; default: LNL_DATA_DIR, else a cache in your home.", **_PATH)
]
Source = Annotated[str | None, typer.Option()]
Device = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
Seed = Annotated[int, typer.Option(min=0, max=2**63 - 1)]
Folder = Annotated[Path, typer.Argument(parser=_path, help="The folder of a run, or a .safetensors file of ours.")]
Profile = Annotated[str, typer.Option(help="smoke (it runs), demo (minutes), short (fewer epochs), full (the paper).")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="bf16 autocast: faster where the processor supports it.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change one hyper-parameter; the profile becomes 'custom'."),
]
Declared = Annotated[str | None, typer.Option()]
"""A hyper-parameter, whose help is its declaration's, see :class:`_Command`."""
_VALUES = "VALUE,..."
Several = Annotated[str | None, typer.Option(metavar=_VALUES)]
"""Values of a hyper-parameter, separated by commas, or all; the help is its declaration's here too."""
ColorVar = Annotated[float, typer.Option(help="Variance of each colour channel, colours in [0, 1].")]


class _Command(typer.core.TyperCommand):
    """A command whose help speaks from the declarations, which are read when the help is asked for.

    An option of one value that is given twice is refused, as its first value would be dropped in silence.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for param in self.params:
            if isinstance(param, typer.core.TyperOption) and param.help is None:
                several = param.metavar == _VALUES
                param.help, param.show_default = _declared_help(str(param.name).removesuffix("s" if several else ""))
                param.help = f"Separated by commas, or all: {param.help}" if several else param.help
                if param.name == "source":
                    param.help += f"; default: the {'run' if self.name in _OF_A_RUN else 'profile'}'s own"
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=[*args])
        for param in order:
            one = isinstance(param, typer.core.TyperOption) and not (param.multiple or param.is_flag)
            if one and order.count(param) > 1:
                raise _UsageError(f"{param.opts[0]} is given {order.count(param)} times: give it once", ctx)
        return super().parse_args(ctx, args)


_OF_A_RUN = ("evaluate", "probe")
"""The commands whose source is, unless another is named, the one that the run was trained on."""


def _declared_help(name: str) -> tuple[str, bool]:
    """The help of an option from what is registered or declared under its name, and whether to add the option's own default.

    Of the source, the declared default is left out: every profile has its own.
    """
    from lnl_core.config import TRAINING
    from lnl_core.experiments import registered
    from lnl_core.methods import registered as methods

    named: dict[str, Mapping[str, object]] = {"experiment": registered(), "method": methods()}
    if name in named:
        return f"{', '.join(named[name])}; see 'lnl {name}s'.", True
    declared = [(one, "") for one in TRAINING]
    declared += [(one, task.name) for task in registered().values() for one in task.hyperparameters]
    owners: dict[str, dict[str, list[str]]] = {}
    for one, owner in declared:
        if one.name == name:
            values = one.values.partition(", by default")[0] if name == "source" else one.values
            owners.setdefault(one.help, {}).setdefault(values, []).append(owner)
    return "; ".join(f"{words} ({_each(values)})" for words, values in owners.items()), False


def _each(values: Mapping[str, list[str]]) -> str:
    """Values with those of whom they are, such as "faces: eb1 or eb2"; without a name where they are everybody's."""
    return "; ".join(": ".join(filter(None, (", ".join(whose), value))) for value, whose in values.items())


class TableFormat(StrEnum):
    """How ``lnl table`` prints."""

    json = "json"
    markdown = "markdown"


def _say(text: str) -> None:
    """Print at once; not by typer, which writes UTF-8 on a terminal that said it has ASCII only."""
    print(text, flush=True)


def _experiment(name: str) -> "Experiment":
    from lnl_core.experiments.registry import find

    return find(name)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lnl_core {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and end.")] = False,
) -> None:
    """Train networks on biased data without learning the bias."""


@app.command(cls=_Command)
def data(
    source: Annotated[str, typer.Option(help="mnist, mini, authors or auto.")] = "auto",
    color_var: ColorVar = 0.03,
    seed: Seed = 0,
    data_dir: DataDir = None,
) -> None:
    """Fetch and check the digits, paint them, and print what each split holds."""
    from lnl_core.datasets.colored_mnist import colored_mnist

    if color_var > 1:  # as a run does; drawing such colours anew until they lie in the cube may not end
        raise ConfigError(f"color_var must lie between 0 and 1, got {color_var!r}")
    splits = ("train", "test") if source == "authors" else ("train", "validation", "test")
    for split in splits:
        images = colored_mnist(split, color_var, seed=seed, data_dir=data_dir, source=source)
        _say(f"{split:<12}{len(images):>7,} images of {images.source}, sigma^2 {color_var:g}")


@app.command(cls=_Command)
def train(
    out: Annotated[Path, typer.Option(help="The run's own folder; a second call resumes or returns what is there.", **_PATH)],
    experiment: str = "colored_mnist",
    method: str = "lnl",
    color_var: Annotated[float | None, typer.Option()] = None,
    profile: Profile = "demo",
    train_set: Declared = None,
    learn: Declared = None,
    protected: Declared = None,
    seed: int = 0,
    data_dir: DataDir = None,
    source: Source = None,
    device: Device = "auto",
    bf16: Bf16 = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write scalars for TensorBoard.")] = False,
    quiet: Quiet = False,
    option: Changes = None,
) -> None:
    """Train and evaluate one network; leaves record.json, model.safetensors and metrics.jsonl in --out."""
    from lnl_core.runs.run import run

    known = _experiment(experiment)
    setting = _declared(known, color_var=color_var, train_set=train_set, learn=learn, protected=protected)
    config = preset(profile, method, experiment=experiment, seed=seed, **setting, **_changes(option, source, bf16))
    record = run(config, out, data_dir=data_dir, device=device, progress=not quiet, tensorboard=tensorboard)
    trained_on = f"{record.data['train_size']:,} {known.items} of {record.data['source']}"
    _say(f"{method}, {config.setting_name}, profile {record.profile}, {trained_on}")
    for name, value in record.metrics.items():
        _say(f"{name:<36}{value:8{'.0f' if name.endswith('_size') else '.4f'}}")


def _declared(experiment: "Experiment", *, sweeping: bool = False, **given: Any) -> dict[str, Any]:
    """What was given of these options; one that is of other experiments is refused, also at its default."""
    from lnl_core.experiments.registry import registered
    from lnl_core.hyperparameters import either

    setting = {name: value for name, value in given.items() if value is not None}
    for name in setting:
        if not experiment.declares(name):
            owners = tuple(one.name for one in registered().values() if one.declares(name))
            option = _option(name) if sweeping else f"--{name.replace('_', '-')}"
            whose = f"belongs to experiment {either(owners)}" if owners else "is nothing that an experiment declares"
            raise ConfigError(f"{option} {whose}: leave it out of {experiment.name}")
    return setting


def _changes(option: list[str] | None, source: str | None, bf16: bool) -> dict[str, Any]:
    """The hyper-parameters that ``--set``, ``--source`` and ``--bf16`` replace."""
    assigned = [_assignment(text) for text in option or []]
    _refuse_twice("--set", [name for name, _ in assigned])
    changes: dict[str, Any] = dict(assigned)
    own = {"experiment", "method", "color_var", "train_set", "learn", "protected", "seed", "profile"} & set(changes)
    if own:
        raise ConfigError(f"--set cannot change {min(own)}: it has an option of its own, see --help")
    given = ({} if source is None else {"source": source}) | ({"precision": "bf16"} if bf16 else {})
    for name in given.keys() & changes.keys():
        other = {"source": "--source", "precision": "--bf16"}[name]
        raise ConfigError(f"--set {name} and {other} are for the same: leave one of them out")
    return changes | given


def _refuse_twice(option: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{option} {name} is given {names.count(name)} times: give it once")


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set takes NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):  # a text, or brackets deeper than anybody means
        return name, value


@app.command(cls=_Command)
def sweep(
    out: Annotated[Path, typer.Option(help="Folder of the records; the same command again does what is missing there.", **_PATH)],
    methods: Annotated[
        str, typer.Option(help="Methods, separated by commas, or all: those that the experiment compares, without mi_backprop.")
    ],
    color_vars: Several = None,
    train_sets: Several = None,
    learn: Several = None,
    protected: Several = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE,VALUE", help="Values of what an experiment of one's own varies, or all."),
    ] = None,
    experiment: str = "colored_mnist",
    seeds: Annotated[str, typer.Option(help="Seeds and ranges of seeds, such as 0,1 or 0-2.")] = "0",
    profile: Profile = "demo",
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoints, models and logs; default: OUT/.work, on a cluster each worker's own.", **_PATH),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=_MOST, help="Processes at a time on this machine; default: 1.", show_default=False)
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=_MOST, help="Threads of each process; default: OMP_NUM_THREADS, else the processors shared."),
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")] = None,
    data_dir: DataDir = None,
    source: Source = None,
    device: Device = "auto",
    bf16: Bf16 = False,
    quiet: Quiet = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run.")] = False,
    option: Changes = None,
) -> None:
    """Run a grid of configurations, each ending in one record; goes on where it was interrupted. Exit code 1 if any run failed."""
    from lnl_core.runs.sweep import grid, plan, sweep as do

    if scheduler is not None and not scheduler.strip():
        raise ConfigError("--scheduler is empty: give the address of a Dask scheduler, such as tcp://host:8786")
    known = _experiment(experiment)
    lists = {"color_var": color_vars, "train_set": train_sets, "learn": learn, "protected": protected}
    configs = grid(
        known.name,
        list(known.methods) if methods == "all" else _items(methods, "--methods"),
        _settings(known, {name: text for name, text in lists.items() if text is not None} | _varied(vary)),
        _seeds(seeds),
        profile,
        **_changes(option, source, bf16),
    )
    if dry_run:
        for name, state in plan(configs, out, work_dir=work, data_dir=data_dir).items():
            _say(f"{name}: {state}")
        return
    report = do(
        configs,
        out,
        work_dir=work,
        workers=workers,
        threads=threads,
        scheduler=scheduler,
        data_dir=data_dir,
        device=device,
        progress=not quiet,
    )
    for name, place in report.set_aside.items():
        _say(f"{name}: an unreadable record was set aside as {place}")
    for name, reason in report.retried.items():
        _say(f"{name}: crashed and was started once more ({reason})")
    for name, reason in report.failed.items():
        _say(f"{name}: failed ({reason})")
    finished, skipped, failed = len(report.finished), len(report.skipped), len(report.failed)
    _say(f"{len(configs)} runs in {out}: {finished} finished, {skipped} had a record, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _settings(experiment: "Experiment", given: dict[str, str]) -> list[dict[str, Any]]:
    """The settings of a grid: every combination of the values in the lists of ``given``, in the order of ``varied``."""
    _declared(experiment, sweeping=True, **given)
    for name in given:
        if name not in experiment.varied:
            what = ", ".join(experiment.varied) or "nothing"
            raise ConfigError(f"{experiment.name} varies {what}, and not {name}: use --set for a value of all runs")
    for name in experiment.required:
        if name not in given:
            how = "name its values, separated by commas" + (", or all" if experiment.varied[name] else "")
            raise ConfigError(f"a sweep over {experiment.name} needs {_option(name)}: {how}")
    settings: list[dict[str, Any]] = [{}]
    for name, usual in experiment.varied.items():
        if name in given:
            everything = given[name] == "all" and usual
            values = list(usual) if everything else [_value(experiment, name, text) for text in _items(given[name], _option(name))]
            settings = [{**setting, name: value} for setting in settings for value in values]
    return settings


_OPTIONS = {"color_var": "--color-vars", "train_set": "--train-sets", "learn": "--learn", "protected": "--protected"}
"""The options of ``lnl sweep`` that are lists of a hyper-parameter's values; any other one has --vary."""


def _option(name: str) -> str:
    return _OPTIONS.get(name, f"--vary {name}")


def _varied(vary: list[str] | None) -> dict[str, str]:
    """The lists of --vary by hyper-parameter."""
    found: dict[str, str] = {}
    for text in vary or []:
        name, equals, values = text.partition("=")
        if not equals:
            raise ConfigError(f"--vary takes NAME=VALUE,VALUE, got {text!r}")
        if name in _OPTIONS:
            raise ConfigError(f"--vary is for what has no option of its own: use {_OPTIONS[name]} for {name}")
        if name in found:
            raise ConfigError(f"--vary {name} is given twice: put all its values into one list")
        found[name] = values
    return found


def _value(experiment: "Experiment", name: str, text: str) -> Any:
    """One value of a list, a number where the hyper-parameter is one."""
    kind = next(one.kind for one in experiment.hyperparameters if one.name == name)
    try:
        return {"count": int, "number": float}.get(kind, str)(text)
    except ValueError:
        raise ConfigError(f"{_option(name)} takes numbers separated by commas, got {text!r}") from None


def _items(text: str, option: str) -> list[str]:
    """The parts of a list with commas; an empty list is an error, since it would ask for nothing."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not items:
        raise ConfigError(f"{option} is empty: name at least one")
    return items


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for item in _items(text, "--seeds"):
        first, dash, last = item.partition("-")
        digits = first.isdecimal() and (not dash or last.isdecimal()) and max(len(first), len(last)) <= 20
        if not digits or (dash and int(last) < int(first)):
            raise ConfigError(f"--seeds takes whole numbers of up to 20 digits and ranges such as 0-2, got {_short(item)}")
        numbers = range(int(first), int(last or first) + 1)
        if numbers[-1] - numbers[0] >= _MOST - len(seeds):
            raise ConfigError(f"--seeds takes at most {_MOST:,} seeds, got more by {item!r}: name fewer")
        seeds += numbers
    return seeds


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


@app.command(cls=_Command)
def evaluate(
    folder: Folder,
    color_var: Annotated[float | None, typer.Option(help="Variance of the test colours; default: the run's own.")] = None,
    data_dir: DataDir = None,
    source: Source = None,
    device: Device = "auto",
) -> None:
    """Evaluate a trained model on the unbiased test set and print JSON.

    Its training data say which labels and biases go together; where they are not there, these two accuracies are left out.
    """
    import torch

    from lnl_core.evaluation.accuracy import evaluate as measure
    from lnl_core.experiments.splits import load_data, load_probe_data, resolve
    from lnl_core.runs.run import load_model, model_config
    from lnl_core.training.devices import choose_device

    trained = model_config(folder)
    experiment = _experiment(trained.experiment)
    config = trained.with_options(**_declared(experiment, color_var=color_var))
    config = resolve(config if source is None else experiment.on_source(config, source), data_dir)
    experiment.check_unseen(trained.source, config.source)
    network = load_model(folder).to(choose_device(device))
    if config.channels_last:  # as in training: the rounding of another layout moves what a probe learns
        network.to(memory_format=torch.channels_last)
    test = load_data(config, "test", data_dir)
    metrics = measure(
        network,
        test,
        train=_trained_on(config, data_dir),
        probe_data=load_probe_data(config, data_dir),
        probe_limit=config.probe_images,
        probe_steps=config.probe_steps,
        seed=config.seed,
    )
    result = {
        "method": config.method,
        **config.setting,
        "source": test.source,
        "test_size": len(test),
        "metrics": metrics,
    }
    _say(json.dumps(result, indent=2))


def _trained_on(config: "RunConfig", data_dir: Path | None) -> "BiasedImages | None":
    """A model's training data, or None, with a warning, where they are not there."""
    from lnl_core.experiments.splits import load_data

    try:
        return load_data(config, _experiment(config.experiment).training_split(config), data_dir)
    except DataError as error:
        _log.warning("bias_aligned_accuracy and bias_conflicting_accuracy are not measured: %s", error)
        return None


@app.command(cls=_Command)
def probe(
    folder: Folder,
    kinds: Annotated[str, typer.Option(help="Separated by commas: linear, mlp, conv, those of LNL_PLUGINS.")] = "linear,mlp",
    seeds: Annotated[int, typer.Option(min=1, max=_MOST, help="Probes, and codes, of each kind.")] = 5,
    code: Annotated[bool, typer.Option("--code-length", help="Also the code length of the bias given the features.")] = False,
    data_dir: DataDir = None,
    source: Source = None,
    device: Device = "auto",
) -> None:
    """Read the bias from a trained model's features with fresh probes, and print JSON: means, 95 % intervals, controls.

    Up to 4000 unbiased images are read, whatever probe_images the run has: half train the probes, and half are asked about.
    """
    from lnl_core.evaluation import code_length, feature_maps, find_probe, leakage
    from lnl_core.experiments.splits import load_data, load_probe_data, resolve
    from lnl_core.runs.run import load_model, model_config
    from lnl_core.training.devices import choose_device

    chosen = _items(kinds, "--kinds")
    for kind in chosen:
        find_probe(kind)
    trained = model_config(folder)
    experiment = _experiment(trained.experiment)
    config = resolve(trained if source is None else experiment.on_source(trained, source), data_dir)
    experiment.check_unseen(trained.source, config.source)
    network = load_model(folder).to(choose_device(device))
    images = load_probe_data(config, data_dir)
    images = load_data(config, "test", data_dir) if images is None else images
    features = feature_maps(network, images, 4000)
    group = images.group[: len(features)].cpu()
    result = {
        "method": config.method,
        **config.setting,
        "source": images.source,
        "probes": [leakage(features, group, kind=kind, seeds=seeds).to_dict() for kind in chosen],
    }
    if code:
        result["code_length"] = [code_length(features, group, kind=kind, seeds=seeds).to_dict() for kind in chosen]
    _say(json.dumps(result, indent=2))


@app.command(cls=_Command)
def oracle(
    folder: Annotated[Path, typer.Argument(help="The folder of a run of dogs_cats with --train-set train.", parser=_path)],
    out: Annotated[Path, typer.Option(help="The .csv to write; give it to other runs with --set test_labels=FILE.", **_PATH)],
    data_dir: DataDir = None,
) -> None:
    """Label the Dogs and Cats test images with a trained network."""
    from lnl_core.runs.run import oracle_labels

    labels = oracle_labels(folder, out, data_dir)
    _say(f"{len(labels):,} images labelled in {out}: {sum(labels.values()):,} dogs")


@app.command(cls=_Command)
def clean(
    tolerance: Annotated[float, typer.Option(help="Largest difference in years between label and estimate.")] = 5.0,
    data_dir: DataDir = None,
) -> None:
    """Keep the faces of IMDB that an age and gender estimator agrees with, the paper's cleaning step: source imdb_cleaned.

    Estimates are kept in estimates.jsonl in IMDB's folder: the same call goes on where it was interrupted.
    """
    from lnl_core.datasets.readers.face_cleaning import PackagedEstimator, clean as keep_what_agrees
    from lnl_core.datasets.readers.face_tables import imdb_folder, read_faces, write_cleaned

    if not 0 <= tolerance < math.inf:
        raise ConfigError(f"tolerance must be a finite number of years of at least 0, got {tolerance!r}")
    estimator = PackagedEstimator()
    faces = read_faces("imdb", data_dir)
    cleaned = keep_what_agrees(faces, estimator, tolerance=tolerance, estimates=imdb_folder(data_dir) / "estimates.jsonl")
    path = write_cleaned(cleaned, data_dir)
    _say(f"{len(cleaned):,} of {len(faces):,} faces agree: {path}; train on them with --source imdb_cleaned")


@app.command(cls=_Command)
def table(
    experiment: str = "colored_mnist",
    format: Annotated[TableFormat, typer.Option(help="markdown or json.")] = TableFormat.markdown,
    results: Annotated[
        Path | None, typer.Option(help="Folder with paper.json and runs/; default: the repository's.", **_PATH)
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only runs on this source, such as utkface or imdb.")] = None,
) -> None:
    """Print the published numbers, ours, the difference and the number of runs."""
    from lnl_core.runs.comparison import results_table, table_markdown

    known = _experiment(experiment)
    sources = sorted({*known.table_sources, *known.sources} - {"auto"})
    if source is not None and source not in sources:
        raise ConfigError(f"unknown source {source!r}: choose one of {', '.join(sources)}, for {experiment}")
    rows = results_table(experiment, folder=results, source=source)
    _say(json.dumps(rows, indent=2) if format is TableFormat.json else table_markdown(rows))


@app.command(cls=_Command)
def experiments() -> None:
    """List the experiments, those of LNL_PLUGINS among them: methods, and what each lets one choose beside method and training."""
    from lnl_core.experiments.registry import registered

    for experiment in registered().values():
        _say(f"{experiment.name}: {', '.join(experiment.methods)}")
        for one in experiment.hyperparameters:
            _say(f"  {one.name:<24}{one.help} ({one.values})")


@app.command(cls=_Command)
def methods() -> None:
    """List the methods, also those of LNL_PLUGINS, what each must know and its hyper-parameters; last those of every training."""
    from lnl_core.config import EXECUTION, MEASURING, TRAINING
    from lnl_core.methods import registered

    known = registered()
    read = {name: method.hyperparameters for name, method in known.items()}
    for name, hyperparameters in {**read, "every run": (*TRAINING, *MEASURING, *EXECUTION)}.items():
        told = ", ".join(known[name].must_know) or "nothing more than images and labels" if name in known else ""
        _say(f"{name}:" + (f" must know {told}" if told else ""))
        for one in hyperparameters:
            _say(f"  {one.name:<24}{one.help} ({one.values})")


@app.command(cls=_Command)
def bench(
    out: Annotated[Path | None, typer.Option(help="Also write the JSON to this file.", **_PATH)] = None,
    source: Annotated[str, typer.Option(help="mnist, mini or auto.")] = "auto",
    data_dir: DataDir = None,
    size: Annotated[int | None, typer.Option(min=2, max=60_000, help="Only so many images, for a quick look.")] = None,
    repeats: Annotated[int, typer.Option(min=1, max=_MOST, help="Rounds; the smallest time of each side counts.")] = 2,
    reference: Annotated[bool, typer.Option(help="Also time the straightforward reference in benchmarks/.")] = True,
) -> None:
    """Time one epoch of baseline and lnl beside a straightforward reference, and of mi_backprop beside lnl; prints ratios."""
    from lnl_core._files import check_file, write_json
    from lnl_core.runs.bench import benchmark, report

    if out is not None:
        check_file(out, "bench.json")
    results = benchmark(source=source, data_dir=data_dir, size=size, reference=reference, repeats=repeats)
    _say(report(results))  # first, so that a file that cannot be written loses nothing
    if out is not None:
        write_json(out, results)


# The entry point


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What stands for a character that the terminal does not have: a word for our own signs, else its code."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text), error.end


@contextmanager
def _streams() -> Iterator[None]:
    """Output that can always be written: closed streams swallow it, and a terminal of few characters gets words for the others.

    Warnings, such as those of unreadable photographs, are sentences of their own: they come without a source path and line.
    """
    before = sys.stdout, sys.stderr, warnings.showwarning
    nowhere = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:  # closed, as by 2>&-: the next file to be opened would take its place and get what is written there
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            nowhere.append(open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115 - closed below
            setattr(sys, name, nowhere[-1])
    codecs.register_error("lnl_ascii", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="lnl_ascii")
    warnings.showwarning = lambda message, *_, **__: print(message, file=sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr, warnings.showwarning = before
        for stream in nowhere:
            stream.close()


def main() -> None:
    """Entry point: bad input is one sentence on standard error and exit code 2."""
    os.environ.setdefault(*SHORT_WAITS)
    with _streams():
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        sys.exit(_answer())


def _fail(sentence: str, code: int = 2) -> int:
    """Print one sentence; of a word that no screen would hold its two ends are enough."""
    shorter = re.sub(r"\S{300,}", lambda found: f"{found[0][:60]}...{found[0][-20:]}", sentence)
    print("lnl: " + " ".join(shorter.split()), file=sys.stderr)
    return code


def _answer() -> int:
    """Run the command that the arguments name; returns the exit code."""
    try:
        code = app(standalone_mode=False)
        if code == 130:  # typer's answer to Ctrl-C
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
            return 2
        return _fail(f"{error.format_message().rstrip('.')}: see 'lnl --help'")
    except LNLError as error:
        return _fail(str(error))
    except OSError as error:
        what = f"cannot use {error.filename or 'a file'} ({error.strerror or error})"
        full = error.errno == errno.ENOSPC
        return _fail(f"{what}: {'make room, and give the same command again' if full else 'check the path and its permissions'}")
    except MemoryError:
        return _fail("there is too little memory for this: take fewer or smaller images, or a smaller batch_size")
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        return _fail("there is too little memory for this: take fewer or smaller images, or a smaller batch_size")
    except KeyboardInterrupt:
        return _fail(f"stopped; {_goes_on(sys.argv[1:])}", 130)


def _goes_on(arguments: list[str]) -> str:
    """What the same command does after an interruption."""
    command = next((one for one in arguments if not one.startswith("-")), "")
    if command in ("train", "sweep"):
        return "the same command goes on from the last finished epoch"
    return "the same command goes on where it was" if command == "clean" else "the same command begins again"


if __name__ == "__main__":
    main()
