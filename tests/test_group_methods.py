"""The methods that leave h alone: each against its formula by hand, a control without its term, and who moves."""

import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from cases import every
from torch import Tensor, nn

from lnl_core import experiments
from lnl_core._arrays import exact
from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages, animals, colored_mnist
from lnl_core.datasets.container import Batch
from lnl_core.errors import ConfigError, DataError, RecordError
from lnl_core.methods import CONDITIONAL_HSIC, HSIC, find, registered, who_moves
from lnl_core.methods.base import KNOWLEDGE
from lnl_core.methods.group_dro import ascend
from lnl_core.methods.groups import Groups
from lnl_core.methods.hsic import conditional_hsic, gaussian_kernel, hsic
from lnl_core.methods.jtt import JttCourse, upsampled
from lnl_core.methods.last_layer import last_layer_of, logistic_regression, retrain_last_layer
from lnl_core.methods.lff import LffCourse, generalised_cross_entropy, relative_difficulty
from lnl_core.methods.reweighing import equal_counts, weighted_step
from lnl_core.methods.statistics_network import bias_codes
from lnl_core.networks import LNLNetwork, build_network
from lnl_core.training import checkpoints, fit
from lnl_core.training.loop import Training

NEW = ("reweighing", "subsampling", "group_dro", "last_layer", "jtt", "lff", "hsic", "conditional_hsic")


def config_of(method: str, **changes: Any) -> RunConfig:
    own: dict[str, Any] = {"last_layer": {"unbiased_images": 40}, "jtt": {"repeats": 3}}.get(method, {})
    return preset("smoke", method, epochs=1, batch_size=32, **own | changes)


@pytest.fixture(scope="module")
def unbiased() -> BiasedImages:
    places: dict[str, Any] = dict(bias_labels="image", bias_places="everywhere")
    return colored_mnist("validation", 0.02, source="mini", random_colors=True, **places).subset(slice(0, 60))


@pytest.fixture(scope="module")
def some(mini_train: BiasedImages) -> BiasedImages:
    return mini_train.subset(slice(0, 3500, 55))


def table(labels: list[int], bias: list[int]) -> BiasedImages:
    x = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(0))
    return BiasedImages(x, labels, bias, [0] * len(labels), classes=2, bias_classes=2)


def trained(method: str, data: BiasedImages, unbiased: BiasedImages, **changes: Any) -> tuple[LNLNetwork, dict[str, Tensor]]:
    """The network after one epoch, and its parameters before."""
    config = config_of(method, **changes)
    network = build_network(config)
    before = {name: value.clone() for name, value in network.named_parameters()}
    fit(network, data, config, device="cpu", progress=False, unbiased=unbiased)
    return network, before


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# Who moves, what must be known


@pytest.mark.parametrize("method", NEW)
def test_f_and_g_move_and_h_stays(method: str, some: BiasedImages, unbiased: BiasedImages) -> None:
    network, before = trained(method, some, unbiased)
    moved = {name.split(".")[0] for name, value in network.named_parameters() if not torch.equal(before[name], value)}
    assert moved == {"extractor", "label_head"}
    assert not registered()[method].trains_h
    assert all(row.h == "stays" for row in registered()[method].moves)
    assert find(method).name in who_moves()


def test_what_each_method_must_know() -> None:
    known = {name: method.must_know for name, method in registered().items()}
    games = {name: known[name] for name in ("blind_eye", "grl", "lnl", "mi_backprop", "jlu", "hsic", "conditional_hsic")}
    assert {*games.values()} == {("bias labels",)}
    assert [known[name] for name in ("baseline", "gray", "lff")] == [(), (), ()]
    assert known["jtt"] == ("unbiased validation images",)
    assert known["last_layer"] == ("unbiased training images",)
    assert {known[name] for name in ("reweighing", "subsampling", "group_dro")} == {("group labels",)}
    assert known["bias_balanced"] == ("bias labels", "group labels")
    assert all({*words} <= {*KNOWLEDGE} for words in known.values())


def test_the_new_methods_are_run_by_name_only() -> None:
    assert not {*NEW} & {*experiments.find("colored_mnist").methods}


