"""The data of the explorables, small scripts that load from a server and from a folder alike, and what stands in their place.

Everything is made from ``results/`` alone. A script adds one entry to ``window.lnlData``: a network with its layers and its weights
in half precision, or the shares of ``results/models`` with the digits that can be painted.
"""

import base64
import colorsys
import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from lnl_core._files import read_json
from lnl_core.datasets.colored_mnist import COLOR_NAMES, MEAN_COLORS
from lnl_core.errors import ConfigError
from lnl_core.figures.style import METHOD_STYLE
from lnl_core.information import conditional_entropy, mutual_information
from lnl_core.networks.parts import LNLNetwork, MaxPool, NormalizedConv
from lnl_core.runs.run import load_model
from tools import ROOT, write_if_changed
from tools.pages import dial, game, records
from tools.studies.models import METHODS

COLOR_VAR = 0.02
HUES = tuple(range(0, 360, 10))
"""Degrees of the wheel, at full saturation and brightness."""
FOLDER = Path("book", "_static", "explorables")
_NOTE = "// written by `make results` from results/; edits are lost\n"

Layer = dict[str, Any]


def _pair(value: Any) -> int:
    """The one number of a kernel, stride or padding that is the same in both directions."""
    both = {value} if isinstance(value, int) else set(value)
    if len(both) != 1:
        raise ConfigError(f"the page's code knows only square kernels, got {value}: export another network")
    return int(both.pop())


def _conv(conv: nn.Conv2d) -> Layer:
    if conv.groups != 1 or _pair(conv.dilation) != 1 or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise ConfigError(f"the page's code knows no such convolution as {conv}: teach it in core.js, or export another network")
    shape = {"in": conv.in_channels, "out": conv.out_channels, "kernel": _pair(conv.kernel_size)}
    return {"kind": "conv", **shape, "stride": _pair(conv.stride), "padding": _pair(conv.padding)}


def layer_of(module: nn.Module) -> tuple[Layer, list[Tensor | None]]:
    """What core.js has to know of one layer, and its numbers in the order in which core.js reads them.

    Raises:
        ConfigError: if core.js does not know such a layer, with its name.
    """
    if isinstance(module, NormalizedConv):
        norm, conv = module.norm, module.conv
        numbers = [norm.weight, norm.bias, norm.running_mean, norm.running_var, conv.weight, conv.bias]
        fixed = {"mean": _plain(module.mean), "std": _plain(module.std), "eps": norm.eps}
        return {**_conv(conv), "kind": "normalizedConv", **fixed}, numbers
    if type(module) is nn.Conv2d:
        return _conv(module), [module.weight, module.bias]
    if type(module) is MaxPool:
        return {"kind": "maxPool"}, []
    if type(module) is nn.ReLU:
        return {"kind": "relu"}, []
    if type(module) is nn.AdaptiveAvgPool2d and module.output_size == 1:
        return {"kind": "mean"}, []
    if type(module) is nn.Flatten:
        return {"kind": "flatten"}, []
    if type(module) is nn.Linear:
        return {"kind": "linear", "in": module.in_features, "out": module.out_features}, [module.weight, module.bias]
    raise ConfigError(
        f"the page's code does not know the layer {type(module).__name__}: teach it in core.js, or export another network"
    )


def _plain(values: Any) -> list[float]:
    return [round(float(value), 6) for value in values]


def network_of(network: LNLNetwork) -> Layer:
    """f and g of a network: its layers, and all numbers as base64 of half precision, lowest byte first.

    Raises:
        ConfigError: if a layer is unknown, or a convolution or linear layer has no bias.
    """
    layers, parts = [], []
    for module in [*network.extractor.children(), *network.label_head.children()]:
        layer, numbers = layer_of(module)
        layers.append(layer)
        for one in numbers:
            if one is None:
                raise ConfigError(f"the page's code knows no {layer['kind']} without a bias: export another network")
            parts.append(one.detach().cpu().numpy().astype("<f2").ravel())
    return {"layers": layers, "weights": base64.b64encode(np.concatenate(parts).tobytes()).decode()}


def script(name: str, value: Any) -> str:
    """A script that a page can load from a file too, where it may not fetch one."""
    return f"{_NOTE}(window.lnlData ||= {{}})[{json.dumps(name)}] = {json.dumps(value, separators=(',', ':'))};\n"


