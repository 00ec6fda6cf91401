"""Who moves: which loss reaches f, g and h in each method's step, against gradients of formulas written by hand."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lnl_core import experiments, methods
from lnl_core.config import EXECUTION, MEASURING, TRAINING, RunConfig, preset
from lnl_core.datasets import BiasedImages, synthetic_faces
from lnl_core.datasets.container import Batch
from lnl_core.errors import ConfigError
from lnl_core.experiments import Experiment
from lnl_core.methods import (
    Method,
    find,
    first_pass,
    jlu_bias_step,
    jlu_main_step,
    lnl,
    registered,
    second_pass,
    two_pass_gradients,
    warmup_step,
)
from lnl_core.networks import LNLNetwork, build_network
from lnl_core.runs.run import run
from lnl_core.training import fit

ALL_METHODS = tuple(methods.registered())
METHODS = experiments.find("colored_mnist").methods

Gradients = dict[str, Tensor]
UNLEARNING = [method for method in METHODS if method not in ("baseline", "gray")]

# By hand from the paper: (lambda L_MI, alpha L_conf, mu L_B) as they reach f in each method.
REACHES_F = {
    "baseline": (0, 0, 0),
    "gray": (0, 0, 0),
    "blind_eye": (0, 1, 0),
    "grl": (0, 0, 1),
    "blind_eye_grl": (0, 1, 1),
    "lnl_adv": (1, 0, 0),
    "lnl": (1, 0, 1),
    "bias_balanced": (1, 0, 1),
}


def config_of(method: str, **changes: Any) -> RunConfig:
    """The weights are those of the method's own terms alone."""
    values: dict[str, Any] = {"mi_weight": 0.7, "adv_weight": 0.3, "confusion_weight": 0.4, **changes}
    return preset("full", method, **{name: value for name, value in values.items() if preset("full", method).unread(name) is None})


def network_of(method: str, dtype: torch.dtype = torch.float64) -> LNLNetwork:
    return build_network(preset("full", method)).to(dtype)


@pytest.fixture(scope="module")
def batch(mini_train: BiasedImages) -> Batch:
    step = mini_train.batch(torch.arange(0, 3500, 450))
    return Batch(step.images.double(), step.labels, step.bias)


def gradients(network: LNLNetwork) -> Gradients:
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def of(part: str, values: Gradients) -> Gradients:
    return {name: value for name, value in values.items() if name.startswith(part)}


def gradient_of(loss: Callable[[LNLNetwork], Tensor], network: LNLNetwork) -> Gradients:
    """The gradient of a loss for every parameter, zero where it does not reach."""
    names, parameters = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad(loss(network), parameters, allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for n, p, g in zip(names, parameters, found, strict=True)}


# The losses once more, in the plainest code
def label_term(batch: Batch) -> Callable[[LNLNetwork], Tensor]:
    prior = 0.0 if batch.log_prior is None else batch.log_prior
    return lambda network: F.cross_entropy(network.label_head(network.extractor(batch.images)) + prior, batch.labels)


def bias_term(batch: Batch, reduction: str = "sum") -> Callable[[LNLNetwork], Tensor]:
    def loss(network: LNLNetwork) -> Tensor:
        logits = network.bias_head(network.extractor(batch.images))
        if reduction == "mean":
            return F.cross_entropy(logits, batch.bias, ignore_index=255)
        return torch.stack([F.cross_entropy(logits[:, :, c], batch.bias[:, c], ignore_index=255) for c in range(3)]).sum()

    return loss


def entropy_term(batch: Batch, reduction: str = "mean") -> Callable[[LNLNetwork], Tensor]:
    def loss(network: LNLNetwork) -> Tensor:
        q: Tensor = network.bias_head(network.extractor(batch.images)).softmax(1)
        return (q * q.log()).sum(1).mean() * (3 if reduction == "sum" else 1)

    return loss


def confusion_term(batch: Batch) -> Callable[[LNLNetwork], Tensor]:
    return lambda network: -network.bias_head(network.extractor(batch.images)).softmax(1).log().mean()


