"""p(y|b), the sampling that weakens it, and the label loss that leaves it out."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, strategies as st
from scipy.special import ndtr
from torch import Tensor

from lnl_core.config import preset
from lnl_core.datasets import MEAN_COLORS, BiasedImages, colored_mnist
from lnl_core.losses import balanced_label_loss, label_loss
from lnl_core.methods.bias_balanced import Balance, label_given_bias
from lnl_core.networks import build_network
from lnl_core.training import fit


def two_groups(size: int = 4000) -> tuple[BiasedImages, Tensor]:
    """Labels 0 and 1 whose group is the label in nine of ten cases; the exact p(y|b), (2, 10)."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(size) % 2
    group = torch.where(torch.rand(size, generator=generator) < 0.9, labels, 1 - labels)
    images = torch.zeros(size, 3, 28, 28, dtype=torch.uint8)
    counts = torch.stack([torch.bincount(labels[group == g], minlength=10) for g in range(2)]).double()
    return BiasedImages(images, labels, group.view(-1, 1, 1, 1).expand(-1, 3, 14, 14), group), counts / counts.sum(1, keepdim=True)


def test_the_estimate_equals_frequencies_where_the_bias_is_a_group() -> None:
    data, exact = two_groups()
    found = label_given_bias(data).exp()
    assert torch.allclose(found.double(), exact[data.group], atol=0.02)
    assert torch.allclose(found.sum(1), torch.ones(len(data)), atol=1e-5)


def test_the_estimate_is_close_to_the_exact_posterior_of_the_colour() -> None:
    """Truncated normals: the density of a colour given each digit, in closed form."""
    variance = 0.03
    data = colored_mnist("train", variance, source="mini")
    assert data.color is not None
    deviation, color = math.sqrt(variance), data.color.double().numpy()
    inside = np.prod(ndtr((1 - MEAN_COLORS) / deviation) - ndtr(-MEAN_COLORS / deviation), axis=1)
    density = np.exp(-((color[:, None] - MEAN_COLORS) ** 2).sum(2) / (2 * variance)) / inside
    exact = density / density.sum(1, keepdims=True)
    found = label_given_bias(data).exp().double().numpy()
    assert np.abs(found - exact).sum(1).mean() / 2 < 0.08  # mean total variation
    labels = data.labels.numpy()
    excess = np.log(exact[np.arange(len(labels)), labels]).mean() - np.log(found[np.arange(len(labels)), labels]).mean()
    assert excess < 0.05


def test_the_estimate_leaves_the_callers_randomness_alone() -> None:
    data, _ = two_groups(64)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = label_given_bias(data, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, label_given_bias(data, seed=1))
    assert not torch.equal(first, label_given_bias(data, seed=2))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_sampling_turns_p_of_y_given_b_into_the_prior_that_is_announced(power: float) -> None:
    data, _ = two_groups()
    balance = Balance.of(data, preset("smoke", "bias_balanced", balance_power=power))
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([index for _ in range(5) for index in balance.batches(128, generator)])
    assert len(drawn) == 5 * len(data)
    for group in range(2):
        labels = data.labels[drawn][data.group[drawn] == group]
        announced = balance.log_prior[data.group == group, :2].softmax(1).mean(0)  # the other eight classes never occur
        assert torch.allclose(torch.bincount(labels, minlength=2) / len(labels), announced, atol=0.03)
    strength = float(balance.log_prior[:, :2].softmax(1).max())
    assert strength == pytest.approx({0.0: 0.9, 0.5: 0.75, 1.0: 0.5}[power], abs=0.02)  # of 0.9 : 0.1, its root, nothing


def test_the_prior_is_weaned_from_its_own_to_uniform() -> None:
    data, _ = two_groups(200)
    config = preset("smoke", "bias_balanced", epochs=10, balance_wean=1.0)
    balance = Balance.of(data, config)
    index = torch.arange(5)
    assert torch.allclose(balance.prior(index, config, 0.0), balance.log_prior[index], atol=1e-5)
    assert torch.allclose(balance.prior(index, config, 8.0), torch.full((5, 10), -math.log(10)), atol=1e-5)
    quarter = 0.75 * balance.log_prior[index].exp() + 0.25 / 10
    assert torch.allclose(balance.prior(index, config, 4.0).exp(), quarter, atol=1e-5)
    never = config.with_options(balance_wean=0.0)
    assert torch.equal(balance.prior(index, never, 8.0), balance.log_prior[index])
    half = config.with_options(balance_wean=0.5)
    assert torch.allclose(balance.prior(index, half, 10.0).exp(), 0.5 * balance.log_prior[index].exp() + 0.05, atol=1e-5)


@given(st.integers(0, 10_000))
def test_the_balanced_loss_is_stationary_at_the_log_likelihood_of_the_shape(seed: int) -> None:
    """Where shape s and bias b are independent given y, g = log p(s|y) minimises the expected loss, however biased p(y|b) is."""
    rng = np.random.default_rng(seed)
    classes, shapes, biases = 3, 4, 2
    shape_given = rng.dirichlet(np.ones(shapes), classes)  # p(s|y)
    joint = rng.dirichlet(np.ones(classes * biases)).reshape(classes, biases)  # p(y, b)
    table = torch.tensor(np.einsum("ys,yb->ysb", shape_given, joint))
    prior = torch.tensor(joint / joint.sum(0)).log()  # log p(y|b)
    g = torch.tensor(np.log(shape_given.T)).requires_grad_()  # (s, y)
    cells = [(y, s, b) for y in range(classes) for s in range(shapes) for b in range(biases)]
    losses = [balanced_label_loss(g[s][None], torch.tensor([y]), prior[:, b][None]) for y, s, b in cells]
    expected = sum(table[cell] * loss for cell, loss in zip(cells, losses, strict=True))
    (gradient,) = torch.autograd.grad(torch.as_tensor(expected), g)
    assert gradient.abs().max() < 1e-9


def test_a_uniform_prior_changes_nothing_and_a_certain_one_leaves_nothing_to_learn() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    uniform = torch.full((6, 4), -math.log(4)).double()
    assert balanced_label_loss(logits, labels, uniform).item() == pytest.approx(label_loss(logits, labels).item())
    certain = torch.full((6, 4), -40.0).double().scatter(1, labels[:, None], 0.0)
    loss = balanced_label_loss(logits, labels, certain)
    assert loss.item() < 1e-12
    assert torch.autograd.grad(loss, logits)[0].abs().max() < 1e-12
    assert torch.autograd.gradcheck(lambda x: balanced_label_loss(x, labels, F.log_softmax(uniform + 1, dim=1)), logits)


def test_training_resumes_to_the_same_weights(tmp_path_factory: pytest.TempPathFactory, mini_train: BiasedImages) -> None:
    data = mini_train.subset(slice(0, 256))
    config = preset("smoke", "bias_balanced", warmup_epochs=0)
    whole, broken = build_network(config), build_network(config)
    fit(whole, data, config, device="cpu", progress=False)
    folder = tmp_path_factory.mktemp("balanced")

    calls: list[int] = []

    def second_time(_: object) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        fit(broken, data, config, out_dir=folder, device="cpu", validate=second_time, progress=False)
    again = build_network(config)
    fit(again, data, config, out_dir=folder, device="cpu", progress=False)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))
