"""Mutual information backpropagation: its bound, its gradients, who moves when, resuming, and the claim with both controls."""

import copy
import logging
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages, synthetic_faces
from lnl_core.errors import ConfigError, DataError, NonFiniteLossError, RecordError
from lnl_core.evaluation import embeddings, evaluate_adversary
from lnl_core.information.estimators import BOUNDS, BOUNDS as ESTIMATORS, donsker_varadhan, moving_average_gain, nwj
from lnl_core.losses import label_loss
from lnl_core.methods.mi_backprop import Encoder, _judged, bound_gradients, clipped, encode
from lnl_core.methods.statistics_network import (
    StatisticsNetwork,
    bias_codes,
    code_entropy,
    information_bound,
    information_gain,
    statistics_network,
)
from lnl_core.networks import LNLNetwork, build_network, digit_network, parameter_count, ragonesi_network
from lnl_core.runs.run import load_model, run
from lnl_core.training import fit, fit_mi_backprop

# A toy: four pixels, one tells the bias, one the label, both with noise; in training label and bias mostly agree. Two features are
# too few to keep all four, so that what f keeps is a choice.


def toy_data(seed: int = 0, *, agree: float = 0.8, size: int = 512) -> BiasedImages:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size)
    bias = np.where(rng.random(size) < agree, labels, 1 - labels)
    pixels = rng.normal(128, 12, (size, 4))
    pixels[:, 0] += np.where(bias, 20, -20)
    pixels[:, 1] += np.where(labels, 20, -20)
    images = torch.from_numpy(pixels.clip(0, 255).astype(np.uint8)).view(size, 4, 1, 1)
    own = torch.from_numpy(bias)
    return BiasedImages(images, torch.from_numpy(labels), own, own, source="toy", classes=2, bias_classes=2)


def toy_network(seed: int = 0) -> LNLNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LNLNetwork(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), nn.Linear(2, 2), nn.Linear(2, 2))


def toy_config(method: str = "mi_backprop", **changes: Any) -> RunConfig:
    values: dict[str, Any] = {"epochs": 2, "batch_size": 64, "precision": "float32", "schedule": "constant", "lr": 0.1}
    if method == "mi_backprop":
        plain = {"optimizer": "sgd", "weight_decay": 5e-4, "warmup_epochs": 0, "bias_lr": 0.05}  # as the baseline has them
        values |= {**plain, "mi_weight": 1.0, "statistics_steps": 3, "statistics_lr": 1e-2, "statistics_refresh": 1}
    return preset("demo", method, **{**values, **changes})


def train(config: RunConfig, data: BiasedImages | None = None, **options: Any) -> tuple[LNLNetwork, list[dict[str, float]]]:
    network = toy_network(config.seed)
    return network, fit(network, toy_data() if data is None else data, config, device="cpu", progress=False, **options)


def same(first: LNLNetwork, second: LNLNetwork, parts: tuple[str, ...] = ("extractor", "label_head")) -> bool:
    return all(
        torch.equal(a, b)
        for part in parts
        for a, b in zip(getattr(first, part).parameters(), getattr(second, part).parameters(), strict=True)
    )


# The code of the bias


def test_a_painted_bias_is_the_largest_level_of_each_channel(few: BiasedImages) -> None:
    codes = bias_codes(few)
    assert codes.shape == (160, 24)
    for image, code in zip(few.images[:20].numpy(), codes[:20].numpy(), strict=True):
        for channel in range(3):
            assert code[8 * channel : 8 * channel + 8].argmax() == image[channel].max() // 32
    assert (codes.sum(1) == 3).all()


def test_a_label_is_one_hot() -> None:
    faces = synthetic_faces("eb1", n=40, size=32, learn="gender")
    codes = bias_codes(faces)
    assert codes.shape == (40, 12)
    assert torch.equal(codes.argmax(1), faces.bias)


def test_an_image_without_a_bias_is_refused() -> None:
    data = toy_data(size=4)
    data._bias[2] = 255
    with pytest.raises(DataError, match="images have no bias label, and the method needs one for each"):
        bias_codes(data)
    painted = BiasedImages(data.images, data.labels, torch.zeros(4, 1, 2, 2, dtype=torch.long), data.group, classes=2)
    with pytest.raises(DataError, match="painted images must have 3 channels, got 4"):
        bias_codes(painted)