def by_hand(network: LNLNetwork, batch: Batch, config: RunConfig) -> Gradients:
    """f descends L_c + lambda L_MI + alpha L_conf - mu L_B; g descends L_c; h descends L_B."""
    mi, confusion, reversal = REACHES_F[config.method]
    label = gradient_of(label_term(batch), network)
    bias = gradient_of(bias_term(batch, config.get("bias_reduction", "mean")), network)
    entropy = gradient_of(entropy_term(batch, config.get("mi_reduction", "mean")), network)
    confused = gradient_of(confusion_term(batch), network)
    wanted = {}
    for name in label:
        if name.startswith("extractor"):
            wanted[name] = (
                label[name]
                + mi * config.get("mi_weight", 0.0) * entropy[name]
                + confusion * config.get("confusion_weight", 0.0) * confused[name]
                - reversal * config.get("adv_weight", 0.0) * bias[name]
            )
        else:
            wanted[name] = label[name] if name.startswith("label_head") else bias[name]
    return wanted


def assert_same(found: Gradients, wanted: Gradients, tolerance: float = 1e-10) -> None:
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert torch.allclose(found[name], wanted[name], rtol=1e-8, atol=tolerance), name


@pytest.mark.parametrize("method", UNLEARNING)
@pytest.mark.parametrize(("mi_reduction", "bias_reduction"), [("mean", "sum"), ("sum", "mean")])
def test_step_gives_the_gradients_of_the_equations(method: str, mi_reduction: str, bias_reduction: str, batch: Batch) -> None:
    config = config_of(method, mi_reduction=mi_reduction, bias_reduction=bias_reduction)
    network = network_of(method)
    find(method).step(network, batch, config)
    assert_same(gradients(network), by_hand(network, batch, config))


def test_the_balanced_step_adds_the_prior_to_the_label_logits_only(batch: Batch) -> None:
    prior = torch.randn(len(batch.labels), 10, generator=torch.Generator().manual_seed(1)).double().log_softmax(1)
    balanced = Batch(batch.images, batch.labels, batch.bias, prior)
    config = config_of("bias_balanced")
    network, plain = network_of("bias_balanced"), network_of("bias_balanced")
    find("bias_balanced").step(network, balanced, config)
    find("bias_balanced").step(plain, batch, config)
    assert_same(gradients(network), by_hand(network, balanced, config))
    assert_same(of("bias_head", gradients(network)), of("bias_head", gradients(plain)))
    assert any(not torch.allclose(a, b) for a, b in zip(gradients(network).values(), gradients(plain).values(), strict=True))
    twice = network_of("bias_balanced")
    two_pass_gradients(twice, balanced, config)
    assert_same(gradients(twice), gradients(network))


@pytest.mark.parametrize("method", ["baseline", "gray"])
def test_baseline_and_gray_give_h_no_gradient(method: str, batch: Batch) -> None:
    network = network_of(method)
    find(method).step(network, batch, config_of(method))
    found = gradients(network)
    assert not of("bias_head", found)
    wanted = {name: value for name, value in by_hand(network, batch, config_of(method)).items() if not name.startswith("bias_head")}
    assert_same(found, wanted)


@pytest.mark.parametrize("method", UNLEARNING)
def test_one_pass_equals_two_passes(method: str, batch: Batch) -> None:
    config, one, two = config_of(method), network_of(method), network_of(method)
    losses = find(method).step(one, batch, config)
    reference = two_pass_gradients(two, batch, config)
    assert_same(gradients(one), gradients(two))
    assert losses.keys() == reference.keys()
    for name in losses:
        assert torch.allclose(losses[name], reference[name], atol=1e-10)


@pytest.mark.parametrize("method", UNLEARNING)
def test_one_pass_equals_two_passes_in_float32(method: str, batch: Batch) -> None:
    config, one, two = config_of(method), network_of(method, torch.float32), network_of(method, torch.float32)
    small = Batch(batch.images.float(), batch.labels, batch.bias)
    find(method).step(one, small, config)
    two_pass_gradients(two, small, config)
    found, wanted = gradients(one), gradients(two)
    for name in wanted:
        assert (found[name] - wanted[name]).norm() <= 1e-4 * wanted[name].norm() + 1e-6, name


@pytest.mark.parametrize(("method", "weight"), [("lnl", "mi_weight"), ("lnl_adv", "mi_weight"), ("blind_eye", "confusion_weight")])
def test_entropy_and_confusion_never_move_h(method: str, weight: str, batch: Batch) -> None:
    results = []
    for value in (0.0, 1e3):
        network = network_of(method)
        find(method).step(network, batch, config_of(method, **{weight: value}))
        results.append(gradients(network))
    off, on = results
    assert all(torch.equal(off[name], on[name]) for name in of("bias_head", off))
    assert all(torch.equal(off[name], on[name]) for name in of("label_head", off))
    assert all(not torch.allclose(off[name], on[name]) for name in of("extractor", off)), "control: the term does reach f"


