"""The explorables: what they compute is what the library computes, they answer to mouse and keyboard, and need no server."""

import base64
import colorsys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from browsers import DESK, PHONE, Opened
from torch import nn

from lnl_core.datasets.colored_mnist import paint
from lnl_core.errors import ConfigError
from lnl_core.experiments.colored_mnist import COLOR_VARS
from lnl_core.information import conditional_entropy, entropy, mutual_information
from lnl_core.networks import digit_network
from lnl_core.networks.parts import LNLNetwork
from lnl_core.runs.comparison import results_table
from lnl_core.runs.records import read_record
from lnl_core.runs.run import load_model
from tools import ROOT
from tools.pages import dial, explorables, game
from tools.site.notebooks import read_script
from tools.studies.models import METHODS
from tools.studies.shown_digits import first_of_each

MODELS = ROOT / "results" / "models"


def test_what_is_generated_is_up_to_date() -> None:
    assert explorables.stale() == [], "run 'make results'"


def test_each_network_is_small() -> None:
    for method in METHODS:
        weights = explorables.network_of(load_model(MODELS / f"{method}-0.02.safetensors"))["weights"]
        assert len(base64.b64decode(weights)) < 140_000, method


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (nn.Tanh(), "layer Tanh"),
        (nn.Conv2d(32, 32, 3, groups=2), "groups=2"),
        (nn.Conv2d(32, 32, (3, 1)), "square kernels"),
        (nn.Linear(2, 2, bias=False), "no linear without a bias"),
        (nn.AdaptiveAvgPool2d(2), "layer AdaptiveAvgPool2d"),
    ],
)
def test_a_layer_that_the_page_does_not_know_is_refused_by_name(layer: nn.Module, named: str) -> None:
    good = digit_network()
    assert isinstance(good.extractor, nn.Sequential)
    with pytest.raises(ConfigError, match=named):
        explorables.network_of(LNLNetwork(nn.Sequential(*good.extractor, layer), good.label_head, good.bias_head))


def test_the_digits_are_the_first_of_each_class() -> None:
    images = np.arange(12 * 784, dtype=np.uint32).astype(np.uint8).reshape(12, 28, 28)
    found = first_of_each(images, np.array([1, 0, 1, 1, 0, 2, 3, 4, 5, 6, 7, 8]), each=2)
    assert (found["places"][:4], found["labels"][:4]) == ([1, 4, 0, 2], [0, 0, 1, 1])
    assert base64.b64decode(found["pixels"])[: 28 * 28] == images[1].tobytes()
    stored = explorables.paint_data()["test_digits"]
    assert stored["labels"] == [digit for digit in range(10) for _ in range(3)]
    assert len(base64.b64decode(stored["pixels"])) == 30 * 28 * 28


