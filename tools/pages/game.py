"""The min-max game of two weights, the toy of notebook 03, for readers without JavaScript: a table and a still picture.

f has one weight a for the colour, h one weight w that reads it, and the feature has noise. ``game.js`` plays the same game in the
page; a test holds both and the notebook's own code together.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
"""Twenty places and weights, with which an expectation over normal noise is a sum."""
RATE = 0.2
STEPS = 300
START = (0.6, 0.0)


@dataclass(frozen=True)
class Game:
    """What the reader sets.

    Attributes:
        mi_weight: lambda, how much f descends the entropy term.
        adv_weight: mu, how much f ascends the bias loss.
        noise: standard deviation of the noise in the feature, tau in the notebook.
        in_turns: whether h answers to the f that has just moved; else both move at once.
    """

    mi_weight: float = 0.0
    adv_weight: float = 1.0
    noise: float = 0.0
    in_turns: bool = False


GAMES = {
    "At once: outwards": Game(),
    "In turns: a ring": Game(in_turns=True),
    "Entropy term: caught on a ring": Game(mi_weight=1.0),
    "Noise: comes to rest": Game(noise=1.0),
}
"""Four games to begin with, by the words of their buttons."""


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values))


def play(game: Game, start: tuple[float, float] = START, steps: int = STEPS, rate: float = RATE) -> NDArray[np.float64]:
    """The way of (a, w), shape (steps + 1, 2); both learn at ``rate``."""
    a, w = start
    path = [(a, w)]
    for _ in range(steps):
        q = _sigmoid(w * (a + game.noise * NODES))  # what h says of an image whose colour is +1
        of_bias = -w * float(WEIGHTS @ (1 - q))
        of_entropy = w * float(WEIGHTS @ (w * (a + game.noise * NODES) * q * (1 - q)))
        new = a - rate * (game.mi_weight * of_entropy - game.adv_weight * of_bias)
        seen = new if game.in_turns else a
        q = _sigmoid(w * (seen + game.noise * NODES))
        a, w = new, w + rate * float(WEIGHTS @ ((seen + game.noise * NODES) * (1 - q)))
        path.append((a, w))
    return np.array(path)


def turns(path: NDArray[np.float64]) -> float:
    """How often a way goes around the origin, at least 0."""
    angles = np.unwrap(np.arctan2(path[:, 1], path[:, 0]))
    return abs(float(angles[-1] - angles[0])) / (2 * np.pi)


def data() -> dict[str, Any]:
    """What game.js starts with."""
    games = {name: asdict(game) for name, game in GAMES.items()}
    numbers = {"nodes": NODES.round(12).tolist(), "weights": WEIGHTS.round(16).tolist()}
    return {"rate": RATE, "steps": STEPS, "start": START, "games": games, **numbers}


def table() -> str:
    """The four games as rows of a table."""
    names = ("game", "λ", "μ", "noise", "turns", "distance at the start", "at the end")
    rows = ["<tr>" + "".join(f"<th scope='col'>{name}</th>" for name in names) + "</tr>"]
    for name, game in GAMES.items():
        path = play(game)
        ends = (f"{np.hypot(*path[place]):.2f}" for place in (0, -1))
        cells = (f"{game.mi_weight:g}", f"{game.adv_weight:g}", f"{game.noise:g}", f"{turns(path):.1f}", *ends)
        rows.append(f"<tr><th scope='row'>{name}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    caption = f"{STEPS} steps of rate {RATE:g} from a = {START[0]:g}, w = {START[1]:g}, distances from the origin"
    return (
        f'<div class="pst-scrollable-table-container" tabindex="0"><table class="table"><caption>{caption}</caption>'
        + "\n".join(rows)
        + "</table></div>"
    )


def picture() -> str:
    """The ways of the four games as one drawing, SVG of four panels that break into lines on a narrow screen."""
    panels = []
    for name, game in GAMES.items():
        path = play(game)
        most = 1.05 * float(np.abs(path).max())
        points = " ".join(f"{100 + 90 * a / most:.1f},{100 - 90 * w / most:.1f}" for a, w in path)
        said = f"{name}, {turns(path):.1f} turns, from distance {np.hypot(*path[0]):.2f} to {np.hypot(*path[-1]):.2f}"
        panels.append(
            f'<svg viewBox="0 0 200 220" width="180" height="198" role="img" aria-label="{said}">'
            '<path d="M10 100H190M100 10V190" stroke="currentColor" stroke-opacity=".4"/>'
            f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
            f'<text x="100" y="212" text-anchor="middle" font-size="12" fill="currentColor">{name}</text></svg>'
        )
    return "".join(panels)
