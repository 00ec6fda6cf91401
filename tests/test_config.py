"""Configurations: what is refused, what names a run, and what the presets say."""

import json
import math
import pickle
from functools import cache
from typing import Any

import numpy as np
import pytest

from lnl_core import experiments, methods
from lnl_core.config import EXECUTION, PROFILES, TRAINING, RunConfig, declared, preset, resolve_profile
from lnl_core.errors import ConfigError, LNLError
from lnl_core.hyperparameters import HyperParameter, number
from lnl_core.runs.records import read_record
from tools import ROOT

METHODS = [name for name in methods.registered() if name not in ("mi_backprop", "jlu")]


def combinations() -> list[tuple[str, str]]:
    """The experiments and methods that go together."""
    every = [(task, way) for task in experiments.registered().values() for way in methods.registered().values()]
    return [(task.name, way.name) for task, way in every if way.needs <= task.offers]


@cache
def reader(name: str) -> RunConfig:
    """A run that has this hyper-parameter."""
    for experiment, method in combinations():
        for profile in ("full", "demo", "short"):
            config = preset(profile, method, experiment=experiment)
            if name in config:
                return config
            if name in declared(experiment, method) and "network" in config:  # of a network that no preset has
                return config.with_options(network="mobilenet_v2")
    raise AssertionError(f"no preset reads {name}")


@cache
def every_hyper_parameter() -> dict[str, HyperParameter]:
    return {name: one for pair in combinations() for name, one in declared(*pair).items()}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", METHODS)
def test_every_preset_is_a_configuration_of_its_profile_and_method(profile: str, method: str) -> None:
    config = preset(profile, method, color_var=0.02, seed=7)
    assert (config.profile, config.method, config.color_var, config.seed) == (profile, method, 0.02, 7)
    assert config.setting == {"color_var": 0.02}


def test_full_is_the_authors_setting() -> None:
    config = preset("full", "lnl")
    assert (config.epochs, config.batch_size, config.lr, config.bias_lr) == (100, 128, 0.01, 0.01)
    assert (config.momentum, config.weight_decay, config.lr_step, config.lr_gamma) == (0.9, 5e-4, 40, 0.1)
    assert (config.schedule, config.mi_weight, config.adv_weight) == ("step", 0.01, 0.1)
    assert (config.mi_reduction, config.bias_reduction, config.mi_places) == ("mean", "sum", "all")
    assert (config.bias_labels, config.bias_places) == ("pixel", "foreground")
    assert (config.train_split, config.train_size, config.test_size) == ("trainval", None, None)


@pytest.mark.parametrize("profile", ["smoke", "demo"])
def test_small_profiles_need_no_download(profile: str) -> None:
    assert {preset(profile, method).source for method in METHODS} == {"mini"}


def test_smoke_is_tiny() -> None:
    config = preset("smoke", "lnl")
    assert config.train_size is not None
    assert config.train_size * config.epochs <= 2000


NUMBERS = ("color_var", "lr", "bias_lr", "momentum", "weight_decay", "lr_gamma", "mi_weight", "adv_weight", "confusion_weight")


def one(name: str, value: Any) -> RunConfig:
    changes: dict[str, Any] = {name: value}
    return RunConfig(**changes) if name in ("experiment", "method", "profile") else reader(name).with_options(**changes)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "0.1", None, True])
