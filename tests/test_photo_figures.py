"""The figures of the photographs: what they draw, and the rule that chooses their images."""

from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

from lnl_core.datasets import animals, synthetic_faces
from lnl_core.errors import DataError
from lnl_core.evaluation.mixing import mixing_score
from lnl_core.figures import photographs as figures, samples
from lnl_core.runs.comparison import results_table


def test_the_first_image_of_each_kind_is_chosen() -> None:
    data = animals("test", n=40, size=32)
    chosen = figures.first_of_each_kind(data)
    kinds = [(int(data.labels[index]), int(data.group[index])) for index in chosen]
    assert kinds == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for index, (label, group) in zip(chosen, kinds, strict=True):
        assert not ((data.labels[:index] == label) & (data.group[:index] == group)).any()
    assert len(figures.first_of_each_kind(animals("tb1", n=40, size=32))) == 2, "only the pairs that occur"
    thirds = np.arange(len(data)) % 3
    assert [(int(data.labels[i]), int(thirds[i])) for i in figures.first_of_each_kind(data, thirds)] == [
        (label, third) for label in (0, 1) for third in (0, 1, 2)
    ]


def test_each_bar_is_one_networks_probabilities() -> None:
    data = synthetic_faces("test", n=8, size=32)
    values = np.array([[0.25, 0.75], [1.0, 0.0]])
    figure = figures.answers(data, [0, 3], {"baseline": values, "lnl": values[::-1]}, ["man", "woman"], ["first", "fourth"])
    bars = figure.axes[2]
    assert [round(cast(Rectangle, bar).get_width(), 2) for bar in bars.patches] == [0.25, 1.0, 0.75, 0.0], (
        "class by class, network by network"
    )
    assert [tick.get_text() for tick in bars.get_yticklabels()] == ["baseline", "lnl"]
    assert figure.axes[1].get_title() == "fourth"
    plt.close("all")


@pytest.mark.parametrize("captions", [["one"], ["one", "two", "three"]])
def test_captions_that_do_not_fit_are_refused(captions: list[str]) -> None:
    data = synthetic_faces("test", n=4, size=32)
    with pytest.raises(DataError, match="2 images need as many captions"):
        figures.answers(data, [0, 1], {"lnl": np.ones((2, 2)) / 2}, ["man", "woman"], captions)


@pytest.mark.parametrize("source", ["utkface", "imdb", "imdb_authors"])
def test_photographs_of_people_are_not_shown(source: str) -> None:
    data = synthetic_faces("test", n=4, size=32)
    data.source = source
    with pytest.raises(DataError, match="people who were not asked"):
        figures.answers(data, [0], {"lnl": np.ones((1, 2)) / 2}, ["man", "woman"], ["one"])
    with pytest.raises(DataError, match="people who were not asked"):
        samples(data, per_class=2)


def test_the_turns_show_each_side_where_it_moved() -> None:
    history = [{"turn": "bias", "epoch": 1, "bias": 0.5}, {"turn": "bias", "epoch": 1, "bias": 0.3}]
    history += [{"turn": "main", "epoch": 1, "label": 2.0, "confusion": 0.9}, {"turn": "bias", "epoch": 1, "bias": 0.7}]
    axes = figures.turns(history, window=1).axes[0]
    bias, confusion, level, least = axes.lines
    assert np.asarray(bias.get_xydata()).tolist() == [[0, 0.5], [1, 0.3], [3, 0.7]]
    assert np.asarray(confusion.get_xydata()).tolist() == [[2, 0.9]]
    assert np.asarray(level.get_xydata())[0, 1] == pytest.approx(np.log(2))
    assert np.asarray(least.get_xydata())[0, 1] == pytest.approx(np.log(2))
    assert np.asarray(figures.turns(history, guessing=0.63).axes[0].lines[-2].get_xydata())[0, 1] == 0.63
    (averaged, *_) = figures.turns(history, window=3).axes[0].lines
    assert np.asarray(averaged.get_xydata())[0].tolist() == pytest.approx([4 / 3, 0.5])


def test_the_score_beside_the_picture_is_that_of_the_features() -> None:
    generator = torch.Generator().manual_seed(0)
    features, group = torch.randn(60, 5, generator=generator), torch.arange(60) % 2
    score = mixing_score(features, group)
    figure = figures.mixed({"α 0": features[:, :2], "α 1": features[:, 2:4]}, group, ["men", "women"], {"α 0": score, "α 1": score})
    assert f"mixing score {score.score:.2f}" in figure.axes[0].get_title()
    assert [np.asarray(points.get_offsets()).shape[0] for points in figure.axes[1].collections] == [30, 30]


def test_the_tables_panels_are_its_columns() -> None:
    rows = results_table("dogs_cats", records=[])
    figure = figures.table_figure(rows, "Table 1")
    assert [axes.get_title() for axes in figure.axes] == [
        "TB1, tested on TB2",
        "TB1, tested on test",
        "TB2, tested on TB1",
        "TB2, tested on test",
    ]
    marks = sorted(float(np.asarray(line.get_xydata())[0, 0]) for line in figure.axes[0].lines)
    published = [row["published"] for row in rows if (row["setting"]["train"], row["setting"]["test"]) == ("TB1", "TB2")]
    assert marks == sorted(published)


def test_answers_by_kind_have_a_bar_a_network_and_a_mark_a_seed() -> None:
    def answered(name: str, method: str, first: float, mean: float) -> dict[str, object]:
        return {"name": name, "method": method, "first": first, "mean": mean}

    base = [answered("baseline, TB1", "baseline", 0.9, 0.4), answered("baseline, TB1", "baseline", 0.7, 0.6)]
    found = {"dark cat": [*base, answered("lnl, TB1", "lnl", 0.1, 0.3)], "bright dog": base}
    figure = figures.answers_by_kind(found, "dog", "Answers")
    cat, dog = figure.axes[:2]
    assert [cat.get_title(), dog.get_title()] == ["dark cat", "bright dog"]
    assert [bar.get_width() for bar in cat.patches] == pytest.approx([0.5, 0.3])  # type: ignore[attr-defined]
    means, first = cat.collections[0], cat.collections[1]
    assert np.asarray(means.get_offsets())[:, 0].tolist() == [0.4, 0.6]
    assert np.asarray(first.get_offsets())[:, 0].tolist() == [0.9, 0.7]
    assert [bar.get_width() for bar in dog.patches][1] == 0, "a network that is not there has no bar"  # type: ignore[attr-defined]
    assert 'probability of "dog"' in [text.get_text() for text in figure.texts]