@pytest.fixture
def painting(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    opened = Opened(browser, tmp_path, "paint", viewport=DESK, has_touch=True)
    yield opened
    opened.context.close()
    assert opened.faults == []


def test_the_page_computes_what_torch_computes(painting: Opened) -> None:
    """All thirty digits, each in another colour, by each network: logits to 1e-4, and painted images to the last bit."""
    data = explorables.paint_data()
    grey = np.frombuffer(base64.b64decode(data["test_digits"]["pixels"]), np.uint8).reshape(30, 28, 28).copy()
    levels = np.array(data["levels"])[np.arange(30) * 3 % len(data["levels"])]
    images = paint(grey, (levels + 0.5) / 255).float() / 255
    code = """([name, levels]) => { const core = window.lnlCore, layers = core.network(window.lnlData["network_" + name]);
        const bytes = core.bytesOf(window.lnlData.paint.test_digits.pixels);
        return levels.map((level, i) => {
            const image = core.paint(bytes.subarray(784 * i, 784 * (i + 1)), level);
            return [core.logits(layers, image), image.map(one => one.reduce((sum, value) => sum + value, 0))];
        }); }"""
    for method in METHODS:
        network = load_model(MODELS / f"{method}-0.02.safetensors").eval()
        with torch.no_grad():
            wanted = network(images).numpy()
        found = painting.page.evaluate(code, [method, levels.tolist()])
        assert np.abs(np.array([one[0] for one in found]) - wanted).max() < 1e-4, method
        sums = images.double().sum((2, 3)).numpy()
        assert np.abs(np.array([one[1] for one in found]) - sums).max() < 1e-4


def assert_names_the_nearest(said: str, method: str, hue: float) -> None:
    """At a hue that was not measured: which measured colour is nearest, as colours are painted and varied, and the share there."""
    data = explorables.paint_data()
    shown = np.array(data["levels"][data["hues"].index(hue)])
    near = int(np.argmin([np.linalg.norm(shown - np.array(levels)) for levels in data["levels"][-10:]]))
    assert f"Around {data['names'][near]}, the measured colour nearest in red, green and blue, right on" in said
    assert f"right on {100 * data['share_right'][method][near]:.1f} % of" in said


def test_a_choice_of_digit_and_colour_is_answered(painting: Opened) -> None:
    page = painting.page
    first = painting.said()
    assert first.startswith("In bondi blue, the colour of the 3 in training: baseline says 3, ")
    page.click("button:has-text('0: crimson')")
    assert painting.said().startswith("In crimson, the colour of the 0 in training: baseline says 0,"), "it goes by the colour"
    share = explorables.paint_data()["share_right"]["baseline"][0]
    assert f"{100 * share:.1f} %" in page.inner_text(".answer >> nth=0")
    page.focus("input[type=range]")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert painting.said().startswith("In hue 10 degrees:")
    assert_names_the_nearest(page.inner_text(".answer >> nth=0"), "baseline", 10)
    page.locator(".wheel").scroll_into_view_if_needed()
    box = page.locator(".wheel").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.95)
    assert painting.said().startswith("In hue 180 degrees:")
    assert_names_the_nearest(page.inner_text(".answer >> nth=2"), "bias_balanced", 180)
    page.focus("input[type=range]")
    page.keyboard.press("Home")
    assert painting.said().startswith("In hue 0 degrees:")
    assert "Around crimson, " in page.inner_text(".answer >> nth=0"), "pure red; maroon is nearer in hue alone"


def test_every_dot_of_the_wheel_is_the_colour_that_it_shows_and_the_hue_goes_on_from_there(painting: Opened) -> None:
    """Two dots lie so close that a click on the one is near both."""
    page, data = painting.page, explorables.paint_data()
    page.locator(".wheel").scroll_into_view_if_needed()
    box = page.locator(".wheel").bounding_box()
    for number, (name, levels) in enumerate(zip(data["names"], data["levels"][-10:], strict=True)):
        hue = 360 * colorsys.rgb_to_hsv(*levels)[0]
        radius, angle = 78 * (max(levels) - min(levels)) / 255, np.deg2rad(hue - 90)
        x, y = ((112 + radius * part) / 224 for part in (np.cos(angle), np.sin(angle)))
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
        assert painting.said().startswith(f"In {name}, the colour of the {number} in training")
        step = 360 / len(data["hues"])
        assert int(page.input_value("input[type=range]")) == step * (round(hue / step) % len(data["hues"])), name
    page.click("button:has-text(': maroon')")
    page.focus("input[type=range]")
    assert page.input_value("input[type=range]") == "0"
    page.keyboard.press("Home")
    assert painting.said().startswith("In hue 0 degrees:"), "the slider stood there already"


def test_a_drawing_is_answered_and_a_drawing_of_nothing_says_so(painting: Opened) -> None:
    page = painting.page
    page.click("button:has-text('Clear')")
    assert painting.said() == "Nothing is drawn yet: draw a digit, or choose one of the test digits."
    page.locator(".drawing").scroll_into_view_if_needed()
    box = page.locator(".drawing").bounding_box()
    page.mouse.move(box["x"] + 110, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 190, steps=8)
    page.mouse.up()
    assert "bias_balanced says 1." in painting.said()
    page.click("button:has-text('Clear')")
    page.focus(".drawing")
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    assert "bias_balanced says 1." in painting.said()


def test_it_fits_a_phone_and_without_scripts_its_numbers_are_there(browser: Any, tmp_path: Path) -> None:
    phone = Opened(browser, tmp_path, "paint", viewport=PHONE)
    assert phone.too_wide() <= 0
    phone.context.close()
    bare = Opened(browser, tmp_path, "paint", java_script_enabled=False)
    assert "needs JavaScript" in bare.page.inner_text("main")
    bare.page.click("summary")
    assert "crimson, the 0 of training" in bare.page.inner_text("main")
    bare.context.close()
    assert phone.faults + bare.faults == []


