"""The mixing score: closed forms, both controls, bad input."""

import math

import numpy as np
import pytest
import torch

from lnl_core.errors import DataError
from lnl_core.evaluation.mixing import mixing_score


def cloud(count: int, at: float, seed: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)) + at


@pytest.mark.parametrize("sizes", [(300, 300), (500, 60)])
def test_separate_groups_score_zero_and_their_control_one(sizes: tuple[int, int]) -> None:
    points = torch.cat([cloud(sizes[0], 0.0, 0), cloud(sizes[1], 30.0, 1)])
    result = mixing_score(points, np.repeat([0, 1], sizes))
    assert result.score == 0
    assert result.control == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("sizes", [(300, 300), (500, 60), (200, 200, 200)])
def test_mixed_groups_score_one(sizes: tuple[int, ...]) -> None:
    points = torch.cat([cloud(size, 0.0, seed) for seed, size in enumerate(sizes)])
    result = mixing_score(points, np.repeat(np.arange(len(sizes)), sizes))
    assert result.score == pytest.approx(1, abs=0.1)
    assert result.control == pytest.approx(1, abs=0.1)


def test_the_score_grows_as_groups_move_together() -> None:
    group = np.repeat([0, 1], 300)
    scores = [mixing_score(torch.cat([cloud(300, 0.0, 0), cloud(300, gap, 1)]), group).score for gap in (3.0, 1.5, 0.7, 0.0)]
    assert scores == sorted(scores)
    assert scores[0] < 0.05
    assert scores[-1] > 0.9


def test_a_score_by_hand() -> None:
    """Points 0, 1, 3 of one group and 3.5, 10 of the other; 3 and 3.5 are each other's nearest, and 3.5 is that of 10."""
    points = torch.tensor([[0.0], [1.0], [3.0], [3.5], [10.0]])
    result = mixing_score(points, [5, 5, 5, 7, 7], neighbours=1)
    expected = ((0 + 0 + 1) / 3 * 4 / 2 + (1 + 0) / 2 * 4 / 3) / 2
    assert result.score == pytest.approx(expected)
    assert (result.neighbours, result.n) == (1, 5)


def test_a_large_group_does_not_hide_a_small_one() -> None:
    """Half of a large group mixes with a small one that is wholly mixed: the mean over groups, not over points."""
    points = torch.cat([cloud(400, 0.0, 0), cloud(40, 0.0, 1), cloud(400, 30.0, 2)])
    group = np.repeat([0, 1, 0], [400, 40, 400])
    result = mixing_score(points, group)
    assert 0.85 < result.score < 1.0
    assert result.score == mixing_score(points, 1 - group).score


def test_order_names_and_chunks_do_not_matter() -> None:
    points, group = torch.cat([cloud(800, 0.0, 0), cloud(700, 1.0, 1)]), np.repeat([0, 1], [800, 700])
    order = np.random.default_rng(0).permutation(1500)
    assert mixing_score(points[order], group[order]).score == pytest.approx(mixing_score(points, group).score)
    assert mixing_score(points, 9 - 4 * group).score == mixing_score(points, group).score


@pytest.mark.parametrize(
    ("points", "group", "neighbours", "message"),
    [
        (torch.zeros(4, 2), [0, 1], 1, "must have the same length, got 4 and 2"),
        (torch.full((4, 2), math.nan), [0, 1, 0, 1], 1, "hold NaN or infinite values"),
        (torch.zeros(4, 2), [1, 1, 1, 1], 1, "there are not two groups"),
        (torch.zeros(0, 2), [], 1, "there are not two groups"),
        (torch.zeros(4, 2), [0, 1, 0, 1], 4, "neighbours must lie between 1 and 3, one less than the points, got 4"),
        (torch.zeros(4, 2), [0, 1, 0, 1], 0, "neighbours must lie between 1 and 3"),
    ],
)
def test_bad_input_is_refused(points: torch.Tensor, group: list[int], neighbours: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        mixing_score(points, group, neighbours=neighbours)
