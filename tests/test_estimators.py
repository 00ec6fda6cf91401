"""Estimates of information against closed forms: discrete tables, normal pairs of known correlation, and shuffled pairs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from sklearn.feature_selection import mutual_info_regression
from torch import Tensor

from lnl_core.errors import ConfigError, DataError
from lnl_core.information import conditional_entropy, entropy, gaussian_information, mutual_information
from lnl_core.information.estimators import (
    BOUNDS,
    club,
    donsker_varadhan,
    estimate_information,
    info_nce,
    ksg,
    moving_average_gain,
    nwj,
)

Array = NDArray[np.float64]
COUNTS = np.array([[12, 3, 1], [2, 10, 4], [1, 2, 15]])  # 50 pairs
JOINT = COUNTS / COUNTS.sum()
LOWER = ("donsker_varadhan", "mine", "nwj", "info_nce")


def normal_pairs(size: int, correlation: float, dimensions: int = 1, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(size, dimensions))
    return a, correlation * a + math.sqrt(1 - correlation**2) * rng.normal(size=(size, dimensions))


def normal_scores(a: Array, b: Array, correlation: float) -> tuple[Tensor, Tensor]:
    """The true log p(b|a) / p(b) and log p(b|a) of every a with every b, one dimension."""
    rest = 1 - correlation**2
    log_q = -0.5 * ((b.T - correlation * a) ** 2 / rest + math.log(2 * math.pi * rest))
    log_p = -0.5 * (b.T**2 + math.log(2 * math.pi))
    return torch.from_numpy(log_q - log_p), torch.from_numpy(log_q)


def pairs_of_table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A sample whose shares are exactly those of the table."""
    rows, columns = np.divmod(np.repeat(np.arange(COUNTS.size), COUNTS.ravel()), COUNTS.shape[1])
    return rows, columns


def random_scores(seed: int, size: int = 12, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# Bounds from a matrix of scores


def test_the_best_critic_of_a_table_gives_its_information_up_to_the_missing_diagonal() -> None:
    """With T = log p(a,b)/(p(a)p(b)) the mean of e^T over *all* pairs is 1; without the diagonal it is 1 - chi^2 / (n - 1)."""
    rows, columns = pairs_of_table()
    ratio = JOINT / np.outer(JOINT.sum(1), JOINT.sum(0))
    scores = torch.from_numpy(np.log(ratio[rows[:, None], columns[None, :]]))
    chi_squared = float((JOINT * ratio).sum() - 1)
    apart = 1 - chi_squared / 49
    exact = mutual_information(JOINT)
    assert float(donsker_varadhan(scores)) == pytest.approx(exact - math.log(apart), abs=1e-12)
    assert float(nwj(scores + 1)) == pytest.approx(exact + 1 - apart, abs=1e-12)


def test_the_true_conditional_of_a_table_gives_club_above_the_information() -> None:
    rows, columns = pairs_of_table()
    log_q = np.log(JOINT / JOINT.sum(1, keepdims=True))
    product = np.outer(JOINT.sum(1), JOINT.sum(0))
    together = -conditional_entropy(JOINT.T)
    apart = (50 * float((product * log_q).sum()) - together) / 49  # all pairs, less the diagonal
    value = float(club(torch.from_numpy(log_q[rows[:, None], columns[None, :]])))
    assert value == pytest.approx(together - apart, abs=1e-12)
    assert value > mutual_information(JOINT)


@pytest.mark.parametrize("correlation", [0.3, 0.8])
def test_bounds_of_normal_pairs_with_the_true_densities(correlation: float) -> None:
    a, b = normal_pairs(3000, correlation)
    scores, log_q = normal_scores(a, b, correlation)
    exact = gaussian_information(correlation)
    assert float(donsker_varadhan(scores)) == pytest.approx(exact, abs=0.04)
    assert float(nwj(scores + 1)) == pytest.approx(exact, abs=0.04)
    assert float(info_nce(scores)) == pytest.approx(exact, abs=0.04)
    assert float(club(log_q)) == pytest.approx(correlation**2 / (1 - correlation**2), rel=0.1)
    assert float(club(log_q)) > exact


def test_club_with_a_wrong_conditional_is_no_upper_bound() -> None:
    a, b = normal_pairs(3000, 0.9)
    _, log_q = normal_scores(a, b, 0.1)  # believes in a weak correlation
    assert float(club(log_q)) < gaussian_information(0.9) / 2


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 200))
def test_laws_of_the_bounds_for_any_scores(seed: int, scale: float) -> None:
    scores = random_scores(seed, scale=scale)
    assert float(nwj(scores)) <= float(donsker_varadhan(scores)) + 1e-9
    assert float(info_nce(scores)) <= math.log(12) + 1e-9
    shifted = scores + 7.5
    assert float(donsker_varadhan(shifted)) == pytest.approx(float(donsker_varadhan(scores)), abs=1e-9)
    assert float(club(shifted)) == pytest.approx(float(club(scores)), abs=1e-9)
    assert float(info_nce(scores + torch.arange(12)[:, None])) == pytest.approx(float(info_nce(scores)), abs=1e-9)


