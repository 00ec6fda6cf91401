"""The table of fresh adversaries that were trained on tens of thousands of digits, from the measurements in results/fresh_h."""

from pathlib import Path
from statistics import mean
from typing import Any

from lnl_core.config import RunConfig
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import table_head, where
from tools.studies.fresh_h import UNTRAINED, read_fresh_h

WORDS = {"background": "fresh h", "training_colors": "trained on training colours", "permuted": "control, permuted"}
"""The columns of the background by reading; "foreground" has a table of its own."""


def _nats(reading: dict[str, Any] | None, missing: str = "not measured") -> str:
    if reading is None:
        return missing
    found = reading["information"]
    return f"{found['mean']:.3f}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{found['high'] - found['mean']:.3f}"


def _said(reading: dict[str, Any]) -> str:
    """Accuracy beside chance."""
    return f"{reading['accuracy']['mean']:.3f} ({reading['chance']['mean']:.3f})"


def rows(root: Path = ROOT) -> list[dict[str, Any]]:
    """The measured networks by variance, the untrained one first."""
    return sorted(read_fresh_h(root), key=lambda one: (one["method"] != UNTRAINED, one["color_var"]))


def fresh_h_table(root: Path = ROOT) -> str:
    """One row a network: what its own h and fresh ones read in the background and in the stroke."""
    found = rows(root)
    if not found:
        return "Nothing has been measured yet.\n"
    blocks = []
    for place, names in {"background": list(WORDS), "foreground": ["foreground"]}.items():
        head = ("old h", *(WORDS.get(name, "fresh h") for name in names), "accuracy of the fresh h (chance)", "all there is")
        lines = table_head("σ²", "network", *head, record_pages.HEAD)
        for one in found:
            cells = [_nats(one["old"][place], "no h"), *(_nats(one["fresh"].get(name)) for name in names)]
            cells += [_said(one["fresh"][place]), f"{one['fresh'][place]['entropy']:.2f}", _record(one, root)]
            label = f"{one['color_var']:g} | {one['method']}, seed {one['seed']}"
            lines.append(f"| {label} | {' | '.join(cells)} |")
        blocks.append(f"**Nats a place and channel, {place}**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks) + f"\n{_how(found)}\n"


def _record(found: dict[str, Any], root: Path) -> str:
    """The link to the run of a network; the untrained one has none."""
    run = run_folder("", RunConfig.from_dict(found["config"])).name
    return "–" if found["method"] == UNTRAINED else record_pages.links_of_measured([{**found, "record": run}], root)


def _how(found: list[dict[str, Any]]) -> str:
    first = found[0]
    settings, images, asked = first["settings"], first["images"], first["fresh"]["background"]["asked"]
    seconds = sorted(one["provenance"]["seconds"] for one in found)
    work = mean(reading["cpu_seconds"] for one in found for reading in one["fresh"].values())
    halves = [one for one in found if one["weights"] == "float16"]
    return (
        f"n = 1 network a row. {settings['seeds']} fresh h's a cell, each trained on {images['trained_on']:,} digits for at most "
        f"{settings['epochs']} epochs and asked about {min(asked):,} or more test digits of its own; ± is half a 95 % interval "
        f"over these. The epoch is chosen on {images['held_out']:,} held-out training digits. {work:.0f} seconds of a processor a "
        f"cell, at most {seconds[-1]:,.0f} seconds a network beside other work. The weights of {len(halves)} of the "
        f"{len(found)} networks are the published ones, in float16."
    )


def of(method: str, color_var: float, root: Path = ROOT) -> dict[str, Any]:
    """The measurement of the published network of a method, or of the untrained one."""
    found = [one for one in where(read_fresh_h(root), method=method, color_var=color_var) if one["weights"] == "float16"]
    return (found or where(read_fresh_h(root), method=method, color_var=color_var))[0]


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"fresh_h.md": fresh_h_table(root)}
