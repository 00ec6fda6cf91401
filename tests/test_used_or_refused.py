"""Every hyper-parameter, for every method: it changes the training, or asking for it is refused."""

from typing import Any

import pytest
import torch
from torch import nn

from lnl_core import methods
from lnl_core.config import EXECUTION, MEASURING, PROFILES, RunConfig, declared, preset
from lnl_core.datasets import BiasedImages, synthetic_faces
from lnl_core.errors import ConfigError
from lnl_core.experiments import EXPERIMENTS, find as find_experiment
from lnl_core.experiments.splits import load_data, load_probe_data
from lnl_core.methods.base import UNBIASED_TRAINING
from lnl_core.methods.jlu import Turns
from lnl_core.networks import BiasHeads, Grayscale, LNLNetwork, PixelBiasHead, build_network, face_network
from lnl_core.runs.sweep import grid
from lnl_core.training import fit, fit_jlu

ALL_METHODS = tuple(methods.registered())
METHODS = tuple(name for name in ALL_METHODS if name not in ("mi_backprop", "jlu"))
OF_THE_TRAINING: dict[str, Any] = {
    "bias_lr": 0.5,
    "bias_reduction": "mean",
    "warmup_epochs": 1,
    "momentum": 0.5,
    "lr_step": 2,
    "lr_gamma": 0.5,
    "mi_weight": 0.5,
    "mi_reduction": "sum",
    "mi_places": "labelled",
    "adv_weight": 0.5,
    "confusion_weight": 0.5,
    "updates": "alternating",
    "adversary_steps": 2,
    "adversaries": 2,
    "conditional_adversary": True,
    "adversary_reset": 1,
    "clip_norm": 0.01,
    "augment": 0.5,
    "elastic": 0.1,
    "grayscale": "mean",
    "balance_power": 0.9,
    "balance_wean": 0.1,
    "features": "vector",
    "estimator": "nwj",
    "statistics_steps": 2,
    "statistics_lr": 0.01,
    "statistics_width": 16,
    "statistics_refresh": 2,
    "group_step": 5.0,
    "first_epochs": 20,
    "repeats": 3,
    "gce_power": 0.1,
    "hsic_weight": 9.0,
    "unbiased_images": 30,
}
"""Another value for each field that only some trainings or networks read."""
_BASE: dict[str, Any] = {"source": "mini", "epochs": 2, "batch_size": 8}
_OF_METHOD: dict[str, Any] = {
    "mi_backprop": {"network": None, "statistics_steps": 3},
    "last_layer": {"unbiased_images": 20},
    "jtt": {"repeats": 2, "lr_gamma": 0.9},
}


def base_of(method: str, **changes: Any) -> RunConfig:
    known = preset("full", method)
    own = _OF_METHOD.get(method, {}) | ({"lr_step": 1} if known.schedule == "step" else {})
    return preset("full", method, **_BASE, **own, **changes)


def weights(config: RunConfig, data: BiasedImages) -> dict[str, torch.Tensor]:
    """Of f and g, and of h where the method trains one."""
    network = build_network(config)
    if config.method == "jlu":
        fit_jlu(network, data, config, device="cpu", progress=False, turns=Turns(window=1, patience=1, longest=2, main=2))
    else:
        knows = UNBIASED_TRAINING in methods.find(config.method).must_know
        unbiased = load_probe_data(config.with_options(train_size=60)) if knows else None
        fit(network, data, config, device="cpu", progress=False, unbiased=unbiased)
    trained = methods.find(config.method).trains_h
    return {name: value for name, value in network.state_dict().items() if trained or not name.startswith("bias_head")}


