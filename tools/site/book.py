"""Build the site: execute the notebooks, stage a copy of the tree that keeps every path, and let jupyter-book render it.

    python -m tools.site.book                     demo profile, site in _build/html
    python -m tools.site.book --notebooks-only    only execute
    python -m tools.site.book --smoke             smoke profile, all under _build/test

Where there is no site yet, the pages are rendered first with the notebooks as they are in the repository, so that they can be read
while the notebooks are executed. Sphinx reads only staged files that changed. Warnings are errors; after a build that
failed or was interrupted the next one starts afresh, since Sphinx does not repeat the warnings of pages that it has read already.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbformat.v4 import new_markdown_cell

from lnl_core._files import write_atomically
from tools import ROOT, write_if_changed
from tools.alone import alone_in
from tools.pipes import while_read
from tools.site.address import for_site
from tools.site.card import out_of_date, write_card
from tools.site.execute import Execution, NotebookFailedError, execute_all, packages, read_executions
from tools.site.notebooks import read_notebook, scripts, to_text
from tools.site.progress import Progress

SMOKE: dict[str, object] = {"PROFILE": "smoke", "SEED": 1, "COLOR_VAR": 0.04, "DATA_DIR": ""}
"""What the smoke runs inject: every name, each but DATA_DIR with another value than the notebook's own."""
DRAWINGS = {"problem": "draw_problem", "networks": "draw_networks", "look_alikes": "draw_look_alikes"}
"""The drawings of the pages, and the functions of ``lnl_core.figures`` that make them."""
CONFIG = Path("_config.yml")
STATUS = Path("book", "_generated", "status.md")


def _title(notebook: Path) -> str:
    return str(read_notebook(notebook).cells[0].source.removeprefix("# ").strip())


def status_table(executed: Path, executions: dict[str, Execution], profile: str) -> str:
    """The part of the status page that the build knows: run times, device and versions."""
    if not executions:
        return "The notebooks have not been executed yet: run `make book`.\n"
    lines = [f"Executed under the {profile} profile.", "", "| Notebook | Run time | On | Day |", "|---|---:|---|---|"]
    for name, run in executions.items():
        title = _title(executed / f"{name}.ipynb")
        lines.append(f"| [{title}](../notebooks/{name}.ipynb) | {run.seconds:.0f} s | {run.device} | {run.started} |")
    total = sum(run.seconds for run in executions.values())
    lines += [f"| All | {total:.0f} s | | |", "", "| Package | Version |", "|---|---|", f"| Python | {platform.python_version()} |"]
    return "\n".join([*lines, *(f"| {name} | {number} |" for name, number in packages().items())]) + "\n"


def draw_images(target: Path) -> list[Path]:
    """The drawings of the pages, by our own code, drawn again where they are :func:`out_of_date`."""
    import matplotlib as mpl

    from lnl_core import figures

    mpl.use("Agg")
    drawn = []
    for name, draw in DRAWINGS.items():
        path = target / f"{name}.svg"
        if out_of_date(path):
            figure = getattr(figures, draw)()
            undated: dict[str, Any] = {"format": "svg", "metadata": {"Date": None}}
            write_atomically(path, lambda temporary, figure=figure, how=undated: figure.savefig(temporary, **how))  # type: ignore[misc]
        drawn.append(path)
    return drawn


def _copy_if_changed(source: Path, target: Path) -> None:
    data = source.read_bytes()
    if not target.is_file() or target.read_bytes() != data:
        write_atomically(target, lambda temporary: temporary.write_bytes(data))


WAITING = (
    "```{note}\nThis notebook has not been executed here yet, so it shows code without results. `make book` executes it; load the "
    "page again when it has said that the site is ready.\n```"
)


def _shown(name: str, executed: Path, root: Path) -> str:
    """The executed copy of a notebook or, before there is one, the repository's with a sentence that says so."""
    done = executed / f"{name}.ipynb"
    if done.is_file():
        return to_text(read_notebook(done))
    notebook = read_notebook(root / "notebooks" / f"{name}.ipynb")
    if not any(cell.get("outputs") for cell in notebook.cells):
        notebook.cells.insert(1, new_markdown_cell(WAITING, id="waiting"))
    return to_text(notebook)


