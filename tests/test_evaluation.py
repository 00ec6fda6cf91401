"""Numbers by hand: accuracy by group, confusion, information, and probes that read what is there and nothing else."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lnl_core.config import preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import DataError
from lnl_core.evaluation import (
    accuracy,
    background_places,
    bias_alignment,
    cell_accuracy,
    confusion,
    data_information,
    embeddings,
    enough_to_probe,
    evaluate,
    evaluate_adversary,
    group_accuracy,
    group_metrics,
    least_by_chance,
    pool_places,
    predict,
    prediction_information,
    probe_leakage,
    probe_map,
    probes,
    refuse_infinite,
    retrain_adversary,
    standardized,
    train_probe,
)
from lnl_core.networks import LNLNetwork, build_network


class Reads(nn.Module):
    """Predicts the number that an image's first pixel holds."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.one_hot((images[:, 0, 0, 0] * 255).round().long(), 10).float()


def data_of(predicted: list[int], labels: list[int], group: list[int], **options: Any) -> BiasedImages:
    images = torch.tensor(predicted, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 28, 28).contiguous()
    return BiasedImages(images, torch.tensor(labels), torch.tensor(group), torch.tensor(group), bias_classes=10, **options)


PREDICTED, LABELS, GROUP = [0, 1, 2, 2, 1, 0], [0, 1, 2, 1, 1, 2], [0, 0, 0, 3, 3, 3]
HAND = data_of(PREDICTED, LABELS, GROUP)


def test_predictions_are_the_largest_logits() -> None:
    assert predict(Reads(), HAND).tolist() == PREDICTED


def test_accuracy_is_the_share_that_is_right() -> None:
    assert accuracy(Reads(), HAND) == pytest.approx(4 / 6)


def test_accuracy_of_each_group() -> None:
    shares = group_accuracy(Reads(), HAND)
    assert shares[[0, 3]].tolist() == pytest.approx([1, 1 / 3])
    assert np.isnan(shares[[1, 2]]).all(), "a group without images has no accuracy"


def test_accuracy_of_each_label_with_each_group() -> None:
    shares, counts = cell_accuracy(Reads(), HAND)
    assert counts.tolist() == [[1, 0, 0, 0], [1, 0, 0, 2], [1, 0, 0, 1]]
    assert shares[[0, 1, 2, 1, 2], [0, 0, 0, 3, 3]].tolist() == [1, 1, 1, 0.5, 0]
    assert np.isnan(shares[counts == 0]).all(), "a cell without images has no accuracy"


