"""Every public function that takes arrays: what is meant is taken, anything else is one sentence that names the argument."""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from cases import every
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from lnl_core.datasets import BiasedImages
from lnl_core.errors import DataError, LNLError
from lnl_core.evaluation import (
    Interval,
    accuracy,
    background_places,
    code_length,
    confusion,
    group_accuracy,
    leakage,
    pool_places,
    predict,
    probe_inputs,
    probe_leakage,
    probe_map,
)
from lnl_core.evaluation.erasure import linear_eraser
from lnl_core.evaluation.fairness import fairness, parity_bound, probe_metrics
from lnl_core.evaluation.mixing import mixing_score
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
from lnl_core.information.estimators import club, donsker_varadhan, estimate_information, info_nce, ksg, moving_average_gain, nwj
from lnl_core.information.limit import fano_accuracy, label_entropy, label_posterior, proved_leak, unbiased_accuracy

N = 40
KINDS = np.arange(N) % 2
ROWS = np.random.default_rng(0).normal(size=(N, 3))
MAPS = np.random.default_rng(1).normal(size=(N, 2, 3, 3))
IMAGES = np.zeros((N, 3, 4, 4), dtype=np.uint8)
SCORES = np.eye(4)
TABLE = np.full((2, 2), 0.25)
DIVERGENCES: tuple[Callable[..., float], ...] = (kl_divergence, cross_entropy)


