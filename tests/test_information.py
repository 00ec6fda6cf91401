"""Exact information measures: closed forms, laws that hold for every table, and the bias of the plug-in estimate."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lnl_core.errors import DataError
from lnl_core.information import (
    conditional_entropy,
    contingency_table,
    cross_entropy,
    entropy,
    gaussian_information,
    kl_divergence,
    mutual_information,
    plug_in_mutual_information,
)

Table = NDArray[np.float64]
EXACT = 1e-9


def tables(*shape: int | None) -> st.SearchStrategy[Table]:
    """Tables of probabilities, many of them with zeros; ``None`` stands for a size from 1 to 6."""
    sizes = st.tuples(*(st.integers(1, 6) if size is None else st.just(size) for size in shape))
    counts = sizes.flatmap(lambda size: arrays(np.float64, size, elements=st.integers(0, 50).map(float)))
    skewed = sizes.flatmap(lambda size: arrays(np.float64, size, elements=st.floats(0, 1, allow_subnormal=False)))
    return st.one_of(counts, skewed).filter(lambda table: table.sum() > 1e-3).map(lambda table: table / table.sum())


def channels(rows: int, columns: int) -> st.SearchStrategy[Table]:
    """Conditional tables: each row is a distribution over the columns."""
    weights = arrays(np.float64, (rows, columns), elements=st.floats(0.01, 1))
    return weights.map(lambda table: table / table.sum(axis=1, keepdims=True))


# Closed forms


@pytest.mark.parametrize("n", [1, 2, 8, 512])
def test_uniform_table_has_entropy_log_n(n: int) -> None:
    assert entropy(np.full(n, 1 / n)) == pytest.approx(math.log(n), abs=EXACT)


def test_certain_outcome_has_no_entropy() -> None:
    assert entropy([0, 1, 0]) == 0


def test_entropy_of_a_biased_coin() -> None:
    assert entropy([0.25, 0.75]) == pytest.approx(2 * math.log(2) - 0.75 * math.log(3), abs=EXACT)


def test_binary_symmetric_channel() -> None:
    flip = 0.1
    joint = [[(1 - flip) / 2, flip / 2], [flip / 2, (1 - flip) / 2]]
    assert mutual_information(joint) == pytest.approx(math.log(2) - entropy([flip, 1 - flip]), abs=EXACT)
    assert conditional_entropy(joint) == pytest.approx(entropy([flip, 1 - flip]), abs=EXACT)


def test_divergence_of_two_coins() -> None:
    expected = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert kl_divergence([0.5, 0.5], [0.9, 0.1]) == pytest.approx(expected, abs=EXACT)


def test_divergence_is_infinite_where_only_the_second_table_is_zero() -> None:
    assert kl_divergence([0.5, 0.5], [1, 0]) == math.inf
    assert kl_divergence([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2), abs=EXACT)


def test_conditional_entropy_conditions_on_the_columns() -> None:
    joint = np.array([[0.25, 0.25], [0.25, 0.25], [0.0, 0.0]])
    joint[2] = joint[0]  # three equally likely rows, whatever the column
    joint /= joint.sum()
    assert conditional_entropy(joint) == pytest.approx(math.log(3), abs=EXACT)
    assert conditional_entropy(joint.T) == pytest.approx(math.log(2), abs=EXACT)


def test_tiny_probabilities_do_not_underflow() -> None:
    tiny = 1e-200
    assert mutual_information([[1 - tiny, 0], [0, tiny]]) == pytest.approx(0, abs=EXACT)
    assert mutual_information([[0, 1 - tiny], [tiny, 0]]) < 1e-190


def test_information_of_normal_pairs() -> None:
    rho, cells = 0.6, 400
    grid = (np.arange(cells) + 0.5) / cells * 12 - 6
    density = np.exp(-(grid[:, None] ** 2 - 2 * rho * np.outer(grid, grid) + grid**2) / (2 * (1 - rho**2)))
    assert gaussian_information(rho) == pytest.approx(mutual_information(density / density.sum()), abs=1e-4)
    assert gaussian_information(-rho, 3) == pytest.approx(3 * gaussian_information(rho))
    assert gaussian_information(0) == 0
    assert gaussian_information(1) == gaussian_information(-1) == math.inf


@pytest.mark.parametrize(("correlation", "dimensions"), [(1.1, 1), (math.nan, 1), (0.5, 0)])
def test_impossible_correlations_are_refused(correlation: float, dimensions: int) -> None:
    with pytest.raises(DataError, match=r"(correlation|dimensions) must be"):
        gaussian_information(correlation, dimensions)


# Laws


@given(tables(None, None))
def test_information_is_not_negative_and_below_both_entropies(joint: Table) -> None:
    value = mutual_information(joint)
    assert value >= 0
    assert value <= min(entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))) + EXACT


@given(tables(None, None))
def test_information_is_symmetric(joint: Table) -> None:
    assert mutual_information(joint) == pytest.approx(mutual_information(joint.T), abs=EXACT)


@given(tables(None, None), st.randoms(use_true_random=False))
def test_information_does_not_depend_on_names(joint: Table, random: Random) -> None:
    rows = list(range(len(joint)))
    random.shuffle(rows)
    assert mutual_information(joint[rows]) == pytest.approx(mutual_information(joint), abs=EXACT)


@given(tables(None, None))
def test_information_is_what_knowing_the_other_saves(joint: Table) -> None:
    assert mutual_information(joint) == pytest.approx(entropy(joint.sum(axis=1)) - conditional_entropy(joint), abs=EXACT)


@given(tables(None, None))
def test_information_is_the_divergence_from_the_product(joint: Table) -> None:
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    assert mutual_information(joint) == pytest.approx(kl_divergence(joint, product), abs=EXACT)


@given(tables(None), tables(None))
def test_independent_variables_share_no_information(p: Table, q: Table) -> None:
    assert mutual_information(np.outer(p, q)) == pytest.approx(0, abs=EXACT)


@given(tables(None))
def test_a_copy_shares_the_whole_entropy(p: Table) -> None:
    assert mutual_information(np.diag(p)) == pytest.approx(entropy(p), abs=EXACT)


@given(tables(4, 3), channels(3, 5))
def test_processing_never_adds_information(joint: Table, channel: Table) -> None:
    processed = joint @ channel  # a -> b -> c
    assert mutual_information(processed) <= mutual_information(joint) + EXACT


@given(tables(None, None))
def test_chain_rule_of_entropy(joint: Table) -> None:
    assert entropy(joint) == pytest.approx(entropy(joint.sum(axis=0)) + conditional_entropy(joint), abs=EXACT)


@given(tables(3, 4, 2))
def test_chain_rule_of_information(joint: Table) -> None:
    """I(A; B,C) = I(A; B) + I(A; C | B)."""
    given_b = 0.0
    for b in range(4):
        probability = joint[:, b].sum()
        if probability > 0:
            given_b += probability * mutual_information(joint[:, b] / probability)
    assert mutual_information(joint.reshape(3, 8)) == pytest.approx(mutual_information(joint.sum(axis=2)) + given_b, abs=1e-8)


@given(tables(5), tables(5))
def test_divergence_is_not_negative_and_adds_to_the_entropy(p: Table, q: Table) -> None:
    divergence = kl_divergence(p, q)
    assert divergence >= 0
    assert kl_divergence(p, p) == 0
    assert cross_entropy(p, q) == pytest.approx(entropy(p) + divergence)


@given(tables(5), tables(5))
def test_divergence_obeys_pinskers_inequality(p: Table, q: Table) -> None:
    """D >= ||p - q||^2 / 2 in the l1 norm, so it is zero only for equal tables."""
    assert kl_divergence(p, q) >= np.abs(p - q).sum() ** 2 / 2 - EXACT


@given(tables(None, None))
def test_mixing_raises_entropy(joint: Table) -> None:
    """Concavity: the entropy of a mixture is at least the mean entropy of its parts, so I is not negative."""
    assert conditional_entropy(joint) <= entropy(joint.sum(axis=1)) + EXACT


# Estimates from samples

CORRELATED = np.array([[0.2, 0.05, 0.05], [0.05, 0.2, 0.05], [0.05, 0.05, 0.2], [0.02, 0.03, 0.05]])


def _sample(joint: Table, size: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cells = np.random.default_rng(seed).choice(joint.size, size=size, p=joint.ravel())
    return cells // joint.shape[1], cells % joint.shape[1]


def test_plug_in_without_correction_is_the_information_of_the_counts() -> None:
    a, b = _sample(CORRELATED, 500, seed=0)
    counts = contingency_table(a, b)
    assert plug_in_mutual_information(a, b, corrected=False) == mutual_information(counts / counts.sum())


def test_correction_removes_most_of_the_bias() -> None:
    exact = mutual_information(CORRELATED)
    samples = [_sample(CORRELATED, 300, seed) for seed in range(400)]
    plain = np.mean([plug_in_mutual_information(a, b, corrected=False) for a, b in samples])
    corrected = np.mean([plug_in_mutual_information(a, b) for a, b in samples])
    first_order = 3 * 2 / (2 * 300)
    assert plain - exact == pytest.approx(first_order, rel=0.35)
    assert abs(corrected - exact) < 0.35 * first_order


def test_plug_in_converges_to_the_exact_value() -> None:
    assert plug_in_mutual_information(*_sample(CORRELATED, 200_000, seed=3)) == pytest.approx(
        mutual_information(CORRELATED), abs=0.004
    )


def test_plug_in_on_independent_labels_is_too_large_by_the_stated_amount() -> None:
    independent = np.full((5, 6), 1 / 30)
    values = [plug_in_mutual_information(*_sample(independent, 400, seed), corrected=False) for seed in range(300)]
    assert np.mean(values) == pytest.approx(4 * 5 / (2 * 400), rel=0.1)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_plug_in_is_never_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert plug_in_mutual_information(rng.integers(0, 4, 20), rng.integers(0, 4, 20)) >= 0


def test_contingency_counts_rows_by_the_first_and_columns_by_the_second() -> None:
    assert contingency_table([0, 0, 1, 2], [1, 1, 0, 1]).tolist() == [[0, 2], [1, 0], [0, 1]]
    assert contingency_table([0], [0], n_a=2, n_b=3).shape == (2, 3)


# Bad input


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([0.5, 0.4], "sum to 1"),
        ([10, 20], "sum to 1"),
        ([1.5, -0.5], "not negative"),
        ([math.nan, 1.0], "finite"),
        ([], "finite"),
    ],
)
def test_a_table_that_is_no_distribution_is_refused(table: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        entropy(table)
    with pytest.raises(DataError, match=message):
        mutual_information([table])


def test_information_wants_two_dimensions() -> None:
    with pytest.raises(DataError, match="2 dimensions"):
        mutual_information([0.5, 0.5])


def test_divergence_wants_equal_shapes() -> None:
    with pytest.raises(DataError, match="same shape"):
        kl_divergence([0.5, 0.5], [0.5, 0.25, 0.25])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([0, 1], [0, 1, 1], "same length, got 2 and 3"),
        ([], [], "empty"),
        ([0, -1], [0, 1], "out of range"),
    ],
)
def test_labels_that_cannot_be_counted_are_refused(a: list[int], b: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        contingency_table(a, b)


def test_a_label_beyond_the_stated_number_is_refused() -> None:
    with pytest.raises(DataError, match="out of range"):
        contingency_table([0, 3], [0, 1], n_a=3)