def table(counts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups of as many images as the cells (labels, groups) say."""
    labels, group = np.indices(np.shape(counts)).reshape(2, -1)
    return np.repeat(labels, np.ravel(counts)), np.repeat(group, np.ravel(counts))


def trained_on(counts: list[list[int]]) -> BiasedImages:
    labels, group = table(counts)
    return data_of(labels.tolist(), labels.tolist(), group.tolist())


def test_who_reads_nothing_but_the_bias_has_a_worst_group_of_zero() -> None:
    """On unbiased labels and groups, 2 x 2: half of each group is right, and a label whose bias misleads never is."""
    labels, group = table([[25, 25], [25, 25]])
    found = group_metrics(group, labels, group, bias_alignment(trained_on([[99, 1], [1, 99]])))
    assert found == {
        "worst_bias_accuracy": 0.5,
        "worst_group_accuracy": 0.0,
        "smallest_group_size": 25,
        "bias_aligned_accuracy": 1.0,
        "bias_conflicting_accuracy": 0.0,
    }


def test_the_record_of_a_network_that_reads_nothing_but_the_bias() -> None:
    labels, group = table([[25, 25], [25, 25]])
    test = data_of(group.tolist(), labels.tolist(), group.tolist())
    network = build_network(preset("smoke", "lnl"))
    network.extractor, network.label_head = nn.Identity(), Reads()
    found = evaluate(network, test, train=trained_on([[90, 10], [10, 90]]))
    parts = ("worst_bias_accuracy", "worst_group_accuracy", "bias_aligned_accuracy", "bias_conflicting_accuracy")
    assert [found[name] for name in parts] == [0.5, 0.0, 1.0, 0.0]


@pytest.mark.parametrize(("probability", "images", "groups"), [(0.3, 1, 4), (0.9, 1, 100), (0.5, 2, 1), (1.0, 5, 9), (0.0, 5, 9)])
def test_the_least_group_by_chance_by_hand(probability: float, images: int, groups: int) -> None:
    by_hand = probability**groups if images == 1 else probability
    assert least_by_chance(probability, images, groups) == pytest.approx(by_hand)


@pytest.mark.parametrize(("probability", "images", "groups"), [(0.97, 100, 100), (0.6, 30, 7)])
def test_the_least_group_by_chance_is_that_of_drawn_answers(probability: float, images: int, groups: int) -> None:
    drawn = np.random.default_rng(0).binomial(images, probability, (20_000, groups)).min(1) / images
    error = drawn.std() / math.sqrt(len(drawn))
    assert least_by_chance(probability, images, groups) == pytest.approx(drawn.mean(), abs=4 * error)
    assert least_by_chance(probability, images, groups) < probability - 100 * error, "and far below that of one group"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        *(((value, 9, 9), "probability must be a number in [0, 1], got") for value in (1.1, -0.1, math.nan, "half")),
        *(((0.5, value, 9), "images must be a whole number from 1 on, got") for value in (0, 2.5, math.inf)),
        *(((0.5, 9, value), "groups must be a whole number from 1 on, got") for value in (0, 2.5, math.nan)),
    ],
)
def test_the_least_group_by_chance_refuses_what_is_no_chance(wrong: tuple[Any, Any, Any], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        least_by_chance(*wrong)


def test_an_empty_cell_is_no_group_and_a_single_image_is_one() -> None:
    """Cells 3, none, 4 and 1 of which the last is missed; a third label is in the table and has no images at all."""
    labels, group = table([[3, 0], [4, 1], [0, 0]])
    found = group_metrics(np.where(group == 1, 0, labels), labels, group)
    assert found == {"worst_bias_accuracy": 0.0, "worst_group_accuracy": 0.0, "smallest_group_size": 1}
    assert group_metrics(labels, labels, group)["worst_group_accuracy"] == 1.0


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ([[9, 0], [0, 9]], [[1, -1], [-1, 1]]),  # bright dogs, dark cats
        ([[60, 25], [8, 7]], [[1, -1], [-1, 1]]),  # label 0 is the most frequent in both groups, and one of them has more of it
        ([[5, 10], [10, 20]], [[0, 0], [0, 0]]),  # independent: nothing is aligned
        ([[4, 0], [3, 0], [0, 5]], [[1, -1], [1, -1], [-1, 1]]),  # more labels than groups
        ([[4, 4, 0], [0, 0, 4]], [[1, 1, -1], [-1, -1, 1]]),  # more groups than labels
        ([[6, 0, 2], [2, 0, 6]], [[1, 0, -1], [-1, 0, 1]]),  # a group that training does not have
    ],
)
def test_what_goes_together_in_training_more_often_than_by_chance_is_aligned(
    counts: list[list[int]], wanted: list[list[int]]
) -> None:
    assert bias_alignment(trained_on(counts)).tolist() == wanted


def test_each_digit_is_aligned_with_its_own_mean_colour(mini_train: BiasedImages) -> None:
    assert bias_alignment(mini_train).tolist() == (2 * np.eye(10, dtype=int) - 1).tolist()


def test_accuracies_of_parts_that_are_not_there_are_left_out() -> None:
    alignment = bias_alignment(trained_on([[9, 1], [1, 9]]))
    labels, group = table([[5, 0], [0, 5]])
    assert group_metrics(labels, labels, group, alignment).keys() >= {"bias_aligned_accuracy"}
    assert "bias_conflicting_accuracy" not in group_metrics(labels, labels, group, alignment)
    labels, group = table([[0, 0, 5], [0, 0, 0], [3, 0, 0]])  # a label and a group that training does not have
    assert set(group_metrics(labels, labels, group, alignment)) == {
        "worst_bias_accuracy",
        "worst_group_accuracy",
        "smallest_group_size",
    }


def test_confusion_counts_true_rows_and_predicted_columns() -> None:
    matrix = confusion(Reads(), HAND)
    assert matrix.shape == (10, 10)
    assert matrix.sum() == 6
    assert (matrix[0, 0], matrix[1, 1], matrix[1, 2], matrix[2, 0], matrix[2, 2]) == (1, 2, 1, 1, 1)
    assert matrix[2, 1] == 0


def test_batches_do_not_change_predictions() -> None:
    many = (np.arange(1203) % 10).tolist()
    assert predict(Reads(), data_of(many, many, many)).tolist() == many


def test_predictions_that_follow_the_bias_share_its_whole_information() -> None:
    group = (np.arange(4000) % 10).tolist()
    labels = np.random.default_rng(0).integers(0, 10, 4000).tolist()
    follows = data_of(group, labels, group)
    assert prediction_information(Reads(), follows) == pytest.approx(math.log(10), abs=0.02)
    ignores = data_of(labels, labels, group)
    assert prediction_information(Reads(), ignores) < 0.01
    constant = data_of([3] * 4000, labels, group)
    assert prediction_information(Reads(), constant) == pytest.approx(0, abs=1e-9)


def test_information_of_a_data_set() -> None:
    labels = [0, 1, 2, 3] * 5
    assert data_information(data_of(labels, labels, labels)) == pytest.approx(math.log(4))
    assert data_information(data_of(labels, labels, [0] * 20)) == 0
    halves = [label // 2 for label in labels]
    assert data_information(data_of(labels, labels, halves)) == pytest.approx(math.log(2))
    with pytest.raises(DataError, match="has no bias 'color': choose 'group'"):
        data_information(HAND, "color")


# A real network


@pytest.fixture(scope="module")
def network() -> LNLNetwork:
    return build_network(preset("smoke", "lnl"))


def test_embeddings_are_the_flattened_features(network: LNLNetwork, few: BiasedImages) -> None:
    found = embeddings(network, few)
    assert found.shape == (160, 6272)
    assert found.dtype == torch.float32
    network.eval()
    with torch.no_grad():
        wanted = network.extractor(few.batch(slice(None)).images).flatten(1)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.equal(embeddings(network, few, limit=7), embeddings(network, few.subset(slice(0, 7))))


def test_evaluating_changes_nothing_in_the_network(few: BiasedImages) -> None:
    network = build_network(preset("smoke", "lnl")).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    predict(network, few)
    embeddings(network, few)
    evaluate_adversary(network, few)
    evaluate(network, few)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_fresh_h_that_shares_f_and_g_leaves_them_in_the_mode_of_the_caller(few: BiasedImages) -> None:
    """A network is in one mode, its parts may be in another: f of a fresh h is the caller's, and must not be trained by reading."""
    network = build_network(preset("smoke", "lnl")).eval()
    images = few.batch(slice(0, 8)).images
    with torch.no_grad():
        before = network.label_head(network.extractor(images))
        evaluate_adversary(retrain_adversary(network, few, epochs=1), few)
        assert not any(part.training for part in network.modules())
        assert torch.equal(network.label_head(network.extractor(images)), before)
    network.train()
    network.extractor.eval()
    modes = [part.training for part in network.modules()]
    predict(network, few)
    evaluate_adversary(network, few)
    assert [part.training for part in network.modules()] == modes


def test_evaluate_gives_all_numbers_of_a_record(network: LNLNetwork, few: BiasedImages) -> None:
    found = evaluate(network, few)
    accuracies = {name for name in found if name.endswith("accuracy")}
    assert {"test_accuracy", "worst_bias_accuracy", "worst_group_accuracy"} <= accuracies
    assert {"bias_probe_accuracy", "bias_mlp_probe_control_accuracy"} <= accuracies
    assert {"foreground_probe_accuracy", "background_probe_accuracy"} <= accuracies
    assert {"test_information", "prediction_information", "bias_probe_information"} <= set(found)
    assert all(0 <= found[name] <= 1 for name in accuracies)
    assert all(math.isfinite(value) for value in found.values())
    assert found["test_accuracy"] == pytest.approx(accuracy(network, few))
    assert found["worst_bias_accuracy"] == pytest.approx(np.nanmin(group_accuracy(network, few)))
    assert found["worst_group_accuracy"] == pytest.approx(np.nanmin(cell_accuracy(network, few)[0]))
    assert not [name for name in found if "aligned" in name or "conflicting" in name], "nothing was said of the training data"


# Probes

BIAS = np.random.default_rng(0).integers(0, 5, 1500)
NOISE = np.random.default_rng(1).normal(size=(1500, 20)).astype(np.float32)


def holds_bias(strength: float = 3.0) -> Tensor:
    """Features of which one direction a class carries the bias, under noise."""
    return torch.from_numpy(NOISE + strength * np.eye(5, 20, dtype=np.float32)[BIAS])


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_probe_finds_a_bias_that_is_there(kind: str) -> None:
    result = probe_leakage(holds_bias(), BIAS, kind=kind)
    assert result.accuracy > 0.85
    assert 0.8 < result.information < math.log(5)
    assert result.accuracy > result.control_accuracy + 0.5


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_probe_finds_nothing_where_nothing_is(kind: str) -> None:
    result = probe_leakage(NOISE, BIAS, kind=kind)
    assert result.accuracy < result.chance + 0.08
    assert result.information < 0.02


@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_control_with_shuffled_labels_is_at_chance(kind: str, seed: int) -> None:
    result = probe_leakage(holds_bias(), BIAS, kind=kind, seed=seed)
    assert result.control_accuracy < result.chance + 0.08
    assert result.chance == pytest.approx(0.2, abs=0.05)


def test_only_the_mlp_reads_what_is_not_linear() -> None:
    signs = np.sign(NOISE[:, :2])
    exclusive = (signs[:, 0] != signs[:, 1]).astype(int)
    linear, mlp = (probe_leakage(NOISE[:, :2], exclusive, kind=kind, epochs=60).accuracy for kind in ("linear", "mlp"))
    assert linear < 0.65
    assert mlp > 0.9


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_information_of_a_bias_that_lies_open_is_nearly_its_entropy(kind: str) -> None:
    result = probe_leakage(holds_bias(20), BIAS, kind=kind)
    assert result.information <= math.log(5) + 0.02
    assert result.information > 0.85 * math.log(5)


def test_probes_are_reproducible_and_follow_the_seed() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = probe_leakage(holds_bias(1), BIAS, seed=4)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(4)
    assert probe_leakage(holds_bias(1), BIAS, seed=4) == first
    assert probe_leakage(holds_bias(1), BIAS, seed=5) != first


def test_probe_sizes_and_names() -> None:
    result = probe_leakage(holds_bias(), BIAS, test_share=0.2, kind="mlp")
    assert (result.kind, result.n_train, result.n_test) == ("mlp", 1200, 300)
    measured = {"accuracy", "control_accuracy", "information", "control_information"}
    assert set(result.to_dict()) == {"kind", "chance", "n_train", "n_test"} | measured


def test_constant_features_do_no_harm() -> None:
    features = holds_bias()
    features[:, 19] = 7.0
    assert math.isfinite(probe_leakage(features, BIAS).information)


def test_scale_of_the_features_does_not_matter() -> None:
    small, large = (probe_leakage(holds_bias() * scale, BIAS).accuracy for scale in (1e-3, 1e3))
    assert small == pytest.approx(large, abs=0.02)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_a_bias_made_small_is_read_all_the_same(kind: str) -> None:
    bit = (np.arange(600) % 2).astype(np.int64)
    features = np.random.default_rng(0).normal(size=(600, 8))
    for scale in (1.0, 1e-2, 1e-4):
        features[:, 3] = scale * (2 * bit - 1 + 0.1 * features[:, 0])
        found = probe_leakage(features, bit, kind=kind)
        assert found.accuracy > 0.97, scale
        assert found.information > 0.6, scale
    features[:, 3] = 1e-4 * features[:, 1]
    assert probe_leakage(features, bit, kind=kind).information < 0.05, "control: nothing is there"


def test_rare_spikes_do_not_blind_a_probe() -> None:
    """A hundred features that are zero but for one example in two hundred, beside one that tells the bit half of the time."""
    bit, rng = (np.arange(2000) % 2).astype(np.int64), np.random.default_rng(0)
    spikes = 100 * rng.normal(size=(2000, 100)) * (rng.random((2000, 100)) < 0.005)
    told = bit + rng.normal(size=2000)
    alone, beside = (probe_leakage(x, bit).information for x in (told[:, None], np.column_stack([told, spikes])))
    assert alone > 0.08
    assert beside > alone - 0.06


def test_the_larger_rate_is_given_its_time() -> None:
    """Ten classes by their means, as far apart as 1.4 nats of 600 examples: 10 steps of a rate say less than 600 of a small one."""
    labels, rng = np.arange(1500) % 10, np.random.default_rng(0)
    features = rng.normal(size=(1500, 40))
    features[np.arange(1500), labels] += 2.5
    assert probe_leakage(features, labels, kind="linear").information > 1.25


@pytest.mark.parametrize(
    ("features", "bias", "options", "message"),
    [
        (NOISE, BIAS[:-1], {}, "same length, got 1500 and 1499"),
        (np.full_like(NOISE, np.nan), BIAS, {}, "NaN or infinite"),
        (np.full_like(NOISE, np.inf), BIAS, {}, "NaN or infinite"),
        (NOISE, np.zeros(1500, dtype=int), {}, "one value only"),
        (NOISE, np.full(1500, 4), {}, "one value only"),
        (NOISE, BIAS - 1, {}, "whole numbers from 0, got -1"),
        (NOISE[:9], np.arange(9) % 5, {}, "9 examples are too few to probe 5 bias classes: use at least 10"),
        (NOISE[:0], BIAS[:0], {}, "nothing to read|too few"),
        (NOISE, BIAS, {"kind": "forest"}, "unknown probe 'forest': choose one of linear, mlp, conv"),
        (NOISE, BIAS, {"test_share": 0.0}, "test_share must lie between 0 and 1"),
        (NOISE, BIAS, {"test_share": 1.0}, "test_share must lie between 0 and 1"),
        (NOISE[:40], BIAS[:40], {"test_share": 0.99}, "test_share 0.99 leaves too few of 40 examples"),
    ],
)
def test_what_cannot_be_probed_is_refused(features: Any, bias: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        probe_leakage(features, bias, **options)


@pytest.mark.parametrize("test_share", [0.01, 0.5, 0.9])
def test_every_share_leaves_something_to_train_and_to_measure_on(test_share: float) -> None:
    result = probe_leakage(NOISE[:40], BIAS[:40], test_share=test_share)
    assert min(result.n_train, result.n_test) >= 1
    assert math.isfinite(result.information)


# Where in the feature map


def test_background_is_where_the_authors_have_no_label(few: BiasedImages) -> None:
    background = background_places(few.images, (14, 14))
    assert torch.equal(background, (few.bias == 255).all(dim=1))
    assert 0.5 < background.float().mean() < 0.9


def test_places_are_pooled_image_by_image() -> None:
    features = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).view(2, 3, 2, 2)
    where = torch.tensor([[[True, False], [False, True]], [[False, False], [False, False]]])
    pooled = pool_places(features, where)
    assert torch.equal(pooled, torch.tensor([[1.5, 5.5, 9.5], [0.0, 0.0, 0.0]]))


def test_the_map_shows_the_places_that_hold_the_bias_and_no_others() -> None:
    generator = torch.Generator().manual_seed(0)
    bias = torch.randint(0, 4, (600,), generator=generator)
    features = torch.randn(600, 8, 3, 3, generator=generator)
    features[:, :4, 1, 2] += 4 * torch.nn.functional.one_hot(bias, 4)
    found = probe_map(features, bias)
    assert found.shape == (3, 3)
    assert found[1, 2] > 0.95
    found[1, 2] = 0.25
    assert (abs(found - 0.25) < 0.08).all()


def test_the_map_needs_a_label_for_each_image() -> None:
    with pytest.raises(DataError, match="must have the same length, got 4 and 3"):
        probe_map(torch.zeros(4, 2, 3, 3), [0, 1, 0])


@pytest.mark.parametrize(
    ("value", "bias", "message"),
    [
        (math.nan, [0, 1] * 4, "NaN or infinite"),
        (0.0, [1] * 8, "its information is 0"),
        (0.0, range(8), "too few to probe 8 bias classes"),
    ],
)
def test_a_map_of_nothing_is_refused(value: float, bias: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        probe_map(torch.full((8, 2, 3, 3), value), list(bias))


# The parts of a probe


def test_standardized_features_by_hand() -> None:
    reference = torch.tensor([[0.0, 10.0, 3.0], [2.0, 30.0, 3.0]])  # means 1, 20, 3; deviations sqrt 2, 10 sqrt 2, 0
    found = standardized(torch.tensor([[1.0, 20.0, 3.0], [1.0 + 2**0.5, 20.0 - 20 * 2**0.5, 3.0], [1e6, -1e6, 3.0]]), reference)
    assert torch.allclose(found, torch.tensor([[0.0, 0.0, 0.0], [1.0, -2.0, 0.0], [5.0, -5.0, 0.0]]), atol=1e-5)
    assert standardized(torch.ones(3, 2), torch.ones(4, 2)).tolist() == [[0.0, 0.0]] * 3, "features that never vary"
    noise = standardized(torch.tensor([[1.0, 1e-9]]), torch.tensor([[0.0, 0.0], [2.0, 1e-9]]))
    assert abs(float(noise[0, 1])) < 1e-3, "what varies a billionth as much as another is rounding and is not blown up"


def test_enough_to_probe_is_two_values_and_twice_the_classes() -> None:
    assert enough_to_probe(torch.tensor([0, 1, 0, 1]))
    assert not enough_to_probe(torch.tensor([0, 1, 0])), "three examples of two classes"
    assert not enough_to_probe(torch.tensor([1, 1, 1, 1])), "one value"
    assert not enough_to_probe(torch.tensor([0, 1, 2, 2, 1])), "five examples of three classes"


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_inputs_that_never_vary_are_left_out_of_the_training_only(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trained probe is the same with them and without, on rows that have other values there too; 256 is also the MLP's width."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(80, 256, generator=generator)
    x[:, 5:250] = 0.0
    y, other = (x[:, 0] + x[:, 255] > 0).long(), torch.randn(30, 256, generator=generator)
    assert probes._columns(x).tolist() == [*range(10), *range(250, 256)], "eleven that vary, and five to fill the line"
    assert probes._columns(other).tolist() == list(range(256))
    found = train_probe(kind, torch.Size([256]), x, y, 2, 3, 0)(other)
    monkeypatch.setattr(probes, "_columns", lambda x: torch.arange(x.shape[1]))
    assert torch.allclose(found, train_probe(kind, torch.Size([256]), x, y, 2, 3, 0)(other), atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_features_that_never_vary_hold_nothing(kind: str) -> None:
    result = probe_leakage(np.ones((100, 40)), BIAS[:100], kind=kind, epochs=1)
    assert result.accuracy <= result.chance
    assert result.information < 0.01


def test_features_whose_sum_overflows_are_finite() -> None:
    refuse_infinite(torch.full((4,), 3e38))
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(DataError, match="the embeddings hold NaN or infinite values"):
            refuse_infinite(torch.tensor([1.0, bad, -math.inf]))


def test_a_probe_keeps_a_fifth_back_and_the_callers_random_state() -> None:
    """The examples kept back agree with a rule that the others contradict: weights fitted to them too would follow it in part."""
    x = torch.randn(400, 1, generator=torch.Generator().manual_seed(1))
    y = (x[:, 0] > 0).long()
    against = y.clone()
    against[320:] = 1 - y[320:]
    state = torch.get_rng_state()
    probe = train_probe("linear", torch.Size([1]), x, against, 2, 5, 3)
    assert torch.equal(torch.get_rng_state(), state)
    *_, scale = probe.children()
    assert scale.factor == pytest.approx(1e-3), "by the examples kept back, all that was learnt is worthless"
    same, other = (train_probe("linear", torch.Size([1]), x, y, 2, 5, seed)(x) for seed in (3, 4))
    assert torch.equal(same, train_probe("linear", torch.Size([1]), x, y, 2, 5, 3)(x))
    assert not torch.equal(same, other)