def test_numbers_must_be_finite_and_not_negative(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a finite number that is not negative"):
        one(name, value)


@pytest.mark.parametrize(("name", "bad"), [("epochs", 0), ("batch_size", 1), ("lr_step", 0), ("seed", -1), ("warmup_epochs", -1)])
def test_counts_have_a_least_value(name: str, bad: int) -> None:
    for value in (bad, 1.5, "3", None, True):
        with pytest.raises(ConfigError, match=f"{name} must be a whole number of at least {bad + 1}"):
            one(name, value)


@pytest.mark.parametrize("name", ["train_size", "test_size"])
def test_sizes_are_counts_or_everything(name: str) -> None:
    assert getattr(one(name, None), name) is None
    for value in (0, -5, 2.0):
        with pytest.raises(ConfigError, match=f"{name} must be a whole number"):
            one(name, value)


def test_a_batch_of_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size must be a whole number of at least 2, got 1"):
        RunConfig(batch_size=1)


@pytest.mark.parametrize(
    "name",
    [
        "experiment",
        "method",
        "profile",
        "source",
        "train_split",
        "bias_labels",
        "bias_places",
        "mi_places",
        "color_outside",
        "schedule",
        "updates",
        "mi_reduction",
        "bias_reduction",
        "precision",
    ],
)
def test_unknown_words_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown {name} 'nonsense': choose one of \w+"):
        one(name, "nonsense")
    with pytest.raises(ConfigError, match=f"unknown {name}"):
        one(name, None)


def test_bad_input_is_one_family_of_errors() -> None:
    assert issubclass(ConfigError, LNLError)
    assert issubclass(LNLError, ValueError)


@pytest.mark.parametrize("method", METHODS)
def test_short_is_the_papers_data_and_network_in_a_fifth_of_its_epochs_or_less(method: str) -> None:
    short, full = preset("short", method), preset("full", method)
    assert 5 * short.epochs <= full.epochs
    assert (short.source, short.train_split, short.train_size, short.batch_size) == ("mnist", "trainval", None, full.batch_size)


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown profile 'big': choose one of smoke, demo, short, full"):
        preset("big")


def test_unknown_hyper_parameter_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown hyper-parameter 'learning_rate': choose one of .*lr"):
        preset("demo", learning_rate=0.1)


def test_a_configuration_cannot_be_changed() -> None:
    config = RunConfig()
    with pytest.raises(AttributeError, match=r"a RunConfig is frozen: use with_options\(lr=\.\.\.\)"):
        config.lr = 1.0
    with pytest.raises(AttributeError):
        del config.lr


NO_NUMBERS: tuple[Any, ...] = ("1", "", math.nan, math.inf, -math.inf, True, False, -1, None, [1], {}, b"1", 1j)
HUGE: tuple[Any, ...] = (1e300, 10**31, 10**400, 10**5000)


def test_every_number_is_within_its_range_or_one_short_sentence() -> None:
    passed = []
    for name, declared_one in every_hyper_parameter().items():
        if declared_one.kind not in ("count", "number"):
            continue
        for value in (*NO_NUMBERS, *HUGE):
            if value is None and declared_one.optional:
                continue
            try:
                one(name, value)
            except ConfigError as error:
                said = str(error)
                if said.startswith(f"{name} must ") and "\n" not in said and len(said) < 150:
                    continue
            passed.append((name, type(value).__name__))
    assert passed == []


def test_every_other_hyper_parameter_refuses_what_it_cannot_be() -> None:
    """Words that are none of the choices, text that is none, and flags that are neither true nor false."""
    passed = []
    for name, declared_one in every_hyper_parameter().items():
        if declared_one.kind in ("count", "number"):
            continue
        for value in (5, 1.5, b"x", ["a"], {"a": 1}, *([] if declared_one.kind == "text" else ["nonsense"])):
            try:
                one(name, value)
            except ConfigError as error:
                if name in str(error) and "\n" not in str(error) and len(str(error)) < 250:
                    continue
            passed.append((name, value))
    assert passed == []


def test_every_hyper_parameter_says_what_it_does_and_has_a_default_that_it_may_have() -> None:
    for name, declared_one in every_hyper_parameter().items():
        assert declared_one.help, name
        if declared_one.default is not None:
            assert declared_one.checked(declared_one.default) == declared_one.default, name


@pytest.mark.parametrize("value", [0, 3, True, 1.5, "2", None, 10**5000], ids=lambda value: type(value).__name__)
def test_the_convolutions_of_f_are_one_or_two(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^extractor_convs must be a whole number"):
        one("extractor_convs", value)


@pytest.mark.parametrize("values", [[], None, "text", 3, [["lr", 1]]])
def test_a_configuration_that_is_no_table_is_refused(values: Any) -> None:
    with pytest.raises(ConfigError, match=r"^a configuration is a table of names and values, got"):
        RunConfig.from_dict(values)


def test_a_long_value_is_cut_in_the_message() -> None:
    for what in ({"source": "x" * 9999}, {"seed": "9" * 9999}, {"train_set": "x" * 9999}, {"weights": [1] * 9999}):
        with pytest.raises(ConfigError) as error:
            preset("demo", experiment="dogs_cats", **what)
        assert len(str(error.value)) < 200


def test_a_time_stamp_is_a_seed() -> None:
    assert preset("demo", seed=20261127055400).seed == 20261127055400
    assert preset("demo", seed=2**63 - 1).profile == "demo"
    with pytest.raises(ConfigError, match="seed must be a whole number of at most 9223372036854775807, got 9223372036854775808"):
        preset("demo", seed=2**63)


# Profiles and changes


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_names_its_preset_and_nothing_else(profile: str) -> None:
    whole = preset(profile)
    replaced = [whole.with_options(**change) for change in ({"epochs": 7}, {"lr": 0.123})]
    for changed in (*replaced, RunConfig(epochs=7, profile=profile)):
        assert changed.profile == "custom"
        assert changed.with_options(profile=profile).profile == "custom"
    assert whole.with_options(seed=5, source="mnist", channels_last=False).profile == profile
    assert preset("full", "lnl", epochs=7).with_options(epochs=100, profile="full") == preset("full", "lnl")


def test_a_configuration_survives_a_process() -> None:
    config = preset("demo", "blind_eye", color_var=0.02, epochs=3)
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(config) == hash(preset("demo", "blind_eye", color_var=0.02, epochs=3))
    assert config != preset("demo", "blind_eye", color_var=0.02)


def test_a_run_has_what_it_reads_and_nothing_else() -> None:
    baseline = preset("demo", "baseline")
    assert "mi_weight" not in baseline
    assert baseline.get("mi_weight", 7) == 7
    with pytest.raises(AttributeError, match="mi_weight belongs to method lnl_adv, lnl, bias_balanced or mi_backprop"):
        _ = baseline.mi_weight
    assert "lr_step" in preset("full")
    assert "lr_step" not in preset("full", schedule="constant")
    assert preset("full", schedule="constant").with_options(schedule="step").lr_step == 40


def test_what_was_stored_keeps_the_name_and_fingerprint_it_was_stored_with() -> None:
    before = {**preset("short", "lnl").to_dict(), "clip_norm": 0.0}  # as it was before the preset had a limit
    stored = RunConfig.from_dict(before)
    assert (stored.profile, stored.to_dict(), stored.is_preset()) == ("short", before, False)
    assert RunConfig.from_dict(preset("short", "lnl").to_dict()).is_preset()


def test_a_changed_hyper_parameter_makes_the_profile_custom() -> None:
    assert preset("demo", epochs=3).profile == "custom"
    assert preset("full", mi_weight=0.5).profile == "custom"


@pytest.mark.parametrize("changes", [{"source": "mnist"}, {"precision": "bf16"}, {"channels_last": True}, {"epochs": 100}])
def test_the_same_values_and_free_choices_keep_the_profile(changes: dict[str, Any]) -> None:
    assert preset("full", **changes).profile == "full"


def test_setting_and_seed_are_free() -> None:
    assert preset("full").with_options(seed=3, color_var=0.05).profile == "full"


def test_other_labels_of_the_test_set_train_the_same_network_and_other_weights_do_not() -> None:
    short = preset("short", experiment="dogs_cats")
    assert short.with_options(test_labels="mine.csv").profile == "short"
    full = preset("full", experiment="dogs_cats")
    assert full.with_options(weights="mine.safetensors").profile == "custom"


def test_custom_stays_custom() -> None:
    custom = preset("full", epochs=3)
    assert custom.with_options(epochs=100).profile == "custom"


def test_the_method_cannot_be_swapped_afterwards() -> None:
    with pytest.raises(ConfigError, match=r"call preset\(\) with them"):
        preset("demo", "lnl").with_options(method="baseline")


def test_environment_names_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_profile("demo") == "demo"
    monkeypatch.setenv("LNL_PROFILE", "smoke")
    assert resolve_profile("demo") == "smoke"
    monkeypatch.setenv("LNL_PROFILE", "huge")
    with pytest.raises(ConfigError, match="unknown profile 'huge'"):
        resolve_profile("demo")


# Names of runs


def test_dictionary_round_trip() -> None:
    config = preset("demo", "blind_eye", color_var=0.02, seed=5, epochs=3)
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_dictionary_of_another_version_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown hyper-parameter 'gamma' .*another version"):
        RunConfig.from_dict({**RunConfig().to_dict(), "gamma": 1})


def test_what_belongs_to_another_method_is_refused_unless_the_form_of_former_records_is_asked_for() -> None:
    config = preset("demo", "lnl")
    values = {**config.to_dict(), "confusion_weight": 0.5, "protected": "sex"}
    with pytest.raises(ConfigError, match=r"confusion_weight belongs to methods? .*: leave it out of lnl"):
        RunConfig.from_dict(values)
    assert RunConfig.from_dict(values, former=True) == config
    with pytest.raises(ConfigError, match=r"unknown hyper-parameter 'gamma'"):
        RunConfig.from_dict({**values, "gamma": 1}, former=True)


def test_fingerprint_ignores_how_fast_a_run_is() -> None:
    base = preset("full")
    assert base.with_options(precision="bf16", channels_last=True).fingerprint() == base.fingerprint()


OTHER: dict[str, Any] = {
    "color_var": 0.02,
    "seed": 1,
    "source": "mini",
    "train_split": "train",
    "bias_labels": "pixel",
    "bias_places": "foreground",
    "mi_places": "labelled",
    "color_outside": "clip",
    "adversary_steps": 3,
    "clip_norm": 10.0,
    "adversaries": 2,
    "conditional_adversary": True,
    "adversary_reset": 1,
    "augment": 0.5,
    "elastic": 0.5,
    "balance_power": 0.25,
    "balance_wean": 0.5,
    "extractor_convs": 1,
    "train_size": 10,
    "test_size": 10,
    "epochs": 2,
    "batch_size": 64,
    "lr": 0.5,
    "bias_lr": 0.5,
    "momentum": 0.5,
    "weight_decay": 0.0,
    "schedule": "constant",
    "lr_step": 1,
    "lr_gamma": 0.5,
    "probe_images": 500,
    "probe_steps": 50,
    "hsic_weight": 2.5,
    "first_epochs": 3,
    "repeats": 7,
    "unbiased_images": 33,
    "group_step": 0.05,
    "gce_power": 0.6,
    "warmup_epochs": 1,
    "mi_weight": 0.5,
    "adv_weight": 0.5,
    "confusion_weight": 0.5,
    "updates": "alternating",
    "mi_reduction": "sum",
    "bias_reduction": "mean",
    "features": "vector",
    "optimizer": "adam",
    "estimator": "nwj",
    "statistics_steps": 5,
    "statistics_lr": 0.5,
    "statistics_width": 32,
    "statistics_refresh": 2,
}


PHOTOGRAPHS: dict[str, Any] = {
    "train_set": "tb2",
    "learn": "age",
    "image_size": 96,
    "network": "ragonesi",
    "frozen_blocks": 3,
    "exceptions": 0.1,
}
CENSUS: dict[str, Any] = {"protected": "race"}
GRAY: dict[str, Any] = {"grayscale": "mean"}


def test_fingerprint_changes_with_every_hyper_parameter() -> None:
    others = {**OTHER, **PHOTOGRAPHS, **CENSUS, **GRAY, "weights": "mine.safetensors", "test_labels": "mine.csv"}
    slow = {one.name for one in EXECUTION}
    assert set(others) == set(every_hyper_parameter()) - slow, "a new hyper-parameter belongs in this test"
    assert {one.name for one in TRAINING} <= set(others)
    for name, value in others.items():
        base = preset("demo", "lnl") if name in ("augment", "elastic", "bias_labels", "bias_places") else reader(name)
        changed = base.with_options(**{name: value})
        assert changed.fingerprint() != base.fingerprint(), name
    assert RunConfig(profile="custom").fingerprint() != RunConfig().fingerprint()


def test_stored_runs_are_named_after_their_configuration() -> None:
    folders = ("runs", "ablations", "retrained", "figure_4_groups")
    paths = [path for folder in folders for path in sorted((ROOT / "results" / folder).glob("*.json"))]
    assert len(paths) > 290
    for path in paths:
        assert path.stem.endswith(read_record(path).run_config().fingerprint()), path


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("experiment", "methods", "setting", "name"),
    [
        ("dogs_cats", [one for one in METHODS if methods.find(one).needs <= {"images"}], {"train": "TB1"}, "tb1"),
        ("faces", METHODS, {"learn": "gender", "unlearn": "age", "train": "EB1"}, "gender-eb1"),
        ("jlu_faces", ("baseline",), {"learn": "age", "unlearn": "gender", "train": "BD", "alpha": 0.0}, "bd-0"),
        ("census", [one for one in METHODS if one != "gray"], {"train": "adult", "protected": "sex"}, "adult-sex"),
        ("jlu_faces", ("jlu",), {"learn": "age", "unlearn": "gender", "train": "BD", "alpha": 1.0}, "bd-1"),
    ],
)
def test_every_experiment_has_presets(
    profile: str, experiment: str, methods: tuple[str, ...], setting: dict[str, Any], name: str
) -> None:
    for method in methods:
        config = preset(profile, method, experiment=experiment)
        assert (config.experiment, config.profile, config.setting, config.setting_name) == (experiment, profile, setting, name)
        assert RunConfig.from_dict(config.to_dict()) == config


def test_what_an_experiment_varies_does_not_make_its_profile_custom() -> None:
    assert preset("demo", experiment="faces", train_set="eb2", learn="age").profile == "demo"
    assert preset("demo", "jlu", experiment="jlu_faces", confusion_weight=0.4).profile == "demo"
    assert preset("demo", "blind_eye", experiment="faces", confusion_weight=0.4).profile == "custom"
    assert preset("demo", experiment="faces", image_size=96).profile == "custom"
    assert preset("full", experiment="census", train_set="german", protected="sex").profile == "full"
    assert preset("full", experiment="census", adv_weight=3.0).profile == "custom"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"experiment": "flowers"}, "unknown experiment 'flowers': choose one of colored_mnist, dogs_cats"),
        ({"experiment": "dogs_cats", "train_set": "eb1"}, "unknown train_set 'eb1': choose one of tb1, tb2, train"),
        ({"experiment": "faces", "learn": "race"}, "unknown learn 'race': choose one of gender, age"),
        ({"experiment": "dogs_cats", "learn": "age"}, "learn belongs to experiment faces: leave it out of dogs_cats"),
        ({"experiment": "faces", "source": "mini"}, "unknown source 'mini': choose one of auto, utkface"),
        ({"experiment": "faces", "network": "vgg"}, "unknown network 'vgg': choose one of resnet18, mobilenet_v2"),
        ({"experiment": "faces", "weights": "imagenet"}, "weights belongs to network resnet18 or mobilenet_v2: leave it out"),
        ({"experiment": "faces", "network": "resnet18", "frozen_blocks": 3}, "frozen_blocks belongs to network mobilenet_v2"),
        ({"experiment": "dogs_cats", "train_set": "train", "exceptions": 0.1}, "exceptions belongs to train_set tb1 or tb2: leave"),
        ({"experiment": "dogs_cats", "exceptions": 0.6}, "exceptions must be at most 0.5, got 0.6"),
        ({"experiment": "dogs_cats", "method": "group_dro", "bias_labels": "levels"}, "method 'group_dro' needs one bias an image"),
        ({"experiment": "faces", "image_size": 8}, "image_size must be a whole number of at least 32"),
        ({"experiment": "faces", "extractor_convs": 1}, "extractor_convs belongs to experiment colored_mnist"),
        ({"features": "vector", "extractor_convs": 1}, "extractor_convs belongs to feature maps of colored_mnist"),
        ({"experiment": "faces", "test_labels": "mine.csv"}, "test_labels belongs to experiment dogs_cats: leave it out of faces"),
        ({"experiment": "dogs_cats", "source": "kaggle", "test_labels": 5}, "test_labels must be text, got 5"),
        ({"experiment": "faces", "network": "resnet18", "weights": 5}, "weights must be text, got 5"),
        ({"source": "authors"}, "the authors' files hold no images out: set train_split to 'trainval'"),
        ({"channels_last": "False"}, "channels_last must be true or false, got 'False'"),
        ({"train_set": "tb1"}, "train_set belongs to experiment dogs_cats, faces, jlu_faces or census"),
        ({"image_size": 64}, "image_size belongs to experiment dogs_cats, faces or jlu_faces: leave it out of"),
        ({"protected": "sex"}, "protected belongs to experiment census: leave it out of"),
        ({"experiment": "faces", "protected": "sex"}, "protected belongs to experiment census: leave it out of"),
        ({"experiment": "census", "train_set": "compas"}, "unknown train_set 'compas': choose one of adult, german"),
        ({"experiment": "census", "protected": "age"}, "protected must be 'sex' or 'race' for adult, got 'age'"),
        ({"experiment": "census", "image_size": 64}, "image_size belongs to experiment dogs_cats, faces or jlu_faces"),
        ({"experiment": "census", "augment": 0.5}, "augment is for images: leave it out of census"),
        ({"experiment": "census", "method": "gray"}, "method 'gray' is for images"),
    ],
)
def test_settings_of_another_experiment_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        preset("demo", **arguments)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("experiment", ["dogs_cats", "faces", "jlu_faces", "census"])
def test_the_variance_of_digits_is_refused_elsewhere(experiment: str) -> None:
    plain = preset("demo", experiment=experiment)
    message = f"^color_var belongs to experiment colored_mnist: leave it out of {experiment}$"
    for ask in (lambda: preset("demo", experiment=experiment, color_var=0.02), lambda: plain.with_options(color_var=0.02)):
        with pytest.raises(ConfigError, match=message):
            ask()