@pytest.mark.parametrize("method", ["jtt", "lff", "group_dro"])
def test_an_interrupted_training_ends_with_the_same_bits(
    method: str, some: BiasedImages, unbiased: BiasedImages, tmp_path: Path
) -> None:
    config = config_of(method).with_options(epochs=2)
    whole = build_network(config)
    fit(whole, some, config, device="cpu", progress=False)
    calls = iter((True, False, False))

    def validate(network: LNLNetwork) -> dict[str, float]:
        if len([*tmp_path.glob("*.safetensors")]) and next(calls):
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        fit(build_network(config), some, config, device="cpu", progress=False, out_dir=tmp_path, validate=validate)
    resumed = build_network(config)
    fit(resumed, some, config, device="cpu", progress=False, out_dir=tmp_path, validate=validate)
    assert same(whole, resumed)


# Groups


def test_groups_are_label_times_bias_and_weights_make_them_equal() -> None:
    groups = Groups.of(table([0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1]))
    assert groups.of_image.tolist() == [0, 0, 1, 2, 3, 3]
    assert groups.weights.tolist() == [0.75, 0.75, 1.5, 1.5, 0.75, 0.75], "6 / (4 groups times their count)"
    assert torch.bincount(groups.of_image, groups.weights).tolist() == [1.5] * 4
    assert float(groups.weights.mean()) == 1


def test_digits_are_grouped_by_their_nearest_mean_color(some: BiasedImages) -> None:
    from lnl_core.datasets import MEAN_COLORS

    assert some.color is not None
    groups = Groups.of(some)
    for image in range(0, len(some), 9):
        squares = ((torch.as_tensor(MEAN_COLORS).double() - some.color[image].double()) ** 2).sum(1)
        assert int(groups.of_image[image]) == int(some.labels[image]) * 10 + int(squares.argmin())


def test_a_group_without_images_is_said_in_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="lnl_core"):
        groups = Groups.of(table([0, 0, 1], [0, 1, 0]))
    assert caplog.messages == [
        "1 of 4 groups of label and bias have no image, first label 1 with bias 1: only the others are balanced"
    ]
    assert groups.present == 3
    with pytest.raises(DataError, match=r"^every label has images of one bias only, so nothing can be balanced: give [^\n]*$"):
        Groups.of(table([0, 1, 1], [0, 1, 1]))


def test_subsampling_keeps_as_many_of_every_group_as_the_smallest_has() -> None:
    groups = Groups.of(table([0] * 8 + [1] * 8, [0] * 6 + [1] * 2 + [0] * 3 + [1] * 5))
    kept = equal_counts(groups, torch.Generator().manual_seed(0))
    assert torch.bincount(groups.of_image[kept]).tolist() == [2, 2, 2, 2]
    assert len(kept.unique()) == 8


def test_reweighing_draws_every_group_equally_often(some: BiasedImages) -> None:
    groups = Groups.of(table([0] * 900 + [1] * 100, [0] * 890 + [1] * 10 + [0] * 50 + [1] * 50))
    drawn = groups.drawn_equally(torch.Generator().manual_seed(0))
    assert len(drawn) == 1000
    assert torch.bincount(groups.of_image[drawn]).tolist() == pytest.approx([250] * 4, abs=45)  # three deviations of 14 each
    config = config_of("reweighing")
    training = Training(find("reweighing"), build_network(config), some, config)
    index = torch.cat(training.course.draw(torch.Generator().manual_seed(3)))
    assert torch.equal(index, Groups.of(some).drawn_equally(torch.Generator().manual_seed(3)))


def test_weighted_step_has_the_gradient_of_the_weighted_loss(some: BiasedImages) -> None:
    network, batch, weights = build_network(config_of("group_dro")), some.batch(slice(0, 8)), torch.rand(8)
    losses = weighted_step(network, batch, lambda each: weights)
    found = [p.grad.clone() for p in network.label_head.parameters() if p.grad is not None]
    log_q = network(batch.images).log_softmax(1)
    loss = -torch.stack([weights[i] * log_q[i, batch.labels[i]] for i in range(8)]).sum()
    wanted = torch.autograd.grad(loss, [*network.label_head.parameters()])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, wanted, strict=True))
    assert float(losses["weighted"]) == pytest.approx(float(loss.detach()), rel=1e-5)
    assert all(p.grad is None for p in network.bias_head.parameters())