def test_h_descends_the_bias_loss_unweighted(batch: Batch) -> None:
    """mu scales what f feels, not how h learns."""
    found = []
    for adv_weight in (0.0, 0.1, 5.0):
        network = network_of("grl")
        find("grl").step(network, batch, config_of("grl", adv_weight=adv_weight))
        found.append(of("bias_head", gradients(network)))
    assert all(torch.equal(found[0][name], other[name]) for other in found[1:] for name in found[0])


def test_f_ascends_the_bias_loss(batch: Batch) -> None:
    """A small step against the gradient of grl raises L_B where L_c alone would not matter."""
    network = network_of("grl")
    config = config_of("grl", adv_weight=1e6)  # so large that L_c does not count
    before = bias_term(batch)(network).item()
    find("grl").step(network, batch, config)
    found = of("extractor", gradients(network))
    length = torch.stack([value.norm() for value in found.values()]).norm()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in found:
                parameter.sub_(1e-3 * found[name] / length)
    assert bias_term(batch)(network).item() > before


@pytest.mark.parametrize(("method", "term"), [("lnl_adv", entropy_term), ("blind_eye", confusion_term)])
def test_f_descends_entropy_and_confusion(
    method: str, term: Callable[[Batch], Callable[[LNLNetwork], Tensor]], batch: Batch
) -> None:
    network = network_of(method)
    before = term(batch)(network).item()
    find(method).step(network, batch, config_of(method, mi_weight=1e6, confusion_weight=1e6))
    found = of("extractor", gradients(network))
    length = torch.stack([value.norm() for value in found.values()]).norm()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in found:
                parameter.sub_(1e-3 * found[name] / length)
    assert term(batch)(network).item() < before


@pytest.mark.parametrize("method", UNLEARNING)
def test_without_weights_every_method_is_the_baseline_for_f_and_g(method: str, batch: Batch) -> None:
    network, baseline = network_of(method), network_of("baseline")
    find(method).step(network, batch, config_of(method, mi_weight=0.0, adv_weight=0.0, confusion_weight=0.0))
    find("baseline").step(baseline, batch, config_of("baseline"))
    found = gradients(network)
    assert all(torch.equal(found[name], value) for name, value in gradients(baseline).items())


def test_watching_moves_h_but_tells_f_nothing(batch: Batch) -> None:
    network, baseline = network_of("lnl"), network_of("baseline")
    losses = warmup_step(network, batch, config_of("lnl"))
    find("baseline").step(baseline, batch, config_of("baseline"))
    found, wanted = gradients(network), gradients(baseline)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert_same(of("bias_head", found), of("bias_head", gradient_of(bias_term(batch), network)))
    assert losses.keys() == {"label", "bias"}


@pytest.mark.parametrize("method", METHODS)
def test_a_step_reports_the_value_of_each_of_its_losses(method: str, batch: Batch) -> None:
    network = network_of(method)
    losses = find(method).step(network, batch, config_of(method))
    mi, confusion, _ = REACHES_F[method]
    expected = {"label": label_term(batch)}
    if method in UNLEARNING:
        expected["bias"] = bias_term(batch)
    if mi:
        expected["mi"] = entropy_term(batch)
    if confusion:
        expected["confusion"] = confusion_term(batch)
    assert losses.keys() == expected.keys()
    for name, term in expected.items():
        assert losses[name].item() == pytest.approx(term(network).item(), abs=1e-9)
        assert not losses[name].requires_grad


def test_authors_first_pass_leaves_h_alone(batch: Batch) -> None:
    """In the authors' code L_MI flows through h to f, and only the optimiser of f and g steps after it."""
    network = network_of("lnl")
    first_pass(network, batch, config_of("lnl"))
    assert not of("bias_head", gradients(network))
    label, entropy, weight = label_term(batch), entropy_term(batch), config_of("lnl").mi_weight
    wanted = gradient_of(lambda one: label(one) + weight * entropy(one), network_of("lnl"))
    assert_same(of("extractor", gradients(network)), of("extractor", wanted))
    two_pass_gradients(network_with_zero := network_of("lnl"), batch, config_of("lnl"))
    wanted = of("bias_head", gradient_of(bias_term(batch), network_with_zero))
    assert_same(of("bias_head", gradients(network_with_zero)), wanted)