def test_entropy_by_hand_is_the_entropy_of_the_library(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, "entropy", viewport=PHONE)
    for weights in ([[45, 5], [5, 45]], [[1, 0], [0, 3]], [[7, 0], [0, 0]], [[1, 2], [3, 4]]):
        found = opened.page.evaluate("table => window.lnlEntropy.measures(table)", weights)
        joint = np.array(weights) / np.sum(weights)
        wanted = [entropy(joint.sum(1)), entropy(joint.sum(0)), conditional_entropy(joint), mutual_information(joint)]
        assert [found[name] for name in ("label", "bias", "open", "information")] == pytest.approx(wanted, abs=1e-6)
    assert opened.said() == "H(Y) = 0.693 nats, H(b) = 0.693 nats, I(Y; b) = 0.368 nats, H(Y | b) = 0.325 nats."
    assert opened.page.locator("label").all_inner_texts()[:2] == ["crimson zeros: 45", "teal zeros: 5"]
    opened.page.focus("input >> nth=4")  # what the features know
    opened.page.keyboard.press("End")
    assert "at most I(Z; Y) = 0.693 nats" in opened.page.inner_text("[role=status] >> nth=1"), "what a screen reader is told"
    opened.page.keyboard.press("Home")
    assert "at most I(Z; Y) = 0.325 nats" in opened.page.inner_text("main")
    widths = opened.page.locator(".measures i").evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")
    assert widths == pytest.approx([100, 100, 53.1, 46.9, 46.9], abs=0.1)
    for number in range(4):
        opened.page.focus(f"input >> nth={number}")
        opened.page.keyboard.press("Home")
    assert opened.said() == "There is no digit in the table: raise one of the bars."
    assert set(opened.page.locator(".measures i").evaluate_all("bars => bars.map(bar => bar.style.width)")) == {"0%"}
    assert opened.too_wide() <= 0
    opened.context.close()
    assert opened.faults == []


def _notebook_game(settings: game.Game, start: tuple[float, float], steps: int) -> np.ndarray[Any, Any]:
    """The first steps of a game with the losses of notebook 03's own code, by automatic differentiation."""
    cells = read_script(ROOT / "notebooks" / "03_minmax_game.py").cells
    (code,) = (cell.source for cell in cells if cell.cell_type == "code" and "def noisy_losses(" in cell.source)
    names: dict[str, Any] = {"np": np, "torch": torch, "F": torch.nn.functional}
    exec(code, names)

    def gradients(a: torch.Tensor, w: torch.Tensor) -> list[torch.Tensor]:
        bias_loss, entropy_term = names["noisy_losses"](a, w, settings.noise)
        of_f = settings.mi_weight * entropy_term - settings.adv_weight * bias_loss
        return [torch.autograd.grad(of_f, a, retain_graph=True)[0], torch.autograd.grad(bias_loss, w)[0]]

    a, w = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in start)
    path = [start]
    for _ in range(steps):
        new = (a - game.RATE * gradients(a, w)[0]).detach().requires_grad_()
        w = (w - game.RATE * gradients(new if settings.in_turns else a, w)[1]).detach().requires_grad_()
        a = new
        path.append((a.item(), w.item()))
    return np.array(path)


def test_the_game_is_that_of_the_notebook(browser: Any, tmp_path: Path) -> None:
    """25 steps by automatic differentiation, all 300 in numpy, to 1e-4, from two starts and with every term."""
    opened = Opened(browser, tmp_path, "game", viewport=DESK)
    every_term = game.Game(mi_weight=2.5, adv_weight=0.7, noise=1.25, in_turns=True)
    for settings, start in [*((one, game.START) for one in game.GAMES.values()), (every_term, (-1.1, 0.4))]:
        asked = [asdict(settings), list(start)]
        found = np.array(opened.page.evaluate("([settings, start]) => window.lnlGame.play(settings, start)", asked))
        assert np.abs(found - game.play(settings, start)).max() < 1e-4, settings
        assert np.abs(found[:26] - _notebook_game(settings, start, 25)).max() < 1e-4, settings
        assert opened.page.evaluate("path => window.lnlGame.turns(path)", found.tolist()) == pytest.approx(game.turns(found))
    loss = opened.page.evaluate("window.lnlGame.biasLoss(0.8, -0.5, 0)")
    assert loss == pytest.approx(np.log1p(np.exp(0.4)), abs=1e-9)
    opened.context.close()
    assert opened.faults == []