# Group DRO


def test_exponentiated_gradient_by_hand() -> None:
    q = ascend(torch.tensor([0.5, 0.25, 0.25, 0.0]).double(), torch.tensor([1.0, 0.0, 2.0, 9.0]).double(), 0.5)
    raw = [0.5 * math.exp(0.5), 0.25, 0.25 * math.exp(1), 0.0]
    assert q.tolist() == pytest.approx([value / sum(raw) for value in raw], abs=1e-12)


def test_group_dro_weighs_the_mean_loss_of_each_group_by_q() -> None:
    data = table([0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 1, 1])
    config = preset("smoke", "group_dro", experiment="census", group_step=0.3)
    training = Training(find("group_dro"), LNLNetwork(nn.Identity(), nn.Linear(3, 2), nn.Linear(3, 2)), data, config)
    losses = torch.tensor([1.0, 3.0, 0.5, 2.0])
    weights = training.course.weigh(losses, data.batch(slice(0, 4)), torch.arange(4))  # type: ignore[attr-defined]
    q = ascend(torch.full((4,), 0.25).double(), torch.tensor([2.0, 0.5, 2.0, 0.0]).double(), 0.3).tolist()
    assert weights.tolist() == pytest.approx([q[0] / 2, q[0] / 2, q[1], q[2]], abs=1e-6)


# JTT and LfF


def test_wrong_images_are_repeated() -> None:
    assert upsampled(torch.tensor([False, True, False]), 3).tolist() == [0, 1, 1, 1, 2]


