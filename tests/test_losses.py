"""The losses: closed forms, gradients, and finiteness where a softmax underflows."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from lnl_core import information
from lnl_core.errors import DataError
from lnl_core.losses import bias_loss, confusion_loss, label_loss, negative_conditional_entropy, reverse_gradient

K = 8


def random_logits(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_bias(*shape: int, seed: int = 0) -> Tensor:
    """Bias labels of which about a third are background."""
    bias = torch.randint(0, 12, shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(bias < K, bias, 255)


def one_hot_logits(*shape: int) -> Tensor:
    """Logits (B, K, ...) so sharp that the prediction is one-hot in float32."""
    logits = torch.zeros(shape)
    logits[:, 3] = 1e4
    return logits


logit_arrays = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 9)), elements=st.floats(-30, 30)).map(
    torch.from_numpy
)
spatial_shapes = pytest.mark.parametrize("shape", [(5, K), (5, K, 3), (5, K, 3, 4, 4)])


# Closed forms


@spatial_shapes
def test_uniform_head_has_negative_entropy_minus_log_k(shape: tuple[int, ...]) -> None:
    assert negative_conditional_entropy(torch.full(shape, 1.7)).item() == pytest.approx(-math.log(K), abs=1e-6)


@spatial_shapes
def test_one_hot_head_has_negative_entropy_zero(shape: tuple[int, ...]) -> None:
    assert negative_conditional_entropy(one_hot_logits(*shape)).item() == 0


@spatial_shapes
def test_confusion_is_log_k_at_uniform(shape: tuple[int, ...]) -> None:
    assert confusion_loss(torch.full(shape, -0.3)).item() == pytest.approx(math.log(K), abs=1e-6)


@spatial_shapes
def test_bias_loss_is_log_k_at_uniform(shape: tuple[int, ...]) -> None:
    bias = random_bias(shape[0], *shape[2:])
    assert bias_loss(torch.zeros(shape), bias).item() == pytest.approx(math.log(K), abs=1e-6)


def test_label_loss_is_minus_the_log_probability_of_the_label() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    assert label_loss(logits, torch.tensor([1, 0])).item() == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2, abs=1e-6)


@given(logit_arrays)
def test_negative_entropy_agrees_with_the_exact_table(logits: Tensor) -> None:
    expected = -np.mean([information.entropy(row) for row in logits.softmax(1).numpy()])
    assert negative_conditional_entropy(logits).item() == pytest.approx(expected, abs=1e-9)


@given(logit_arrays)
def test_negative_entropy_lies_between_minus_log_k_and_zero(logits: Tensor) -> None:
    assert -math.log(logits.shape[1]) - 1e-12 <= negative_conditional_entropy(logits).item() <= 1e-12


@given(logit_arrays)
def test_confusion_is_log_k_plus_the_divergence_of_the_prediction_from_uniform(logits: Tensor) -> None:
    classes = logits.shape[1]
    uniform = np.full(classes, 1 / classes)
    divergence = np.mean([information.kl_divergence(uniform, row) for row in logits.softmax(1).numpy()])
    assert confusion_loss(logits).item() == pytest.approx(math.log(classes) + divergence, abs=1e-9)


@given(logit_arrays, st.floats(-50, 50))
def test_losses_ignore_a_constant_added_to_all_logits(logits: Tensor, constant: float) -> None:
    for loss in (negative_conditional_entropy, confusion_loss):
        assert loss(logits + constant).item() == pytest.approx(loss(logits).item(), abs=1e-9)


# The confusion loss of three public copies draws a random target; ours compares with the uniform distribution


@pytest.mark.parametrize("loss", [negative_conditional_entropy, confusion_loss])
def test_the_mean_can_be_kept_to_some_places(loss: Callable[..., Tensor]) -> None:
    """Where only one place counts, the loss is that place's; where none does it is 0 and has a finite gradient."""
    logits = random_logits(2, K, 3, 4, 4).requires_grad_()
    where = torch.zeros(2, 3, 4, 4, dtype=torch.bool)
    where[1, 2, 0, 3] = True
    kept = loss(logits, where)
    assert kept.item() == pytest.approx(loss(logits[1:, :, 2, 0, 3]).item(), abs=1e-6)
    (gradient,) = torch.autograd.grad(kept, logits)
    assert not gradient.movedim(1, -1)[~where].any()
    assert gradient.movedim(1, -1)[where].any()
    assert loss(logits, torch.ones_like(where)).item() == pytest.approx(loss(logits).item(), abs=1e-6)
    nowhere = loss(logits, torch.zeros_like(where))
    assert nowhere.item() == 0
    assert torch.isfinite(torch.autograd.grad(nowhere, logits)[0]).all()


def test_confusion_draws_no_random_number() -> None:
    logits = random_logits(16, K, 3)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = confusion_loss(logits)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(1)
    assert torch.equal(first, confusion_loss(logits))