def test_entropy_of_codes() -> None:
    codes = torch.eye(4)[torch.tensor([0, 0, 1, 2])]
    assert code_entropy(codes) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))


# The statistics network and the bound


def test_the_bound_of_a_batch_by_hand() -> None:
    together, apart = torch.tensor([1.0, 2.0]), torch.tensor([0.0, math.log(3)])
    assert float(donsker_varadhan(together, apart)) == pytest.approx(1.5 - math.log(2))
    assert float(nwj(together, apart)) == pytest.approx(1.5 - 2 / math.e)
    with pytest.raises(DataError, match="both must be vectors with at least one entry"):
        donsker_varadhan(torch.ones(2, 2), apart)


def test_both_forms_of_the_bounds_agree() -> None:
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    rest = scores[~torch.eye(5, dtype=torch.bool)]
    for bound in (donsker_varadhan, nwj):
        assert float(bound(scores)) == pytest.approx(float(bound(scores.diagonal(), rest)))
    assert float(moving_average_gain(scores)[0]) == pytest.approx(float(moving_average_gain(scores.diagonal(), apart=rest)[0]))


def test_the_network_is_the_authors() -> None:
    statistics = StatisticsNetwork(24, 3, 64)
    kinds = [type(layer).__name__ for layer in statistics.body]
    assert kinds == ["Linear", "LeakyReLU"] * 3 + ["Linear"]
    assert parameter_count(statistics) == (24 + 64 + 1) * 64 + 2 * 65 * 64 + 65


def test_the_scores_and_the_bound_of_the_network_by_hand() -> None:
    """Donsker and Varadhan's bound of a small T, written out with numpy; pairs apart take the code of another row."""
    statistics = StatisticsNetwork(2, 1, 3, width=4)
    codes, z, shuffle = torch.eye(2)[torch.tensor([0, 1, 1, 0])], torch.randn(4, 3), torch.tensor([1, 3, 0, 2])

    def score(code: Tensor, features: Tensor) -> Any:
        value = np.concatenate([code.numpy(), features.numpy()]).astype(np.float64)
        linear = [layer for layer in statistics.body if isinstance(layer, nn.Linear)]
        for number, layer in enumerate(linear):
            value = layer.weight.detach().numpy() @ value + layer.bias.detach().numpy()
            value = value if number == 3 else np.where(value > 0, value, 0.2 * value)
        return value.item()

    with torch.no_grad():
        together, apart = statistics(codes, z, shuffle)
    assert together.tolist() == pytest.approx([score(codes[i], z[i]) for i in range(4)], abs=1e-5)
    theirs = [score(codes[shuffle[i]], z[i]) for i in range(4)]
    assert apart.tolist() == pytest.approx(theirs, abs=1e-5)
    value = float(together.mean()) - math.log(sum(map(math.exp, theirs)) / 4)
    assert float(information_bound("donsker_varadhan", together, apart)) == pytest.approx(value, abs=1e-5)


