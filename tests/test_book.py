"""The book: its sources point at things that exist, and the built site is complete, clean and legible without pictures."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tools.book import SMOKE, render, status_table
from tools.execute import Execution
from tools.notebooks import ROOT, read_script, scripts

PAGES = sorted((ROOT / "book").glob("*.md"))
TOC: dict[str, Any] = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
DOCUMENTS = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PAGES}

each_page = pytest.mark.parametrize("page", TEXTS)


def without_code(text: str) -> str:
    """The page without its literal code blocks; directives stay."""
    kept: list[str] = []
    literal = ""
    for line in text.splitlines():
        fence = re.match(r"(`{3,}|~{3,})(.*)", line)
        if literal:
            literal = "" if fence and fence[1] == literal and not fence[2].strip() else literal
        elif fence and fence[2].strip() and not fence[2].startswith("{"):
            literal = fence[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def labels() -> set[str]:
    text = "\n".join(without_code(page) for page in TEXTS.values())
    patterns = (r"^\(([\w:-]+)\)=", r"^\$\$ *\(([\w:-]+)\)", r"^ *:(?:label|name): *([\w:-]+)", r"\\label\{([\w:-]+)\}")
    return {label for pattern in patterns for label in re.findall(pattern, text, re.MULTILINE)}


def roles(text: str, *names: str) -> list[str]:
    """The targets of the given roles; "text <target>" gives the target."""
    found = re.findall(rf"\{{(?:{'|'.join(names)})\}}`([^`]+)`", text)
    return [re.sub(r"^.*<(.+)>$", r"\1", target, flags=re.DOTALL).strip() for target in found]


def test_every_source_is_in_the_table_of_contents_once() -> None:
    sources = [f"book/{page.stem}" for page in PAGES] + [f"notebooks/{script.stem}" for script in scripts()]
    assert sorted(DOCUMENTS) == sorted(sources)


def test_labels_are_unique() -> None:
    text = "\n".join(without_code(page) for page in TEXTS.values())
    names = re.findall(r"^\(([\w:-]+)\)=|^\$\$ *\(([\w:-]+)\)|^ *:(?:label|name): *([\w:-]+)", text, re.MULTILINE)
    flat = [label for group in names for label in group if label]
    assert sorted(flat) == sorted(set(flat))


@each_page
def test_cited_labels_exist(page: str) -> None:
    text = without_code(TEXTS[page])
    cited = roles(text, "eq", "ref", "numref", "prf:ref")
    assert not set(cited) - labels()


@each_page
def test_cited_works_exist(page: str) -> None:
    works = set(re.findall(r"^@\w+\{([\w:-]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
    cited = {key.strip() for keys in roles(TEXTS[page], r"cite(?::\w+)?") for key in keys.split(",")}
    assert not cited - works


@each_page
def test_terms_are_in_the_glossary(page: str) -> None:
    glossary = TEXTS["book/glossary.md"]
    block = re.search(r"^(`{3,}|:{3,})\{glossary\}\n(.*?)^\1", glossary, re.MULTILINE | re.DOTALL)
    assert block is not None
    terms = {line.strip().lower() for line in block[2].splitlines() if line and not line.startswith((" ", ":"))}
    used = {" ".join(term.split()).lower() for term in roles(TEXTS[page], "term")}
    assert not used - terms


@each_page
def test_linked_files_exist(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)", without_code(TEXTS[page])):
        source = (ROOT / page).parent / target
        assert source.is_file() or source.with_suffix(".py").is_file(), target


def resolve(name: str) -> object:
    """The object that a dotted name means. A function may bear the name of its module, so modules are tried first."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            fields = inspect.get_annotations(found) if isinstance(found, type) else {}
            found = fields[part] if part in fields and not hasattr(found, part) else getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def named_in(text: str) -> list[str]:
    return re.findall(r"`(lnl_core(?:\.\w+)+)(?:\(.*?\))?`", text)


@each_page
def test_names_of_the_library_resolve(page: str) -> None:
    for name in named_in(TEXTS[page]):
        assert resolve(name) is not None, name


def test_names_in_the_notebooks_prose_resolve() -> None:
    for script in scripts():
        for cell in read_script(script).cells:
            for name in named_in(cell.source) if cell.cell_type == "markdown" else ():
                assert resolve(name) is not None, name


def test_paper_map_is_complete() -> None:
    text = TEXTS["book/paper_map.md"]
    rows = {int(match) for match in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert set(range(1, 10)) <= rows, "one row for each of the paper's nine equations"
    assert len(named_in(text)) >= 20


def test_api_page_shows_every_public_module() -> None:
    hidden = {"__init__", "__main__", "_files", "_memory", "bench", "cli"}
    modules = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in (ROOT / "lnl_core").rglob("*.py")}
    public = {name for name in modules if name.rsplit(".", 1)[-1] not in hidden}
    assert public == set(re.findall(r"automodule:: ([\w.]+)", TEXTS["book/api.md"])) - {"lnl_core.bench", "lnl_core.cli"}


