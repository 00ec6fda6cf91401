"""The table of fresh adversaries that were trained on tens of thousands of digits, from the measurements in results/fresh_h."""

from pathlib import Path
from statistics import mean
from typing import Any

from lnl_core.config import RunConfig
from lnl_core.runs.run import run_folder
from tools import ROOT
from tools.pages import records as record_pages
from tools.pages.rows import table_head, where
from tools.studies.fresh_h import EVERYWHERE, LONGER, UNTRAINED, read_fresh_h

FURTHER = {
    "training_colors": "trained on training colours",
    "permuted": "control: colours dealt anew",
    "longer": f"after {LONGER} epochs",
}
"""The columns of the third table by reading, of the background; not every network has them."""


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
    for place in EVERYWHERE:
        head = ("old h", "fresh h", "accuracy of the fresh h (chance)", "all there is")
        lines = table_head("σ²", "network", *head, record_pages.HEAD)
        for one in found:
            cells = [_nats(one["old"][place], "no h"), _nats(one["fresh"][place])]
            cells += [_said(one["fresh"][place]), f"{one['fresh'][place]['entropy']:.2f}", _record(one, root)]
            lines.append(f"| {_label(one)} | {' | '.join(cells)} |")
        blocks.append(f"**Nats a place and channel, {place}**\n\n" + "\n".join(lines) + "\n")
    lines = table_head("σ²", "network", "fresh h, as above", *FURTHER.values(), record_pages.HEAD)
    for one in found:
        if {*FURTHER} & {*one["fresh"]}:
            cells = [_nats(one["fresh"].get(name)) for name in ("background", *FURTHER)]
            lines.append(f"| {_label(one)} | {' | '.join(cells)} | {_record(one, root)} |")
    blocks.append("**Nats a place and channel, background, further readings**\n\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks) + f"\n{_how(found)}\n"


def _label(found: dict[str, Any]) -> str:
    return f"{found['color_var']:g} | {found['method']}, seed {found['seed']}"


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
        f"n = 1 network a row. {settings['seeds']} fresh h's a cell, each trained on {images['trained_on']:,} digits for "
        f"{settings['epochs']} epochs unless said otherwise, and asked about {min(asked):,} or more test digits of its own; "
        f"± is half a 95 % interval over these. The epoch is chosen on {images['held_out']:,} held-out training digits. {work:.0f} "
        f"seconds of a processor a cell, at most {seconds[-1]:,.0f} seconds a network beside other work. The weights of "
        f"{len(halves)} of the {len(found)} networks are the published ones, in float16."
    )


def of(method: str, color_var: float, root: Path = ROOT) -> dict[str, Any]:
    """The measurement of the published network of a method, or of the untrained one."""
    found = [one for one in where(read_fresh_h(root), method=method, color_var=color_var) if one["weights"] == "float16"]
    return (found or where(read_fresh_h(root), method=method, color_var=color_var))[0]


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"fresh_h.md": fresh_h_table(root)}
