"""The way through the book: the order of the contents, and that every chapter leads on to the next."""

import ast
import re
import shutil
import textwrap
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lnl_core.experiments import find
from lnl_core.experiments.colored_mnist import COLOR_VARS
from tools import ROOT
from tools.site import contents
from tools.site.notebooks import read_script

CHAPTERS = contents.chapters()
PLACE = {document: number for number, document in enumerate(CHAPTERS)}


def test_next_leads_to_the_page_that_follows() -> None:
    assert contents.wrong_ways() == []


def test_the_first_network_is_trained_before_the_long_theory_and_looked_into_afterwards() -> None:
    order = ["00_quickstart", "theory", "04_training", "is_it_gone", "the_limit", "bias_balanced", "09_dogs_and_cats", "fairness"]
    order += ["08_your_own_bias", "measuring_information", "fast_training", "sweeps"]
    names = [Path(document).name for document in CHAPTERS]
    places = [names.index(name) for name in order]
    assert places == sorted(places)
    assert contents.parts()["Appendix"] == ["book/measuring_information", "book/fast_training", "book/sweeps"]
    assert list(contents.parts())[-2:] == ["Appendix", contents.REFERENCE]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The contents and their sources, to be changed."""
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    for folder in ("book", "notebooks"):
        (tmp_path / folder).mkdir()
        for path in (ROOT / folder).glob("*.[mp][dy]"):
            shutil.copy(path, tmp_path / folder)
    return tmp_path


def test_another_order_or_a_lost_link_is_noticed(tree: Path) -> None:
    assert contents.wrong_ways(tree) == []
    toc = tree / "_toc.yml"
    first, second = "      - file: notebooks/06_confusion\n", "      - file: notebooks/07_results\n"
    toc.write_text(toc.read_text().replace(first + second, second + first))
    wrong = contents.wrong_ways(tree)
    assert [line.partition(":")[0] for line in wrong] == ["notebooks/04_training", "notebooks/07_results", "notebooks/06_confusion"]
    notebook = tree / "notebooks" / "04_training.py"
    notebook.write_text(notebook.read_text().replace("# Next: ", "# Later: "))
    assert contents.wrong_ways(tree)[0].endswith("name nothing")


@pytest.mark.parametrize(
    ("document", "target", "found"),
    [
        ("notebooks/a", "b.ipynb", "notebooks/b"),
        ("notebooks/a", "../book/c.md", "book/c"),
        ("book/c", "../notebooks/b.ipynb", "notebooks/b"),
        ("book/c", "d.md", "book/d"),
    ],
)
def test_where_a_link_leads(document: str, target: str, found: str) -> None:
    assert contents.linked(document, target) == found


# The top of each chapter

each_chapter = pytest.mark.parametrize("document", CHAPTERS)


@each_chapter
def test_a_chapter_begins_with_its_result_what_to_read_before_and_how_long_it_takes(document: str) -> None:
    top = contents.top(document)
    assert top is not None, "see any other chapter for the form"
    assert 8 <= len(top.result.split()) <= 45, top.result
    looked_up = {page for caption in ("Appendix", contents.REFERENCE) for page in contents.parts()[caption]}
    later = [page for page in top.before if page not in looked_up and PLACE[page] >= PLACE[document]]
    assert not later, "what is to be read before stands later in the contents"
    assert bool(top.before) != (PLACE[document] < 2), "only the first two need nothing before"


@each_chapter
def test_the_reading_time_is_that_of_its_words(document: str) -> None:
    top = contents.top(document)
    assert top is not None
    assert abs(top.minutes - contents.minutes(contents.prose(document))) <= 6, "make sync writes it anew"


PAGE = """# Title

> **In one sentence.** What is
> found at 0.5 is this.
>
> **Read before.** [Other](other.md).
>
> **Reading time.** 5 minutes.