def stage(work: Path, profile: str, root: Path = ROOT) -> Path:
    """Bring ``work/stage`` up to date: configuration, pages, notebooks as far as they are executed, and the status table."""
    target = work / "stage"
    executed = work / "executed"
    wanted = {CONFIG, Path("_toc.yml")}
    wanted |= {path.relative_to(root) for path in (root / "book").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    for path in wanted - {STATUS, CONFIG}:
        _copy_if_changed(root / path, target / path)
    write_if_changed(target / CONFIG, for_site((root / CONFIG).read_text(encoding="utf-8")))
    names = {script.stem for script in scripts(root)}
    for name in sorted(names):
        write_if_changed(target / "notebooks" / f"{name}.ipynb", _shown(name, executed, root))
    runs = {name: run for name, run in read_executions(work).items() if name in names}
    write_if_changed(target / STATUS, status_table(executed, runs, profile))
    drawn = [*draw_images(target / "book" / "images"), write_card(target / "book" / "_static" / "card.png")]
    images = {path.relative_to(target) for path in drawn}
    keep = wanted | images | {Path("notebooks", f"{name}.ipynb") for name in names}
    for old in [*target.glob("book/**/*"), *target.glob("notebooks/*.ipynb")]:
        if old.is_file() and old.relative_to(target) not in keep:
            old.unlink()
    return target


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def _page_in_work(line: str) -> tuple[str, float] | None:
    """What Sphinx is doing with which page, and the share of the pages behind it; None for a line that says something else."""
    found = re.match(r"(reading sources|writing output)\.{3} *\[ *(\d+)%\] *(.*)", _plain(line))
    return (f"{found[1]}, {found[3].strip()}", int(found[2]) / 100) if found else None


def _complaints(log: str) -> list[str]:
    lines = [_plain(line) for line in log.splitlines()]
    return [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL|SEVERE|Exception|Error)\b", line)]


def _forget_removed_pages(staged: Path, built: Path) -> None:
    """Start afresh if a page has gone, or its HTML would stay for ever."""
    listing = built / ".pages"
    pages = "\n".join(sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.suffix in (".md", ".ipynb")))
    before = set(listing.read_text(encoding="utf-8").split("\n")) if listing.is_file() else set()
    if before - set(pages.split("\n")):
        _forget(built)
    built.mkdir(parents=True, exist_ok=True)
    write_if_changed(listing, pages)


def _forget(built: Path) -> None:
    for name in ("html", ".doctrees"):
        shutil.rmtree(built / name, ignore_errors=True)


def render(staged: Path, output: Path) -> Path:
    """Render the staged tree into ``output/_build/html`` with jupyter-book, warnings being errors.

    Raises:
        SystemExit: with the warnings and errors, if there are any.
    """
    built = output / "_build"
    _forget_removed_pages(staged, built)
    unfinished = built / ".unfinished"  # is there after a build that was interrupted, whose warnings nobody has seen
    if unfinished.exists():
        _forget(built)
    built.mkdir(parents=True, exist_ok=True)
    unfinished.touch()
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", str(staged), "--path-output", str(output), "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    lines = []
    with Progress() as progress:
        progress.now("rendering the site", at_once=True)
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as process:
            for line in process.stdout or ():
                lines.append(line)
                if page := _page_in_work(line):
                    progress.now(f"rendering the site: {page[0]}", page[1])
    text = "".join(lines)
    log = built / "build.log"
    log.write_text(text, encoding="utf-8")
    complaints = _complaints(text)
    if process.returncode or complaints:
        _forget(built)
        print("\n".join(complaints or text.splitlines()[-30:]), file=sys.stderr)
        sys.exit(f"the site could not be built without warnings: {os.path.relpath(log)} has the whole log")
    unfinished.unlink(missing_ok=True)
    return built / "html"


def execute(smoke: bool, names: Sequence[str] = ()) -> Path:
    """Execute the notebooks that have changed, under "smoke" or "demo", and give back the folder with their folder ``executed``.

    Args:
        names: of those that are needed; by default all.

    Raises:
        SystemExit: with what a notebook said that could not be executed to its end.
    """
    work = Path("_build/test") if smoke else Path("_build")
    parameters: dict[str, object] = SMOKE if smoke else {"PROFILE": "demo"}
    try:
        execute_all(work, parameters, shared_runs=not smoke, jobs=min(2, os.cpu_count() or 1), names=names)
    except NotebookFailedError as error:
        sys.exit(str(error))
    return work


def _address(site: Path) -> str:
    return f"{site.resolve().as_uri()}/index.html"


def main() -> None:
    parser = argparse.ArgumentParser(description="Execute the notebooks and build the site.")
    parser.add_argument("--smoke", action="store_true", help="smoke profile, under _build/test")
    parser.add_argument("--notebooks-only", action="store_true", help="execute, but do not build the site")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    with alone_in(Path("_build", "test") if arguments.smoke else Path("_build")):
        _make(arguments)


def _make(arguments: argparse.Namespace) -> None:
    """Execute and render; a first build renders the chapters before any notebook is executed."""
    if not (arguments.smoke or arguments.notebooks_only or Path("_build", "html", "index.html").is_file()):
        site = render(stage(Path("_build"), "demo"), Path())
        print(f"the chapters can be read now: open {_address(site)}; the results of the notebooks follow", flush=True)
    work = execute(arguments.smoke)
    staged = stage(work, "smoke" if arguments.smoke else "demo")
    if not arguments.notebooks_only:
        site = render(staged, work if arguments.smoke else Path())
        print(f"the site is in {site}; open {_address(site)}, or run `make serve`", flush=True)


if __name__ == "__main__":
    sys.exit(while_read(main))
