"""Other adversaries than a single h: several heads, an h that is told the label, one that starts again. Who moves, and where to."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_methods import assert_same, entropy_term, gradient_of, gradients, label_term, of
from torch import Tensor, nn

from lnl_core.config import RunConfig, preset
from lnl_core.datasets import BiasedImages
from lnl_core.datasets.container import Batch
from lnl_core.errors import ConfigError
from lnl_core.evaluation import evaluate_adversary
from lnl_core.losses import bias_loss
from lnl_core.methods import find, two_pass_gradients
from lnl_core.networks import BiasHeads, LNLNetwork, PixelBiasHead, build_network, digit_network
from lnl_core.runs.run import load_model, save_model
from lnl_core.training import CHECKPOINT, fit

OTHER = ({"adversaries": 2}, {"conditional_adversary": True}, {"adversaries": 3, "conditional_adversary": True})


def config_of(method: str = "lnl", **changes: Any) -> RunConfig:
    weights = {"mi_weight": 0.7, "adv_weight": 0.3, "confusion_weight": 0.4}
    own = {name: value for name, value in weights.items() if preset("full", method).unread(name) is None}
    return preset("full", method, **{**own, **changes})


def network_of(config: RunConfig) -> LNLNetwork:
    return build_network(config).double()


@pytest.fixture(scope="module")
def batch(mini_train: BiasedImages) -> Batch:
    step = mini_train.batch(torch.arange(0, 3500, 450))
    return Batch(step.images.double(), step.labels, step.bias)


def one_head(network: LNLNetwork, head: int) -> LNLNetwork:
    """The network with a single one of its heads; parameters are shared."""
    assert isinstance(network.bias_head, BiasHeads)
    return LNLNetwork(network.extractor, network.label_head, network.bias_head.heads[head])


# Several heads


@pytest.mark.parametrize("changes", OTHER)
def test_f_g_and_the_first_head_start_as_without_the_others(changes: dict[str, Any]) -> None:
    plain, other = build_network(config_of()), build_network(config_of(**changes))
    assert isinstance(plain.bias_head, PixelBiasHead)
    assert isinstance(other.bias_head, BiasHeads)
    assert_same(dict(other.extractor.named_parameters()), dict(plain.extractor.named_parameters()))
    assert_same(dict(other.label_head.named_parameters()), dict(plain.label_head.named_parameters()))
    assert_same(dict(other.bias_head.heads[0].named_parameters()), dict(plain.bias_head.named_parameters()))
    weights = [float(head.state_dict()["layers.0.weight"].sum()) for head in other.bias_head.heads]
    assert len(set(weights)) == len(weights) == other.adversaries


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_each_head_descends_its_own_loss_and_f_feels_their_mean(reduction: str, batch: Batch) -> None:
    config = config_of(adversaries=3, bias_reduction=reduction)
    network = network_of(config)
    find("lnl").step(network, batch, config)
    found = gradients(network)

    def own_loss(head: int) -> Any:
        return lambda net: bias_loss(one_head(net, head).read_bias(net.extractor(batch.images), batch)[0], batch.bias, reduction)

    def own_entropy(head: int) -> Any:
        return lambda net: entropy_term(batch)(one_head(net, head))

    for head in range(3):
        wanted = of(f"bias_head.heads.{head}.", gradient_of(own_loss(head), network))
        assert_same(of(f"bias_head.heads.{head}.", found), wanted)
    wanted = gradient_of(label_term(batch), network)
    for head in range(3):
        entropy = gradient_of(own_entropy(head), network)
        bias = gradient_of(own_loss(head), network)
        for name in of("extractor", wanted):
            wanted[name] += (config.mi_weight * entropy[name] - config.adv_weight * bias[name]) / 3
    assert_same(of("extractor", found), of("extractor", wanted))
    assert_same(of("label_head", found), of("label_head", wanted))


def test_twice_the_same_head_is_one_head(batch: Batch) -> None:
    one, two = network_of(config_of()), network_of(config_of(adversaries=2))
    assert isinstance(two.bias_head, BiasHeads)
    two.bias_head.heads[1].load_state_dict(two.bias_head.heads[0].state_dict())
    losses = [find("lnl").step(network, batch, config_of(adversaries=network.adversaries)) for network in (one, two)]
    for name in losses[0]:
        assert torch.allclose(losses[0][name], losses[1][name], atol=1e-12)
    assert_same(of("extractor", gradients(two)), of("extractor", gradients(one)))
    for name, value in of("bias_head", gradients(one)).items():
        for head in (0, 1):
            assert torch.allclose(gradients(two)[name.replace("bias_head", f"bias_head.heads.{head}")], value, atol=1e-10)


@pytest.mark.parametrize("method", ["lnl", "blind_eye_grl", "bias_balanced"])
@pytest.mark.parametrize("changes", OTHER)
def test_one_pass_equals_two_passes(method: str, changes: dict[str, Any], batch: Batch) -> None:
    config = config_of(method, **changes)
    one, two = network_of(config), network_of(config)
    losses, reference = find(method).step(one, batch, config), two_pass_gradients(two, batch, config)
    assert_same(gradients(one), gradients(two))
    for name in losses:
        assert torch.allclose(losses[name], reference[name], atol=1e-10)


@pytest.mark.parametrize(
    "changes", [*OTHER, {"adversary_steps": 3, "adversaries": 2}, {"updates": "alternating", "adversaries": 2}]
)
def test_everyone_moves_in_training(changes: dict[str, Any], few: BiasedImages) -> None:
    config = config_of(epochs=1, batch_size=32, weight_decay=0.0, **changes)
    network = build_network(config)
    before = {name: value.clone() for name, value in network.named_parameters()}
    fit(network, few.subset(slice(0, 32)), config, device="cpu", progress=False)
    stayed = {name for name, value in network.named_parameters() if torch.equal(before[name], value)}
    assert not {name for name in stayed if not name.endswith("bias")}, "every weight, those of all heads included"


def test_h_is_asked_head_by_head(few: BiasedImages) -> None:
    """The reading of two heads is the mean of their readings."""
    two = build_network(config_of(adversaries=2)).eval()
    singles = [one_head(two, head).eval() for head in (0, 1)]
    readings = [evaluate_adversary(one, few) for one in singles]
    found = evaluate_adversary(two, few)
    assert found.accuracy == pytest.approx((readings[0].accuracy + readings[1].accuracy) / 2)
    assert found.cross_entropy == pytest.approx((readings[0].cross_entropy + readings[1].cross_entropy) / 2)
    assert (found.chance, found.entropy) == pytest.approx((readings[0].chance, readings[0].entropy))


# An h that is told the label


def test_a_told_head_knows_what_the_label_tells_and_no_more() -> None:
    """Features of noise. Of two biases one is the label and the other independent of it: only a told h reads the first, none the
    second. Its loss goes to H(B|Y), an untold one's stays at H(B)."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 6, generator=generator)
    labels = torch.randint(4, (400,), generator=generator)
    chance = torch.randint(4, (400,), generator=generator)

    def loss_of(told: bool, bias: Tensor) -> float:
        torch.manual_seed(1)
        h = BiasHeads([nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 4))], labels=4 if told else 0, features=6)
        network = LNLNetwork(nn.Identity(), nn.Identity(), h)
        optimizer = torch.optim.Adam(h.parameters(), lr=0.03)
        for start in 80 * [0]:
            part = Batch(features[start:300], labels[start:300], bias[start:300])
            logits, held_against = network.read_bias(part.images, part)
            optimizer.zero_grad()
            F.cross_entropy(logits, held_against).backward()
            optimizer.step()
        rest = Batch(features[300:], labels[300:], bias[300:])
        with torch.no_grad():
            return float(F.cross_entropy(*network.read_bias(rest.images, rest)))

    assert loss_of(True, labels) < 0.2
    assert loss_of(False, labels) > 1.2
    assert loss_of(True, chance) > 1.2