def test_scores_of_all_pairs() -> None:
    codes = torch.cat([torch.eye(3)[torch.tensor([0, 1, 2, 0])], torch.eye(3)[torch.tensor([2, 2, 1, 0])]], dim=1)
    z, shuffle = torch.randn(4, 5), torch.arange(4)
    pairs = StatisticsNetwork(6, 2, 5, "info_nce", 8)
    scores, apart = pairs(codes, z, shuffle)
    assert apart is None
    torch.testing.assert_close(scores[1, 2], pairs.body(z[1]) @ pairs.of_code(codes[2]), atol=1e-5, rtol=1e-4)
    conditional = StatisticsNetwork(6, 2, 5, "club", 8)
    log_q, _ = conditional(codes, z, shuffle)
    first, second = conditional.body(z[1]).view(2, 3).log_softmax(1)
    torch.testing.assert_close(log_q[1, 2], first[2] + second[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradient_of_every_estimate(estimator: str) -> None:
    torch.manual_seed(0)
    statistics = StatisticsNetwork(4, 2, 3, estimator, width=6).double()
    codes = torch.cat([torch.eye(2)[torch.tensor([0, 1, 1, 0, 1])]] * 2, dim=1).double()
    z, shuffle = torch.randn(5, 3, dtype=torch.float64, requires_grad=True), torch.tensor([2, 0, 1, 4, 3])
    assert torch.autograd.gradcheck(lambda z: information_bound(estimator, *statistics(codes, z, shuffle)), (z,))


def test_the_moving_average_changes_the_gradient_and_not_the_value() -> None:
    """Against the quotient written out; the first batch has no average before it, so its gradient is the plain one."""
    together, apart = torch.tensor([0.5, 1.0]), torch.tensor([0.2, -1.0, 2.0], requires_grad=True)

    def gradient(estimator: str, average: Tensor | None) -> Tensor:
        gain, _ = information_gain(estimator, together, apart, average)
        return torch.autograd.grad(gain, apart)[0]

    torch.testing.assert_close(gradient("mine", None), gradient("donsker_varadhan", None))
    before = torch.tensor(3.0)
    average = 0.99 * math.exp(3) + 0.01 * apart.detach().exp().mean()
    torch.testing.assert_close(gradient("mine", before), -apart.detach().exp() / 3 / average)
    values = [information_bound(name, together, apart).detach() for name in ("mine", "donsker_varadhan")]
    assert torch.equal(*values)


def test_estimators_are_those_of_the_library() -> None:
    assert set(ESTIMATORS) == set(BOUNDS)


# The clipped gradient


def test_clipping_by_hand() -> None:
    bound = [torch.tensor([3.0, 4.0]), torch.tensor([[0.3, 0.4]]), torch.zeros(3), torch.tensor([1.0, 1.0])]
    label = [torch.tensor([0.0, 2.5]), torch.tensor([[1.0, 1.0]]), torch.ones(3), torch.zeros(2)]
    found = clipped(bound, label)
    expected = [torch.tensor([1.5, 2.0]), torch.tensor([[0.3, 0.4]]), torch.zeros(3), torch.zeros(2)]
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_f_alone_gets_the_clipped_gradient_of_the_bound(estimator: str) -> None:
    network, data, config = toy_network(), toy_data(size=32), toy_config(estimator=estimator)
    codes, batch, shuffle = bias_codes(data), data.batch(slice(0, 32)), torch.randperm(32)
    statistics = statistics_network(codes, 2, config)
    found = bound_gradients(network, statistics, batch, codes, shuffle, config)
    for module in (network.label_head, network.bias_head, statistics):
        assert all(parameter.grad is None for parameter in module.parameters())

    parameters = list(network.extractor.parameters())
    z = network.extractor(batch.images)
    bound = information_bound(estimator, *statistics(codes, z, shuffle))
    of_bound = torch.autograd.grad(bound, parameters, retain_graph=True)
    of_label = torch.autograd.grad(label_loss(network.label_head(z), batch.labels), parameters)
    assert float(found["bound"]) == pytest.approx(float(bound.detach()))
    for parameter, mine, theirs in zip(parameters, of_bound, of_label, strict=True):
        length = min(float(mine.norm()), float(theirs.norm()))
        torch.testing.assert_close(parameter.grad, mine * length / mine.norm(), atol=1e-6, rtol=1e-4)
    whole = torch.cat([gradient.flatten() for gradient in of_bound])
    assert float(found["bound_gradient"]) == pytest.approx(float(whole.norm()), rel=1e-4)
    assert found["clipped_gradient"] <= min(found["bound_gradient"], found["label_gradient"]) * (1 + 1e-6)


# Who moves, and in which order


def test_who_moves_in_which_step(monkeypatch: pytest.MonkeyPatch) -> None:
    import lnl_core.methods.mi_backprop as module

    network = toy_network()
    seen: list[tuple[str, dict[str, Tensor]]] = []
    made: list[StatisticsNetwork] = []

    def state() -> dict[str, Tensor]:
        parts = {"extractor": network.extractor, "label_head": network.label_head, "bias_head": network.bias_head, "T": made[0]}
        return {name: torch.nn.utils.parameters_to_vector(part.parameters()).detach() for name, part in parts.items()}

    def spy(name: str) -> None:
        real = getattr(module.MiCourse, name)

        def call(*arguments: Any, **options: Any) -> Any:
            seen.append((name, state()))
            return real(*arguments, **options)

        monkeypatch.setattr(module.MiCourse, name, call)

    def build(*arguments: Any) -> StatisticsNetwork:
        made.append(statistics_network(*arguments))
        return made[0]

    monkeypatch.setattr(module, "statistics_network", build)
    for name in ("label_step", "bound_step", "statistics_step"):
        spy(name)
    fit_mi_backprop(network, toy_data(size=200), toy_config(epochs=1), device="cpu", progress=False)
    seen.append(("end", state()))
    order = [name for name, _ in seen]
    a_step = ["label_step", "bound_step", *["statistics_step"] * 3]
    assert order == [*["statistics_step"] * 3, *a_step * 4, "end"], "three whole batches first, then K = 3 a step"
    expected = {"label_step": {"extractor", "label_head", "bias_head"}, "bound_step": {"extractor"}, "statistics_step": {"T"}}
    for (name, before), (_, after) in pairwise(seen):
        assert {part for part in before if not torch.equal(before[part], after[part])} == expected[name]


@pytest.mark.parametrize(("steps", "refresh"), [(2, 1), (7, 1), (2, 3), (0, 1)])
def test_the_batched_loop_is_the_plain_one(steps: int, refresh: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch written as the authors' loop reads: one pass through f for each step of T, one pass of T for each kind of pair.

    T descends by SGD here: Adam's first step is the sign of the gradient, and some gradients of T are 0 up to rounding.
    """
    monkeypatch.setattr(torch.optim, "Adam", lambda parameters, lr, fused: torch.optim.SGD(parameters, lr))
    changes: dict[str, Any] = {"statistics_steps": steps, "statistics_refresh": refresh, "statistics_lr": 0.3, "mi_weight": 0.7}
    config, data = toy_config(epochs=1, **changes), toy_data(size=300)
    fast, _ = train(config, data)
    slow, codes = toy_network(), bias_codes(data)
    statistics = statistics_network(codes, 2, config)
    of_statistics = torch.optim.SGD(statistics.parameters(), lr=config.statistics_lr)
    sgd: dict[str, Any] = {"momentum": config.momentum, "weight_decay": config.weight_decay}
    first = torch.optim.SGD([*slow.extractor.parameters(), *slow.label_head.parameters()], lr=config.lr, **sgd)
    second = torch.optim.SGD(slow.extractor.parameters(), lr=config.lr * config.mi_weight, momentum=config.momentum)
    generator = torch.Generator().manual_seed(700_000)
    batches = torch.randperm(300, generator=torch.Generator().manual_seed(0)).split(64)

    def orders(count: int, size: int) -> Tensor:
        return torch.rand(count, size, generator=generator).argsort(dim=1)

    def learn(index: Tensor, shuffle: Tensor, extractor: nn.Module) -> None:
        with torch.no_grad():
            z = extractor(data.batch(index).images)
        together, apart = (statistics.body(torch.cat([codes[some], z], 1)).flatten() for some in (index, index[shuffle]))
        of_statistics.zero_grad()
        (-(together.mean() - apart.exp().mean().log())).backward()
        of_statistics.step()

    for index, shuffle in zip(batches[:4], orders(4, 64), strict=True):
        learn(index, shuffle, slow.extractor)
    old = slow.extractor
    for number, index in enumerate(batches):
        batch = data.batch(index)
        first.zero_grad()
        label_loss(slow(batch.images), batch.labels).backward()
        first.step()
        (shuffle,) = orders(1, len(index))
        second.zero_grad()
        bound_gradients(slow, statistics, batch, codes[index], shuffle, config)
        second.step()
        old = copy.deepcopy(slow.extractor) if number % refresh == 0 else old
        for step, shuffle in enumerate(orders(steps, 64)):
            learn(batches[step % 4], shuffle, old)
    for mine, theirs in zip(fast.extractor.parameters(), slow.extractor.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_encoding_leaves_running_statistics_alone(few: BiasedImages) -> None:
    network, config = digit_network().train(), preset("demo", "mi_backprop", precision="float32")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = encode(network, few, torch.arange(10), config)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(found, network.extractor(few.batch(slice(0, 10)).images).flatten(1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("network", ["authors", "ragonesi"])
def test_the_encoder_gives_what_encode_gives_after_f_has_moved(few: BiasedImages, precision: str, network: str) -> None:
    config = preset("demo", "mi_backprop", precision=precision)
    parts = digit_network().train() if network == "authors" else ragonesi_network().train()
    batches = list(torch.arange(12).split(4))
    encoder = Encoder(parts, few, batches, config)
    with torch.no_grad():
        for parameter in parts.extractor.parameters():
            parameter.mul_(1.1).add_(0.01)
    before = {name: value.clone() for name, value in parts.state_dict().items()}
    found = encoder()
    assert all(torch.equal(value, before[name]) for name, value in parts.state_dict().items())
    assert found.shape[:2] == (3, 4)
    one_by_one = torch.stack([encode(parts, few, index, config) for index in batches])
    assert torch.equal(found, one_by_one)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_with_lambda_zero_f_and_g_are_the_baselines(optimizer: str) -> None:
    changes: dict[str, Any] = {"optimizer": optimizer, "lr": 0.1 if optimizer == "sgd" else 0.01}
    without, history = train(toy_config(mi_weight=0.0, **changes))
    baseline, _ = train(toy_config("baseline", **changes))
    assert same(without, baseline)
    assert history[-1]["bound"] > 0, "the bound is measured all the same"
    assert "clipped_gradient" not in history[-1]
    warming, _ = train(toy_config(warmup_epochs=2, **changes))
    assert same(warming, baseline)
    with_it, history = train(toy_config(mi_weight=1.0, **changes))
    assert not same(with_it, baseline)
    assert {"label_gradient", "bound_gradient", "clipped_gradient"} <= set(history[-1])


def test_h_watches_and_nothing_of_it_reaches_f() -> None:
    still, moving = (train(toy_config(bias_lr=rate))[0] for rate in (0.0, 0.1))
    assert same(still, moving)
    assert not same(still, moving, ("bias_head",))


# Bad input


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_constant_bias_is_said_once_and_trains_the_baseline(optimizer: str, caplog: pytest.LogCaptureFixture) -> None:
    data = toy_data()
    data._bias.zero_()
    config = toy_config(epochs=3, optimizer=optimizer, lr=0.01)
    with caplog.at_level(logging.WARNING):
        network, history = train(config, data)
    assert [record.getMessage() for record in caplog.records] == [
        "the bias takes one value only: its information is 0, and mi_backprop trains as the baseline"
    ]
    assert [line["bound"] for line in history] == [0.0] * 3
    baseline, _ = train(toy_config("baseline", epochs=3, optimizer=optimizer, lr=0.01), data)
    assert same(network, baseline)


def test_an_impossible_bound_is_reported_and_not_averaged(caplog: pytest.LogCaptureFixture) -> None:
    config = toy_config()
    good: dict[str, float] = {"epoch": 1, "bound": 0.7}
    assert _judged(dict(good), math.log(2), config, 1) == good
    for value in (1.1, -5.0):
        assert _judged({"epoch": 2, "bound": value}, math.log(2), config, 2) == {"epoch": 2, "bound_diverged": 1.0}
    assert "the estimate of donsker_varadhan diverged in epoch 2: 1.1 nats, where the bias has 0.693" in caplog.text
    above = {"epoch": 2, "bound": 1.1}
    assert _judged(dict(above), math.log(2), toy_config(estimator="club"), 2) == above, "CLUB is no lower bound"


def test_a_statistics_network_that_runs_away(caplog: pytest.LogCaptureFixture) -> None:
    _, history = train(toy_config(statistics_lr=1.0, epochs=3))
    diverged = [line for line in history if "bound_diverged" in line]
    assert diverged
    assert all("bound" not in line for line in diverged)
    with pytest.raises(NonFiniteLossError, match=r"the bound loss became (nan|inf|-inf) at step"):
        train(toy_config(estimator="nwj", statistics_lr=30.0, epochs=3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimator": "magic"}, "unknown estimator 'magic': choose one of donsker_varadhan, mine"),
        ({"statistics_steps": -1}, "statistics_steps must be a whole number of at least 0, got -1"),
        ({"statistics_refresh": 0}, "statistics_refresh must be a whole number of at least 1"),
        ({"network": "resnet18"}, "unknown network 'resnet18': choose one of ragonesi"),
        ({"adversary_steps": 2}, "adversary_steps belongs to method"),
        ({"clip_norm": 10.0}, "clip_norm belongs to method"),
        ({"augment": 0.5}, "augment belongs to method"),
        ({"updates": "alternating"}, "updates belongs to method"),
        (
            {"experiment": "dogs_cats", "bias_labels": "levels"},
            "method 'mi_backprop' needs one bias an image: set bias_labels to 'coat'",
        ),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        preset("demo", "mi_backprop", **changes)
    assert str(error.value).startswith(message)


def test_fit_mi_backprop_trains_no_other_method(few: BiasedImages) -> None:
    with pytest.raises(ConfigError, match="fit_mi_backprop trains the method 'mi_backprop', not 'lnl'"):
        fit_mi_backprop(toy_network(), toy_data(), preset("demo", "lnl"), device="cpu")


def test_both_doors_train_the_same(few: BiasedImages) -> None:
    first, second = toy_network(), toy_network()
    histories = [
        loop(network, toy_data(), toy_config(), device="cpu", progress=False)
        for loop, network in ((fit, first), (fit_mi_backprop, second))
    ]
    assert histories[0] == histories[1]
    assert same(first, second, ("extractor", "label_head", "bias_head"))


# Same seed, resuming, refusing


@pytest.mark.parametrize(("estimator", "optimizer"), [("mine", "adam"), ("donsker_varadhan", "sgd")])
def test_resuming_ends_with_the_same_weights_and_history(estimator: str, optimizer: str, tmp_path: Path) -> None:
    config = toy_config(epochs=3, estimator=estimator, optimizer=optimizer, lr=0.01)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    whole, history = train(config)
    assert torch.equal(state, torch.get_rng_state()), "the caller keeps its randomness"
    calls = 0

    def stop(network: LNLNetwork) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        train(config, out_dir=tmp_path, validate=stop)
    resumed, again = train(config, out_dir=tmp_path)
    assert same(whole, resumed, ("extractor", "label_head", "bias_head"))
    assert again == history
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    with pytest.raises(RecordError, match="trained on other data"):
        train(config, toy_data(1), out_dir=tmp_path)
    with pytest.raises(RecordError, match="holds another run"):
        train(config.with_options(mi_weight=0.5), out_dir=tmp_path)


def test_a_baseline_with_adam_resumes_too(tmp_path: Path) -> None:
    config = toy_config("baseline", epochs=3, optimizer="adam", lr=0.01)
    whole, _ = train(config)

    def stop(network: LNLNetwork) -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, out_dir=tmp_path, validate=lambda network: stop(network) if (tmp_path / "metrics.jsonl").exists() else {})
    resumed, _ = train(config, out_dir=tmp_path)
    assert same(whole, resumed)


# The networks


def test_the_network_of_the_authors() -> None:
    network = ragonesi_network()
    images = torch.rand(2, 3, 28, 28)
    z = network.extractor(images)
    assert z.shape == (2, 64)
    assert (z >= 0).all()
    assert network(images).shape == (2, 10)
    assert network.bias_head(z).shape == (2, 8, 3, 14, 14)
    sizes = [parameter_count(part) for part in (network.extractor, network.label_head, network.bias_head)]
    assert sizes == [664_960, 650, 1_560]


@pytest.mark.parametrize("experiment", ["colored_mnist", "faces"])
def test_the_cut_before_the_last_layer_changes_no_answer(experiment: str) -> None:
    config = preset("demo", "baseline", experiment=experiment)
    whole, cut = build_network(config).eval(), build_network(config.with_options(features="vector")).eval()
    images = torch.rand(2, 3, 28, 28) if experiment == "colored_mnist" else torch.rand(2, 3, 64, 64)
    assert torch.equal(whole(images), cut(images))
    assert cut.extractor(images).shape == (2, 64)
    expected = (2, 8, 3, 14, 14) if experiment == "colored_mnist" else (2, 12)
    assert cut.bias_head(cut.extractor(images)).shape == expected


def test_the_presets_have_the_authors_values() -> None:
    full = preset("full", "mi_backprop")
    values = (full.optimizer, full.lr, full.statistics_lr, full.batch_size, full.epochs, full.statistics_steps, full.mi_weight)
    assert values == ("adam", 1e-4, 1e-4, 128, 501, 40, 1.0)
    assert (full.network, full.schedule, full.weight_decay, full.statistics_width) == ("ragonesi", "constant", 0.0, 64)
    faces = preset("full", "mi_backprop", experiment="faces")
    assert (faces.lr, faces.batch_size, faces.epochs, faces.statistics_steps, faces.mi_weight) == (1e-5, 24, 10, 20, 0.9)
    assert (faces.statistics_width, faces.features) == (512, "vector")


# Runs


@pytest.mark.parametrize("network", [None, "ragonesi"])
def test_a_run_leaves_a_record_and_a_model_that_can_be_probed(network: str | None, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"train_size": 130, "test_size": 60, "epochs": 1, "statistics_steps": 1, "network": network}
    record = run(preset("smoke", "mi_backprop", **changes), tmp_path / "run", device="cpu", progress=False)
    assert (record.method, record.config["network"]) == ("mi_backprop", network)
    assert {"test_accuracy", "bias_probe_accuracy", "bias_mlp_probe_accuracy"} <= set(record.metrics)
    assert "foreground_probe_accuracy" not in record.metrics, "there are no places in a vector"
    model = load_model(tmp_path / "run")
    test = load_data_of(record.run_config())
    assert embeddings(model, test).shape == (60, 64)
    assert evaluate_adversary(model, test).cross_entropy > 0


def load_data_of(config: RunConfig) -> BiasedImages:
    from lnl_core.experiments.splits import load_data

    return load_data(config, "test")


@pytest.mark.parametrize("learn", ["gender", "age"])
def test_a_run_on_faces(learn: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"train_size": 32, "test_size": 60, "batch_size": 16, "learn": learn}
    record = run(preset("smoke", "mi_backprop", experiment="faces", **changes), tmp_path, device="cpu", progress=False)
    assert record.setting["learn"] == learn
    assert "opposite_accuracy" in record.metrics


# The claim, with both controls


def leak(network: LNLNetwork, seed: int) -> float:
    """Accuracy of a fresh linear probe of the bias on features of data in which label and bias are independent."""
    unbiased = toy_data(seed + 100, agree=0.5, size=1000)
    z = embeddings(network, unbiased).numpy()
    z = (z - z.mean(0)) / (z.std(0) + 1e-9)
    return float(LogisticRegression(max_iter=500).fit(z[:500], unbiased.bias[:500]).score(z[500:], unbiased.bias[500:]))


CLAIM: dict[str, Any] = {"epochs": 10, "statistics_steps": 10, "weight_decay": 0.0}


def test_the_bias_leaks_less_with_the_method_and_as_before_without_it() -> None:
    """Over three seeds. Measured before the margin was set: 0.76, 0.95, 0.86 without and 0.67, 0.78, 0.69 with it."""
    leaks: dict[str, list[float]] = {"baseline": [], "lambda 0": [], "lambda 3": []}
    for seed in range(3):
        data = toy_data(seed)
        configs = {
            "baseline": toy_config("baseline", seed=seed, epochs=10, weight_decay=0.0),
            "lambda 0": toy_config(mi_weight=0.0, seed=seed, **CLAIM),
            "lambda 3": toy_config(mi_weight=3.0, seed=seed, **CLAIM),
        }
        for name, config in configs.items():
            leaks[name].append(leak(train(config, data)[0], seed))
    assert leaks["lambda 0"] == leaks["baseline"]
    assert np.mean(leaks["lambda 3"]) < np.mean(leaks["baseline"]) - 0.07


def test_a_bound_near_zero_acquits_nobody() -> None:
    """Over three seeds. Measured before the margins were set: bounds 0.08, 0.03, 0.05 of log 2 nats, leaks 0.61, 0.70, 0.83."""
    bounds, leaks = [], []
    for seed in range(3):
        network, history = train(toy_config(mi_weight=3.0, seed=seed, **CLAIM), toy_data(seed))
        bounds.append(history[-1]["bound"])
        leaks.append(leak(network, seed))
    assert np.mean(bounds) < 0.1
    assert min(leaks) > 0.55
    assert np.mean(leaks) > 0.65


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimate_falls_where_it_is_descended(estimator: str) -> None:
    changes: dict[str, Any] = {**CLAIM, "epochs": 8, "statistics_steps": 5, "estimator": estimator}
    bounds = [train(toy_config(mi_weight=weight, **changes))[1][-1].get("bound") for weight in (0.0, 3.0)]
    assert bounds[0] is not None
    assert bounds[1] is not None
    assert bounds[0] > 0.15
    assert bounds[1] < 0.8 * bounds[0]