def differ(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() != second.keys() or any(
        first[name].shape != second[name].shape or not torch.equal(first[name], second[name]) for name in first
    )


@pytest.fixture(scope="module")
def some(mini_train: BiasedImages) -> BiasedImages:
    """16 digits with the authors' labels: two batches an epoch."""
    return mini_train.subset(slice(0, 3500, 219))


@pytest.mark.parametrize("method", ALL_METHODS)
def test_a_hyper_parameter_changes_the_training_or_is_refused(method: str, some: BiasedImages) -> None:
    everywhere = {"bias_labels": "image", "bias_places": "everywhere"}
    plain: dict[int, Any] = {}
    ignored, refused = [], []
    for name, value in OF_THE_TRAINING.items():
        where = everywhere if name in ("augment", "elastic") else {}
        base = base_of(method, **where)
        assert base.get(name) != value, name
        if base.unread(name):
            with pytest.raises(ConfigError, match=f"^{name} "):
                base.with_options(**{name: value})
            refused.append(name)
            continue
        if len(where) not in plain:
            plain[len(where)] = weights(base, some)
        if not differ(plain[len(where)], weights(base.with_options(**{name: value}), some)):
            ignored.append(name)
    assert ignored == [], "accepted, and without effect"
    assert set(refused).isdisjoint(one.name for one in methods.find(method).hyperparameters)


def test_every_hyper_parameter_is_tried() -> None:
    of_the_data = {"color_var", "train_split", "bias_labels", "bias_places", "color_outside", "source", "train_size", "test_size"}
    always = {"seed", "lr", "weight_decay", "epochs", "batch_size", "schedule", "optimizer", "extractor_convs", "network"}
    slow = {one.name for one in (*MEASURING, *EXECUTION)}
    known = {name for method in ALL_METHODS for name in declared("colored_mnist", method)}
    assert known - set(OF_THE_TRAINING) - of_the_data - always - slow == set(), "a new hyper-parameter belongs in this file"


@pytest.mark.parametrize("name", ["color_var", "train_split", "bias_labels", "bias_places", "color_outside"])
def test_a_field_of_the_data_changes_the_digits(name: str) -> None:
    value: dict[str, Any] = {"color_var": 0.05, "train_split": "train", "color_outside": "clip"}
    value |= {"bias_labels": "image", "bias_places": "everywhere"}
    base = preset("full", source="mini")
    other = base.with_options(**{name: value[name]})
    mine, theirs = (load_data(config, config.train_split) for config in (base, other))
    assert not torch.equal(mine.images, theirs.images) or not torch.equal(mine.bias, theirs.bias)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "baseline", "mi_weight": 9}, "mi_weight belongs to method lnl_adv, lnl, bias_balanced or mi_backprop"),
        ({"method": "lnl", "confusion_weight": 9}, "confusion_weight belongs to method blind_eye, blind_eye_grl or jlu: leave it"),
        ({"method": "jlu", "adversary_steps": 2}, "adversary_steps belongs to method"),
        ({"method": "lnl", "statistics_steps": 2}, "statistics_steps belongs to method mi_backprop: leave it out of lnl"),
        ({"method": "lnl", "lr_step": 2}, "lr_step belongs to schedule step: leave it out of one_cycle"),
        ({"method": "lnl", "optimizer": "adam", "momentum": 0.5}, "momentum belongs to optimizer sgd: leave it out of adam"),
        ({"experiment": "faces", "color_var": 0.05}, "color_var belongs to experiment colored_mnist: leave it out of faces"),
        ({"experiment": "faces", "train_split": "train"}, "train_split belongs to experiment colored_mnist or census"),
        ({"experiment": "faces", "bias_labels": "image"}, "bias_labels belongs to experiment colored_mnist"),
        ({"experiment": "faces", "mi_reduction": "sum"}, "mi_reduction needs bias labels in three channels at every place"),
        ({"experiment": "census", "bias_reduction": "mean"}, "bias_reduction needs bias labels in three channels at every place"),
        ({"experiment": "census", "features": "vector"}, "features belongs to experiment colored_mnist or faces"),
        ({"experiment": "dogs_cats", "test_labels": "mine.csv"}, "test_labels belongs to source auto or kaggle: leave it"),
        ({"experiment": "jlu_faces", "source": "utkface", "test_size": 9}, "test_size belongs to source auto or synthetic"),
        ({"source": "authors", "train_split": "trainval", "color_outside": "clip"}, "color_outside belongs to source"),
    ],
    ids=str,
)
def test_what_is_refused_says_whose_it_is(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        preset("demo", **arguments)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_what_a_change_makes_unread_is_left_out() -> None:
    kept = preset("full", "lnl", lr_step=5)
    assert "lr_step" not in kept.with_options(schedule="constant")
    with pytest.raises(ConfigError, match="lr_step belongs to schedule step: leave it out of constant"):
        kept.with_options(schedule="constant", lr_step=5)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_preset_is_one(experiment: str) -> None:
    for profile in PROFILES:
        for method in ALL_METHODS:
            if methods.find(method).needs <= find_experiment(experiment).offers:
                assert preset(profile, method, experiment=experiment).profile == profile


def test_a_sweep_names_all_methods_that_would_not_read_a_change() -> None:
    with pytest.raises(ConfigError, match=r"^mi_weight has no effect on baseline, grl: leave it out, or sweep"):
        grid("colored_mnist", ["baseline", "lnl", "grl"], [0.03], [0], "demo", mi_weight=9.0)
    assert len(grid("colored_mnist", ["lnl", "lnl_adv"], [0.03], [0], "demo", mi_weight=9.0)) == 2


# One's own network


def own_network(first: nn.Module | None = None, bias_head: nn.Module | None = None) -> LNLNetwork:
    layers = [nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU()]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return LNLNetwork(nn.Sequential(*([first] if first else []), *layers), head, bias_head or PixelBiasHead(features=8))


class OwnGrey(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]).expand(-1, 3, -1, -1)


