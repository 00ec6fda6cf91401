"""Figures 6 and 7 without their photographs: whose answers are stored, of which images, and how far they turn round."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from lnl_core.config import RunConfig, preset
from lnl_core.datasets.container import BiasedImages
from lnl_core.experiments.splits import load_data
from lnl_core.runs.run import load_model, run_folder
from tools.pages import pretrained_faces as page
from tools.studies import answers as tool
from tools.studies.study import NotReady

SMOKE: dict[str, Any] = {"source": "synthetic", "train_size": 64, "test_size": 60, "probe_images": 2}


def test_the_answers_are_those_of_the_network_to_the_images_of_each_kind(tmp_path: Path) -> None:
    config = preset("smoke", "baseline", experiment="dogs_cats", seed=1, **SMOKE)
    found = tool.measure(config, tmp_path / "run", None)
    data = load_data(config.with_options(seed=0), "test")
    with torch.no_grad():
        second = load_model(tmp_path / "run")(data.batch(torch.arange(len(data))).images).softmax(dim=1)[:, 1]
    names = ["dark cat", "bright cat", "dark dog", "bright dog"]
    assert (list(found["kinds"]), found["seed"], sum(one["images"] for one in found["kinds"].values())) == (names, 1, len(data))
    for number, name in enumerate(names):
        here = (data.labels == number // 2) & (data.group == number % 2)
        kind = found["kinds"][name]
        assert kind["first"] == pytest.approx(second[here][0].item(), abs=1e-5)
        assert (kind["mean"], kind["images"]) == (pytest.approx(second[here].mean().item(), abs=1e-5), int(here.sum()))


def test_a_test_set_of_other_kinds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = preset("smoke", "baseline", experiment="dogs_cats", **SMOKE)
    data = load_data(config, "test")
    other = BiasedImages(data.images, data.labels, data.bias, data.group * 2, source=data.source, classes=2)
    monkeypatch.setattr(tool, "load_data", lambda *_: other)
    with pytest.raises(NotReady, match="other kinds than dark cat"):
        tool.measure(config, tmp_path / "run", None)


def _stored(root: Path, method: str, train_set: str, seed: int, mean: float, **changes: float) -> RunConfig:
    kinds = {kind: {"first": 0.5, "mean": mean, "images": 3} for kind in tool.KINDS["faces"]}
    config = preset("smoke", method, experiment="faces", train_set=train_set, seed=seed, **changes)
    path = root / tool.FOLDER / f"{run_folder('', config).name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = {"experiment": "faces", "method": method, "train_set": train_set, "seed": seed, "kinds": kinds}
    path.write_text(json.dumps(said), encoding="utf-8")
    return config


def test_how_far_answers_turn_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for seed, (first, second) in enumerate(((0.9, 0.1), (0.8, 0.6))):
        asked.append(_stored(tmp_path, "baseline", "eb1", seed, first))
        asked.append(_stored(tmp_path, "baseline", "eb2", seed, second))
        asked.append(_stored(tmp_path, "lnl", "eb1", seed, 0.7))
        asked.append(_stored(tmp_path, "lnl", "eb2", seed, 0.7))
    _stored(tmp_path, "lnl", "eb1", 0, 0.1, mi_weight=0.5)  # what the search had chosen before it was run again
    monkeypatch.setattr(tool, "networks", lambda root: asked)
    assert page.turned("faces", "baseline", tmp_path) == pytest.approx((0.8 + 0.2) / 2)
    assert page.turned("faces", "lnl", tmp_path) == 0
    shown = page.answered("faces", tmp_path)
    assert list(shown) == tool.KINDS["faces"]
    assert {one["name"] for one in shown["male, 0-29"]} == {"baseline, EB1", "baseline, EB2", "lnl, EB1", "lnl, EB2"}


def test_asked_are_three_seeds_of_both_methods_on_both_sets() -> None:
    asked = [(one.experiment, one.method, one.train_set, one.seed) for one in tool.networks()]
    assert len(asked) == len(set(asked)) == 2 * 2 * 2 * 3
    assert {one.learn for one in tool.networks() if one.experiment == "faces"} == {"gender"}
