"""Reliability diagrams: how often answers of each confidence are right."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lnl_core.figures.style import PALETTE, _figure


def reliability(networks: Mapping[str, Mapping[str, Any]], title: str = "How often answers of each confidence are right") -> Figure:
    """One panel a network: a bar a bin of confidence, as high as its accuracy and as wide as the bin. On the diagonal a network is
    as often right as it says; below it is too sure. The grey line is the share of the images in each bin.

    Args:
        networks: by name the entries of :class:`lnl_core.evaluation.Calibration`: "counts", "bin_accuracy", "error".
    """
    columns = max(1, min(3, len(networks)))
    rows = max(1, -(-len(networks) // columns))
    figure, grid = _figure(2.85 * columns, 2.7 * rows + 0.5, nrows=rows, ncols=columns, sharex=True, sharey=True, squeeze=False)
    for panel, (name, found) in zip(grid.flat, networks.items(), strict=False):
        bins, shares = len(found["counts"]), np.array(found["counts"]) / max(1, sum(found["counts"]))
        middles = (np.arange(bins) + 0.5) / bins
        full = [bin for bin, value in enumerate(found["bin_accuracy"]) if value is not None]
        heights = [found["bin_accuracy"][bin] for bin in full]
        panel.bar(middles[full], heights, 0.9 / bins, color=PALETTE[0], label="accuracy of the bin")
        panel.plot([0, 1], [0, 1], color="0.2", linestyle="--", linewidth=1, label="as often right as it says")
        panel.plot(middles, shares, color="0.5", marker=".", linewidth=1, label="share of the images")
        panel.set_title(f"{name}\nerror {found['error']:.3f}", fontsize=10)
        panel.set_xlim(0, 1)
        panel.set_ylim(0, 1)
    for panel in grid.flat[len(networks) :]:
        panel.set_axis_off()
    for panel in grid[-1]:
        panel.set_xlabel("confidence")
    for panel in grid[:, 0]:
        panel.set_ylabel("accuracy")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    figure.suptitle(title)
    return figure