def test_control_jtt_without_repeats_and_lff_without_difficulty_are_the_baseline(
    some: BiasedImages, unbiased: BiasedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = trained("baseline", some, unbiased)
    assert same(trained("jtt", some, unbiased, repeats=1)[0], plain)
    assert not same(trained("jtt", some, unbiased, repeats=2)[0], plain)
    monkeypatch.setattr("lnl_core.methods.lff.relative_difficulty", lambda prejudiced, losses: torch.ones_like(losses))
    equal, _ = trained("lff", some, unbiased)
    for a, b in zip(equal.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


def test_the_first_network_of_jtt_follows_a_schedule_of_its_own(mini_train: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the full rate from its first step it failed and named no digit but one; then nine images in ten were repeated."""
    few = mini_train.subset(slice(0, 1280))
    config = config_of("jtt", first_epochs=2, lr=0.037, momentum=0.9).with_options(epochs=6, schedule="one_cycle")
    training = Training(find("jtt"), build_network(config).train(), few, config, None, None)
    rates: list[float] = []
    step = torch.optim.SGD.step

    def noted(self: torch.optim.SGD, *args: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args)

    monkeypatch.setattr(torch.optim.SGD, "step", noted)
    course = training.course
    assert isinstance(course, JttCourse)
    network = course.train_first()
    assert len(rates) == 2 * 40
    assert rates[0] == pytest.approx(0.1 * 0.037)
    assert max(rates) == pytest.approx(0.037, rel=0.05)
    assert rates[-1] < 0.02 * 0.037 < rates[40], "the fall is that of two epochs, not of six"
    assert float(course.errors_of(network).float().mean()) < 0.5


def test_generalised_cross_entropy_and_difficulty_by_hand() -> None:
    p = torch.tensor([0.9, 0.3, 0.01]).double().requires_grad_()
    value = generalised_cross_entropy(-p.log(), 0.7)
    assert torch.allclose(value, (1 - p**0.7) / 0.7)
    (slope,) = torch.autograd.grad(value.sum(), p)
    assert torch.allclose(slope, -(p.detach() ** -0.3)), "p^q times the gradient of the cross-entropy"
    assert torch.equal(generalised_cross_entropy(-p.log(), 0.0), -p.log())
    found = relative_difficulty(torch.tensor([3.0, 1.0, 0.0]), torch.tensor([1.0, 1.0, 0.0]))
    assert found.tolist() == pytest.approx([0.75, 0.5, 0.5])


# HSIC


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_hsic_is_the_sum_over_pairs_written_as_a_loop() -> None:
    z, codes = random(6, 3), F.one_hot(torch.tensor([0, 1, 0, 1, 1, 0]), 2).double()
    k, kernel, n = gaussian_kernel(z), gaussian_kernel(codes), 6
    pairs = sum(k[i, j] * kernel[i, j] for i in range(n) for j in range(n))
    triples = sum(k[i, j] * kernel[i, q] for i in range(n) for j in range(n) for q in range(n))
    value = (pairs - 2 / n * triples + k.sum() * kernel.sum() / n**2) / (n - 1) ** 2
    assert float(hsic(z, codes)) == pytest.approx(float(value), abs=1e-12)
    apart = float(((z[0] - z[1]) ** 2).sum())
    squares = [float(((z[i] - z[j]) ** 2).sum()) for i in range(n) for j in range(n) if i != j]
    assert float(k[0, 1]) == pytest.approx(math.exp(-apart / 2 / sorted(squares)[(len(squares) - 1) // 2]), rel=1e-9)


def test_hsic_of_what_is_independent_is_small_and_of_what_is_not_is_large() -> None:
    codes = F.one_hot(torch.arange(200) % 2, 2).double()
    apart, together = hsic(random(200, 2), codes), hsic(random(200, 2) + 3 * codes, codes)
    assert 0 <= float(apart) < 0.01 < 0.04 < float(together)
    assert float(hsic(random(20, 2), torch.ones(20, 1).double())) == pytest.approx(0, abs=1e-12)


class Scaled(nn.Module):
    """Features that are the pixels times a parameter: nothing of it is a product of matrices, which autocast would round."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) * self.scale


@pytest.mark.parametrize("method", [HSIC, CONDITIONAL_HSIC], ids=lambda method: method.name)
def test_the_gradient_of_the_criterion_is_not_rounded_where_layers_are_in_bf16(method: Any) -> None:
    """Row sums less a product nearly cancel where features lie close together, so a product in bf16 is off by hundredths."""
    generator = torch.Generator().manual_seed(0)
    images = 1 + 0.05 * torch.rand(60, 3, 8, 8, generator=generator)
    labels, bias = torch.arange(60) % 2, torch.arange(60) // 2 % 3
    codes = F.one_hot(bias, 3).float()
    config = preset("smoke", method.name, hsic_weight=1e6)
    gradients = []
    for rounded in (False, True):
        extractor = Scaled(192)
        head = nn.Linear(192, 2)
        nn.init.zeros_(head.weight)  # so that the label loss, which is rounded, moves no feature
        network = LNLNetwork(extractor, head, nn.Linear(192, 3))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
            method.step_with(network, Batch(images, labels, bias), codes, config)
        assert extractor.scale.grad is not None
        gradients.append(extractor.scale.grad.clone())
    assert float((gradients[1] - gradients[0]).norm() / gradients[0].norm()) < 1e-4


def test_conditional_hsic_is_blind_to_what_the_label_explains() -> None:
    labels = torch.arange(400) % 2
    codes = F.one_hot(labels, 2).double()  # bias = label
    z = random(400, 2) + 4 * codes
    assert float(hsic(z, codes)) > 0.05
    assert float(conditional_hsic(z, codes, labels)) == pytest.approx(0, abs=1e-12)
    other = F.one_hot((torch.arange(400) // 2) % 2, 2).double()
    half = sum(0.5 * float(hsic(z[labels == y], other[labels == y])) for y in (0, 1))
    assert float(conditional_hsic(z, other, labels)) == pytest.approx(half, abs=1e-12)


@pytest.mark.parametrize("method", [HSIC, CONDITIONAL_HSIC], ids=lambda one: one.name)
def test_f_descends_label_and_criterion_and_g_the_label_alone(method: Any, some: BiasedImages) -> None:
    data = some.subset(slice(0, 12))
    batch, codes = data.batch(slice(None)), bias_codes(data).double()
    batch.images = batch.images.double()
    config = config_of(method.name, hsic_weight=3.0)
    network = build_network(config).double()
    method.step_with(network, batch, codes, config)
    found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    z = network.extractor(batch.images)
    label, flat = F.cross_entropy(network.label_head(z), batch.labels), z.flatten(1)
    term = conditional_hsic(flat, codes, batch.labels) if method is CONDITIONAL_HSIC else hsic(flat, codes)
    of_f = torch.autograd.grad(label + 3 * term, [*network.extractor.parameters()], retain_graph=True)
    of_g = torch.autograd.grad(label, [*network.label_head.parameters()])
    wanted = dict(zip([n for n, _ in network.named_parameters() if not n.startswith("bias_head")], of_f + of_g, strict=True))
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-10) for name in wanted)


@pytest.mark.parametrize("method", ["hsic", "conditional_hsic"])
def test_control_hsic_of_weight_0_is_the_baseline(method: str, some: BiasedImages, unbiased: BiasedImages) -> None:
    plain, _ = trained("baseline", some, unbiased)
    assert same(trained(method, some, unbiased, hsic_weight=0.0)[0], plain)
    assert not same(trained(method, some, unbiased, hsic_weight=5.0)[0], plain)


# Last-layer retraining


def test_the_logistic_regression_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    x, labels = random(60, 4), (random(60, 3, seed=1) + random(60, 4)[:, :3]).argmax(1)
    weight, bias = logistic_regression(x, labels, 3, 0.1)
    theirs = LogisticRegression(C=1 / (0.1 * 60), tol=1e-10, max_iter=5000).fit(x.numpy(), labels.numpy())
    found = (x @ weight.T + bias).softmax(1)
    assert torch.allclose(found, torch.as_tensor(theirs.predict_proba(x.numpy())), atol=1e-4)


def test_only_the_last_layer_is_retrained(unbiased: BiasedImages) -> None:
    network = build_network(config_of("last_layer"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    retrain_last_layer(network, unbiased)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(before[name], value)}
    last = last_layer_of(network)
    wanted = {name for name, parameter in network.named_parameters() if parameter is last.weight or parameter is last.bias}
    assert changed == wanted
    with torch.no_grad():
        right = network.eval()(unbiased.batch(slice(None)).images).argmax(1) == unbiased.labels
    assert float(right.double().mean()) > 0.5, "the images that it was fitted to"


def test_what_last_layer_refuses(some: BiasedImages, unbiased: BiasedImages) -> None:
    message = r"^last_layer needs 400 unbiased images and there are 60: lower unbiased_images or give more$"
    config = config_of("last_layer").with_options(unbiased_images=400)
    with pytest.raises(DataError, match=message):
        fit(build_network(config), some, config, device="cpu", progress=False, unbiased=unbiased)
    with pytest.raises(DataError, match="there are 0"):
        fit(build_network(config), some, config, device="cpu", progress=False)
    with pytest.raises(ConfigError, match="and g ends in ReLU: let g end in"):
        last_layer_of(LNLNetwork(nn.Identity(), nn.Sequential(nn.Linear(3, 2), nn.ReLU()), nn.Identity()))


def test_unbiased_images_of_one_label_are_refused_and_a_missing_label_is_said(
    some: BiasedImages, unbiased: BiasedImages, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of("last_layer")
    few = config.unbiased_images
    digits = [unbiased.subset(unbiased.labels == digit) for digit in range(10)]
    ones = digits[1].subset(torch.arange(few) % len(digits[1]))
    with pytest.raises(DataError, match=f"last_layer drew {few} unbiased images of one label alone: raise unbiased_images or give"):
        fit(build_network(config), some, config, device="cpu", progress=False, unbiased=ones)
    without = unbiased.subset((unbiased.labels != 4) & (unbiased.labels != 7))
    Training(find("last_layer"), build_network(config), some, config, None, without.subset(torch.arange(few) % len(without)))
    assert f"none of the {few} unbiased images of last_layer has the label 4, 7" in caplog.text


def test_a_last_layer_without_intercepts_is_refused_and_left_as_it_was() -> None:
    images = torch.randint(0, 255, (8, 3, 4, 4), dtype=torch.uint8)
    nothing = torch.zeros(8, dtype=torch.long)
    data = BiasedImages(images, torch.arange(8) % 2, nothing, nothing, bias_classes=2)
    last = nn.Linear(48, 2, bias=False)
    before = last.weight.detach().clone()
    with pytest.raises(ConfigError, match="with bias=True"):
        retrain_last_layer(LNLNetwork(nn.Identity(), nn.Sequential(nn.Flatten(), last), nn.Identity()), data)
    assert torch.equal(last.weight, before)


def test_bias_that_is_no_label_an_image_is_refused() -> None:
    x = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    maps = BiasedImages(x, [0, 1], torch.zeros(2, 3, 4, 4, dtype=torch.uint8), [0, 0], classes=2)
    every([(maps,)], lambda data: _refused(data))


def _refused(data: BiasedImages) -> None:
    with pytest.raises(DataError, match=r"^groups of label and bias need one bias an image: give"):
        Groups.of(data)


def test_the_command_says_what_each_method_must_know() -> None:
    from typer.testing import CliRunner

    from lnl_core.cli import app

    said = CliRunner().invoke(app, ["methods"]).output.splitlines()
    assert "group_dro: must know group labels" in said
    assert "lff: must know nothing more than images and labels" in said


def test_frozen_layers_are_those_of_the_first_network_whether_features_are_kept_or_not() -> None:
    changes: dict[str, Any] = {"network": "mobilenet_v2", "frozen_blocks": 2, "precision": "float32", "augment": 0.5}
    config = preset("smoke", "lff", experiment="dogs_cats", **changes)
    network, data = build_network(config), animals("tb1", n=8, size=64)
    course = LffCourse(find("lff"), Training(find("lff"), network, data, config))
    mine, other = network.state_dict(), course.prejudiced.state_dict()
    frozen = [name for name in mine if name.startswith("extractor.frozen.")]
    assert frozen
    assert all(torch.equal(mine[name], other[name]) for name in frozen)
    assert not torch.equal(mine["label_head.fc.weight"], other["label_head.fc.weight"])


def begun(data: BiasedImages, folder: Path) -> RunConfig:
    """Leave a checkpoint of a first epoch; the run that it is of."""
    config = config_of("reweighing").with_options(epochs=2)

    def stop(network: LNLNetwork) -> dict[str, float]:
        if [*folder.glob("*.safetensors")]:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        fit(build_network(config), data, config, device="cpu", progress=False, out_dir=folder, validate=stop)
    return config


@pytest.mark.parametrize("changed", ["group", "color"])
def test_a_training_does_not_go_on_with_other_groups_or_colours(changed: str, some: BiasedImages, tmp_path: Path) -> None:
    config = begun(some, tmp_path)
    other = some.subset(slice(0, len(some)))
    setattr(other, changed, getattr(some, changed).flip(0))
    with pytest.raises(RecordError, match="was trained on other data"):
        fit(build_network(config), other, config, device="cpu", progress=False, out_dir=tmp_path)
    fit(build_network(config), some, config, device="cpu", progress=False, out_dir=tmp_path)


def test_a_checkpoint_of_before_groups_and_colours_were_remembered_goes_on(
    some: BiasedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = checkpoints.fingerprint
    with monkeypatch.context() as before:
        before.setattr(checkpoints, "fingerprint", lambda data: known(data).partition("-")[0])
        config = begun(some, tmp_path)
    history = fit(build_network(config), some, config, device="cpu", progress=False, out_dir=tmp_path)
    assert len(history) == 2


def test_exact_numbers_are_on_the_cpu_where_the_device_has_none() -> None:
    class OnMps:
        device = torch.device("mps")

        def cpu(self) -> Tensor:
            return torch.ones(2)

        def double(self) -> Tensor:
            raise TypeError("MPS has no float64")

    found = exact(OnMps())  # type: ignore[arg-type]
    assert (found.dtype, found.device.type) == (torch.float64, "cpu")
    assert exact(torch.ones(2)).dtype == torch.float64