def test_scores_that_say_nothing_prove_nothing() -> None:
    flat = torch.full((8, 8), 1.0)
    assert [float(value(flat)) for value in (donsker_varadhan, nwj, info_nce, club)] == pytest.approx([0] * 4, abs=1e-6)


def test_info_nce_reaches_its_ceiling_where_every_pair_is_told_apart() -> None:
    assert float(info_nce(1000 * torch.eye(64))) == pytest.approx(math.log(64))
    assert float(donsker_varadhan(1000 * torch.eye(64))) == pytest.approx(1000)  # and this one has no ceiling: a broken critic


def test_large_scores_do_not_overflow() -> None:
    assert math.isfinite(float(donsker_varadhan(torch.full((4, 4), 1e4))))


@pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 1)])
def test_scores_that_are_no_square_are_refused(shape: tuple[int, ...]) -> None:
    for value in (donsker_varadhan, nwj, info_nce, club, moving_average_gain):
        with pytest.raises(DataError, match="square"):
            value(torch.zeros(shape))


# The moving average


def _gradient(gain: Tensor, scores: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(gain, scores, retain_graph=True)
    return gradient


def test_moving_average_of_rate_one_is_the_gradient_of_the_bound() -> None:
    scores = random_scores(0).requires_grad_()
    gain, average = moving_average_gain(scores, torch.tensor(5.0), rate=1.0)
    torch.testing.assert_close(_gradient(gain, scores), _gradient(donsker_varadhan(scores), scores))
    apart = scores.detach()[~torch.eye(12, dtype=torch.bool)]
    assert float(average) == pytest.approx(math.log(float(apart.exp().mean())))


def test_moving_average_mixes_the_means_and_divides_by_the_mixture() -> None:
    scores = random_scores(1).requires_grad_()
    apart = scores.detach()[~torch.eye(12, dtype=torch.bool)]
    gain, average = moving_average_gain(scores, torch.tensor(math.log(3.0), dtype=torch.float64), rate=0.25)
    mixed = 0.75 * 3.0 + 0.25 * float(apart.exp().mean())
    assert float(average) == pytest.approx(math.log(mixed))
    expected = -scores.detach().exp() / (132 * mixed)
    expected.fill_diagonal_(1 / 12)
    torch.testing.assert_close(_gradient(gain, scores), expected)


def test_with_the_true_average_small_batches_have_the_right_gradient_on_average_and_without_it_they_do_not() -> None:
    """A critic T = w s: its gradient in w over many batches, against the one of the whole population of scores."""
    weight = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    batches = [random_scores(seed, size=4, scale=1.5) for seed in range(400)]
    apart = torch.cat([scores[~torch.eye(4, dtype=torch.bool)] for scores in batches])
    together = torch.cat([scores.diagonal() for scores in batches])
    population = (weight * together).mean() - (weight * apart).exp().mean().log()
    (wanted,) = torch.autograd.grad(population, weight)
    true_average = apart.exp().mean().log()

    def mean_gradient(average: Tensor | None) -> float:
        gains = [moving_average_gain(weight * scores, average, rate=1e-12 if average is not None else 1.0)[0] for scores in batches]
        (gradient,) = torch.autograd.grad(torch.stack(gains).mean(), weight)
        return float(gradient)

    assert mean_gradient(true_average) == pytest.approx(float(wanted), rel=1e-6)
    assert abs(mean_gradient(None) - float(wanted)) > 0.1 * abs(float(wanted))


@pytest.mark.parametrize("rate", [0.0, -1.0, 1.1, math.nan])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="rate"):
        moving_average_gain(torch.zeros(3, 3), None, rate)


