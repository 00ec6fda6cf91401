"""The explorables: what they compute is what the library computes, they answer to mouse and keyboard, and need no server."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_browser import DESK, PHONE, find_browser
from torch import nn

from lnl_core.datasets.colored_mnist import paint
from lnl_core.errors import ConfigError
from lnl_core.information import conditional_entropy, entropy, mutual_information
from lnl_core.networks import digit_network
from lnl_core.networks.parts import LNLNetwork
from lnl_core.runs.run import load_model
from tools import ROOT
from tools.pages import explorables
from tools.studies.models import METHODS

FOLDER = ROOT / explorables.FOLDER
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
    found = explorables.first_of_each(images, np.array([1, 0, 1, 1, 0, 2, 3, 4, 5, 6, 7, 8]), each=2)
    assert (found["places"][:4], found["labels"][:4]) == ([1, 4, 0, 2], [0, 0, 1, 1])
    assert base64.b64decode(found["pixels"])[: 28 * 28] == images[1].tobytes()
    stored = explorables.paint_data()["test_digits"]
    assert stored["labels"] == [digit for digit in range(10) for _ in range(3)]
    assert len(base64.b64decode(stored["pixels"])) == 30 * 28 * 28


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="no browser tests: Playwright is missing, run `make install`")
    path = find_browser()
    if path is None:
        pytest.skip("no browser tests: there is no Chromium here, install your system's package `chromium`")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"], timeout=120_000
        )
        yield found
        found.close()


class Opened:
    """A page from a file, with an explorable on it; whatever it asks of another place, and its errors, are kept."""

    def __init__(self, browser: Any, folder: Path, name: str, **options: Any) -> None:
        text = (FOLDER / f"{name}.html").read_text(encoding="utf-8").replace("../_static/explorables", FOLDER.as_uri())
        (folder / "page.html").write_text(
            f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8"><title>x</title><main>{text}</main>', "utf-8"
        )
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.faults: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda one: None if one.url.startswith("file:") else self.faults.append(one.url))
        self.page.goto((folder / "page.html").as_uri())

    def said(self) -> str:
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return str(self.page.inner_text("[role=status]"))


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
    assert "was not measured" in page.inner_text(".answer >> nth=0")
    page.locator(".wheel").scroll_into_view_if_needed()
    box = page.locator(".wheel").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.95)
    assert painting.said().startswith("In hue 180 degrees:")


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
    assert phone.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
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
    assert "at most I(Z; Y) = 0.325 nats" in opened.page.inner_text("main")
    for number in range(4):
        opened.page.focus(f"input >> nth={number}")
        opened.page.keyboard.press("Home")
    assert opened.said() == "There is no digit in the table: raise one of the bars."
    assert opened.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    opened.context.close()
    assert opened.faults == []