def test_authors_second_pass_leaves_g_alone(batch: Batch) -> None:
    network = network_of("lnl")
    second_pass(network, batch, config_of("lnl"))
    assert not of("label_head", gradients(network))


# Joint learning and unlearning: two steps that take turns


@pytest.mark.parametrize("bias_reduction", ["mean", "sum"])
def test_the_two_steps_of_jlu_are_the_two_halves_of_blind_eye(bias_reduction: str, batch: Batch) -> None:
    """One of them moves f and g down L_c + alpha L_conf, the other one h down L_B, and nobody else has a gradient."""
    config = config_of("jlu", bias_reduction=bias_reduction)
    wanted = by_hand(network_of("blind_eye"), batch, config_of("blind_eye", bias_reduction=bias_reduction))
    unlearning, watching = network_of("blind_eye"), network_of("blind_eye")
    jlu_main_step(unlearning, batch, config)
    jlu_bias_step(watching, batch, config)
    assert_same(gradients(unlearning), {name: value for name, value in wanted.items() if not name.startswith("bias_head")})
    assert_same(gradients(watching), of("bias_head", wanted))


def test_the_steps_of_jlu_report_their_losses(batch: Batch) -> None:
    network, config = network_of("lnl"), config_of("jlu")
    terms = {"label": label_term(batch), "bias": bias_term(batch), "confusion": confusion_term(batch)}
    for step, names in ((jlu_main_step, {"label", "bias", "confusion"}), (jlu_bias_step, {"bias", "confusion"})):
        losses = step(network, batch, config)
        assert losses.keys() == names
        for name, value in losses.items():
            assert value.item() == pytest.approx(terms[name](network).item(), abs=1e-9)
            assert not value.requires_grad


def test_alpha_zero_is_the_baseline_for_f_and_g(batch: Batch) -> None:
    network, baseline = network_of("lnl"), network_of("baseline")
    jlu_main_step(network, batch, config_of("jlu", confusion_weight=0.0))
    find("baseline").step(baseline, batch, config_of("baseline"))
    assert_same(gradients(network), gradients(baseline))


# Who has changed after an update, through the training loop


def moved_parts(method: str, data: BiasedImages, **changes: Any) -> set[str]:
    config = config_of(method, epochs=1, batch_size=len(data), weight_decay=0.0, **changes)
    network = build_network(config)
    before = {name: value.clone() for name, value in network.named_parameters()}
    fit(network, data, config, device="cpu", progress=False)
    return {name.split(".")[0] for name, value in network.named_parameters() if not torch.equal(before[name], value)}


@pytest.mark.parametrize("method", METHODS)
def test_who_has_moved_after_an_update(method: str, few: BiasedImages) -> None:
    everyone = {"extractor", "label_head", "bias_head"}
    expected = everyone if method in UNLEARNING else everyone - {"bias_head"}
    assert moved_parts(method, few.subset(slice(0, 32))) == expected


def test_h_does_not_move_at_rate_zero(few: BiasedImages) -> None:
    assert moved_parts("lnl", few.subset(slice(0, 32)), bias_lr=0.0) == {"extractor", "label_head"}


# The authors' alternating updates


def after_one_batch(data: BiasedImages, updates: str, momentum: float) -> tuple[dict[str, Tensor], dict[str, Tensor], RunConfig]:
    """Parameters before and after one batch of all of ``data``."""
    rates = {"momentum": momentum, "lr": 0.02, "bias_lr": 0.05, "weight_decay": 0.0}
    config = config_of("lnl", epochs=1, batch_size=len(data), updates=updates, precision="float32", **rates)
    network = build_network(config)
    before = {name: value.clone() for name, value in network.named_parameters()}
    fit(network, data, config, device="cpu", progress=False)
    return before, {name: value.clone() for name, value in network.named_parameters()}, config