# Nearest neighbours


@pytest.mark.parametrize(("correlation", "dimensions"), [(0.0, 1), (0.5, 1), (0.9, 1), (0.6, 2)])
def test_neighbours_find_the_information_of_normal_pairs(correlation: float, dimensions: int) -> None:
    values = [ksg(*normal_pairs(800, correlation, dimensions, seed)) for seed in range(8)]
    assert np.mean(values) == pytest.approx(gaussian_information(correlation, dimensions), abs=0.04)


def test_neighbours_by_the_definition() -> None:
    """The formula with loops over all pairs."""
    from scipy.special import digamma

    a, b = normal_pairs(60, 0.7, 2, seed=5)
    x, y = ((part - part.mean(0)) / part.std(0) for part in (a, b))
    total = 0.0
    for i in range(60):
        near_a, near_b = (np.abs(np.delete(part, i, axis=0) - part[i]).max(1) for part in (x, y))
        radius = np.sort(np.maximum(near_a, near_b))[3]
        total += digamma((near_a < radius).sum() + 1) + digamma((near_b < radius).sum() + 1)
    assert ksg(a, b, neighbors=4) == pytest.approx(digamma(4) + digamma(60) - total / 60, abs=1e-12)


@pytest.mark.parametrize("correlation", [0.3, 0.9])
def test_ksg_of_two_numbers_is_that_of_scikit_learn(correlation: float) -> None:
    """Which has no public function for vectors, and shows what is negative as 0."""
    a, b = normal_pairs(500, correlation, 1, seed=1)
    expected = mutual_info_regression(a.reshape(-1, 1), b.ravel(), n_neighbors=4, random_state=0)[0]
    assert expected > 0
    assert ksg(a, b, neighbors=4) == pytest.approx(expected, abs=1e-6)


def test_neighbours_do_not_care_about_units_or_useless_coordinates() -> None:
    a, b = normal_pairs(300, 0.8)
    wide = np.hstack([a, np.full_like(a, 3.0)])
    assert ksg(1000 * wide + 5, -b) == pytest.approx(ksg(a, b), abs=1e-9)


def test_a_constant_tells_nothing() -> None:
    a, b = normal_pairs(400, 0.5)
    assert ksg(np.zeros(400), b) == 0
    for bound in BOUNDS:
        for pair in ((np.full_like(a, 2.5), b), (a, np.zeros((400, 2)))):
            estimate = estimate_information(*pair, bound=bound, batch_size=64, steps=1)
            assert (estimate.value, estimate.standard_error, estimate.diverged) == (0, 0, False)
            assert "one value only" in estimate.note


def test_repeated_points_are_sent_to_the_plug_in_estimate() -> None:
    with pytest.raises(DataError, match="plug_in"):
        ksg(np.arange(100) % 4, np.arange(100) % 5)


# Trained critics


@pytest.mark.parametrize("bound", LOWER)
def test_a_critic_learns_the_information_of_normal_pairs(bound: str) -> None:
    exact = gaussian_information(0.8, 2)
    estimate = estimate_information(*normal_pairs(4000, 0.8, 2), bound=bound, steps=400)
    assert not estimate.diverged
    assert 0.8 * exact < estimate.value < exact + 4 * estimate.standard_error
    assert 0 < estimate.standard_error < 0.1
    assert (estimate.n_train, estimate.n_test, estimate.batch_size) == (2000, 2000, 128)


def test_a_fitted_conditional_lies_above_the_information() -> None:
    estimate = estimate_information(*normal_pairs(4000, 0.6, 2), bound="club", steps=400)
    exact_club = 2 * 0.36 / 0.64
    assert estimate.value > gaussian_information(0.6, 2)
    assert estimate.value == pytest.approx(exact_club, rel=0.2)