@each_page
def test_figures_have_alt_text(page: str) -> None:
    text = TEXTS[page]
    for block in re.finditer(r"^(`{3,}|:{3,})\{(?:figure|image)\}(.*?)^\1", text, re.MULTILINE | re.DOTALL):
        assert re.search(r"^:alt: .{20,}", block[2], re.MULTILINE), block[2][:80]
    assert "![](" not in text


# The built site: smoke-executed notebooks, warnings as errors, in a folder of its own.


@pytest.fixture(scope="session")
def site() -> Path:
    """The site of the smoke runs, built now unless nothing has changed since the last time."""
    command = [sys.executable, "-m", "tools.book", "--smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return ROOT / "_build" / "test" / "_build" / "html"


class Page(HTMLParser):
    """Images, links and anchors of an HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {name for name in (values.get("id"), values.get("name")) if name}
        if tag == "img":
            self.images.append(values)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))


def _site_pages(site: Path) -> Iterator[tuple[str, Page]]:
    for document in DOCUMENTS:
        yield document, Page(site / f"{document}.html")


@pytest.mark.slow
def test_every_page_is_built_and_the_site_opens(site: Path) -> None:
    for document in DOCUMENTS:
        assert (site / f"{document}.html").stat().st_size > 5000, document
    assert TOC["root"] in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_no_page_shows_an_error(site: Path) -> None:
    for document in DOCUMENTS:
        text = (site / f"{document}.html").read_text(encoding="utf-8")
        assert "Traceback (most recent call last)" not in text, document
        assert "system-message" not in text, document


@pytest.mark.slow
def test_tables_are_shown_as_tables(site: Path) -> None:
    for document in DOCUMENTS:
        text = (site / f"{document}.html").read_text(encoding="utf-8")
        assert not re.search(r"<p>\s*\|", text), document
    for name in ("07_results", "09_dogs_and_cats", "10_faces", "11_joint_unlearning"):
        assert '<th class="head"><p>published' in (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8"), name


@pytest.mark.slow
def test_no_machine_paths_in_the_site(site: Path) -> None:
    places = {str(ROOT), str(Path.home()) + "/", sys.prefix, gettempdir() + "/", "ipykernel_"}
    for path in [*site.rglob("*.html"), *site.rglob("*.ipynb"), *site.rglob("*.md"), *site.rglob("searchindex.js")]:
        text = path.read_text(encoding="utf-8")
        assert not [place for place in places if place in text], path.relative_to(site)


@pytest.mark.slow
def test_every_image_has_alt_text(site: Path) -> None:
    for document, page in _site_pages(site):
        for image in page.images:
            alt = image.get("alt") or ""
            own = "_images/" in (image.get("src") or "")
            assert len(alt) > (15 if own else 0), f"{document}: {image.get('src')}"
            assert "_images/" not in alt, f"{document}: the alt text is a file name"


@pytest.mark.slow
def test_links_inside_the_site_lead_somewhere(site: Path) -> None:
    pages = dict(_site_pages(site))
    for document, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / f"{document}.html").parent / unquote(parts.path) if parts.path else site / f"{document}.html"
            assert target.exists(), f"{document} -> {link}"
            name = target.resolve().relative_to(site.resolve()).with_suffix("").as_posix()
            if parts.fragment and name in pages:
                assert unquote(parts.fragment) in pages[name].anchors, f"{document} -> {link}"


@pytest.mark.slow
def test_status_page_shows_run_times(site: Path) -> None:
    text = (site / "book" / "status.html").read_text(encoding="utf-8")
    assert f"Executed under the {SMOKE['PROFILE']} profile." in text
    for script in scripts():
        assert f"../notebooks/{script.stem}.html" in text


@pytest.mark.slow
def test_formulas_need_no_network(site: Path) -> None:
    text = (site / "book" / "theory.html").read_text(encoding="utf-8")
    assert re.search(r'<script[^>]*src="\.\./_static/mathjax/', text)


def test_status_before_anything_ran(tmp_path: Path) -> None:
    assert "not been executed" in status_table(tmp_path, {}, "demo")


def test_status_names_times_and_versions(tmp_path: Path) -> None:
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# A page"}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "00_page.ipynb").write_text(json.dumps(notebook))
    text = status_table(tmp_path, {"00_page": Execution("key", 12.3, "2026-01-01", "CPU, 2 cores")}, "demo")
    assert "| [A page](../notebooks/00_page.ipynb) | 12 s | CPU, 2 cores | 2026-01-01 |" in text
    assert "| torch |" in text


@pytest.mark.slow
def test_a_warning_fails_the_build_every_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second build must fail as well, although Sphinx has read the page by then."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "_config.yml").write_text("title: T\nonly_build_toc_files: true\n")
    (source / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    (source / "page.md").write_text("# Page\n\nSee {ref}`nowhere`.\n")
    for _ in range(2):
        with pytest.raises(SystemExit, match="could not be built"):
            render(source, tmp_path)
        assert "nowhere" in capsys.readouterr().err
        assert not (tmp_path / "_build" / "html").exists()
    (source / "page.md").write_text("# Page\n\nAll is well.\n")
    assert (render(source, tmp_path) / "page.html").is_file()
