"""How methods rank under different rules for choosing their hyper-parameters."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from lnl_core.figures.style import _figure, look


def by_rule(
    found: Mapping[str, Mapping[str, Sequence[float]]], title: str = "Test accuracy by the rule that chose the hyper-parameters"
) -> Figure:
    """Test accuracy over the rules, one line a method: every seed a dot, the line through the means.

    Args:
        found: by method, by rule in the order of the axis, the accuracies of the seeds; no entry where nothing was run.
    """
    figure, axes = _figure(7, 3.8)
    rules = list(dict.fromkeys(rule for of in found.values() for rule in of))
    for number, (method, of) in enumerate(found.items()):
        style, aside = look(number, method), 0.06 * (number - (len(found) - 1) / 2)
        places = np.array([rules.index(rule) + aside for rule in of])
        axes.plot(places, [np.mean(values) for values in of.values()], label=method, linewidth=1, markersize=6, **style)
        for place, values in zip(places, of.values(), strict=True):
            axes.plot(np.full(len(values), place), values, ".", color=style["color"], markersize=4)
    axes.set_xticks(range(len(rules)), rules)
    axes.set_xlabel("validation digits that chose the hyper-parameters")
    axes.set_ylabel("accuracy, unbiased test digits")
    axes.set_title(title)
    if found:
        figure.legend(loc="outside right center", fontsize=8)
    return figure
