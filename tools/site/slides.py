"""Slides of the notebooks for reveal.js, in ``_build/slides``: ``make slides``, or ``python -m tools.site.slides [NOTEBOOK ...]``.

A cell is on the slides if its header in the percent script says so: ``slideshow={"slide_type": "slide"}`` begins a slide,
"subslide" one below it, "-" adds to the one before, "fragment" does so at a press of a key. Of a text its first heading, the first
paragraph, list or table after it and the displayed formulas are shown; the rest are the speaker's notes, and so are captions in
italics. What stands before its heading belongs to the slide before. Of a code cell the outputs are shown, and the code is folded
unless it puts out nothing.
"""

import argparse
import base64
import copy
import os
import re
import shutil
import struct
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat

from tools import ROOT, write_if_changed
from tools.pipes import while_read
from tools.site.book import execute
from tools.site.notebooks import Notebook, join_streams, read_notebook, read_script, scripts

WIDTH, HEIGHT = 1280, 720
KINDS = ("slide", "subslide", "-", "fragment")
TEMPLATES = Path(__file__).with_name("templates")
_HEADING = re.compile(r"^#{1,6} ")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\([^)\s]*\)")
_CAPTION = re.compile(r"\*The pictures?: [^*]+\*\s*")
_WIDE = 1.75
"""A picture at least so many times as wide as high stands below its text, another one beside it."""


class SlidesError(RuntimeError):
    """Slides cannot be made; the message says why in a sentence."""


def kind(cell: Any) -> str:
    """How a cell is on the slides; nothing if it is not."""
    return str(cell.metadata.get("slideshow", {}).get("slide_type", ""))


def blocks(source: str) -> list[str]:
    """A Markdown text as headings, paragraphs, lists, tables, fences and displayed formulas. A line ``>`` parts a quotation."""
    found: list[list[str]] = [[]]
    end = ""
    for line in source.splitlines():
        opened = re.match(r"```|\$\$", line)
        if end:
            found[-1].append(line)
        elif opened:
            found.append([line])
        elif _HEADING.match(line):
            found += [[line], []]
        elif line.strip() in ("", ">"):
            found.append([])
        else:
            found[-1].append(line)
        if end or opened:
            mark = end or (opened[0] if opened else "")
            closed = re.search(re.escape(mark) + r"\W*$", line if end else line[len(mark) :])
            end = "" if closed else mark
            if closed:
                found.append([])
    return ["\n".join(lines) for lines in found if lines]


def parts(source: str) -> tuple[list[str], str, list[str]]:
    """A text as the blocks before its first heading, that heading (or nothing), and the blocks up to the next heading."""
    texts = blocks(source)
    places = [place for place, text in enumerate(texts) if _HEADING.match(text)]
    if not places:
        return texts, "", []
    end = places[1] if len(places) > 1 else len(texts)
    return texts[: places[0]], texts[places[0]], texts[places[0] + 1 : end]


