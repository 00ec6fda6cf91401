"""The command ``lnl``: data, train, sweep, evaluate, probe, oracle, table, bench; the same configurations as the notebooks."""

import json
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from lnl_core.config import COLOR_VARS, EXPERIMENTS, METHODS, TRAINING_SETS, preset
from lnl_core.errors import ConfigError, LNLError

app = typer.Typer(
    help="Train networks on biased data without learning the bias.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_UsageError: Any = typer.BadParameter.__bases__[0]  # click's or, in newer versions, typer's own copy of it

DataDir = Annotated[Path | None, typer.Option(help="Folder of the data sets; default: LNL_DATA_DIR, else a cache in your home.")]
Source = Annotated[
    str | None,
    typer.Option(
        help="mnist (full), mini (5,000 embedded digits), authors (their .npy); on photographs kaggle, utkface, imdb, "
        "imdb_cleaned, drawn; on census tables uci, drawn; auto."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")]
Seed = Annotated[int, typer.Option(min=0)]
Profile = Annotated[str, typer.Option(help="smoke (it runs), demo (minutes), short (fewer epochs), full (the paper).")]
Bf16 = Annotated[bool, typer.Option("--bf16", help="bf16 autocast: faster where the processor supports it.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change one hyper-parameter; the profile becomes 'custom'."),
]
TrainSet = Annotated[
    str | None,
    typer.Option(help="tb1 or tb2 (dogs_cats), eb1 or eb2 (faces), bd or od (jlu_faces), adult or german (census)."),
]
Learn = Annotated[str | None, typer.Option(help="Of experiment faces: gender or age; the other one is to be forgotten.")]
Protected = Annotated[
    str | None, typer.Option(help="Of experiment census, the attribute to be forgotten: sex or race (adult), age or sex (german).")
]
ColorVar = Annotated[float, typer.Option(help="Variance of each colour channel, colours in [0, 1].")]


class TableFormat(StrEnum):
    """How ``lnl table`` prints."""

    json = "json"
    markdown = "markdown"


def _experiment(name: str) -> str:
    if name not in EXPERIMENTS:
        raise ConfigError(f"unknown experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}")
    return name


@app.command()
def data(
    source: Annotated[str, typer.Option(help="mnist, mini, authors or auto.")] = "auto",
    color_var: ColorVar = 0.03,
    seed: Seed = 0,
    data_dir: DataDir = None,
) -> None:
    """Fetch and check the digits, paint them, and print what each split holds."""
    from lnl_core.datasets.colored_mnist import colored_mnist

    splits = ("train", "test") if source == "authors" else ("train", "validation", "test")
    for split in splits:
        images = colored_mnist(split, color_var, seed=seed, data_dir=data_dir, source=source)
        typer.echo(f"{split:<12}{len(images):>7,} images of {images.source}, sigma^2 {color_var:g}")


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="The run's own folder; a second call resumes or returns what is there.")],
    experiment: str = "colored_mnist",
    method: Annotated[
        str, typer.Option(help="baseline, gray, blind_eye, grl, blind_eye_grl, lnl_adv, lnl, bias_balanced, mi_backprop or jlu.")
    ] = "lnl",
    color_var: Annotated[float | None, typer.Option(help="Of digits: variance of each colour channel; default 0.03.")] = None,
    profile: Profile = "demo",
    train_set: TrainSet = None,
    learn: Learn = None,
    protected: Protected = None,
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
    from lnl_core.runs import run

    _check_color_var(color_var, experiment)
    named = {"color_var": color_var, "train_set": train_set, "learn": learn, "protected": protected}
    setting: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    config = preset(profile, method, experiment=experiment, seed=seed, **setting, **_changes(option, source, bf16))
    record = run(config, out, data_dir=data_dir, device=device, progress=not quiet, tensorboard=tensorboard)
    rows = "rows" if experiment == "census" else "images"
    trained_on = f"{record.data['train_size']:,} {rows} of {record.data['source']}"
    typer.echo(f"{method}, {config.setting_name}, profile {record.profile}, {trained_on}")
    for name, value in record.metrics.items():
        typer.echo(f"{name:<36}{value:8.4f}")


def _check_color_var(color_var: float | None, experiment: str) -> None:
    if color_var is not None and experiment != "colored_mnist":
        raise ConfigError(f"--color-var is a variance of painted digits: leave it out of {experiment}")


def _changes(option: list[str] | None, source: str | None, bf16: bool) -> dict[str, Any]:
    """The hyper-parameters that ``--set``, ``--source`` and ``--bf16`` replace."""
    changes: dict[str, Any] = dict(_assignment(text) for text in option or [])
    own = {"experiment", "method", "color_var", "train_set", "learn", "protected", "seed", "profile"} & set(changes)
    if own:
        raise ConfigError(f"--set cannot change {min(own)}: it has an option of its own, see --help")
    if source is not None:
        changes["source"] = source
    if bf16:
        changes["precision"] = "bf16"
    return changes


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set takes NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


@app.command()
def sweep(
    out: Annotated[Path, typer.Option(help="Folder of the records; the same command again does what is missing there.")],
    methods: Annotated[
        str, typer.Option(help="Methods, separated by commas, or all: those that the experiment compares, without mi_backprop.")
    ],
    color_vars: Annotated[
        str | None, typer.Option(help="Colour variances, separated by commas, or all: the paper's seven. For colored_mnist.")
    ] = None,
    train_sets: Annotated[
        str | None, typer.Option(help="Training sets, separated by commas, or all: tb1,tb2, eb1,eb2 or adult,german.")
    ] = None,
    learn: Annotated[str | None, typer.Option(help="gender, age or both, separated by commas. For faces.")] = None,
    protected: Annotated[str | None, typer.Option(help="Attributes to forget, separated by commas. For census.")] = None,
    experiment: str = "colored_mnist",
    seeds: Annotated[str, typer.Option(help="Seeds and ranges of seeds, such as 0,1 or 0-2.")] = "0",
    profile: Profile = "demo",
    work: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoints, models and logs; default: OUT/.work, on a cluster each worker's own."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes at a time on this machine.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of each process; default: OMP_NUM_THREADS, else the processors shared.")
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
    from lnl_core.sweep import grid, plan
    from lnl_core.sweep import sweep as do

    configs = grid(
        _experiment(experiment),
        _compared(experiment) if methods == "all" else _items(methods),
        _settings(experiment, color_vars, train_sets, learn, protected),
        _seeds(seeds),
        profile,
        **_changes(option, source, bf16),
    )
    if dry_run:
        for name, state in plan(configs, out, work_dir=work, data_dir=data_dir).items():
            typer.echo(f"{name}: {state}")
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
        typer.echo(f"{name}: an unreadable record was set aside as {place}")
    for name, reason in report.retried.items():
        typer.echo(f"{name}: crashed and was started once more ({reason})")
    for name, reason in report.failed.items():
        typer.echo(f"{name}: failed ({reason})")
    finished, skipped, failed = len(report.finished), len(report.skipped), len(report.failed)
    typer.echo(f"{len(configs)} runs in {out}: {finished} finished, {skipped} had a record, {failed} failed")
    if failed:
        raise typer.Exit(1)


def _compared(experiment: str) -> list[str]:
    """The methods that an experiment sets side by side, which is what ``--methods all`` means."""
    if experiment == "jlu_faces":
        return ["baseline", "jlu"]
    return [method for method in METHODS if (experiment, method) != ("census", "gray")]


def _settings(
    experiment: str, color_vars: str | None, train_sets: str | None, learn: str | None, protected: str | None = None
) -> list[Any]:
    """What ``--color-vars``, or ``--train-sets`` with ``--learn`` or ``--protected``, ask for."""
    if protected is not None and experiment != "census":
        raise ConfigError("--protected names the attribute to forget and belongs to experiment census alone")
    if experiment == "colored_mnist":
        if color_vars is None or train_sets or learn:
            raise ConfigError("colored_mnist takes --color-vars, and neither --train-sets nor --learn: name the variances, or all")
        return list(COLOR_VARS) if color_vars == "all" else [_number(text) for text in _items(color_vars)]
    if color_vars is not None or train_sets is None:
        raise ConfigError(f"{experiment} takes --train-sets instead of --color-vars: name the training sets, or all")
    if (experiment == "faces") != (learn is not None):
        raise ConfigError("--learn says what is learnt from faces, gender or age, and belongs to experiment faces alone")
    sets = list(TRAINING_SETS[experiment][:2]) if train_sets == "all" else _items(train_sets)
    name, given = ("protected", protected) if experiment == "census" else ("learn", learn)
    tasks: list[dict[str, str]] = [{name: task} for task in _items(given)] if given else [{}]
    return [{**task, "train_set": chosen} for task in tasks for chosen in sets]


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"--color-vars takes numbers separated by commas, got {text!r}") from None


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for item in _items(text):
        first, dash, last = item.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or (dash and int(last) < int(first)):
            raise ConfigError(f"--seeds takes whole numbers and ranges such as 0-2, got {item!r}")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="The folder of a run, or a .safetensors file of ours.")],
    color_var: Annotated[float | None, typer.Option(help="Variance of the test colours; default: the run's own.")] = None,
    data_dir: DataDir = None,
    source: Source = None,
    device: Device = "auto",
) -> None:
    """Evaluate a trained model on the unbiased test set and print JSON."""
    from dataclasses import replace

    import torch

    from lnl_core.evaluation import evaluate as measure
    from lnl_core.runs import load_model, model_config
    from lnl_core.splits import load_data, load_probe_data, resolve
    from lnl_core.training import choose_device

    config = model_config(folder)
    _check_color_var(color_var, config.experiment)
    changes: dict[str, Any] = _source(source) | ({} if color_var is None else {"color_var": color_var})
    trained_on, config = config.source, resolve(replace(config, **changes), data_dir)
    if config.source == "mini" and trained_on in ("mnist", "authors"):
        raise ConfigError(f"the embedded digits are training digits of {trained_on}, which this model has seen: leave --source out")
    network = load_model(folder).to(choose_device(device))
    if config.channels_last:  # as in training: the rounding of another layout moves what a probe learns
        network.to(memory_format=torch.channels_last)
    test = load_data(config, "test", data_dir)
    metrics = measure(network, test, probe_data=load_probe_data(config, data_dir), seed=config.seed)
    result = {
        "method": config.method,
        **config.setting,
        "source": test.source,
        "test_size": len(test),
        "metrics": metrics,
    }
    typer.echo(json.dumps(result, indent=2))