@pytest.mark.parametrize("bound", BOUNDS)
def test_shuffled_pairs_have_no_information(bound: str) -> None:
    a, b = normal_pairs(2000, 0.9, 2)
    estimate = estimate_information(a, np.random.default_rng(1).permutation(b), bound=bound, steps=200)
    assert abs(estimate.value) < 0.1
    assert not estimate.diverged


def test_labels_as_one_hot_rows() -> None:
    rng = np.random.default_rng(0)
    cells = rng.choice(JOINT.size, size=4000, p=JOINT.ravel())
    one_hot = np.eye(3)
    estimate = estimate_information(one_hot[cells // 3], one_hot[cells % 3], bound="nwj", steps=300)
    assert estimate.value == pytest.approx(mutual_information(JOINT), abs=0.08)
    assert estimate.ceiling == pytest.approx(math.log(3))


def test_a_bilinear_critic_is_blind_to_a_parity() -> None:
    """F = (u, u b): each coordinate alone says nothing about b, so only a critic that multiplies them finds log 2."""
    rng = np.random.default_rng(0)
    u, b = rng.choice([-1, 1], size=(2, 3000))
    features = np.stack([u, u * b], axis=1)
    blind = estimate_information(features, b, bound="donsker_varadhan", hidden=0, steps=300)
    seeing = estimate_information(features, b, bound="donsker_varadhan", hidden=32, steps=300)
    assert abs(blind.value) < 0.02
    assert seeing.value == pytest.approx(math.log(2), abs=0.03)
    assert entropy([0.5, 0.5]) >= seeing.value - 0.03


def test_info_nce_stays_below_the_batch_and_says_so() -> None:
    a = np.random.default_rng(0).normal(size=(1000, 1))
    estimate = estimate_information(a, a, bound="info_nce", batch_size=16, steps=300)
    assert estimate.ceiling == pytest.approx(math.log(16))
    assert 1.5 < estimate.value <= math.log(16)


@pytest.mark.parametrize("bound", ["donsker_varadhan", "nwj"])
def test_a_critic_that_explodes_is_named_and_never_averaged(bound: str) -> None:
    a, b = normal_pairs(400, 0.99)
    estimate = estimate_information(a, b, bound=bound, lr=1e4, steps=20, batch_size=64)
    assert estimate.diverged
    assert math.isnan(estimate.value)
    assert estimate.note.startswith("diverged")
    assert math.isnan(np.mean([estimate.value, 1.0]))


def test_seeds_decide_and_leave_the_callers_random_state_alone() -> None:
    pairs = normal_pairs(600, 0.8)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (estimate_information(*pairs, steps=30, batch_size=64, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert one == same
    assert one.value != other.value
    assert one.to_dict()["bound"] == "info_nce"


# Bad input


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    a, b = normal_pairs(300, 0.5)
    b[7] = value
    with pytest.raises(DataError, match="b holds NaN or infinite"):
        ksg(a, b)
    with pytest.raises(DataError, match="b holds NaN or infinite"):
        estimate_information(a, b)


def test_bad_settings_are_one_sentence() -> None:
    a, b = normal_pairs(300, 0.5)
    with pytest.raises(ConfigError, match="unknown bound 'minde'"):
        estimate_information(a, b, bound="minde")
    for wrong in ({"steps": 0}, {"batch_size": 1}, {"lr": math.nan}, {"test_share": 1.0}, {"hidden": -1}, {"moving_average": 0.0}):
        with pytest.raises(ConfigError, match="steps must be"):
            estimate_information(a, b, **wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="same length"):
        estimate_information(a[:-1], b)
    with pytest.raises(DataError, match="too few"):
        estimate_information(a, b, batch_size=128)
    with pytest.raises(DataError, match="too few"):
        estimate_information([], [])
    with pytest.raises(DataError, match="too few"):
        ksg([1.0, 2.0], [3.0, 1.0])
    with pytest.raises(ConfigError, match="neighbors"):
        ksg(a, b, neighbors=0)