def test_a_hint_of_zeros_is_no_hint(batch: Batch) -> None:
    plain, told = network_of(config_of()), network_of(config_of(conditional_adversary=True))
    assert isinstance(told.bias_head, BiasHeads)
    assert told.bias_head.told is not None
    features = plain.extractor(batch.images)
    logits, bias = told.read_bias(features, batch)
    assert not torch.allclose(logits, plain.bias_head(features)), "control: the hint counts"
    nn.init.zeros_(told.bias_head.told.weight)
    logits, bias = told.read_bias(features, batch)
    assert torch.allclose(logits, plain.bias_head(features))
    assert bias is batch.bias or torch.equal(bias, batch.bias)


def test_the_hint_is_hs_own(batch: Batch) -> None:
    """Only L_B moves it: neither the entropy term nor mu does."""
    found = []
    variants: tuple[dict[str, Any], ...] = ({}, {"mi_weight": 0.0}, {"adv_weight": 9.0})
    for changes in variants:
        config = config_of(conditional_adversary=True, **changes)
        network = network_of(config)
        find("lnl").step(network, batch, config)
        found.append(gradients(network)["bias_head.told.weight"])
    assert found[0].abs().sum() > 0
    assert all(torch.equal(found[0], other) for other in found[1:])


# An h that starts again


