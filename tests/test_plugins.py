"""From outside, one file each: an experiment, a data set, a network, a probe. Then the presets of our own five experiments."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lnl_core import _plugins, methods
from lnl_core.config import PROFILES, declared, preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.experiments import EXPERIMENTS, Experiment, find, register, registered, registry, source
from lnl_core.networks import LNLNetwork

TOY = '''
"""Grey squares, bright or dark, on a wall that is coloured by class in training and by chance in the test."""

import torch
from torch import nn

from lnl_core.datasets import BiasedImages
from lnl_core.experiments import Experiment, register, source
from lnl_core.experiments.base import TEST_SIZE, TRAIN_SIZE
from lnl_core.hyperparameters import count
from lnl_core.networks import LNLNetwork


def squares(split, size, n, seed):
    generator = torch.Generator().manual_seed(seed + {"train": 0, "test": 1}[split])
    labels = torch.randint(0, 2, (n,), generator=generator)
    walls = labels if split == "train" else torch.randint(0, 2, (n,), generator=generator)
    images = torch.zeros(n, 3, size, size, dtype=torch.uint8)
    images[torch.arange(n), walls] = 200
    images[:, :, 8:24, 8:24] = (60 + 120 * labels).view(-1, 1, 1, 1).to(torch.uint8)
    return BiasedImages(images, labels, walls, walls, source="squares", classes=2, bias_classes=2)


class Toy(Experiment):
    name = "toy"
    offers = frozenset({"image_bias"})
    hyperparameters = (
        source("squares").but(default="squares"),
        count("image_size", 32, "pixels a side", least=32, most=64),
        TRAIN_SIZE,
        TEST_SIZE,
    )
    methods = ("baseline", "grl", "lnl")
    presets = {
        "smoke": dict(source="squares", image_size=32, train_size=64, test_size=48, epochs=1, batch_size=16, schedule="constant"),
        "short": dict(source="squares", image_size=32, train_size=64, test_size=48, epochs=2, batch_size=16, schedule="constant"),
    }
    method_presets = {"lnl": {"short": dict(mi_weight=0.2)}}
    varied = {"image_size": (32, 40)}
    table_sources = ("squares",)

    def load(self, config, split, data_dir, **options):
        return squares(split, config.image_size, self.size(config, split) or 200, config.seed, **options)

    def network(self, config):
        extractor = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        return LNLNetwork(extractor, nn.Linear(64, 2), nn.Linear(64, 2))


register(Toy())
'''
NEGATIVES = '''
"""A data set: the digits of Colored MNIST as negatives, each colour turned into its opposite. The network is ours."""

from lnl_core.datasets import IGNORE, BiasedImages, colored_mnist
from lnl_core.experiments import register
from lnl_core.experiments.colored_mnist import ColoredMnist


def negatives(split, color_var, **options):
    data = colored_mnist(split, color_var, **options)
    bias = data.bias.where(data.bias == IGNORE, 7 - data.bias)
    return BiasedImages(255 - data.images, data.labels, bias, data.group, 1 - data.color, source=data.source)


SMALL = dict(ColoredMnist.presets["smoke"], train_size=64, test_size=48, epochs=1, batch_size=16, warmup_epochs=0)


class Negatives(ColoredMnist):
    name = "negatives"
    presets = {"smoke": SMALL, "short": SMALL}
    method_presets = {}
    table_sources = ("mini",)

    def load(self, config, split, data_dir, **options):
        places = dict(bias_labels=config.bias_labels, bias_places=config.bias_places)
        return negatives(split, config.color_var, seed=config.seed, data_dir=data_dir, source=config.source, **places, **options)


register(Negatives())
'''
TINY = '''
"""A network: one convolution, and an h that names the colour of the whole image. The data are ours."""

from torch import nn

from lnl_core.experiments import register
from lnl_core.experiments.colored_mnist import ColoredMnist
from lnl_core.networks import LNLNetwork, VectorBiasHead

SMALL = dict(ColoredMnist.presets["smoke"], train_size=64, test_size=48, epochs=1, batch_size=16, warmup_epochs=0)
OURS = ("network", "features", "extractor_convs")  # what chooses among our networks


def tiny_network():
    extractor = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(), nn.Flatten())
    return LNLNetwork(extractor, nn.Linear(144, 10), VectorBiasHead(144))


class Tiny(ColoredMnist):
    name = "tiny"
    offers = ColoredMnist.offers - {"maps"}
    hyperparameters = tuple(one for one in ColoredMnist.hyperparameters if one.name not in OURS)
    presets = {"smoke": SMALL, "short": SMALL}
    method_presets = {}
    table_sources = ("mini",)

    def network(self, config):
        return tiny_network()


register(Tiny())
'''
QUADRATIC = '''
"""A probe: a linear one that also sees the square of each feature."""

import torch
from torch import nn

from lnl_core.evaluation import Probe, register_probe


class Quadratic(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.layer = nn.Linear(2 * features, classes)

    def forward(self, z):
        return self.layer(torch.cat([z, z**2], dim=1))


register_probe(Probe("quadratic", lambda shape, classes: Quadratic(shape.numel(), classes)))
'''
TOOLS = """
import contextlib, io, json, sys
from pathlib import Path
from lnl_core import RunConfig, accuracy, cli, fit, load_data, load_model, preset, results_table, run
from lnl_core.networks import build_network
from lnl_core.runs.sweep import grid, sweep