The text.
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("is this.", "is this. And that."),
        ("is this.", "is this?"),
        ("is this.", "is this"),
        ("> **Read before.** [Other](other.md).\n>\n", ""),
        ("5 minutes", "a few minutes"),
        ("# Title\n\n", "# Title\n\nThe text.\n\n"),
    ],
)
def test_another_form_is_noticed(old: str, new: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    assert contents.top("page", tmp_path) == contents.Top("What is found at 0.5 is this.", ("other",), 5)
    page.write_text(PAGE.replace(old, new), encoding="utf-8")
    assert contents.top("page", tmp_path) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One two, three-four.", (3, 0)),
        ("a $x + y$ b<!-- 3 4 5 --> {term}`the word <term>` [link](some/where.md)", (6, 0)),
        ("a\n\n$$\nx = y\n$$ (eq-label)\n\nb", (2, 1)),
        ("a\n```python\nb = c\n```\nd", (2, 0)),
        ("```{figure} a.png\n:alt: not shown\n\nThe caption\n```", (3, 0)),
        ("````{admonition} The title\n:class: tip, dropdown\n\n```{include} b.md\n```\nhidden\n````\nshown", (3, 0)),
        ("```{prf:proof}\n:class: dropdown\n\n$$\nx\n$$\n\nhidden\n```\nshown", (1, 0)),
        (":::{dropdown} A title\nhidden\n:::\nshown", (3, 0)),
        ("<details><summary>Solution</summary>\n\nhidden\n\n</details>\nshown", (1, 0)),
        ("| a | b |\n|---|---|\n| c | d |", (4, 0)),
        ("a b\n\n## Exercises\n\n### Exercise 1: c\n\nd\n\n## Summary\n\ne", (4, 0)),
    ],
)
def test_what_a_reader_sees_is_counted(text: str, found: tuple[int, int]) -> None:
    assert contents.length(text) == found


def test_times_are_written_into_pages_and_scripts(tree: Path) -> None:
    assert contents.write_times(tree) == []
    page, notebook = tree / "book" / "theory.md", tree / "notebooks" / "02_derivation.py"
    right = [path.read_text(encoding="utf-8") for path in (page, notebook)]
    for path in (page, notebook):
        path.write_text(contents._TIME.sub(r"\g<1>95\3", path.read_text(encoding="utf-8")), encoding="utf-8")
    assert sorted(contents.write_times(tree)) == sorted([page, notebook])
    assert [path.read_text(encoding="utf-8") for path in (page, notebook)] == right


@pytest.mark.parametrize("name", ["00_quickstart", "09_dogs_and_cats"])
def test_the_prose_of_a_notebook_is_that_of_its_markdown_cells(name: str) -> None:
    cells = [cell.source for cell in read_script(ROOT / "notebooks" / f"{name}.py").cells if cell.cell_type == "markdown"]
    assert contents.prose(f"notebooks/{name}") == "\n\n".join(cells)


@pytest.mark.parametrize("text", ["````{note}\n\nhidden ````\n\nshown", "```python\na", ":::{note}\n```\n:::"])
def test_a_block_without_an_end_is_noticed(text: str) -> None:
    with pytest.raises(ValueError, match="has no end"):
        contents.shown(text)


MOST_WORDS = 2500


@each_chapter
def test_a_chapter_is_not_too_long(document: str) -> None:
    """Proofs, side remarks and tables of all numbers are folded, and what is still longer is split."""
    words, _ = contents.length(contents.prose(document))
    assert words <= MOST_WORDS


# Exercises

EXERCISE = re.compile(
    r"^### Exercise (?P<number>\d+): (?P<title>.+) \((?P<kind>pencil|code|predict, then run); (?:easy|medium|hard)\)$", re.M
)
WITHOUT = ("book/how_to_read", "book/sweeps")
"""They say how to run something."""
DISCUSSED = ("book/ethics",)
"""Its questions are for the pencil."""
_FOLDED = re.compile(
    r"^(?:````\{admonition\} Solution\n:class: dropdown\n\n.+?\n````|<details><summary>Solution</summary>\n\n.+?\n\n</details>)$",
    re.M | re.S,
)