def trained(config: RunConfig, data: BiasedImages, out_dir: Path | None = None) -> dict[str, Tensor]:
    network = build_network(config)
    fit(network, data, config, out_dir=out_dir, device="cpu", progress=False)
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_h_starts_again_and_f_and_g_do_not(few: BiasedImages) -> None:
    """At rates of 0 nothing else moves: after the restart h has other weights, drawn from seed and epoch, and f and g their own."""
    config = config_of(epochs=2, lr=0.0, bias_lr=0.0, weight_decay=0.0, adversary_reset=1)
    start = dict(build_network(config).named_parameters())
    end = trained(config, few)
    moved = {name.split(".")[0] for name, value in start.items() if not torch.equal(value, end[name])}
    assert moved == {"bias_head"}
    other_seed = trained(config.with_options(seed=1), few)
    assert not torch.equal(end["bias_head.layers.0.weight"], other_seed["bias_head.layers.0.weight"])
    never = trained(config.with_options(adversary_reset=2), few)
    assert all(torch.equal(value, never[name]) for name, value in start.items()), "control"


def test_a_restart_that_never_comes_changes_nothing(few: BiasedImages) -> None:
    config = config_of(epochs=2)
    never, later = trained(config, few), trained(config.with_options(adversary_reset=2), few)
    assert all(torch.equal(never[name], later[name]) for name in never)
    again = trained(config.with_options(adversary_reset=1), few)
    assert any(not torch.equal(never[name], again[name]) for name in never)


def test_an_interrupted_run_restarts_h_as_an_uninterrupted_one(few: BiasedImages, tmp_path: Path) -> None:
    config = config_of(epochs=3, adversary_reset=1, adversaries=2, conditional_adversary=True)
    whole = trained(config, few)

    class Stop(Exception):
        pass

    def stop(_: LNLNetwork) -> dict[str, float]:
        raise Stop

    network = build_network(config)
    calls = iter([lambda _: {}, stop])
    with pytest.raises(Stop):
        fit(network, few, config, out_dir=tmp_path, device="cpu", progress=False, validate=lambda net: next(calls)(net))
    assert (tmp_path / CHECKPOINT).is_file()
    resumed = trained(config, few, tmp_path)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


# Configurations


def test_names_of_runs_stay_and_other_adversaries_have_their_own() -> None:
    plain = preset("demo", "lnl")
    prints = [plain.with_options(**changes).fingerprint() for changes in (*OTHER, {"adversary_reset": 5})]
    assert len({plain.fingerprint(), *prints}) == 5
    assert plain.with_options(adversaries=1, conditional_adversary=False, adversary_reset=0).fingerprint() == plain.fingerprint()
    assert RunConfig.from_dict({k: v for k, v in plain.to_dict().items() if k != "adversaries"}) == plain, "an older record"


def test_bad_adversaries_are_one_sentence() -> None:
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"adversaries": 0}, "adversaries must be a whole number of at least 1, got 0"),
        ({"adversary_reset": -1}, "adversary_reset must be a whole number of at least 0, got -1"),
        ({"conditional_adversary": 1}, "conditional_adversary must be true or false, got 1"),
    )
    for changes, message in wrong:
        with pytest.raises(ConfigError, match=message):
            preset("demo", "lnl", **changes)
    with pytest.raises(ConfigError, match="adversary_reset needs feature maps of the digit network: leave it out of dogs_cats"):
        preset("demo", "lnl", experiment="dogs_cats", adversary_reset=1)


# An h that nobody trained


def _asked(network: LNLNetwork, data: BiasedImages, caplog: pytest.LogCaptureFixture) -> bool:
    """Whether asking the network's h says that it was never trained."""
    caplog.clear()
    evaluate_adversary(network, data)
    return "the h of this network was never trained" in caplog.text


@pytest.mark.parametrize("method", ["baseline", "gray", "bias_balanced", "lnl", "blind_eye", "mi_backprop"])
def test_a_model_file_says_whether_its_h_was_trained(method: str, tmp_path: Path) -> None:
    network = build_network(preset("smoke", method))
    assert network.h_trained is False
    loaded = load_model(save_model(network, preset("smoke", method), tmp_path / "model.safetensors"))
    assert loaded.h_trained is (method not in ("baseline", "gray"))


@pytest.mark.parametrize("method", ["baseline", "lnl"])
def test_an_h_that_was_never_trained_is_not_read_without_a_word(
    method: str, few: BiasedImages, caplog: pytest.LogCaptureFixture
) -> None:
    config = preset("smoke", method, epochs=1)
    network = build_network(config)
    assert _asked(network, few, caplog), "nothing is trained yet"
    fit(network, few, config, progress=False)
    assert _asked(network, few, caplog) is (method == "baseline")


def test_nothing_is_said_of_a_network_of_ones_own(few: BiasedImages, caplog: pytest.LogCaptureFixture) -> None:
    assert not _asked(digit_network(), few, caplog)