def lnl(*arguments):
    sys.argv = ["lnl", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli._answer()
    return code, out.getvalue(), err.getvalue()


def same(found, wanted):
    assert found == wanted, found
"""
LIFE = (
    TOOLS
    + """

if __name__ == "__main__":
    config = preset("smoke", "lnl", experiment="toy")
    same(RunConfig.from_dict(config.to_dict()), config)
    data = load_data(config, "train")
    same((len(data), len(load_data(config, "test"))), (64, 48))
    network = build_network(config)
    fit(network, data, config, progress=False)
    same(network(data.batch(slice(0, 3)).images).shape, (3, 2))

    record = run(config, "one", progress=False)
    same((record.experiment, record.setting, record.data["source"]), ("toy", {"image_size": 32}, "squares"))
    same(accuracy(load_model("one"), load_data(config, "test")), record.metrics["test_accuracy"])
    same(json.loads(lnl("evaluate", "one")[1])["metrics"]["test_accuracy"], record.metrics["test_accuracy"])

    listed = lnl("experiments")[1]
    assert "toy: baseline, grl, lnl" in listed, listed
    assert "image_size              pixels a side (a whole number from 32 to 64, by default 32)" in listed, listed
    common = ("--experiment", "toy", "--profile", "short", "--out", "results/runs", "--quiet", "--vary", "image_size=all")
    same(lnl("sweep", *common, "--methods", "all", "--dry-run")[1].count(": 0 of 2 epochs done"), 6)
    code, out, err = lnl("sweep", *common, "--methods", "lnl")
    assert "2 runs in results/runs: 2 finished, 0 had a record, 0 failed" in out, (out, err)
    configs = grid("toy", ["lnl"], [32, 40], [0], "short")
    same([config.mi_weight for config in configs], [0.2, 0.2])
    same(len(sweep(configs, "results/runs", progress=False).skipped), 2)

    rows = results_table("toy", folder=Path("results"))
    same([(row["setting"], row["profile"], row["n"]) for row in rows], [({"image_size": size}, "short", 1) for size in (32, 40)])
    code, table, err = lnl("table", "--experiment", "toy", "--results", "results")
    assert "| lnl | image_size 40 | – | " in table, (table, err)
    same(json.loads(lnl("table", "--experiment", "toy", "--results", "results", "--format", "json")[1]), rows)

    refused = lnl("train", "--experiment", "toy", "--color-var", "0.03", "--out", "no")[2]
    same(refused, "lnl: --color-var belongs to experiment colored_mnist: leave it out of toy\\n")
    unknown = lnl("train", "--experiment", "toys", "--out", "no")[2]
    assert unknown.startswith("lnl: unknown experiment 'toys': choose one of colored_mnist, ") and ", toy" in unknown, unknown
"""
)
PARTS = (
    TOOLS
    + """
import torch
from lnl_core.evaluation import feature_maps, leakage, probes

if __name__ == "__main__":
    name, features = sys.argv[1], int(sys.argv[2])
    probes.probe_leakage.__kwdefaults__["steps"] = 100
    config = preset("smoke", "lnl", experiment=name)
    data, network = load_data(config, "train"), build_network(config)
    ours = load_data(preset("smoke", "lnl", train_size=64), "train")
    same(bool((data.images + ours.images == 255).all()), name == "negatives")
    same(feature_maps(network, data).flatten(1).shape, (64, features))
    fit(network, data, config, progress=False)
    found = leakage(feature_maps(network, data), data.group, kind="quadratic", seeds=2)
    same((found.kind, found.seeds), ("quadratic", 2))

    record = run(config, "one", progress=False)
    same((record.experiment, record.setting, record.data["source"]), (name, {"color_var": 0.03}, "mini"))
    same(accuracy(load_model("one"), load_data(config, "test")), record.metrics["test_accuracy"])
    same(json.loads(lnl("evaluate", "one")[1])["metrics"]["bias_probe_accuracy"], record.metrics["bias_probe_accuracy"])
    read = json.loads(lnl("probe", "one", "--kinds", "linear,quadratic", "--seeds", "2")[1])["probes"]
    same([one["kind"] for one in read], ["linear", "quadratic"])
    refused = lnl("probe", "one", "--kinds", "cubic")[2]
    same(refused, "lnl: unknown probe 'cubic': choose one of linear, mlp, conv, quadratic\\n")

    common = ("--experiment", name, "--profile", "short", "--out", "results/runs", "--quiet", "--color-vars", "0.02")
    code, out, err = lnl("sweep", *common, "--methods", "grl")
    assert "1 runs in results/runs: 1 finished" in out, (out, err)
    rows = results_table(name, folder=Path("results"))
    same([(row["setting"], row["method"], row["profile"], row["n"]) for row in rows], [({"color_var": 0.02}, "grl", "short", 1)])
    same(json.loads(lnl("table", "--experiment", name, "--results", "results", "--format", "json")[1]), rows)
"""
)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A folder with the plug-ins and nothing else: nobody has published numbers for them."""
    for name, text in (("toy", TOY), ("negatives", NEGATIVES), ("tiny", TINY), ("quadratic", QUADRATIC)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def python(folder: Path, *arguments: str, plugins: tuple[str, ...] = ("toy",)) -> "subprocess.CompletedProcess[str]":
    here = os.pathsep.join((str(folder), str(Path(_plugins.__file__).parent.parent)))
    named = ",".join(str(folder / f"{name}.py") for name in plugins)
    environment = os.environ | {"LNL_PLUGINS": named, "PYTHONPATH": here, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_toy_experiment_lives_through_fit_run_sweep_and_table(toy: Path) -> None:
    """Of the library and on the command line, in one process; the runs of the sweep have their own."""
    (toy / "life.py").write_text(LIFE, encoding="utf-8")
    done = python(toy, "life.py")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_toy_experiment_is_trained_by_one_command(toy: Path) -> None:
    command = ("train", "--experiment", "toy", "--method", "grl", "--profile", "smoke", "--out", "run", "--quiet")
    trained = python(toy, "-m", "lnl_core", *command)
    assert "grl, 32, profile smoke, 64 images of squares" in trained.stdout, trained.stderr
    assert json.loads((toy / "run" / "record.json").read_text(encoding="utf-8"))["setting"] == {"image_size": 32}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "features"), [("negatives", 32 * 14 * 14), ("tiny", 144)])
def test_a_data_set_a_network_and_a_probe_live_through_fit_run_probe_sweep_and_table(name: str, features: int, toy: Path) -> None:
    """One file each: the data set with our network, the network with our data, and the probe reads both."""
    (toy / "life.py").write_text(PARTS, encoding="utf-8")
    done = python(toy, "life.py", name, str(features), plugins=(name, "quadratic"))
    assert done.returncode == 0, done.stderr


# What is refused


class Whole(Experiment):
    name = "whole"
    hyperparameters = (source("synthetic"),)
    methods = ("lnl",)
    presets: dict[str, dict[str, Any]] = {}  # noqa: RUF012

    def load(self, config: Any, split: str, data_dir: Any, **options: Any) -> BiasedImages:
        raise NotImplementedError

    def network(self, config: Any) -> LNLNetwork:
        raise NotImplementedError


@pytest.fixture
def _registry_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_known", dict(registered()))
    monkeypatch.setattr(_plugins, "_done", {})


@pytest.mark.usefixtures("_registry_as_before")
@pytest.mark.parametrize("part", ["name", "hyperparameters", "methods", "presets", "load", "network"])
def test_an_experiment_that_lacks_a_part_is_refused(part: str) -> None:
    parts = {name: value for name, value in vars(Whole).items() if not name.startswith("__") and name != part}
    half = type("Half", (Experiment,), parts)()
    with pytest.raises(ConfigError, match=f"^the experiment '{'Half' if part == 'name' else 'whole'}' has no {part}: give it one"):
        register(half)
    assert set(registered()) == set(EXPERIMENTS)
    assert register(Whole()) is find("whole")


@pytest.mark.usefixtures("_registry_as_before")
def test_what_is_no_experiment_is_refused() -> None:
    for odd, message in (
        (Whole, "an experiment is an object of a class derived from Experiment"),
        (type("Odd", (Whole,), {"name": "a/b"})(), "made of letters, digits and _"),
        (type("Odd", (Whole,), {"hyperparameters": ()})(), "has no hyper-parameter source"),
        (type("Odd", (Whole,), {"hyperparameters": ("source",)})(), "must be declared as in lnl_core.hyperparameters"),
        (type("Odd", (Whole,), {"hyperparameters": (source("a"), source("b"))})(), "declares source twice"),
        (type("Odd", (Whole,), {"name": "faces"})(), "^there are two experiments called faces: give one of them another name$"),
    ):
        with pytest.raises(ConfigError, match=message):
            register(odd)  # type: ignore[arg-type]
    assert set(registered()) == set(EXPERIMENTS)


@pytest.mark.usefixtures("_registry_as_before")
@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gone.py", None, r"^LNL_PLUGINS names gone.py, which is no file: correct the path$"),
        ("no_such_module", None, r"^the plug-in no_such_module of LNL_PLUGINS cannot be imported \(ModuleNotFoundError: "),
        ("bad.py", "import nothing_of_the_kind", r"^the plug-in bad.py of LNL_PLUGINS cannot be imported \(ModuleNotFoundError: "),
        ("bad.py", "def f(:", r"^the plug-in bad.py of LNL_PLUGINS cannot be imported \(SyntaxError: "),
        ("bad.py", "raise SystemExit(3)", r"^the plug-in bad.py of LNL_PLUGINS cannot be imported \(SystemExit: 3\)"),
        ("bad.py", TOY.replace('"toy"', '"faces"'), r"^the plug-in bad.py .* is refused: there are two experiments called faces"),
        ("bad.py", QUADRATIC.replace('"quadratic"', '"mlp"'), r"^the plug-in bad.py .* is refused: there is a probe 'mlp' already"),
        ("bad.py", QUADRATIC.replace('"quadratic", ', ""), r"^the plug-in bad.py .* cannot be imported .*argument: 'build'\)"),
    ],
)
def test_a_plug_in_that_cannot_be_used_is_one_sentence(
    name: str, text: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path(name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("LNL_PLUGINS", f" {name}, ")
    for _ in range(2):  # it is not forgotten
        with pytest.raises(ConfigError, match=message) as caught:
            find("colored_mnist")
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("_registry_as_before")
def test_a_plug_in_is_imported_once_and_may_be_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "squares_of_mine.py").write_text(TOY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("LNL_PLUGINS", "squares_of_mine")
    assert [*registered()] == [*EXPERIMENTS, "toy"]
    assert registered()["toy"] is find("toy"), "a second look does not register it again"
    with pytest.raises(ConfigError, match="there are two experiments called toy"):
        register(type(find("toy"))())


# The presets of our own experiments


def cases() -> list[tuple[str, str, str, str | None]]:
    """Every experiment, method that goes with it, profile and training set."""
    found = []
    for name, experiment in registered().items():
        sets = next((one.choices for one in experiment.hyperparameters if one.name == "train_set"), (None,))
        ways = [method.name for method in methods.registered().values() if method.needs <= experiment.offers]
        found += [(name, method, profile, one) for method in ways for profile in PROFILES for one in sets]
    return found


PRESETS = "e881d704e2a5677d"
"""Digest of all presets: a value that is changed on purpose changes it too."""


def test_no_preset_has_changed() -> None:
    values = {"/".join(map(str, case)): find(case[0]).preset(case[2], case[1], {"train_set": case[3]}) for case in cases()}
    assert len(values) == 704
    assert hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16] == PRESETS


def test_the_experiments_presets_are_those_of_the_configuration() -> None:
    """What :func:`preset` builds is the defaults, the experiment's preset, and what was given."""
    for name, method, profile, train_set in cases():
        changes: dict[str, Any] = {} if train_set is None else {"train_set": train_set}
        config, experiment = preset(profile, method, experiment=name, **changes), find(name)
        wanted = {one.name: one.default for one in declared(name, method).values()}
        wanted |= {key: value for key, value in experiment.preset(profile, method, changes).items() if key in wanted} | changes
        assert {key: wanted[key] for key in config.to_dict() if key in wanted} == {
            key: value for key, value in config.to_dict().items() if key in wanted
        }
        assert {key for key in wanted if key not in config} <= {key for key in wanted if config.unread(key)}
        assert (config.setting, config.setting_name) == (experiment.setting(config), experiment.setting_name(config))
