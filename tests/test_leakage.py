"""Leakage over seeds, code length and linear erasure: closed forms, controls on both sides, and bad input."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from lnl_core.cli import app
from lnl_core.config import preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation import Interval, code_length, feature_maps, leakage, probe_leakage, probes
from lnl_core.evaluation.erasure import linear_eraser
from lnl_core.information import entropy
from lnl_core.networks import build_network
from lnl_core.runs.run import run


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def labels(n: int, classes: int, seed: int = 0) -> Tensor:
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


# Probes over seeds


def test_the_interval_is_students() -> None:
    values = [0.4, 0.5, 0.6]
    found = Interval.of(values)
    half = 4.302653 * 0.1 / math.sqrt(3)  # t for two degrees of freedom
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-6)
    assert Interval.of([0.3]) == Interval(0.3, 0.3, 0.3)
    halves = Interval.of(values, overlap=1.0)  # three splits of the same examples into halves
    assert halves.high - halves.mean == pytest.approx(2 * half)


def test_planted_bias_is_found_and_noise_is_not() -> None:
    group = labels(600, 4)
    noise = normal(600, 8)
    planted = noise.clone()
    planted[:, :4] += 3 * torch.nn.functional.one_hot(group, 4)
    there, not_there = (leakage(features, group, kind="linear", seeds=3) for features in (planted, noise))
    assert there.found
    assert there.accuracy.mean > 0.85
    assert there.accuracy.mean - there.control.mean > 0.6
    assert not replace(there, seeds=1).found, "one probe has no interval"
    assert 0.8 < there.information.mean <= entropy(np.bincount(group) / 600) + 0.05
    assert not not_there.found
    assert abs(not_there.information.mean) < 0.1
    assert not_there.accuracy.low < not_there.chance + 0.05


def test_each_seed_is_one_probe() -> None:
    features, group = normal(200, 5), labels(200, 2)
    features[:, 0] += group
    found = leakage(features, group, kind="linear", seeds=2)
    single = [probe_leakage(features, group, kind="linear", seed=seed) for seed in (0, 1)]
    assert found.accuracy.mean == pytest.approx(np.mean([result.accuracy for result in single]))
    assert found.control.mean == pytest.approx(np.mean([result.control_accuracy for result in single]))
    assert found.control_information.mean == pytest.approx(np.mean([result.control_information for result in single]))
    independent = Interval.of([result.accuracy for result in single])
    assert found.accuracy.high - found.accuracy.mean == pytest.approx(math.sqrt(3) * (independent.high - independent.mean))


def test_intervals_of_overlapping_splits_hold_what_they_promise() -> None:
    """Means of halves of the same hundred numbers: the plain interval misses the truth far more often than one time in twenty."""
    rng, missed = np.random.default_rng(0), np.zeros(2)
    for _ in range(300):
        sample = rng.normal(size=100)
        means = [sample[rng.permutation(100)[:50]].mean() for _ in range(5)]
        missed += [not found.low < 0 < found.high for found in (Interval.of(means), Interval.of(means, overlap=1.0))]
    plain, corrected = missed / 300
    assert plain > 0.2
    assert corrected < 0.1


def test_the_control_has_no_information() -> None:
    group = labels(600, 4)
    features = 3.0 * torch.nn.functional.one_hot(group, 4) + normal(600, 4)
    found = leakage(features, group, kind="linear", seeds=1)
    assert found.information.mean > 0.8
    assert found.control_information.mean < 0.05


def test_a_conv_probe_sees_what_only_neighbours_tell() -> None:
    """Bars that stand or lie at any place: no single place and no fixed pattern tells them apart, two neighbours do."""
    group = labels(500, 2)
    maps = torch.zeros(500, 1, 8, 8)
    place = torch.randint(0, 7, (500, 2), generator=torch.Generator().manual_seed(1))
    for image, stands, (row, column) in zip(maps, group, place.tolist(), strict=True):
        image[0, row, column] = 1.0
        image[0, row + int(stands), column + 1 - int(stands)] = 1.0
    few: dict[str, Any] = {"seeds": 1, "steps": 150}  # enough for 1.00 against 0.55
    conv, linear = leakage(maps, group, kind="conv", **few), leakage(maps.flatten(1), group, kind="linear", **few)
    assert conv.accuracy.mean > 0.95
    assert linear.accuracy.mean < 0.8
    assert conv.control.mean < 0.65


def test_bad_input_is_one_sentence() -> None:
    features, group = normal(40, 3), labels(40, 2)
    with pytest.raises(ConfigError, match="seeds must be a whole number of at least 1, got 0"):
        leakage(features, group, seeds=0)
    with pytest.raises(DataError, match="unknown probe 'tree': choose one of linear, mlp, conv"):
        leakage(features, group, kind="tree", seeds=1)
    with pytest.raises(DataError, match=r"a conv probe reads feature maps \(N, C, H, W\), not features of shape \(N, 3\)"):
        leakage(features, group, kind="conv", seeds=1)
    with pytest.raises(DataError, match="there is nothing to read, its information is 0"):
        leakage(features, torch.zeros(40, dtype=torch.long))


# Code length


def test_noise_is_sent_at_the_uniform_price_and_planted_bias_below_it() -> None:
    """One code: 0.993 for noise, 15.6 for the planted bias, 1.016 for its shuffled labels, and its first part is 28 of 57 nats."""
    group = labels(640, 4)
    planted = 4.0 * torch.nn.functional.one_hot(group, 4) + normal(640, 4)
    noise = code_length(normal(640, 4, seed=3), group, kind="linear", seeds=1)
    cheap = code_length(planted, group, kind="linear", seeds=1)
    assert noise.uniform == pytest.approx(640 * math.log(4))
    assert noise.compression.mean == pytest.approx(1.0, abs=0.06)
    assert cheap.compression.mean > 3
    assert cheap.control.mean / cheap.uniform == pytest.approx(1.0, abs=0.06), "shuffled labels cost the uniform price"
    assert cheap.nats.low >= round(640 / 32) * math.log(4), "the first part is sent as it is"


def test_bias_that_takes_more_examples_to_read_costs_more() -> None:
    group = labels(640, 2)
    direct = torch.nn.functional.one_hot(group, 2).float() * 4 + 0.1 * normal(640, 2)
    sign = torch.where(normal(640, seed=2) > 0, 1.0, -1.0)
    hidden = torch.stack([sign, sign * (2.0 * group - 1)], dim=1) + 0.1 * normal(640, 2, seed=4)  # the product tells
    both = torch.cat([hidden, normal(640, 20, seed=5)], dim=1)
    easy, hard = (code_length(features, group, kind="mlp", seeds=1) for features in (direct, both))
    assert easy.nats.mean < 0.7 * hard.nats.mean
    assert hard.compression.mean > 1.3


def test_each_seed_is_one_code() -> None:
    group = labels(320, 2)
    features = normal(320, 3)
    features[:, 0] += group
    one, two = (code_length(features, group, kind="linear", seeds=seeds, steps=1) for seeds in (1, 2))  # poor probes give codes too
    assert one.nats.low == one.nats.mean == one.nats.high
    assert two.nats.low < one.nats.mean < two.nats.high, "the first code of two is the one alone"
    assert two.compression.mean == pytest.approx(two.uniform / two.nats.mean, rel=0.01)
    assert (one.seeds, two.seeds, two.n) == (1, 2, 320)
    with pytest.raises(ConfigError, match="seeds must be a whole number of at least 1, got 0"):
        code_length(features, group, seeds=0)


def test_too_few_examples_for_a_code_are_refused() -> None:
    with pytest.raises(DataError, match="100 examples are too few for the code length of 4 classes: use at least 256"):
        code_length(normal(100, 3), labels(100, 4))


# Linear erasure


def hidden_and_open() -> tuple[Tensor, Tensor]:
    """Features with the bias once in a mean and once in a product of two coordinates."""
    group = labels(2000, 2)
    features = normal(2000, 6) @ normal(6, 6, seed=9)
    features[:, 0] += 2.0 * group
    features[:, 5] = features[:, 4] * (2.0 * group - 1)
    return features, group


def test_nothing_linear_is_left_and_the_rest_stays() -> None:
    features, group = hidden_and_open()
    erased = linear_eraser(features, group)(features)
    onehot = torch.nn.functional.one_hot(group, 2).double()

    def cross_covariance(x: Tensor) -> float:
        x = x.double()
        return float(((x - x.mean(0)).T @ (onehot - onehot.mean(0)) / len(x)).abs().max())

    assert cross_covariance(features) > 0.3, "control: before, there is some"
    assert cross_covariance(erased) < 1e-5
    linear = leakage(erased, group, kind="linear", seeds=1)
    assert linear.accuracy.mean < linear.chance + 0.03
    assert leakage(features, group, kind="linear", seeds=1).accuracy.mean > 0.65
    assert leakage(erased, group, kind="mlp", seeds=1).accuracy.mean > 0.75, "a probe with a hidden layer still finds it"


def test_erasure_of_ten_classes_is_the_closed_form() -> None:
    group = labels(3000, 10)
    features = normal(3000, 24) @ normal(24, 24, seed=9) + normal(10, 24, seed=8)[group]
    x, onehot = features.double(), torch.nn.functional.one_hot(group, 10).double()
    centred = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    whiten, unwhiten = (vectors * values**power @ vectors.T for power in (-0.5, 0.5))
    seen = whiten @ centred.T @ (onehot - onehot.mean(0)) / len(x)
    projection = seen @ torch.linalg.pinv(seen, rtol=1e-9)
    assert torch.linalg.matrix_rank(projection, rtol=1e-6) == 9
    expected = x - centred @ (unwhiten @ projection @ whiten).T
    assert torch.allclose(linear_eraser(features, group)(features).double(), expected, atol=1e-5)


def test_no_other_projection_of_that_kind_changes_the_features_less() -> None:
    """Among affine maps without cross-covariance, the least change in mean square; tried against two others that reach it too:
    dropping the direction between the means of the classes, and a constant."""
    features, group = hidden_and_open()
    x = features.double()
    erased = linear_eraser(features, group)(features).double()
    difference = x[group == 1].mean(0) - x[group == 0].mean(0)
    direction = difference / difference.norm()
    dropped = x - ((x - x.mean(0)) @ direction)[:, None] * direction
    constant = x.mean(0).expand_as(x)
    change = [float((other - x).square().sum(1).mean()) for other in (erased, dropped, constant)]
    assert change[0] < 0.999 * change[1] < change[2]
    # In one dimension there is a closed form: everything goes.
    one = linear_eraser(features[:, :1], group)(features[:, :1])
    assert torch.allclose(one, features[:, :1].mean().expand_as(one), atol=1e-5)


def test_constant_features_are_left_alone_and_too_many_are_refused() -> None:
    features, group = hidden_and_open()
    features[:, 2] = 7.0
    assert torch.allclose(linear_eraser(features, group)(features)[:, 2], features[:, 2], atol=1e-4)
    with pytest.raises(DataError, match="30 examples of 40 features: linear erasure needs more examples than features"):
        linear_eraser(normal(30, 40), labels(30, 2))


# Trained models


def test_the_probes_of_a_network_read_its_features(mini_test: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_PROBE_PATIENCE", 1)
    network = build_network(preset("smoke", "lnl"))
    features = feature_maps(network, mini_test, 300)
    linear, conv = (leakage(features, mini_test.group[:300], kind=kind, seeds=1) for kind in ("linear", "conv"))
    assert (linear.kind, conv.kind) == ("linear", "conv")
    assert linear.accuracy.mean > 0.25, "an untrained network keeps the colour"


def test_the_command_prints_every_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_PROBE_PATIENCE", 1)
    run(preset("smoke", "baseline", train_size=700, test_size=60, epochs=1), tmp_path, progress=False)
    done = CliRunner().invoke(app, ["probe", str(tmp_path), "--kinds", "linear", "--seeds", "2", "--code-length"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert (result["method"], result["color_var"], result["source"]) == ("baseline", 0.03, "mini")
    (found,) = result["probes"]
    assert found["seeds"] == 2
    assert found["accuracy"]["low"] <= found["accuracy"]["mean"] <= found["accuracy"]["high"]
    assert result["code_length"][0]["compression"]["low"] > 0.8
    assert result["code_length"][0]["seeds"] == 2