def _source(source: str | None) -> dict[str, Any]:
    """The change that ``--source`` makes to a trained model's configuration; the authors' files have no validation split."""
    return {} if source is None else {"source": source} | ({"train_split": "trainval"} if source == "authors" else {})


@app.command()
def probe(
    folder: Annotated[Path, typer.Argument(help="The folder of a run, or a .safetensors file of ours.")],
    kinds: Annotated[str, typer.Option(help="Kinds of probe, separated by commas: linear, mlp, conv.")] = "linear,mlp",
    seeds: Annotated[int, typer.Option(help="Probes, and codes, of each kind.")] = 5,
    code: Annotated[bool, typer.Option("--code-length", help="Also the code length of the bias given the features.")] = False,
    data_dir: DataDir = None,
    source: Source = None,
    device: Device = "auto",
) -> None:
    """Read the bias from a trained model's features with fresh probes, and print JSON: means, 95 % intervals, controls."""
    from dataclasses import replace

    from lnl_core.evaluation import feature_maps
    from lnl_core.leakage import code_length, leakage
    from lnl_core.runs import load_model, model_config
    from lnl_core.splits import load_data, load_probe_data, resolve
    from lnl_core.training import choose_device

    config = resolve(replace(model_config(folder), **_source(source)), data_dir)
    network = load_model(folder).to(choose_device(device))
    images = load_probe_data(config, data_dir)
    images = load_data(config, "test", data_dir) if images is None else images
    features, chosen = feature_maps(network, images, 4000), _items(kinds)
    group = images.group[: len(features)].cpu()
    result = {
        "method": config.method,
        **config.setting,
        "source": images.source,
        "probes": [leakage(features, group, kind=kind, seeds=seeds).to_dict() for kind in chosen],
    }
    if code:
        result["code_length"] = [code_length(features, group, kind=kind, seeds=seeds).to_dict() for kind in chosen]
    typer.echo(json.dumps(result, indent=2))


