"""Fresh adversaries from windows: the same answers as on whole maps, both controls, and what the study lists."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lnl_core.config import preset
from lnl_core.datasets import IGNORE, BiasedImages, colored_mnist
from lnl_core.errors import ConfigError
from lnl_core.networks.build import build_network
from lnl_core.networks.parts import PixelBiasHead
from lnl_core.runs.run import MODEL, RECORD, save_model
from tools import ROOT
from tools.pages import fresh_h as page
from tools.pages.numbers import missing
from tools.studies import fresh_h as tool
from tools.studies.stored import read_measurements
from tools.studies.study import Options

QUICK = {**tool.SETTINGS, "epochs": 3, "batch_size": 50, "lr": 0.01}


@pytest.fixture(scope="module")
def digits() -> BiasedImages:
    return colored_mnist("test", 0.03, source="mini", bias_labels="image", bias_places="background")


def test_windows_are_read_as_whole_maps_are() -> None:
    """At every place of the map, its corners included, where h sees the zeros around the map and not what it makes of them."""
    torch.manual_seed(0)
    head = PixelBiasHead()
    features = torch.randn(3, 32, 14, 14).half().float()
    head(features)  # moves the running statistics away from 0 and 1
    head.eval()
    image, place = torch.arange(3).repeat_interleave(196), torch.arange(196).repeat(3)
    found = tool.read_windows(head, *tool.windows(tool.padded(features), image, place))
    torch.testing.assert_close(found.view(3, 196, 8, 3).permute(0, 2, 3, 1), head(features).flatten(3), rtol=1e-4, atol=1e-5)


def test_labels_by_image_and_place_are_those_of_the_data(digits: BiasedImages) -> None:
    again = tool.relabelled(digits, tool.levels_of(digits), "background")
    assert torch.equal(again.bias, digits.bias)
    other = tool.relabelled(digits, tool.levels_of(digits), "foreground")
    assert ((other.bias == IGNORE) != (digits.bias == IGNORE)).all()


def _places(levels: Tensor, shown: Tensor, noise: float) -> tool.Places:
    """Maps that show a level of each channel at every place, in 24 of the 32 features."""
    generator = torch.Generator().manual_seed(len(levels))
    code = torch.nn.functional.one_hot(shown, 8).flatten(1).float()
    maps = torch.cat([code, torch.zeros(len(levels), 8)], 1)[:, :, None, None].expand(-1, -1, 14, 14)
    maps = maps + noise * torch.randn(maps.shape, generator=generator)
    there = torch.zeros(len(levels), 196, dtype=torch.bool)
    there[:, ::3] = True
    return tool.Places(tool.padded(maps), levels, there)


@pytest.mark.parametrize("shuffled", [False, True])
def test_both_controls(shuffled: bool) -> None:
    """Levels that the features show are read nearly whole, log 8 nats of them; levels dealt anew among the images not at all."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 8, (800, 3), generator=generator)
    shown = levels[torch.randperm(800, generator=generator)] if shuffled else levels
    head = PixelBiasHead()
    train, held_out = _places(levels[:600], shown[:600], 0.1), _places(levels[600:], shown[600:], 0.1)
    fit = tool.trained_head(head, train, held_out, QUICK, seed=0)
    read = math.log(8) - min(fit["losses"])
    assert (read < 0.02) if shuffled else (read > 0.95 * math.log(8))


def test_the_epoch_with_the_least_held_out_loss_is_kept() -> None:
    """Forty images learnt by heart: later epochs are worse on others, and the head is that of the epoch that is named."""
    generator = torch.Generator().manual_seed(1)
    levels = torch.randint(0, 8, (240, 3), generator=generator)
    train, held_out = _places(levels[:40], levels[200:].flip(0), 1.0), _places(levels[40:200], levels[40:200].flip(0), 1.0)
    settings = {**QUICK, "epochs": 8, "batch_size": 20}
    head = PixelBiasHead()
    fit = tool.trained_head(head, train, held_out, settings, seed=3)
    assert fit["kept"] == fit["losses"].index(min(fit["losses"])) + 1
    assert fit["kept"] < settings["epochs"]
    assert not head.training
    again = PixelBiasHead()
    assert tool.trained_head(again, train, held_out, settings, seed=3) == fit, "the seed decides everything"
    assert all(torch.equal(one, other) for one, other in zip(head.parameters(), again.parameters(), strict=True))
    other = tool.trained_head(again, train, held_out, settings, seed=4)
    assert other["losses"] != fit["losses"]