def test_fingerprint_is_twelve_hex_digits() -> None:
    assert len(preset("demo").fingerprint()) == 12
    int(preset("demo").fingerprint(), 16)


def test_a_number_may_have_a_least_value_above_zero() -> None:
    temperature = number("temperature", 1.0, "of the softmax", least=0.5, most=2)
    assert (temperature.range, temperature.checked(0.5)) == ("a number from 0.5 to 2", 0.5)
    for wrong, message in ((0.1, "must be a finite number of at least 0.5, got 0.1"), (3, "must be at most 2, got 3")):
        with pytest.raises(ConfigError, match=f"^temperature {message}$"):
            temperature.checked(wrong)


def test_numbers_of_numpy_are_numbers() -> None:
    numbers: dict[str, Any] = {"seed": np.int64(3), "color_var": np.float64(0.02), "channels_last": np.bool_(False)}
    config = preset("smoke", "lnl", **numbers)
    assert config == preset("smoke", "lnl", seed=3, color_var=0.02, channels_last=False)
    assert (type(config.seed), type(config.color_var), type(config.channels_last)) == (int, float, bool)
    with pytest.raises(ConfigError, match=r"^seed must be a whole number of at least 0, got 1\.5$"):
        preset("smoke", **{"seed": np.float64(1.5)})  # type: ignore[arg-type]