@app.command()
def oracle(
    folder: Annotated[Path, typer.Argument(help="The folder of a run: experiment dogs_cats, --train-set train.")],
    out: Annotated[Path, typer.Option(help="The .csv to write; give it to other runs with --set test_labels=FILE.")],
    data_dir: DataDir = None,
) -> None:
    """Label the Dogs and Cats test images with a trained network."""
    from lnl_core.runs import oracle_labels

    labels = oracle_labels(folder, out, data_dir)
    typer.echo(f"{len(labels):,} images labelled in {out}: {sum(labels.values()):,} dogs")


@app.command()
def clean(
    tolerance: Annotated[float, typer.Option(help="Largest difference in years between label and estimate.")] = 5.0,
    data_dir: DataDir = None,
) -> None:
    """Keep the faces of IMDB that an age and gender estimator agrees with, the paper's cleaning step: source imdb_cleaned.

    Estimates are kept in estimates.jsonl in IMDB's folder: the same call goes on where it was interrupted.
    """
    from lnl_core.datasets.face_cleaning import PackagedEstimator
    from lnl_core.datasets.face_cleaning import clean as keep_what_agrees
    from lnl_core.datasets.face_tables import imdb_folder, read_faces, write_cleaned

    estimator = PackagedEstimator()
    faces = read_faces("imdb", data_dir)
    cleaned = keep_what_agrees(faces, estimator, tolerance=tolerance, estimates=imdb_folder(data_dir) / "estimates.jsonl")
    path = write_cleaned(cleaned, data_dir)
    typer.echo(f"{len(cleaned):,} of {len(faces):,} faces agree: {path}; train on them with --source imdb_cleaned")