def test_the_game_goes_round_and_comes_to_rest(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, "game", viewport=PHONE, has_touch=True)
    page = opened.page
    assert opened.said().startswith("The game goes round on a ring: nobody wins. 4.7 turns in 300 steps;")
    page.click("button:has-text('Entropy term')")
    assert opened.said().startswith("The game goes round on a ring"), "within 300 steps it still nears the ring"
    page.click("button:has-text('At once')")
    assert opened.said().startswith("The game winds outwards")
    page.focus("input >> nth=2")  # the noise
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert opened.said().startswith("The game comes to rest where h knows nothing"), "noise 1 stops it"
    page.focus("input >> nth=1")  # mu
    page.keyboard.press("Home")
    assert opened.said().startswith("f does not push back")
    page.click("button:has-text('In turns')")
    page.locator(".plane").scroll_into_view_if_needed()
    box = page.locator(".plane").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 0.75 * box["height"])
    assert "goes from 0.60 to" in opened.said(), "from a = 0, w = -0.6: half of the way down"
    page.focus(".plane")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert "the distance from the origin goes from 0.90 to" in opened.said()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    far = float(opened.said().split("from the origin goes from ")[1].split()[0])
    page.focus(".plane")
    page.keyboard.press("ArrowUp")
    nearer = float(opened.said().split("from the origin goes from ")[1].split()[0])
    assert nearer >= far, "an arrow up moves h alone"
    page.click("button:has-text('Play it')")
    page.wait_for_function("document.querySelectorAll('input[type=range]')[3].value < 300")
    page.click("button:has-text('Noise')")
    page.wait_for_function("document.querySelectorAll('input[type=range]')[3].value == 300")
    assert opened.too_wide() <= 0
    opened.context.close()
    bare = Opened(browser, tmp_path, "game", java_script_enabled=False)
    assert bare.page.locator("svg[role=img]").count() == len(game.GAMES)
    bare.page.click("summary")
    assert "In turns: a ring" in bare.page.inner_text("table")
    bare.context.close()
    assert opened.faults + bare.faults == []


@pytest.mark.parametrize(
    ("settings", "start", "said"),
    [
        ({"mi_weight": 3, "adv_weight": 0.8}, game.START, "ring"),
        ({"mi_weight": 0, "adv_weight": 0}, (0.0, 1.0), "blind"),
        ({"mi_weight": 0, "adv_weight": 0}, game.START, "alone"),
        ({"mi_weight": 2, "adv_weight": 0}, game.START, "straight"),
    ],
)
def test_what_became_of_a_game_is_said_truly(
    browser: Any, tmp_path: Path, settings: dict[str, Any], start: tuple[float, float], said: str
) -> None:
    opened = Opened(browser, tmp_path, "game", viewport=DESK)
    asked = [asdict(game.Game(**settings)), list(start)]
    code = "([settings, start]) => window.lnlGame.verdict(window.lnlGame.play(settings, start, 900), settings)"
    assert opened.page.evaluate(code, asked) == said
    opened.context.close()


def test_a_game_that_went_round_is_not_said_to_go_straight(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, "game", viewport=DESK)
    asked = [asdict(game.Game(adv_weight=1.6)), [0.0, 1.0]]
    for steps in (300, 900, 1500):
        code = f"([settings, start]) => window.lnlGame.verdict(window.lnlGame.play(settings, start, {steps}), settings)"
        assert opened.page.evaluate(code, asked) != "straight", steps
    opened.context.close()


@pytest.mark.parametrize("name", ["paint", "entropy", "game", "dial", "records"])
def test_every_control_has_a_name(browser: Any, tmp_path: Path, name: str) -> None:
    """A label that holds an output before its slider names the output and leaves the slider without one."""
    opened = Opened(browser, tmp_path, name, viewport=DESK)
    opened.page.wait_for_selector(".explorable input")
    nameless = """[...document.querySelectorAll("input, select, button")].filter(one => !one.labels?.length && !one.ariaLabel
        && !(one.tagName === "BUTTON" && one.textContent.trim())).map(one => one.outerHTML)"""
    assert opened.page.evaluate(nameless) == []
    opened.context.close()


def test_the_dial_holds_the_runs_of_figure_4() -> None:
    shown = dial.values()
    for row in results_table():
        found = shown["test_accuracy"].get(row["method"], {}).get(f"{row['color_var']:g}", [])
        assert sorted(found) == pytest.approx(sorted(row["values"]), abs=1e-4), row["method"]
    assert all("jlu" not in of_method for of_method in shown.values())
    one = read_record(ROOT / "results" / "runs" / "colored_mnist-lnl-0.02-seed0-short-4fb0be37bd61.json")
    assert shown["worst_bias_accuracy"]["lnl"]["0.02"][0] == pytest.approx(one.metrics["worst_bias_accuracy"], abs=1e-4)
    assert {len(of) for of in shown["worst_group_accuracy"].values()} == {len(COLOR_VARS)}, "every panel of the groups is whole"


