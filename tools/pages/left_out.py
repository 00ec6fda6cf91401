"""The table of what the studies ask for and nobody has run yet."""

from functools import cache
from pathlib import Path

from tools import ROOT
from tools.pages.rows import table_head
from tools.studies.__main__ import known
from tools.studies.study import Options, diverged

OF_THE_MACHINE = ("mi_cost",)
"""Studies whose jobs are those of the machine that lists them."""
NO_RUNS = ROOT / "nothing"
"""In the place of the folder of trained networks: what somebody has trained there is not planned by the project."""


@cache
def _planned() -> dict[str, tuple[str, tuple[Path, ...]]]:
    """By study what it is about, and the results that it asks for, below the root of the project."""
    studies = {name: study for name, study in known().items() if name not in OF_THE_MACHINE}
    jobs = {name: study.jobs(Options(work=NO_RUNS)) for name, study in studies.items()}
    return {name: (study.about, tuple(job.file.relative_to(ROOT) for job in jobs[name])) for name, study in studies.items()}


def counts(root: Path = ROOT) -> dict[str, tuple[int, int]]:
    """By study how many of its results are there, and how many it asks for. A run that diverged counts as one that is there."""
    found = {}
    for name, (_, files) in _planned().items():
        there = [file for file in files if (root / file).is_file() or diverged(root / file.parent, file.stem).is_file()]
        found[name] = (len(there), len(files))
    return found


def left_out_table(root: Path = ROOT) -> str:
    """A row a study that is not whole."""
    lines = table_head("study", "what it measures", "there", "planned")
    some = {name: of for name, of in counts(root).items() if of[0] < of[1]}
    for name, (there, planned) in some.items():
        lines.append(f"| `{name}` | {_planned()[name][0]} | {there:,} | {planned:,} |")
    whole = len(_planned()) - len(some)
    how = f"The other {whole} studies are whole. `python -m tools.studies NAME` runs what is missing of one."
    return "\n".join(lines) + f"\n\n{how}\n"


def tables(root: Path = ROOT) -> dict[str, str]:
    """By file name."""
    return {"left_out.md": left_out_table(root)}