def test_confusion_has_no_gradient_at_uniform() -> None:
    logits = torch.zeros(6, K, 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(confusion_loss(logits), logits)
    assert gradient.abs().max() < 1e-15


@given(logit_arrays)
def test_confusion_is_least_at_uniform(logits: Tensor) -> None:
    assert confusion_loss(logits).item() >= math.log(logits.shape[1]) - 1e-12


def test_confusion_grows_in_every_direction_away_from_uniform() -> None:
    for direction in torch.eye(K, dtype=torch.float64):
        assert confusion_loss(0.1 * direction[None]).item() > math.log(K) + 1e-5


def test_descending_confusion_makes_a_head_uniform() -> None:
    logits = random_logits(4, K).requires_grad_()
    for _ in range(400):
        (gradient,) = torch.autograd.grad(confusion_loss(logits), logits)
        logits = (logits - 10 * gradient).detach().requires_grad_()
    assert torch.allclose(logits.softmax(1), torch.full_like(logits, 1 / K), atol=1e-6)


# Bias loss: background, reductions


def test_bias_loss_leaves_background_out() -> None:
    logits, bias = random_logits(4, K, 3, 5, 5), random_bias(4, 3, 5, 5)
    labelled = bias != 255
    picked = logits.log_softmax(1).movedim(1, -1)[labelled].gather(1, bias[labelled][:, None])
    assert bias_loss(logits, bias).item() == pytest.approx(-picked.mean().item(), abs=1e-12)


def test_background_gets_no_gradient() -> None:
    logits, bias = random_logits(4, K, 3, 5, 5).requires_grad_(), random_bias(4, 3, 5, 5)
    for reduction in ("mean", "sum"):
        (gradient,) = torch.autograd.grad(bias_loss(logits, bias, reduction), logits)
        touched = (gradient != 0).any(dim=1)
        assert torch.equal(touched, bias != 255)


def test_sum_adds_one_cross_entropy_a_channel_as_the_authors_do() -> None:
    logits, bias = random_logits(4, K, 3, 5, 5), random_bias(4, 3, 5, 5)
    bias[:, 0, :2] = 255  # channels with different numbers of labelled places
    channels = [F.cross_entropy(logits[:, :, c], bias[:, c], ignore_index=255) for c in range(3)]
    assert bias_loss(logits, bias, "sum").item() == pytest.approx(sum(loss.item() for loss in channels), abs=1e-12)
    assert bias_loss(logits, bias, "mean").item() != pytest.approx(sum(loss.item() for loss in channels) / 3, abs=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_one_label_an_image_needs_no_reduction(reduction: str) -> None:
    logits, bias = random_logits(6, K), random_bias(6)
    assert bias_loss(logits, bias, reduction).item() == pytest.approx(
        F.cross_entropy(logits, bias, ignore_index=255).item(), abs=1e-12
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nothing_labelled_is_a_loss_of_zero_without_gradient(reduction: str) -> None:
    logits = random_logits(2, K, 3).requires_grad_()
    loss = bias_loss(logits, torch.full((2, 3), 255), reduction)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert (gradient == 0).all()


def test_bias_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit"):
        bias_loss(torch.zeros(2, K, 3, 4, 4), torch.zeros(2, 3, 4, dtype=torch.int64))


def test_unknown_reduction_is_refused() -> None:
    with pytest.raises(DataError, match="unknown reduction 'max'"):
        bias_loss(torch.zeros(2, K), torch.zeros(2, dtype=torch.int64), "max")


# Gradient reversal


@pytest.mark.parametrize("scale", [0.0, 0.1, 1.0, 2.5])
def test_reversal_multiplies_the_gradient_by_minus_the_scale(scale: float) -> None:
    x = random_logits(3, 4).requires_grad_()
    (plain,) = torch.autograd.grad((x**3).sum(), x)
    (reversed_,) = torch.autograd.grad((reverse_gradient(x, scale) ** 3).sum(), x)
    assert torch.equal(reversed_, plain * -scale)


def test_reversal_leaves_the_values_alone() -> None:
    x = random_logits(3, 4)
    assert torch.equal(reverse_gradient(x, 0.1), x)


def test_reversal_leaves_what_follows_it_descending() -> None:
    x, weight = random_logits(3, 4).requires_grad_(), random_logits(4, seed=1).requires_grad_()
    (with_reversal,) = torch.autograd.grad((reverse_gradient(x, 0.5) @ weight).sum(), weight)
    (without,) = torch.autograd.grad((x @ weight).sum(), weight)
    assert torch.equal(with_reversal, without)


# Gradients in float64

LABELS = torch.tensor([0, 2, 1])
BIAS = random_bias(3, 2, 2, seed=3)
LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "negative_conditional_entropy": negative_conditional_entropy,
    "confusion": confusion_loss,
    "bias mean": lambda logits: bias_loss(logits, BIAS, "mean"),
    "bias sum": lambda logits: bias_loss(logits, BIAS, "sum"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_of_each_bias_term(name: str) -> None:
    assert torch.autograd.gradcheck(LOSSES[name], (random_logits(3, K, 2, 2).requires_grad_(),))


def test_gradient_of_the_label_loss() -> None:
    assert torch.autograd.gradcheck(lambda logits: label_loss(logits, LABELS), (random_logits(3, 4).requires_grad_(),))


# Numerical range


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_terms_and_gradients_stay_finite_where_a_softmax_underflows(dtype: torch.dtype, size: float) -> None:
    logits = torch.tensor([[size, -size, 0.0], [-size, -size, size]]).to(dtype).requires_grad_()
    target = torch.tensor([1, 0])
    for loss in (
        negative_conditional_entropy(logits),
        confusion_loss(logits),
        bias_loss(logits, target),
        label_loss(logits, target),
    ):
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_the_plain_formula_is_not_finite_there() -> None:
    q = torch.tensor([[1e4, -1e4, 0.0]]).softmax(1)
    assert torch.isnan((q * q.log()).sum())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_reduced_in_float32(dtype: torch.dtype) -> None:
    logits = random_logits(64, K, 3, dtype=torch.float32).to(dtype)
    bias = random_bias(64, 3)
    for loss in (negative_conditional_entropy, confusion_loss, lambda x: bias_loss(x, bias)):
        assert loss(logits).dtype == torch.float32
        assert torch.equal(loss(logits), loss(logits.float()))