def exercises(document: str) -> list[tuple[re.Match[str], str]]:
    """The heading of each exercise of a chapter and what stands below it."""
    text = contents.prose(document)
    return [(found, re.split(r"^##+ ", text[found.end() :], maxsplit=1, flags=re.M)[0]) for found in EXERCISE.finditer(text)]


def code_of(body: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", body, flags=re.M | re.S)


@each_chapter
def test_exercises_have_one_form(document: str) -> None:
    """Three to five, numbered from 1, each with its kind, how hard it is and a folded solution; at least one of every kind."""
    found = exercises(document)
    assert contents.prose(document).count("### Exercise ") == len(found), "see any other chapter for the form of a heading"
    assert [int(heading["number"]) for heading, _ in found] == list(range(1, len(found) + 1))
    if document in WITHOUT:
        assert not found
        return
    kinds = [heading["kind"] for heading, _ in found]
    if document in DISCUSSED:
        assert {*kinds} == {"pencil"}
    else:
        assert 3 <= len(found) <= 5
        assert {*kinds} == {"pencil", "code", "predict, then run"}
    for heading, body in found:
        assert len(_FOLDED.findall(body)) == 1, heading[0]
        assert bool(code_of(body)) or heading["kind"] == "pencil", f"{heading[0]} has no code in its solution"


SOLUTIONS = [
    pytest.param(code, id=f"{Path(document).name} {heading['number']}")
    for document in CHAPTERS
    if document.startswith("book/")
    for heading, body in exercises(document)
    for code in code_of(body)
]
"""Those of the pages. The notebooks' are executed with the notebooks, see ``test_notebooks``."""


@pytest.mark.parametrize("code", SOLUTIONS)
def test_the_solution_of_a_page_runs_and_says_something(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(code, {})
    assert re.search(r"\d", capsys.readouterr().out)


def test_there_are_solutions_to_run() -> None:
    assert len(SOLUTIONS) >= 28


def imports_of(text: str) -> set[tuple[str, str]]:
    """What the Python blocks of a page import from this project, as (module, name)."""
    blocks = re.findall(r"^[ >]*```python\n(.*?)^[ >]*```", text, flags=re.M | re.S)
    nodes = [node for block in blocks for node in ast.walk(ast.parse(textwrap.dedent(block)))]
    named = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    ours = [node for node in named if f"{node.module}.".startswith(("lnl_core.", "tools."))]
    return {(str(node.module), one.name) for node in ours for one in node.names}


WITH_CODE = [path for path in sorted([*(ROOT / "book").glob("*.md"), ROOT / "README.md"]) if imports_of(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.name)
def test_what_the_code_of_a_page_imports_is_there(path: Path) -> None:
    for module, name in imports_of(path.read_text("utf-8")):
        assert hasattr(import_module(module), name) or find_spec(f"{module}.{name}"), f"{module} has no {name}"


def test_the_script_for_slurm_asks_for_the_grid_of_figure_4() -> None:
    text = (ROOT / "book" / "sweeps.md").read_text("utf-8")
    assert ("lnl_core.runs.sweep", "grid") in imports_of(text)
    (block,) = [code for code in code_of(text) if "SLURMCluster" in code]
    (asked,) = re.findall(r"^    configs = (grid\(.*\))$", block, flags=re.M)
    (lines,) = [[line for line in block.splitlines() if line.startswith("from lnl_core")]]
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    configs = eval(asked, names)
    assert {(one.color_var, one.seed) for one in configs} == {(value, seed) for value in COLOR_VARS for seed in range(3)}
    assert {one.method for one in configs} == {*find("colored_mnist").methods}


def test_what_the_list_of_the_reviewers_names_is_there() -> None:
    text = (ROOT / "book" / "teaching.md").read_text(encoding="utf-8").partition("## The list that JOSE's reviewers follow")[2]
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 19
    paths = {path for row in rows for path in re.findall(r"`([\w./-]+)`", row)}
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []
    pages = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("paper/paper.md", "book/teaching.md"))
    headings = {line.lstrip("# ") for line in pages.splitlines()}
    assert {name for row in rows for name in re.findall(r'"([^"]+)"', row)} <= headings