def test_gray_refuses_a_network_that_sees_colour_and_takes_one_that_does_not(some: BiasedImages) -> None:
    config = preset("demo", "gray", epochs=1, batch_size=16)
    message = r"the f of this network sees colours.*let its extractor begin with lnl_core\.networks\.Grayscale\('luminance'\)"
    with pytest.raises(ConfigError, match=message):
        fit(own_network(), some, config, device="cpu", progress=False)
    for grey in (Grayscale(), OwnGrey()):
        assert len(fit(own_network(grey), some, config, device="cpu", progress=False)) == 1
    with pytest.raises(ConfigError, match=r"Grayscale\('mean'\)"):
        fit(own_network(Grayscale()), some, config.with_options(grayscale="mean"), device="cpu", progress=False)


@pytest.mark.parametrize("experiment", ["colored_mnist", "dogs_cats", "faces", "jlu_faces"])
def test_every_gray_network_of_ours_sees_no_colour(experiment: str) -> None:
    network = build_network(preset("smoke", "gray", experiment=experiment)).eval()
    images = torch.rand(2, 3, 64 if experiment != "colored_mnist" else 28, 64 if experiment != "colored_mnist" else 28)
    with torch.no_grad():
        assert torch.allclose(network.extractor(images), network.extractor(Grayscale()(images)), atol=1e-4)
        assert not torch.allclose(network.extractor(images), network.extractor(images.flip(1)), atol=1e-2)


def test_adversaries_of_ones_own_network_are_those_of_the_configuration(some: BiasedImages) -> None:
    config = preset("demo", "lnl", epochs=1, batch_size=16)
    for changes in ({"adversaries": 2}, {"conditional_adversary": True}):
        with pytest.raises(ConfigError, match=f"^{next(iter(changes))} is a matter of h"):
            fit(own_network(), some, config.with_options(**changes), device="cpu", progress=False)
    two = own_network(bias_head=BiasHeads([PixelBiasHead(features=8), PixelBiasHead(features=8)], features=8))
    assert fit(two, some, config.with_options(adversaries=2), device="cpu", progress=False)


class Fixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.scale = PixelBiasHead(features=8), nn.Parameter(torch.ones(()))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.scale * self.inner(features)
        return logits


def test_ones_own_h_starts_again_under_the_seed_or_is_refused(some: BiasedImages) -> None:
    config = preset("full", "lnl", source="mini", epochs=2, batch_size=16, lr=0.0, bias_lr=0.0, weight_decay=0.0, adversary_reset=1)

    def ends(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = own_network()
        start = {name: value.clone() for name, value in network.named_parameters()}
        fit(network, some, config.with_options(seed=seed), device="cpu", progress=False)
        moved = {name.split(".")[0] for name, value in network.named_parameters() if not torch.equal(value, start[name])}
        assert moved == {"bias_head"}
        return network.state_dict()

    assert not differ(ends(0), ends(0))
    assert differ(ends(0), ends(1))
    with pytest.raises(ConfigError, match=r"adversary_reset needs an h that can draw new weights: give Fixed a method"):
        fit(own_network(bias_head=Fixed()), some, config, device="cpu", progress=False)


# Images of joint learning and unlearning


@pytest.fixture(scope="module")
def faces() -> BiasedImages:
    return synthetic_faces("bd", n=24, size=32, learn="age")


def test_jlu_trains_on_augmented_images_and_resumes_to_the_same_bits(faces: BiasedImages, tmp_path: Any) -> None:
    def ends(epochs: tuple[int, ...] = (2,), stop: bool = False, **changes: Any) -> dict[str, torch.Tensor]:
        config = preset("demo", "jlu", experiment="jlu_faces", epochs=2, batch_size=8, **changes)
        calls = iter([{}, KeyboardInterrupt])

        def validate(network: LNLNetwork) -> dict[str, float]:
            if next(calls):
                raise KeyboardInterrupt
            return {}

        for interrupted in (True, False) if stop else (False,):
            torch.manual_seed(0)
            network = face_network(representation=16)
            options: dict[str, Any] = {"out_dir": tmp_path} if stop else {}
            try:
                fit_jlu(
                    network,
                    faces,
                    config,
                    turns=Turns(window=1, patience=1, longest=2, main=2),
                    device="cpu",
                    progress=False,
                    validate=validate if interrupted else None,
                    **options,
                )
            except KeyboardInterrupt:
                continue
        return network.state_dict()

    plain, changed = ends(), ends(augment=0.5)
    assert differ(plain, changed)
    assert differ(plain, ends(elastic=0.1))
    assert not differ(changed, ends(augment=0.5, stop=True))


def test_a_method_without_a_term_shares_no_name_with_one_that_has_it() -> None:
    assert len({preset("demo", method).fingerprint() for method in METHODS}) == len(METHODS)
