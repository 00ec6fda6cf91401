"""Slides: which cells are on them, what of a text is shown, and that a deck needs nothing but the files beside it."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest
from browsers import launched

from tools.site import book, slides
from tools.site.notebooks import read_script, scripts, tags
from tools.site.slides import SlidesError, blocks, deck, kind, make, parts, render, told

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAADElEQVQI12P4//8/AAX+Av7czFnnAAAAAElFTkSuQmCC"
"""Two pixels wide, one high."""
SCRIPT = """# %% [markdown] slideshow={"slide_type": "slide"}
# # A deck

# %% [markdown] slideshow={"slide_type": "-"}
# > **In one sentence.** It is short.
# >
# > **Read before.** Nothing.

# %% tags=["install"]
import os

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A question
#
# See [the page](page.md), for $a$:
#
# - one
#
# Spoken.
#
# $$a = 1$$

# %% slideshow={"slide_type": "-"} mystnb={"image": {"alt": "Two <pixels>."}}
draw()

# %% [markdown] slideshow={"slide_type": "slide"}
# *The picture: two pixels.* A reading.
#
# ## Another question
#
# Text.

# %% slideshow={"slide_type": "subslide"}
print("<b>told</b>")

# %% slideshow={"slide_type": "-"}
x = 1
"""


def taken(folder: Path) -> tuple[Any, Any]:
    """The notebook of SCRIPT, and its executed copy."""
    path = folder / "00_deck.py"
    path.write_text(SCRIPT)
    source, executed = read_script(path), read_script(path)
    outputs: dict[str, list[Any]] = {
        "draw()": [
            nbformat.v4.new_output("stream", text="not shown beside the picture"),  # type: ignore[no-untyped-call]
            nbformat.v4.new_output("display_data", {"image/png": PNG}),  # type: ignore[no-untyped-call]
        ],
        'print("<b>told</b>")': [nbformat.v4.new_output("stream", text=f"{text}\n") for text in ("<b>told</b>", "twice")],  # type: ignore[no-untyped-call]
    }
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = outputs.get(cell.source, []), 1
    return source, executed


@pytest.mark.parametrize("script", scripts(), ids=lambda path: path.stem)
def test_every_notebook_has_a_deck(script: Path) -> None:
    cells = read_script(script).cells
    kinds = [kind(cell) for cell in cells]
    assert kinds[0] == "slide"
    assert set(kinds) <= {"", *slides.KINDS}
    assert 8 <= sum(one in ("slide", "subslide") for one in kinds) <= 20
    assert not [cell for cell in cells if kind(cell) and {"badge", "install", "parameters"} & set(tags(cell))]
    headings = [parts(cell.source)[1] for cell in cells if kind(cell) == "slide" and cell.cell_type == "markdown"]
    assert "## Exercises" not in headings


def test_a_text_is_cut_into_blocks() -> None:
    text = "## Head\n\none\nline\n\n$$x\n\n=1$$\n- a\n- b\n\n```bash\n\n# no heading\n```\n> q\n>\n> r"
    found = ["## Head", "one\nline", "$$x\n\n=1$$", "- a\n- b", "```bash\n\n# no heading\n```", "> q", "> r"]
    assert blocks(text) == found
    assert parts("before\n\n## A\n\nafter\n\n## B\n\nlast") == (["before"], "## A", ["after"])
    assert parts("no heading") == (["no heading"], "", [])


def test_what_is_shown_and_what_is_said() -> None:
    assert told(["First.", "Second.", "$$x$$"]) == (["First.", "$$x$$"], ["Second."])
    assert told(["Three:", "- a", "rest"]) == (["Three:", "- a"], ["rest"])
    assert told(["*The picture: a line.* It falls."]) == (["It falls."], ["*The picture: a line.*"])
    assert told(["*The pictures: two lines.*"]) == ([], ["*The pictures: two lines.*"])


def test_a_deck_has_what_is_marked(tmp_path: Path) -> None:
    found = deck(*taken(tmp_path))
    shown = [[(cell.metadata["part"], cell.source) for cell in slide] for slide in slides.slides(found.cells)]
    assert shown == [
        [("head", "# A deck"), ("text", "> **In one sentence.** It is short."), ("notes", "> **Read before.** Nothing.")],
        [
            ("head", "## A question"),
            ("text", "See the page, for $a$:\n\n- one\n\n$$a = 1$$"),
            ("notes", "Spoken."),
            ("result", "draw()"),
            ("text", "A reading."),
            ("notes", "*The picture: two pixels.*"),
        ],
        [("head", "## Another question"), ("text", "Text.")],
        [("head", "## Another question"), ("result", 'print("<b>told</b>")'), ("result", "x = 1")],
    ]


def test_a_page_of_slides(tmp_path: Path) -> None:
    page = render(deck(*taken(tmp_path)))
    assert page.count("<section") == 4 + 3, "four slides, two of them in one column"
    assert 'alt="Two &lt;pixels&gt;."' in page
    assert "not shown beside" not in page
    assert "&lt;b&gt;told&lt;/b&gt;\ntwice</pre>" in page, "one box for what one cell printed"
    assert page.count("<summary>code</summary>") == 2, "code is folded, but where it is all there is"
    assert page.count('<aside class="notes">') == 3
    assert re.findall(r'(?:src|href)="(?!#|data:)([^"]+)"', page) == [
        "reveal/dist/reveal.css",
        "reveal/dist/reveal.js",
        "reveal/plugin/notes/notes.js",
        "mathjax/tex-chtml.js",
    ]
    assert not re.search(r"https?://", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))


def test_a_cell_that_was_not_executed_is_named(tmp_path: Path) -> None:
    source, executed = taken(tmp_path)
    executed.cells = [cell for cell in executed.cells if cell.source != "draw()"]
    with pytest.raises(SlidesError, match=r"the cell that begins with 'draw\(\)' has not been executed as it is now"):
        deck(source, executed)


@pytest.mark.skipif(find_spec("sphinx_revealjs") is None, reason="sphinx-revealjs is missing, run `make install`")
def test_the_files_lie_beside_the_decks(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    _, executed = taken(tmp_path / "notebooks")
    nbformat.write(executed, tmp_path / "00_deck.ipynb")  # type: ignore[no-untyped-call]
    (page,) = make([], tmp_path, tmp_path / "slides", root=tmp_path)
    for name in re.findall(r'(?:src|href)="(?!#|data:)([^"]+)"', page.read_text()):
        assert (page.parent / name).is_file()


def test_a_deck_opens_without_an_error_and_asks_nobody_else(tmp_path: Path) -> None:
    _, executed = taken(tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "00_deck.py").rename(tmp_path / "notebooks" / "00_deck.py")
    nbformat.write(executed, tmp_path / "00_deck.ipynb")  # type: ignore[no-untyped-call]
    (deck_page,) = make([], tmp_path, tmp_path / "slides", root=tmp_path)
    with launched() as browser:
        page = browser.new_page(viewport={"width": slides.WIDTH, "height": slides.HEIGHT})
        said: list[str] = []
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith(("file:", "data:", "blob:")) else said.append(one.url))
        page.goto(deck_page.as_uri())
        page.wait_for_function("() => window.Reveal && Reveal.isReady()")
        assert page.evaluate("Reveal.getTotalSlides()") == 4
        page.keyboard.press("Space")
        assert page.evaluate("Reveal.getCurrentSlide().innerText").startswith("A question")
    assert said == []


def test_a_text_that_is_too_long_gets_smaller_until_it_fits(tmp_path: Path) -> None:
    def cell(part: str, source: str, how: str) -> Any:
        made: Any = nbformat.v4.new_markdown_cell(source)  # type: ignore[no-untyped-call]
        made.metadata = nbformat.from_dict({"slideshow": {"slide_type": how}, "part": part})
        return made

    long = "\n\n".join(["A line that takes some room on a slide."] * 15)
    cells = [
        cell("head", "## Short", "slide"),
        cell("text", "Text.", "-"),
        cell("head", "## Long", "slide"),
        cell("text", long, "-"),
    ]
    notebook: Any = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    notebook.metadata["title"] = "A deck"
    slides._lay_out(notebook.cells)
    slides.copy_scripts(tmp_path)
    (tmp_path / "deck.html").write_text(render(notebook), encoding="utf-8")
    seen = """() => {
        const slide = Reveal.getCurrentSlide(), text = slide.querySelector(".text");
        return [slide.scrollHeight - slide.clientHeight, parseFloat(getComputedStyle(text).fontSize)];
    }"""
    with launched() as browser:
        page = browser.new_page(viewport={"width": slides.WIDTH, "height": slides.HEIGHT})
        page.goto((tmp_path / "deck.html").as_uri())
        page.wait_for_function("() => window.Reveal && Reveal.isReady()")
        assert page.evaluate(seen) == [0, 29]
        page.keyboard.press("Space")
        page.wait_for_function("() => Reveal.getCurrentSlide().innerText.startsWith('Long')")
        over, size = page.evaluate(seen)
    assert over == 0
    assert 16 <= size < 29


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["nothing"], "there is no notebook nothing: choose from 00_"), (["02_derivation"], "has not been executed: run `make book`")],
)
def test_the_command_says_what_is_wrong(
    names: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slides, "copy_scripts", lambda _: None)
    with pytest.raises(SlidesError, match=sentence):
        make(names, tmp_path, tmp_path / "slides")


def test_a_quick_look_executes_only_what_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(book, "execute_all", lambda *_, names, **__: asked.append(names))
    monkeypatch.setattr(slides, "copy_scripts", lambda _: None)
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["slides", "02_derivation", "--smoke"])
    assert slides.main() == 2, "nothing was executed here"
    assert asked == [["02_derivation"]]
    assert "02_derivation has not been executed" in capsys.readouterr().err