def test_a_place_without_a_label_is_never_asked(digits: BiasedImages) -> None:
    there = tool.labelled(digits, "foreground")
    there[:7] = False
    places = tool.Places(torch.zeros(len(digits), 18, 18, 1, dtype=torch.half), tool.levels_of(digits), there)
    assert set(range(7)).isdisjoint(places.index.tolist())
    asked: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:

        def windows(maps: Tensor, image: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
            asked.append(there[image, place])
            return image, place

        patch.setattr(tool, "windows", windows)
        list(places.batches(50, 4))
    assert torch.cat(asked).all()
    assert sum(map(len, asked)) == 4 * len(places.index)


def test_a_network_is_measured(digits: BiasedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny course of the whole: f stays as it is, every reading has an interval over as many parts, and the old h is asked."""
    small = {**QUICK, "epochs": 1, "seeds": 2, "places": 1}
    monkeypatch.setattr(tool, "SETTINGS", small)
    monkeypatch.setitem(tool.READINGS, "longer", {**tool.READINGS["longer"], "epochs": 2})
    config = preset("smoke", "lnl", source="mini", train_size=300, test_size=200, bias_places="background", color_var=0.02)
    network = build_network(config).eval()
    network.h_trained = True
    before = copy.deepcopy(network.state_dict())
    found = tool.measure(network, config, None)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert set(found["fresh"]) == set(tool.READINGS)
    assert found["images"] == {"trained_on": 300, "held_out": 300}
    assert {name: {len(fit["losses"]) for fit in one["fits"]} for name, one in found["fresh"].items()} == {
        name: {2 if name == "longer" else 1} for name in tool.READINGS
    }
    for reading in (*found["fresh"].values(), *found["old"].values()):
        assert sum(reading["asked"]) == 200
        assert reading["information"]["low"] < reading["information"]["mean"] < reading["information"]["high"]
    other = config.with_options(color_var=0.03)
    assert set(tool.measure(network, other, None)["fresh"]) == set(tool.EVERYWHERE)
    network.h_trained = False
    assert tool.Asked(network, config, None).old("background") is None


def test_networks_whose_h_reads_a_vector_are_refused() -> None:
    config = preset("smoke", "mi_backprop", color_var=0.03)
    with pytest.raises(ConfigError, match="read feature maps, and mi_backprop has another h: leave it out"):
        tool.Asked(build_network(config), config, None)


def test_the_study_lists_control_stored_networks_and_runs_with_weights(tmp_path: Path) -> None:
    made = {
        "a": preset("smoke", "lnl"),
        "another-h": preset("smoke", "mi_backprop"),
        "other-values": preset("smoke", "lnl", lr=0.5),
        "no-weights": preset("smoke", "lnl"),
    }
    for name, config in made.items():
        folder = tmp_path / f"colored_mnist-{name}"
        save_model(build_network(config), config, folder / MODEL)
        (folder / RECORD).touch()
    (tmp_path / "colored_mnist-no-weights" / MODEL).unlink()
    keys = [job.key for job in tool.FreshH().jobs(Options(work=tmp_path))]
    assert keys[0] == tool.UNTRAINED
    assert {"lnl-0.02", "baseline-0.03"} <= set(keys)
    assert [key for key in keys if key.startswith("colored_mnist-")] == ["colored_mnist-a"]
    assert len(set(keys)) == len(keys)


# What the page says of the stored measurements


def stored(method: str, color_var: float = 0.02) -> dict[str, Any]:
    return page.of(method, color_var)


def test_the_controls_hold_in_the_stored_measurements() -> None:
    """What nothing hides is read, what is dealt anew is not, and a fresh h reads more than the old one wherever that was asked."""
    assert not missing(
        "is_it_gone.md",
        "From colours dealt anew among the images a fresh $h$ reads none, its loss is a little larger than a constant's",
        "It does so in every network that has an old $h$, at both places.",
        "Nearly all fresh $h$ were best after their last epoch",
        "thirty epochs instead of ten read",
    )
    assert {one["method"] for one in page.rows()} == {tool.UNTRAINED, "baseline", "lnl", "bias_balanced", "blind_eye", "lnl_adv"}
    fits = [fit for one in page.rows() for name in tool.EVERYWHERE for fit in one["fresh"][name]["fits"]]
    last = [fit["kept"] == len(fit["losses"]) for fit in fits]
    assert sum(last) > 0.9 * len(last)
    longer = stored("lnl")["fresh"]
    assert {len(fit["losses"]) for fit in longer["longer"]["fits"]} == {tool.LONGER}
    assert longer["longer"]["information"]["mean"] > longer["background"]["information"]["mean"]
    shown = stored(tool.UNTRAINED)["fresh"]
    assert shown["foreground"]["information"]["low"] > 0.7 * shown["foreground"]["entropy"]
    assert shown["background"]["information"]["low"] > 0.4 * shown["background"]["entropy"]
    for one in page.rows():
        if "permuted" in one["fresh"]:
            assert -0.005 < one["fresh"]["permuted"]["information"]["mean"] < 0
        for where in tool.EVERYWHERE:
            if (old := one["old"][where]) is not None:
                assert one["fresh"][where]["information"]["mean"] > old["information"]["mean"]


def test_with_three_epochs_at_a_third_of_the_rate_a_fresh_h_read_less_than_the_old_one() -> None:
    said = "epochs at a third of the rate had read less from four networks of `blind_eye` than their old $h$ did"
    assert not missing("is_it_gone.md", said)
    before = read_measurements(ROOT / tool.THREE_EPOCHS)
    assert {(one["method"], one["settings"]["epochs"], one["settings"]["lr"]) for one in before} == {("blind_eye", 3, 0.003)}
    assert len(before) == 4
    for one in before:
        assert one["fresh"]["background"]["information"]["mean"] < one["old"]["background"]["information"]["mean"]


@pytest.mark.parametrize("color_var", [0.02, 0.03])
def test_what_is_said_of_the_lnl_networks(color_var: float) -> None:
    assert not missing(
        "is_it_gone.md",
        "**What an $h$ can see is not all gone.**",
        "That is less than a hundredth of all there is",
        "where the old ones read none",
    )
    one = stored("lnl", color_var)
    read = {name: reading["information"] for name, reading in one["fresh"].items()}
    assert one["old"]["background"]["information"]["mean"] < 0 < 0.002 < read["background"]["low"]
    assert 0.007 < read["background"]["mean"] / one["fresh"]["background"]["entropy"] < 0.01
    assert read["foreground"]["low"] > 5 * read["background"]["high"]


def test_what_is_said_of_the_colours_of_the_training() -> None:
    said = "as the old one was, reads nothing on unbiased ones from the `lnl` network at 0.02"
    assert not missing("is_it_gone.md", said)
    assert stored("lnl")["fresh"]["training_colors"]["information"]["high"] < 0
    assert stored("baseline")["fresh"]["training_colors"]["information"]["low"] > 1.1


def test_the_table_has_a_row_a_network_and_place() -> None:
    lines = [line for line in page.fresh_h_table().splitlines() if line.startswith("| 0.0")]
    assert len(lines) == 2 * len(page.rows()) + 3
    (lnl,) = [line for line in lines if "| lnl, seed 0 |" in line and line.count("±") == 4]
    assert "0.015" in lnl
    assert "0.020" in lnl, "after thirty epochs"
    assert page.fresh_h_table(Path("nowhere")) == "Nothing has been measured yet.\n"