def test_the_dial_turns_and_every_cell_was_measured(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, "dial", viewport=PHONE)
    page, shown = opened.page, dial.values()
    means = {method: np.mean(by["0.02"]) for method, by in shown["test_accuracy"].items()}
    least = min(means, key=lambda method: means[method])
    count = len(shown["test_accuracy"][least]["0.02"])
    assert opened.said().startswith(f"At σ² = 0.02 the accuracies go from {means[least]:.3f} ({least}, n = {count}) to ")
    page.focus("input[type=range]")
    page.keyboard.press("End")
    assert opened.said().startswith("At σ² = 0.05 the accuracies go from ")
    assert "not measured" not in opened.said()
    lnl = page.locator("tr:has(th:text-is('lnl'))")
    runs = shown["test_accuracy"]["lnl"]["0.05"]
    assert lnl.nth(0).inner_text().split() == ["lnl", f"{np.mean(runs):.3f}", f"{len(runs)}"]
    places = lnl.nth(0).locator("i:not([hidden])").evaluate_all("dots => dots.map(dot => parseFloat(dot.style.left))")
    assert places == pytest.approx([100 * value for value in runs], abs=1e-4)
    page.select_option("select", "1")
    (every,) = (of for name, of in dial.of_both().items() if name == dial.SMALL)
    small = {method: by["0.05"] for method, by in every["test_accuracy"].items()}
    assert opened.said().startswith(f"At σ² = 0.05 the accuracies go from {min(np.mean(runs) for runs in small.values()):.3f} (")
    assert page.locator(".columns caption").all_inner_texts() == ["Accuracy", "Worst cell, digit × colour"]
    worst = page.locator("tr:has(th:text-is('lnl'))").nth(1).inner_text().split()
    assert worst == ["lnl", f"{np.mean(every['worst_group_accuracy']['lnl']['0.05']):.3f}", "3"]
    assert opened.too_wide() <= 0
    opened.context.close()
    assert opened.faults == []


def test_the_dial_says_of_a_cell_without_runs_that_it_was_not_measured(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, "dial", viewport=DESK)
    page = opened.page
    page.evaluate("() => { delete window.lnlData.dial.settings[0].measures[0].values.lnl['0.02']; }")
    page.focus("input[type=range]")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    row = page.locator("tr:has(th:text-is('lnl'))").nth(0)
    assert row.inner_text().split() == ["lnl", "not", "measured"]
    assert not row.locator(".track").is_visible()
    assert opened.said().endswith(f"Accuracy: not measured for 1 of {len(dial.values()['test_accuracy'])} methods.")
    page.keyboard.press("End")
    assert "not measured" not in opened.said()
    assert row.locator(".track").is_visible()
    opened.context.close()
    assert opened.faults == []


def test_in_the_small_setting_the_dial_has_three_runs_of_every_cell_that_was_run() -> None:
    small = dial.small_values()
    assert [*small] == ["test_accuracy", "worst_group_accuracy"]
    for of_method in small.values():
        assert {*of_method} >= {*dial.values()["test_accuracy"]}
        assert {len(runs) for by in of_method.values() for runs in by.values()} == {3}
        assert {len(by) for by in of_method.values()} == {7}


LNL = np.mean(dial.values()["test_accuracy"]["lnl"]["0.02"])


@pytest.mark.parametrize(
    ("name", "rows", "said"), [("paint", 10, "lnl 83 %"), ("entropy", 3, "0.368 of 0.693 nats"), ("dial", 9, f"lnl {LNL:.2f}")]
)
def test_without_javascript_there_is_a_still_picture(browser: Any, tmp_path: Path, name: str, rows: int, said: str) -> None:
    bare = Opened(browser, tmp_path, name, java_script_enabled=False, viewport=PHONE)
    picture = bare.page.locator("svg[role=img]")
    assert picture.is_visible()
    assert said in str(picture.get_attribute("aria-label"))
    assert picture.locator("text").count() == rows
    assert picture.locator("circle").count() >= rows
    assert bare.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert bare.faults == []
    bare.context.close()