def color_of(method: str) -> str:
    """The colour of a method in the figures, as #rrggbb."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in METHOD_STYLE[method][0])


def paint_data(root: Path = ROOT) -> dict[str, Any]:
    """What the explorable needs besides the networks.

    ``levels`` are the colours, (46, 3) from 0 to 255: the hues, then the mean colours of the ten classes; ``share_right`` has the
    share of test digits that a network reads right in each of the ten, from ``results/models``.
    """
    wheel = [[int(255 * part + 1e-9) for part in colorsys.hsv_to_rgb(hue / 360, 1, 1)] for hue in HUES]
    levels = wheel + np.floor(MEAN_COLORS * 255 + 1e-9).astype(int).tolist()
    digits = read_json(root / "results" / "test_digits.json", "restore it from the repository")
    shares, counts = {}, set()
    for method in METHODS:
        stored = read_json(root / "results" / "models" / f"{method}-{COLOR_VAR:g}.json", "restore it from the repository")
        table = np.array(stored["confusion_by_color"])
        counts |= set(table.sum(axis=(1, 2)).tolist())
        shares[method] = [round(float(np.trace(one) / one.sum()), 4) for one in table]
    return {
        "levels": levels,
        "names": list(COLOR_NAMES),
        "hues": list(HUES),
        "methods": {name: color_of(name) for name in METHODS},
        "share_right": shares,
        "count": counts.pop(),
        "color_var": COLOR_VAR,
        "test_digits": {name: digits[name] for name in ("places", "labels", "pixels")},
    }


def files(root: Path = ROOT) -> dict[str, str]:
    """The generated files of FOLDER by name: scripts, and what a page includes."""
    models = root / "results" / "models"
    found = {
        f"network_{method}.js": script(f"network_{method}", network_of(load_model(models / f"{method}-{COLOR_VAR:g}.safetensors")))
        for method in METHODS
    }
    found["paint_data.js"] = script("paint", paint_data(root))
    loaded = ["core.js", *found, "paint.js"]
    found["paint.html"] = fragment("paint", loaded, paint_table(root), paint_picture(root))
    found["entropy.html"] = fragment("entropy", ["entropy.js"], entropy_table(), entropy_picture())
    found["game_data.js"] = script("game", game.data())
    found["game.html"] = fragment("game", ["game_data.js", "game.js"], game.table(), game.picture())
    shown = dial.data({method: color_of(method) for method in METHOD_STYLE}, root)
    found["dial_data.js"] = script("dial", shown)
    found["dial.html"] = fragment("dial", ["dial_data.js", "dial.js"], dial.table(root), dial_picture(shown))
    found["records_data.js"] = script("records", records.bundle(root))
    return found | records.fragments()


def entropy_table() -> str:
    """Three tables of two labels and two colours with their entropies, for readers without JavaScript."""
    rows = ["<tr><th scope='col'>digits whose colour agrees</th><th scope='col'>I(Y; b)</th><th scope='col'>H(Y | b)</th></tr>"]
    for agree in (0.5, 0.9, 1.0):
        joint = np.array([[agree, 1 - agree], [1 - agree, agree]]) / 2
        numbers = f"<td>{mutual_information(joint):.3f}</td><td>{conditional_entropy(joint):.3f}</td>"
        rows.append(f"<tr><th scope='row'>{100 * agree:.0f} %</th>{numbers}</tr>")
    caption = "Two digits and two colours, equally frequent, in nats"
    where = '<div class="pst-scrollable-table-container" tabindex="0">'
    return f'{where}<table class="table"><caption>{caption}</caption>' + "\n".join(rows) + "</table></div>"


def still(said: str, rows: dict[str, list[tuple[float, str]]], most: float = 1.0) -> str:
    """A row of dots for each name, as SVG: what an experiment shows where JavaScript is off.

    Args:
        said: what the picture shows, for those who do not see it.
        rows: name -> values from 0 to ``most``, each with its colour.
    """
    parts = []
    for place, (name, dots) in enumerate(rows.items()):
        y = 20 * place + 14
        parts.append(f'<text x="0" y="{y + 4}" font-size="12" fill="currentColor">{name}</text>')
        parts.append(f'<path d="M120 {y}H390" stroke="currentColor" stroke-opacity=".3"/>')
        parts += [f'<circle cx="{120 + 270 * value / most:.1f}" cy="{y}" r="5" fill="{color}"/>' for value, color in dots]
    height = 20 * len(rows) + 8
    size = f'viewBox="0 0 400 {height}" width="400" height="{height}" style="max-width: 100%; height: auto"'
    return f'<svg {size} role="img" aria-label="{said}">{"".join(parts)}</svg>'


def paint_picture(root: Path = ROOT) -> str:
    """The shares of :func:`paint_table` as a still picture."""
    data = paint_data(root)
    rows = {
        name: [(data["share_right"][method][digit], color) for method, color in data["methods"].items()]
        for digit, name in enumerate(data["names"])
    }
    means = ", ".join(f"{method} {100 * np.mean(shares):.0f} %" for method, shares in data["share_right"].items())
    said = f"Share of test digits that three networks read right in each of ten colours, from 0 to 1; in the mean {means}"
    names = (f'<b style="color: {color}">●</b> {method}' for method, color in data["methods"].items())
    return f"{still(said, rows)}<p>{', '.join(names)}</p>"


def entropy_picture() -> str:
    """What the experiment begins with: nine of ten digits in their own colour."""
    joint = np.array([[0.45, 0.05], [0.05, 0.45]])
    information, left = mutual_information(joint), conditional_entropy(joint)
    rows = {"H(Y)": [(information + left, "currentColor")], "I(Y; b)": [(information, "currentColor")]}
    rows["H(Y | b)"] = [(left, "currentColor")]
    told = f"it tells {information:.3f} of {np.log(2):.3f} nats and leaves {left:.3f} open"
    said = f"Nine of ten digits agree with their colour: {told}"
    return still(said, rows, float(np.log(2)))


def dial_picture(shown: dict[str, Any]) -> str:
    """The accuracies at the smallest variance: a dot a run."""
    first, accuracy = shown["color_vars"][0], shown["settings"][0]["measures"][0]["values"]
    rows = {name: [(value, color) for value in accuracy[name].get(first, [])] for name, color in shown["methods"].items()}
    means = ", ".join(f"{name} {np.mean([value for value, _ in dots]):.2f}" for name, dots in rows.items() if dots)
    return f"<p>Accuracy at σ² = {first}, a dot a run:</p>" + still(f"Accuracies from 0 to 1, in the mean {means}", rows)


def fragment(name: str, loaded: list[str], table: str, picture: str = "") -> str:
    """An explorable as a page of ``book/`` includes it: its place, its scripts, and its numbers without JavaScript."""
    where = "../_static/explorables"
    return "\n".join(
        [
            "<!-- written by `make results` from results/; edits are lost -->",
            f'<link rel="stylesheet" href="{where}/explorables.css">',
            f'<div class="explorable" data-explorable="{name}">',
            '<noscript><p class="needs-script">This experiment needs JavaScript. The table below has its numbers.</p>'
            f"{picture}</noscript></div>",
            f"<details><summary>The numbers as a table</summary>{table}</details>",
            *(f'<script defer src="{where}/{script}"></script>' for script in loaded),
            "",
        ]
    )


def paint_table(root: Path = ROOT) -> str:
    """The shares in the ten colours of training as a table, for readers without JavaScript and for those who want to read it."""
    data = paint_data(root)
    rows = ["<tr><th scope='col'>colour</th>" + "".join(f"<th scope='col'>{name}</th>" for name in METHODS) + "</tr>"]
    for digit, name in enumerate(data["names"]):
        shares = (data["share_right"][method][digit] for method in METHODS)
        rows.append(
            f"<tr><th scope='row'>{name}, the {digit} of training</th>"
            + "".join(f"<td>{100 * share:.1f} %</td>" for share in shares)
            + "</tr>"
        )
    caption = f"What share of {data['count']:,} test digits each network reads right where all are painted around this colour"
    return (
        f'<div class="pst-scrollable-table-container" tabindex="0"><table class="table"><caption>{caption}</caption>'
        + "\n".join(rows)
        + "</table></div>"
    )


def stale(root: Path = ROOT) -> list[str]:
    """The generated files on disk that are not what the results say."""
    folder = root / FOLDER
    return [
        name for name, text in files(root).items() if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text
    ]


def write(root: Path = ROOT) -> int:
    """Bring the generated files up to date; returns how many there are."""
    texts = files(root)
    for name, text in texts.items():
        write_if_changed(root / FOLDER / name, text)
    return len(texts)