def with_parameters(values: dict[str, Tensor]) -> LNLNetwork:
    network = network_of("lnl")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(values[name])
    return network


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_alternating_updates_by_hand(momentum: float, few: BiasedImages) -> None:
    """First f and g descend L_c + lambda L_MI; then f ascends mu L_B and h descends L_B, while momentum carries f and g on."""
    data = few.subset(slice(0, 32))
    raw = data.batch(slice(None))
    whole = Batch(raw.images.double(), raw.labels, raw.bias)
    before, after, config = after_one_batch(data, "alternating", momentum)

    start = with_parameters(before)
    label, entropy = gradient_of(label_term(whole), start), gradient_of(entropy_term(whole), start)
    speed = {name: label[name] + config.mi_weight * entropy[name] for name in label if not name.startswith("bias_head")}
    middle_values = {name: value.double() - (config.lr * speed[name] if name in speed else 0) for name, value in before.items()}
    bias = gradient_of(bias_term(whole), with_parameters(middle_values))
    for name, value in middle_values.items():
        if name.startswith("extractor"):
            wanted = value - config.lr * (momentum * speed[name] - config.adv_weight * bias[name])
        elif name.startswith("label_head"):
            wanted = value - config.lr * momentum * speed[name]
        else:
            wanted = value - config.bias_lr * bias[name]
        moved, expected = after[name].double() - before[name], wanted - before[name]
        assert (moved - expected).norm() <= 2e-3 * expected.norm() + 1e-6, name


def test_only_alternating_updates_move_g_twice(few: BiasedImages) -> None:
    data = few.subset(slice(0, 32))
    before, joint, _ = after_one_batch(data, "joint", 0.9)
    _, alternating, _ = after_one_batch(data, "alternating", 0.9)
    for name in of("label_head", before):
        step = joint[name] - before[name]
        assert torch.allclose(alternating[name] - before[name], 1.9 * step, rtol=1e-3, atol=1e-7), name


def test_joint_and_alternating_updates_differ(few: BiasedImages) -> None:
    _, joint, _ = after_one_batch(few.subset(slice(0, 32)), "joint", 0.0)
    _, alternating, _ = after_one_batch(few.subset(slice(0, 32)), "alternating", 0.0)
    assert any(not torch.allclose(joint[name], alternating[name], atol=1e-6) for name in of("bias_head", joint))


# The table


def test_the_table_of_who_moves_is_what_the_steps_do() -> None:
    """Against the terms as they are written by hand above, for every method of one step."""
    rows = {name: method.moves[0] for name, method in registered().items() if len(method.moves) == 1}
    assert rows.keys() >= REACHES_F.keys()  # the others, which leave h alone, are in test_group_methods.py
    for name in REACHES_F:
        row = rows[name]
        assert ("L_MI" in row.f, "L_conf" in row.f, "ascends [mu] L_B" in row.f) == tuple(map(bool, REACHES_F[name])), name
        assert (row.h == "descends L_B") is registered()[name].trains_h
        assert (row.h == "stays") is (name not in UNLEARNING)


@pytest.mark.parametrize("method", registered().values(), ids=registered())
def test_every_row_of_who_moves_is_in_the_docs(method: Method) -> None:
    table = (methods.__doc__ or "").splitlines()
    for row in method.moves:
        name = f"{method.name}, {row.turn}" if row.turn else method.name
        assert any(line.split("  ")[0] == name and row.f in line and line.endswith(row.h) for line in table), name


def test_the_methods_come_in_the_order_of_the_tables() -> None:
    assert tuple(registered()) == ALL_METHODS


def test_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown method 'lln': choose one of baseline, .*lnl"):
        find("lln")


# What they read