class Knows(nn.Module):
    """Names the label that is written into the first pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.one_hot((images[:, 0, 0, 0] * 255).round().long(), 10).float()


def container(**changes: Any) -> BiasedImages:
    return BiasedImages(**{"images": IMAGES, "labels": KINDS, "bias": KINDS, "group": KINDS, **changes})


LABELS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "container labels": ("labels", lambda values: container(labels=values).labels.tolist()),
    "container bias": ("bias", lambda values: container(bias=values).bias.tolist()),
    "container group": ("group", lambda values: container(group=values).group.tolist()),
    "contingency_table a": ("a", lambda values: contingency_table(values, KINDS).tolist()),
    "contingency_table b": ("b", lambda values: contingency_table(KINDS, values).tolist()),
    "plug_in": ("a", lambda values: plug_in_mutual_information(values, KINDS)),
    "probes": ("bias", lambda values: probe_inputs(ROWS, values)[1].tolist()),
    "probe_map": ("bias", lambda values: probe_map(MAPS, values).tolist()),
    "linear_eraser": ("bias", lambda values: linear_eraser(ROWS, values)(torch.ones(1, 3)).tolist()),
    "fairness predicted": ("predicted", lambda values: fairness(values, KINDS, KINDS)),
    "fairness labels": ("labels", lambda values: fairness(KINDS, values, KINDS)),
    "fairness groups": ("bias", lambda values: fairness(KINDS, KINDS, values)),
    "mixing": ("group", lambda values: mixing_score(ROWS, values).score),
}
TAKES_TEXT = {"fairness groups", "mixing"}
MEANT: dict[str, Callable[[NDArray[Any]], Any]] = {
    "a column": lambda labels: labels[:, None],
    "a tensor": torch.from_numpy,
    "a column of a tensor": lambda labels: torch.from_numpy(labels)[:, None],
    "a list": lambda labels: labels.tolist(),
    "bytes": lambda labels: labels.astype(np.uint8),
    "short": lambda labels: labels.astype(np.uint16),
    "the other byte order": lambda labels: labels.astype(">i4"),
    "every second entry of more": lambda labels: np.repeat(labels, 2)[::2],
    "the reverse of the reverse": lambda labels: labels[::-1].copy()[::-1],
}


@pytest.mark.parametrize("where", LABELS)
def test_labels_are_taken_in_every_form_that_means_them(where: str) -> None:
    ask = LABELS[where][1]
    expected = ask(KINDS)

    def taken(form: str) -> None:
        assert ask(MEANT[form](KINDS)) == expected

    every(product(MEANT), taken)


WRONG_LABELS: dict[str, Any] = {
    "text": np.array(["cat", "dog"] * (N // 2)),
    "text as objects": np.array(["cat", "dog"] * (N // 2), dtype=object),
    "a list of text": ["cat", "dog"] * (N // 2),
    "halves": KINDS / 2,
    "whole numbers as floats": KINDS.astype(float),
    "floats of a tensor": torch.from_numpy(KINDS).float(),
    "nothing": None,
    "one number": 1,
    "gaps": [0, None] * (N // 2),
    "complex": KINDS.astype(complex),
    "one-hot rows": np.eye(2, dtype=int)[KINDS],
    "ragged": [[0], [0, 1]] * (N // 2),
    "a dictionary": {"labels": [0, 1]},
}


@pytest.mark.parametrize("where", LABELS)
def test_labels_that_are_none_are_refused_by_name(where: str) -> None:
    name, ask = LABELS[where]

    def refused(kind: str) -> None:
        if (where == "container bias" and kind == "one-hot rows") or (where in TAKES_TEXT and "text" in kind):
            return  # a bias has places, and groups may be words
        with pytest.raises(DataError, match=rf"^{name} must be .*, got ") as caught:
            ask(WRONG_LABELS[kind])
        assert "\n" not in str(caught.value)

    every(product(WRONG_LABELS), refused)


@pytest.mark.parametrize("where", sorted(TAKES_TEXT))
def test_groups_may_be_words(where: str) -> None:
    ask = LABELS[where][1]
    words = np.array(["f", "m"])[KINDS]
    for form in (words, words.astype(object), words.tolist(), words[:, None]):
        assert ask(form) == ask(KINDS)


ROWS_OF: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "probe_leakage": ("embeddings", lambda rows: probe_leakage(rows, KINDS, epochs=1)),
    "leakage": ("embeddings", lambda rows: leakage(rows, KINDS, seeds=1, epochs=1)),
    "code_length": ("embeddings", lambda rows: code_length(rows, KINDS, seeds=1, epochs=1)),
    "linear_eraser": ("embeddings", lambda rows: linear_eraser(rows, KINDS)),
    "probe_metrics": ("features", lambda rows: probe_metrics(rows, torch.from_numpy(KINDS))),
    "mixing": ("embeddings", lambda rows: mixing_score(rows, KINDS)),
    "probe_map": ("features", lambda rows: probe_map(rows, KINDS)),
}


WRONG_ROWS: list[tuple[str, Any]] = [
    (r"float64 of shape \(40,\)", ROWS[:, 0]),
    (r"float64 of shape \(40,\)", torch.from_numpy(ROWS[:, 0])),
    (r"text such as 'a' of shape \(40, 2\)", np.array([["a", "b"]] * N)),
    (r"complex128 of shape \(40, 3\)", ROWS.astype(complex)),
    (r"complex64 of shape \(40, 3\)", torch.from_numpy(ROWS).to(torch.complex64)),
    (r"float64 of shape \(40, 0\)", np.zeros((N, 0))),
    (r"something other than numbers of shape \(\)", None),
    ("rows of different lengths", [[1.0], [1.0, 2.0]] * (N // 2)),
]


@pytest.mark.parametrize("where", ROWS_OF)
def test_features_that_are_none_are_refused_by_name(where: str) -> None:
    name, ask = ROWS_OF[where]

    def refused(got: str, rows: Any) -> None:
        with pytest.raises(DataError, match=rf"^{name} must be numbers of shape \(N, .*, one row an example, got {got}"):
            ask(rows)

    every(WRONG_ROWS, refused)


def test_features_are_taken_in_every_form_that_means_them() -> None:
    expected = probe_inputs(ROWS.astype(np.float32), KINDS)[0]
    trained = torch.from_numpy(ROWS).float().requires_grad_()
    for form in (ROWS, ROWS.tolist(), trained, ROWS.astype(">f8"), np.asfortranarray(ROWS), ROWS[::-1].copy()[::-1]):
        assert torch.equal(probe_inputs(form, KINDS)[0], expected)  # type: ignore[arg-type]
    assert probe_leakage(trained, KINDS[:, None], epochs=1).n_train == N // 2


def test_features_of_another_width_are_not_erased_by_broadcasting() -> None:
    erase = linear_eraser(ROWS, KINDS)
    with pytest.raises(DataError, match="features must have the 3 columns that the eraser was fitted to, got 1"):
        erase(torch.zeros(5, 1))


# The container


def test_a_network_that_is_always_right_has_accuracy_1_for_a_column_of_labels() -> None:
    labels = np.arange(N) % 10
    images = np.broadcast_to(labels[:, None, None, None], (N, 3, 4, 4)).astype(np.uint8)
    data = BiasedImages(images, labels[:, None], labels[:, None], labels[:, None], bias_classes=10)
    assert accuracy(Knows(), data) == 1
    assert group_accuracy(Knows(), data).tolist() == [1.0] * 10
    assert confusion(Knows(), data).trace() == N
    data.labels = data.labels[:, None]
    assert accuracy(Knows(), data) == 1
    data.labels = data.labels[:3]
    with pytest.raises(DataError, match="labels must have one entry an image: expected 40, got 3"):
        accuracy(Knows(), data)


def test_a_network_that_gives_no_logits_is_refused() -> None:
    class OneNumber(Knows):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, 0, 0, 0]

    with pytest.raises(DataError, match=r"the network must give logits of shape \(40, classes\) here, got float32"):
        predict(OneNumber(), container())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((N, 28, 28, 3), dtype=np.uint8)}, r"uint8 of shape \(40, 28, 28, 3\): these are \(N, H, W, C\)"),
        ({"images": torch.zeros(N, 28, 28, 1, dtype=torch.uint8)}, r"these are \(N, H, W, C\), use images\.transpose"),
        ({"images": np.zeros((N, 3, 4, 4))}, r"got float64 of shape \(40, 3, 4, 4\): convert levels of 0 to 255"),
        ({"images": np.zeros((N, 28, 28), dtype=np.uint8)}, r"got uint8 of shape \(40, 28, 28\): give grey images one channel"),
        ({"images": np.zeros((N, 784), dtype=np.uint8)}, r"got uint8 of shape \(40, 784\): convert the features"),
        ({"images": np.zeros(N)}, r"images must be uint8 of shape .*, got float64 of shape \(40,\)"),
        ({"images": np.full((N, 3), "a")}, r"images must be .*, got text such as 'a' of shape \(40, 3\)"),
        ({"images": "photographs/"}, r"images must be .*, got text such as 'photographs/' of shape \(\)"),
        ({"images": [[1.0], [1.0, 2.0]]}, "images must be .*, got rows of different lengths"),
        ({"images": np.full((N, 3), np.nan)}, "the table of features holds NaN"),
        ({"images": np.full((N, 3), 1e300)}, "the table of features holds NaN or infinite values"),
        ({"color": np.zeros((N, 4))}, r"color must be numbers in \[0, 1\] of shape \(N, 3\), .* got float64 of shape \(40, 4\)"),
        ({"color": np.full((N, 3), 255)}, r"color must be .*, got values from 255 to 255"),
        ({"color": np.full((N, 3), np.nan)}, r"color must be .*, got values from nan"),
        ({"classes": "two"}, "classes must be a whole number, got 'two'"),
        ({"bias_classes": 2.5}, r"bias_classes must be a whole number, got 2\.5"),
    ],
)
def test_the_container_says_which_argument_is_wrong_and_what_is_wanted(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        container(**changes)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_table_of_any_floats_is_taken(kind: type) -> None:
    table: NDArray[Any] = ROWS.astype(kind)
    data = container(images=table)
    assert data.images.dtype == torch.float32
    assert torch.equal(data.images, torch.from_numpy(table).float())


def test_colours_and_images_of_numpy_are_taken() -> None:
    data = container(color=np.full((N, 3), 0.5))
    assert data.color is not None
    assert (data.color.dtype, data.images.dtype, data.labels.dtype) == (torch.float32, torch.uint8, torch.int64)
    read_only = np.frombuffer(IMAGES.tobytes(), dtype=np.uint8).reshape(IMAGES.shape)
    assert torch.equal(container(images=read_only).images, data.images)


# Tables, samples, scores and single numbers


@pytest.mark.parametrize("ask", [entropy, conditional_entropy, mutual_information, *(partial(f, TABLE) for f in DIVERGENCES)])
def test_tables_that_are_no_numbers_are_refused(ask: Callable[[Any], Any]) -> None:
    def refused(table: Any) -> None:
        with pytest.raises(DataError, match=r"^(probabilities|joint|q) must be a table of probabilities, got "):
            ask(table)

    every(product(["ab", [["a", "b"]], [[None, 1.0]], [[0.5], [0.25, 0.25]], TABLE.astype(complex)]), refused)


@pytest.mark.parametrize("ask", [lambda a: ksg(a, ROWS), lambda a: estimate_information(a, ROWS, batch_size=4, steps=1)])
@pytest.mark.parametrize("sample", [["a"] * N, [None] * N, ROWS.astype(complex), [[0.0], [0.0, 1.0]] * (N // 2)])
def test_samples_that_are_no_numbers_are_refused(ask: Callable[[Any], Any], sample: Any) -> None:
    with pytest.raises(DataError, match=r"^a must be numbers of shape \(N,\) or \(N, \.\.\.\), one row a pair, got "):
        ask(sample)


def test_samples_may_be_tensors_with_a_gradient() -> None:
    assert ksg(torch.from_numpy(ROWS).requires_grad_(), ROWS[:, :2]) == ksg(ROWS, ROWS[:, :2])  # type: ignore[arg-type]


@pytest.mark.parametrize("bound", [donsker_varadhan, nwj, info_nce, club, lambda scores: moving_average_gain(scores)[0]])
def test_scores_may_be_arrays_and_whole_numbers(bound: Callable[[Any], Tensor]) -> None:
    expected = float(bound(torch.from_numpy(SCORES).float()))
    for form in (SCORES, SCORES.tolist(), SCORES.astype(int), torch.from_numpy(SCORES).long()):
        assert float(bound(form)) == pytest.approx(expected, rel=1e-6)
    for wrong in ("scores", [["a", "b"], ["c", "d"]], None, SCORES.astype(complex)):
        with pytest.raises(DataError, match=r"^scores must be an array of numbers, got "):
            bound(wrong)


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("accuracy", lambda value: proved_leak(value, 0.0, examples=10)),
        ("accuracy", unbiased_accuracy),
        ("entropy", lambda value: proved_leak(0.5, value, examples=10)),
        ("information", fano_accuracy),
        ("information", lambda value: parity_bound(value, 0.5)),
        ("share", lambda value: parity_bound(0.1, value)),
        ("correlation", gaussian_information),
        ("dimensions", lambda value: gaussian_information(0.5, value)),
        ("n_a", lambda value: contingency_table(KINDS, KINDS, n_a="none" if value is None else value)),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_number_is_refused_by_name(name: str, ask: Callable[[Any], Any]) -> None:
    def refused(value: Any) -> None:
        with pytest.raises(DataError, match=rf"^{name} must be .*, got "):
            ask(value)

    every(product(["0.5", None, [0.5, 0.5], np.array([0.5, 0.5]), math.nan, True]), refused)


@pytest.mark.parametrize("ask", [lambda c: label_posterior(c, 0.02), lambda c: label_entropy(0.02, means=c, points=2, repeats=2)])
def test_colours_that_are_none_are_refused_by_name(ask: Callable[[Any], Any]) -> None:
    def refused(colors: Any) -> None:
        with pytest.raises(DataError, match=r"^(color|means) must be a table of numbers in \[0, 1\], one colour a row, got "):
            ask(colors)

    every(product(["red", [["red"]], [0.5, 0.5], None, [[math.nan] * 3], [[2.0, 0.0, 0.0]], [[0.5], [0.5, 0.5]]]), refused)


@pytest.mark.parametrize("values", [[], ["a"], [[1.0, 2.0]], None])
def test_an_interval_needs_values(values: Any) -> None:
    with pytest.raises(DataError, match=r"^values must be one row of numbers, got "):
        Interval.of(values)


def test_maps_and_where_must_fit() -> None:
    with pytest.raises(DataError, match=r"features must be of shape \(N, C, H, W\) and where of shape \(N, H, W\), got float64"):
        pool_places(torch.from_numpy(MAPS), torch.ones(N, 3, dtype=torch.bool))
    with pytest.raises(DataError, match=r"images must be of shape \(N, C, H, W\), got uint8 of shape \(3, 4, 4\)"):
        background_places(torch.from_numpy(IMAGES)[0], (2, 2))


ANYTHING = st.one_of(
    st.none(),
    st.text(max_size=3),
    st.floats(),
    st.lists(st.one_of(st.none(), st.integers(-3, 300), st.floats(), st.text(max_size=2), st.booleans()), max_size=5),
    st.lists(st.lists(st.one_of(st.integers(-1, 3), st.floats(), st.text(max_size=1)), max_size=3), max_size=4),
    st.sampled_from([np.datetime64("2020-01-01"), np.zeros(3, dtype="M8[s]"), torch.zeros(2, 2).to_sparse(), object(), {}, b"ab"]),
)


@pytest.mark.parametrize("where", [*LABELS, *(f"rows of {name}" for name in ROWS_OF), "entropy", "ksg", "scores", "posterior"])
def test_nothing_else_than_one_sentence_comes_of_anything(where: str) -> None:
    others: dict[str, Callable[[Any], Any]] = {
        "entropy": entropy,
        "ksg": lambda a: ksg(a, a),
        "scores": info_nce,
        "posterior": lambda c: label_posterior(c, 0.02),
    }
    of_rows = {f"rows of {name}": ask for name, (_, ask) in ROWS_OF.items()}
    ask = others.get(where) or of_rows.get(where) or LABELS[where][1]

    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(ANYTHING)
    def refused_or_taken(values: Any) -> None:
        with suppress(LNLError):
            ask(values)

    refused_or_taken()