def told(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is shown of the blocks under a heading, and what is left for the speaker's notes."""
    shown: list[str] = []
    rest: list[str] = []
    begun = False
    for text in texts:
        if text.startswith("$$"):
            shown.append(text)
        elif begun:
            rest.append(text)
        else:
            begun = not text.endswith(":")  # which announces the next block
            caption = _CAPTION.match(text)
            rest += [caption[0].strip()] if caption else []
            shown += [text[caption.end() :]] if caption and caption.end() < len(text) else [] if caption else [text]
    return shown, rest


def _cell(part: str, source: str, how: str) -> Any:
    cell: Any = nbformat.v4.new_markdown_cell(source)  # type: ignore[no-untyped-call]
    cell.metadata = nbformat.from_dict({"slideshow": {"slide_type": how}, "part": part})
    return cell


def _text(texts: Sequence[str], how: str) -> list[Any]:
    """Cells for what is shown and for the speaker. Links are left out: nobody can press them."""
    shown, rest = (_LINK.sub(r"\1", "\n\n".join(some)) for some in told(texts))
    made = [_cell("text", shown, how)] if shown else []
    return made + ([_cell("notes", rest, "notes")] if rest else [])


def _below(heading: str, how: str) -> list[Any]:
    """The start of a slide below another one: it has the same heading."""
    return [_cell("head", heading, how)]


def _result(cell: Any, ran: Any, how: str) -> Any:
    """A code cell with the outputs of its executed copy, or its pictures alone if it has any, and their description."""
    if ran is None or ran.execution_count is None:
        raise SlidesError(f"the cell that begins with {cell.source.splitlines()[0]!r} has not been executed as it is now")
    outputs = [] if cell.source.startswith("%%writefile") else copy.deepcopy(ran.outputs)
    outputs = [one for one in outputs if "image/png" in one.get("data", {})] or outputs
    made: Any = nbformat.v4.new_code_cell(cell.source, outputs=outputs)  # type: ignore[no-untyped-call]
    join_streams(made)
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    made.metadata = nbformat.from_dict({"slideshow": {"slide_type": how}, "part": "result", "alt": alt})
    return made


def deck(source: Notebook, executed: Notebook) -> Notebook:
    """The cells of the slides, with reveal.js's marks, outputs and notes.

    Args:
        source: the percent script, whose headers say what is shown.
        executed: the copy of it that was executed.

    Raises:
        SlidesError: if a cell that is to be shown is not in the executed copy, or was not executed there.
    """
    by_id = {cell.get("id"): cell for cell in executed.cells}
    made: list[Any] = []
    heading, follows = "", False
    for cell in source.cells:
        how = kind(cell)
        if how and cell.cell_type == "markdown":
            before, title, after = parts(cell.source)
            if title and follows:
                made += _text(before, "-")
            if title and how != "-":
                heading = title
                made += [_cell("head", title, how), *_text(after, "-")]
            elif not title:
                made += _below(heading, how) if how == "subslide" else []
                made += _text(before, "-" if how == "subslide" else how)
        elif how:
            made += _below(heading, how) if how == "subslide" else []
            made.append(_result(cell, by_id.get(cell["id"]), "-" if how == "subslide" else how))
        follows = bool(how)
    _lay_out(made)
    notebook: Any = nbformat.v4.new_notebook(cells=made)  # type: ignore[no-untyped-call]
    notebook.metadata["title"] = source.cells[0].source.removeprefix("# ").strip()
    return notebook


def _ratio(cell: Any) -> float | None:
    """Width by height of a cell's picture, from the head of the PNG file; None if it has none."""
    for output in cell.get("outputs", []):
        if picture := output.get("data", {}).get("image/png"):
            width, height = struct.unpack(">II", base64.b64decode(picture[:64])[16:24])
            return float(width / height)
    return None


def slides(cells: Sequence[Any]) -> list[list[Any]]:
    """The cells of each slide, those below one another counted singly."""
    found: list[list[Any]] = []
    for cell in cells:
        if kind(cell) in ("slide", "subslide") or not found:
            found.append([])
        found[-1].append(cell)
    return found


def _printed(cell: Any) -> str:
    """What a result shows in type of fixed pitch: what was printed or, if nothing was put out, the code."""
    if not cell.outputs:
        return str(cell.source)
    texts = [one.get("text") or ("" if "image/png" in one.data else one.data.get("text/plain", "")) for one in cell.outputs]
    return "\n".join(text.rstrip() for text in texts if text)


def _lay_out(cells: Sequence[Any]) -> None:
    """Say of each slide whether its one picture stands beside the text, and how large its type is."""
    for slide in slides(cells):
        ratios = [ratio for cell in slide if (ratio := _ratio(cell)) is not None]
        texts = [cell.source for cell in slide if cell.metadata["part"] == "text"]
        results = [cell for cell in slide if cell.metadata["part"] == "result"]
        formula = any("$$" in text for text in texts)
        beside = bool(texts) and not formula and len(results) == len(ratios) == 1 and ratios[0] < _WIDE
        full = sum(map(len, texts)) > (430 if beside else 450 if results else 900)
        slide[0].metadata["slideshow"]["data"] = {"layout": "beside" if beside else "below", "text": "long" if full else "short"}
        across, high = (94, 32) if full else (78, 39)
        rows = [3 if line.startswith("$$") else -(-len(line) // across) for text in texts for line in text.split("\n\n")]
        lines = [line for cell in results for line in _printed(cell).splitlines()]
        room = HEIGHT - 150 - high * sum(rows) - 14 * len(rows) - 44 * len(results)
        size = min(24, (WIDTH - 150) / (0.605 * max(map(len, lines), default=1)), room / (1.3 * max(len(lines), 1)))
        for cell in results:
            cell.metadata["size"] = max(12, int(size))


def render(notebook: Notebook) -> str:
    """The slides as a page, which needs the folders ``reveal`` and ``mathjax`` beside it and no network."""
    from nbconvert.exporters import SlidesExporter

    exporter: Any = SlidesExporter(  # type: ignore[no-untyped-call]
        template_name="slides", extra_template_basedirs=[str(TEMPLATES)], reveal_url_prefix="reveal"
    )
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body, _ = exporter.from_notebook_node(notebook, {"size": (WIDTH, HEIGHT)})
    return str(body)


def _folder_of(package: str, *inside: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SlidesError(f"the package {package} is missing: run `make install`")
    return Path(found.submodule_search_locations[0], *inside)


def copy_scripts(target: Path) -> None:
    """Put reveal.js and MathJax, from the packages that carry them, beside the slides."""
    sources = {
        "reveal": _folder_of("sphinx_revealjs", "_static", "revealjs"),
        "mathjax": _folder_of("sphinx-mathjax-offline", "static", "mathjax"),
    }
    for name, source in sources.items():
        if not source.is_dir():
            raise SlidesError(f"{source} is missing, where another version of its package has it: install that of environment.yml")
        shutil.copytree(source, target / name, dirs_exist_ok=True)


def make(names: Sequence[str], executed: Path, target: Path, root: Path = ROOT) -> list[Path]:
    """Write the slides of some notebooks, or of all.

    Raises:
        SlidesError: if a notebook does not exist or has not been executed.
    """
    known = {script.stem: script for script in scripts(root)}
    if strangers := sorted(set(names) - set(known)):
        raise SlidesError(f"there is no notebook {strangers[0]}: choose from {', '.join(known)}")
    copy_scripts(target)
    written = []
    for name in names or known:
        ran = executed / f"{name}.ipynb"
        if not ran.is_file():
            raise SlidesError(f"{name} has not been executed: run `make book`, or `make slides SMOKE=yes` for a quick look")
        try:
            notebook = deck(read_script(known[name]), read_notebook(ran))
        except SlidesError as error:
            raise SlidesError(f"{name}: {error}; run `make book`") from None
        page = target / f"{name}.html"
        write_if_changed(page, render(notebook))
        written.append(page)
    return written


def main() -> int:
    parser = argparse.ArgumentParser(description="Make slides of the notebooks.")
    parser.add_argument("names", nargs="*", help="notebooks, such as 02_derivation; by default all")
    parser.add_argument("--smoke", action="store_true", help="from the smoke runs: quick, and the numbers mean nothing")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    work = execute(smoke=True, names=arguments.names) if arguments.smoke else Path("_build")
    try:
        written = make(arguments.names, work / "executed", work / "slides")
    except SlidesError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(written)} decks in {work / 'slides'}; open {written[0].resolve().as_uri()}, press S for the speaker's notes")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))