Read = set[tuple[str, str]]
"""Room of the reader, such as "methods", and name of what it read."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """What is read of any configuration from here on; a value that is only checked, copied or written down is not thereby read."""
    seen: Read = set()

    def note(name: str) -> None:
        frame = sys._getframe(2)
        module = str(frame.f_globals.get("__name__"))
        if module.startswith("lnl_core.") and frame.f_code.co_name != "check":
            seen.add((module.split(".")[1], name))

    attribute, get = RunConfig.__getattribute__, RunConfig.get

    def getattribute(config: RunConfig, name: str) -> Any:
        note(name)
        return attribute(config, name)

    def get_(config: RunConfig, name: str, default: Any = None) -> Any:
        note(name)
        return get(config, name, default)

    monkeypatch.setattr(RunConfig, "__getattribute__", getattribute)
    monkeypatch.setattr(RunConfig, "get", get_)
    return seen


@pytest.mark.parametrize("method", registered().values(), ids=registered())
def test_every_hyper_parameter_of_a_method_is_read_in_a_training(method: Method, few: BiasedImages, read: Read) -> None:
    """By the methods or the training, in one smoke run."""
    images = method.name != "jlu"  # its preset is that of faces
    config = preset("smoke", method.name, experiment="colored_mnist" if images else "jlu_faces", epochs=2, batch_size=16)
    data = few.subset(slice(0, 32)) if images else synthetic_faces("bd", n=32, size=config.image_size or 64, learn="age")
    network = build_network(config)
    read.clear()
    unbiased = few if "unbiased_images" in config else None
    fit(network, data, config, device="cpu", progress=False, unbiased=unbiased)
    declared = {one.name for one in method.hyperparameters}
    assert declared <= {name for room, name in read if room in ("methods", "training")}
    assert len(declared) == len(method.hyperparameters), "each once"


def test_every_hyper_parameter_of_the_training_and_the_execution_is_read_by_a_run(read: Read, tmp_path: Path) -> None:
    """Two runs have them all. By the training, but for what the record's probes read: here too few images for any."""
    ways: list[dict[str, Any]] = [{"schedule": "step"}, {"optimizer": "adam", "schedule": "one_cycle"}]
    for folder, changes in enumerate(ways):
        config = preset("smoke", "baseline", epochs=1, batch_size=16, train_size=32, test_size=16, probe_images=2, **changes)
        run(config, tmp_path / str(folder), progress=False)
    measuring = {one.name for one in MEASURING}
    wanted = {("training", one.name) for one in (*TRAINING, *EXECUTION) if one.name not in measuring}
    assert wanted | {("runs", name) for name in measuring} <= read


@pytest.mark.parametrize("experiment", experiments.registered().values(), ids=experiments.registered())
def test_every_hyper_parameter_of_an_experiment_is_read_for_its_data_or_its_network(experiment: Experiment, read: Read) -> None:
    """By the experiments' own files: for the splits and the network of one smoke run."""
    config = preset("smoke", experiment.methods[-1], experiment=experiment.name)
    for split in ("train", "test"):
        experiment.load_split(config, split)
    build_network(config)
    experiment.training_split(config)
    declared = {one.name for one in experiment.hyperparameters if config.unread(one.name) is None}
    assert declared <= {name for room, name in read if room == "experiments"}


@pytest.mark.parametrize("method", registered().values(), ids=registered())
def test_every_hyper_parameter_of_a_method_says_what_it_does_and_has_a_default_in_range(method: Method) -> None:
    for declared in method.hyperparameters:
        assert declared.checked(declared.default) == declared.default
        assert len(declared.help) > 10


# Eq. 9 as it reads


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_the_step_as_the_equation_reads_and_the_fast_one_are_one(mode: str, batch: Batch) -> None:
    config, plain, fast = config_of("lnl"), network_of("lnl"), network_of("lnl")
    for network in (plain, fast):
        network.train(mode == "train")
    losses, quickly = lnl(plain, batch, config), find("lnl").step(fast, batch, config)
    assert losses.keys() == quickly.keys()
    for name, value in losses.items():
        torch.testing.assert_close(value, quickly[name], rtol=1e-12, atol=1e-12)
    found, wanted = gradients(plain), gradients(fast)
    assert found.keys() == wanted.keys() == dict(plain.named_parameters()).keys()
    for name in wanted:
        assert float((found[name] - wanted[name]).norm()) <= 1e-10 * float(wanted[name].norm()) + 1e-12, name
    for name, value in plain.named_buffers():
        torch.testing.assert_close(value, dict(fast.named_buffers())[name])


def test_the_step_as_the_equation_reads_is_short() -> None:
    lines = inspect.getsource(lnl).splitlines()
    body = [line for line in lines[1:] if line.strip() and not line.strip().startswith(('"""', "#"))]
    assert len(body) <= 15


@pytest.mark.parametrize("weight", ["mi_weight", "adv_weight"])
def test_control_both_weights_of_the_equation_reach_f_and_nobody_else(weight: str, batch: Batch) -> None:
    found = []
    for value in (0.0, 2.0):
        network = network_of("lnl")
        lnl(network, batch, config_of("lnl", **{weight: value}))
        found.append(gradients(network))
    for name, off in found[0].items():
        assert torch.allclose(off, found[1][name], rtol=1e-9, atol=1e-12) is not name.startswith("extractor"), name