@app.command()
def table(
    experiment: str = "colored_mnist",
    format: Annotated[TableFormat, typer.Option(help="markdown or json.")] = TableFormat.markdown,
    results: Annotated[Path | None, typer.Option(help="Folder with paper.json and runs/; default: the repository's.")] = None,
    source: Annotated[str | None, typer.Option(help="Only runs on this source, such as utkface or imdb.")] = None,
) -> None:
    """Print the published numbers, ours, the difference and the number of runs."""
    from lnl_core.records import results_table, table_markdown

    rows = results_table(_experiment(experiment), folder=results, source=source)
    typer.echo(json.dumps(rows, indent=2) if format is TableFormat.json else table_markdown(rows))


@app.command()
def bench(
    out: Annotated[Path | None, typer.Option(help="Also write the JSON to this file.")] = None,
    source: Annotated[str, typer.Option(help="mnist, mini or auto.")] = "auto",
    data_dir: DataDir = None,
    size: Annotated[int | None, typer.Option(min=2, help="Only so many images, for a quick look.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds; the smallest time of each side counts.")] = 2,
    reference: Annotated[bool, typer.Option(help="Also time the straightforward reference in benchmarks/.")] = True,
) -> None:
    """Time one epoch of baseline and lnl beside a straightforward reference, and of mi_backprop beside lnl; prints ratios."""
    from lnl_core._files import write_json
    from lnl_core.bench import benchmark, report

    results = benchmark(source=source, data_dir=data_dir, size=size, reference=reference, repeats=repeats)
    if out is not None:
        write_json(out, results)
    typer.echo(report(results))


def main() -> None:
    """Entry point: bad input is one sentence on standard error and exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        code = app(standalone_mode=False)
        if code == 130:  # typer's answer to Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            print(f"lnl: {error.format_message().rstrip('.')}: see 'lnl --help'", file=sys.stderr)
        sys.exit(2)
    except LNLError as error:
        print(f"lnl: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        what = f"cannot use {error.filename or 'a file'} ({error.strerror or error})"
        print(f"lnl: {what}: check the path and its permissions", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("lnl: stopped; the same command goes on from the last finished epoch", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
