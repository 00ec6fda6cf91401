"""Confidence: every number against its closed form, and both controls, a network that knows what it knows and one that does not."""

from dataclasses import asdict
from importlib import import_module

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle
from sklearn.calibration import calibration_curve
from torch import Tensor, nn

from lnl_core.datasets import BiasedImages
from lnl_core.errors import ConfigError, DataError
from lnl_core.evaluation import calibration, confidences, logits, predict, right_from_wrong
from lnl_core.figures import reliability


def logits_with(confidence: list[float], answers: list[int], classes: int = 4) -> Tensor:
    """Rows whose largest probability is the given one; the others share the rest."""
    rest = (1 - torch.tensor(confidence).double()) / (classes - 1)
    found = rest[:, None].repeat(1, classes)
    found[torch.arange(len(answers)), torch.tensor(answers)] = torch.tensor(confidence).double()
    return found.log()


def test_every_number_by_hand() -> None:
    """Bins of a half: two answers of confidence 0.4, one of them right, and three of 0.7, 0.8 and 0.95, of which 0.95 is wrong."""
    found = calibration(logits_with([0.4, 0.4, 0.7, 0.8, 0.95], [0, 1, 2, 3, 0]), torch.tensor([0, 0, 2, 3, 1]), bins=2)
    assert (found.images, found.counts) == (5, [2, 3])
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.confidence == pytest.approx((0.4 + 0.4 + 0.7 + 0.8 + 0.95) / 5)
    assert found.bin_accuracy == pytest.approx([1 / 2, 2 / 3])
    assert found.bin_confidence == pytest.approx([0.4, 2.45 / 3])
    assert found.error == pytest.approx(2 / 5 * 0.1 + 3 / 5 * (2.45 / 3 - 2 / 3))
    assert found.auroc == pytest.approx(2.5 / 6), "of six pairs two are in order, and the two 0.4 count a half"
    assert found.wrong_confidence == pytest.approx((0.4 + 0.95) / 2)
    assert found.wrong_sure == pytest.approx(1 / 2)


def test_answers_that_are_all_right_have_no_auroc_and_empty_bins_no_mean() -> None:
    found = calibration(logits_with([0.9, 0.9], [0, 1]), torch.tensor([0, 1]), bins=3)
    assert (found.auroc, found.wrong_confidence, found.wrong_sure) == (None, None, None)
    assert found.bin_accuracy == [None, None, 1.0]
    assert found.error == pytest.approx(0.1)
    assert calibration(logits_with([0.9, 0.9], [0, 1]), torch.tensor([1, 0])).auroc is None


def test_bins_are_those_of_scikit_learn() -> None:
    rows, labels = drawn(2000)
    sure, answers = confidences(rows)
    found = calibration(rows, labels, bins=10)
    accuracy, confidence = calibration_curve(answers == labels.numpy(), sure, n_bins=10)
    assert [value for value in found.bin_accuracy if value is not None] == pytest.approx(accuracy)
    assert [value for value in found.bin_confidence if value is not None] == pytest.approx(confidence)


def drawn(images: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Labels drawn from the softmax of the logits, and the logits times ``scale``."""
    generator = torch.Generator().manual_seed(0)
    rows = 2 * torch.randn(images, 5, generator=generator, dtype=torch.float64)
    return scale * rows, torch.multinomial(rows.softmax(1), 1, generator=generator)[:, 0]


def test_control_labels_drawn_from_the_probabilities_are_calibrated() -> None:
    found = calibration(*drawn(20_000))
    assert found.error < 0.015
    assert found.accuracy == pytest.approx(found.confidence, abs=0.01)
    sure, _ = confidences(drawn(20_000)[0])  # a right answer has density proportional to c, a wrong one to 1 - c
    order = np.sort(sure)
    wrong_below = np.cumsum(1 - order) - (1 - order) / 2
    assert found.auroc == pytest.approx(float((order * wrong_below).sum() / (order.sum() * (1 - order).sum())), abs=0.01)


def test_control_sharper_logits_are_overconfident_and_rank_much_as_before() -> None:
    fair, sharp = calibration(*drawn(20_000)), calibration(*drawn(20_000, scale=4.0))
    assert sharp.accuracy == fair.accuracy
    assert sharp.error == pytest.approx(sharp.confidence - sharp.accuracy, abs=0.01)
    assert sharp.error > 0.2
    assert fair.auroc is not None
    assert sharp.auroc == pytest.approx(fair.auroc, abs=0.02)


def test_control_a_confidence_that_tells_nothing_ranks_by_chance() -> None:
    rows, _ = drawn(20_000)
    found = calibration(rows, torch.randint(5, (20_000,), generator=torch.Generator().manual_seed(1)))
    assert found.auroc == pytest.approx(0.5, abs=0.015)
    assert found.accuracy == pytest.approx(0.2, abs=0.01)
    assert found.error == pytest.approx(found.confidence - 0.2, abs=0.02)


def test_a_wrong_answer_of_just_that_confidence_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("lnl_core.evaluation.calibration"), "SURE", 0.5)
    assert calibration(torch.zeros(1, 2), torch.tensor([1])).wrong_sure == 1, "two equal logits have a probability of 0.5 exactly"


def test_right_from_wrong_at_both_ends() -> None:
    sure = np.array([0.9, 0.8, 0.3, 0.2])
    assert right_from_wrong(sure, np.array([True, True, False, False])) == 1
    assert right_from_wrong(sure, np.array([False, False, True, True])) == 0


@pytest.mark.parametrize("bad", [torch.zeros(3), torch.zeros(0, 2), torch.zeros(3, 1), torch.tensor([[0.0, torch.nan]])])
def test_logits_that_are_none_are_refused(bad: Tensor) -> None:
    with pytest.raises(DataError, match=r"^the logits hold NaN [^\n]*$|^logits must be of shape [^\n]*$"):
        calibration(bad, torch.zeros(len(bad), dtype=torch.int64))


def test_labels_and_bins_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected 3, got 2$"):
        calibration(torch.zeros(3, 2), torch.tensor([0, 1]))
    for bins in (0, True, 2.0):
        with pytest.raises(ConfigError, match=r"^bins must be a whole number"):
            calibration(torch.zeros(3, 2), torch.tensor([0, 1, 0]), bins=bins)  # type: ignore[arg-type]


def test_predictions_are_the_largest_logits() -> None:
    images = torch.randint(256, (7, 3, 4, 4), dtype=torch.uint8)
    data = BiasedImages(images, [0] * 7, [0] * 7, [0] * 7, classes=3, bias_classes=2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).double()
    network[0].register_forward_pre_hook(lambda module, inputs: inputs[0].double())
    found = logits(network, data)
    assert found.shape == (7, 3)
    assert predict(network, data).tolist() == found.argmax(1).tolist()


def test_the_figure_has_a_panel_a_network_and_a_bar_a_bin() -> None:
    one = asdict(calibration(*drawn(500), bins=10))
    figure = reliability({"baseline": one, "lnl": {**one, "error": 0.5}})
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [panel.get_title() for panel in panels] == [f"baseline\nerror {one['error']:.3f}", "lnl\nerror 0.500"]
    drawn_bars = [patch.get_height() for patch in panels[0].patches if isinstance(patch, Rectangle)]
    assert drawn_bars == pytest.approx([value for value in one["bin_accuracy"] if value is not None])
