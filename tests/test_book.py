"""The book: its sources point at things that exist, and the built site is complete, clean and legible without pictures."""

import ast
import inspect
import json
import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import torch
import yaml
from fontTools.ttLib import TTFont
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from sphinx import addnodes
from sphinx.builders.html._assets import _JavaScript
from sphinx.util.typing import stringify_annotation

from tools import ROOT
from tools.pages.records import read_all
from tools.site import book
from tools.site.book import SMOKE, _page_in_work, render, status_table
from tools.site.card import write_card
from tools.site.contents import documents
from tools.site.execute import Execution
from tools.site.extension import (
    address_of,
    card,
    in_russian,
    later,
    named_folds,
    page_in_russian,
    shown_icons,
    sitemap,
    size_of,
    with_cells_of_text,
    with_numpys_names,
    with_sizes,
    without_idle_scripts,
    without_long_value,
    without_names,
    without_repeats,
    without_thebe,
)
from tools.site.notebooks import read_script, scripts

PAGES = sorted((ROOT / "book").glob("*.md"))
TOC: dict[str, Any] = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
DOCUMENTS = documents()
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


def test_the_count_of_references_with_a_doi_is_that_of_the_file() -> None:
    works = re.split(r"^@", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    known = sum(bool(re.search(r"^\s*doi\s*=", work, re.MULTILINE)) for work in works)
    assert f"a DOI wherever we know one for certain: {known} of {len(works)} " in TEXTS["book/teaching.md"]


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


API = {page: re.findall(r"automodule:: ([\w.]+)", text) for page, text in TEXTS.items() if page.startswith("book/api")}
"""The modules that each page of the reference shows."""


def test_every_public_module_is_on_one_page_of_the_reference() -> None:
    hidden = {"cli"}
    modules = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in (ROOT / "lnl_core").rglob("*.py")}
    public = {name for name in modules if not (last := name.rsplit(".", 1)[-1]).startswith("_") and last not in hidden}
    rooms = {name.removesuffix(".__init__") for name in modules if name.endswith(".__init__")} - {"lnl_core"}
    assert sorted(public | rooms) == sorted(name for shown in API.values() for name in shown)


def test_a_room_has_a_page_and_the_overview_names_all() -> None:
    linked = set(re.findall(r"\]\((api_\w+\.md)\)", TEXTS["book/api.md"]))
    assert {f"book/{name}" for name in linked} == set(API) - {"book/api.md"}
    for page, shown in API.items():
        assert len({name.split(".")[1] for name in shown} - {"config", "hyperparameters", "errors"}) <= 1, page
        assert page not in ("book/api.md", "book/api_configuration.md") or not any("." in name[9:] for name in shown)


def public_names() -> dict[str, object]:
    """Every public name of the library and of its rooms, as dotted name, with what it means."""
    rooms = {name for shown in API.values() for name in shown if name.count(".") == 1}
    packages = [import_module(name) for name in sorted({"lnl_core", *rooms}) if hasattr(import_module(name), "__all__")]
    return {f"{one.__name__}.{name}": getattr(one, name) for one in packages for name in one.__all__}


def described() -> set[str]:
    """The functions and classes among the public names, each by the module that defines it."""
    things = [thing for thing in public_names().values() if inspect.isfunction(thing) or inspect.isclass(thing)]
    return {f"{thing.__module__}.{thing.__qualname__}" for thing in things}


def explained(module: str) -> set[str]:
    """The names that a module assigns at its top, each with a docstring below it; only these are in the reference."""
    nodes = ast.parse(inspect.getsource(import_module(module))).body
    said = [one for one, after in pairwise(nodes) if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)]
    targets = [one for each in said if isinstance(each, ast.Assign | ast.AnnAssign) for one in _targets(each)]
    return {one.id for one in targets if isinstance(one, ast.Name)}


def _targets(assignment: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    target = assignment.targets[0] if isinstance(assignment, ast.Assign) else assignment.target
    return target.elts if isinstance(target, ast.Tuple) else [target]


def constants() -> dict[str, list[str]]:
    """The values and types among the public names, each with the modules of the reference that explain it."""
    shown = {module: explained(module) for modules in API.values() for module in modules}
    values = [name for name, thing in public_names().items() if not (inspect.isroutine(thing) or inspect.isclass(thing))]
    values = [name for name in values if not inspect.ismodule(public_names()[name]) and "__" not in name]
    return {name: [one for one, names in shown.items() if name.rpartition(".")[2] in names] for name in values}


def test_every_public_constant_is_explained_where_it_is_defined() -> None:
    found = constants()
    assert len(found) > 30
    assert {name: homes for name, homes in found.items() if len(homes) != 1} == {}


def test_the_home_of_every_public_name_is_in_the_reference() -> None:
    shown = {name for names in API.values() for name in names}
    assert len(public_names()) > 290
    assert sorted(name for name in described() if name.rpartition(".")[0] not in shown) == []


@each_page
def test_figures_have_alt_text(page: str) -> None:
    text = TEXTS[page]
    for block in re.finditer(r"^(`{3,}|:{3,})\{(?:figure|image)\}(.*?)^\1", text, re.MULTILINE | re.DOTALL):
        assert re.search(r"^:alt: .{20,}", block[2], re.MULTILINE), block[2][:80]
    assert "![](" not in text


# The built site: smoke-executed notebooks, warnings as errors, in a folder of its own.


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
def test_every_public_name_is_described_on_one_page_of_the_reference(site: Path) -> None:
    places = [name for page in API for name in Page(site / f"{page.removesuffix('.md')}.html").anchors]
    values = {f"{home}.{name.rpartition('.')[2]}" for name, homes in constants().items() for home in homes}
    assert {name: places.count(name) for name in described() | values if places.count(name) != 1} == {}


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
    pages, records = dict(_site_pages(site)), set(read_all())
    for document, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (site / f"{document}.html").parent / unquote(parts.path) if parts.path else site / f"{document}.html"
            assert target.exists(), f"{document} -> {link}"
            name = target.resolve().relative_to(site.resolve()).with_suffix("").as_posix()
            if parts.fragment and name == "book/record" and parts.path:  # which record to show, and no place of the page
                assert unquote(parts.fragment) in records, f"{document} -> {link}"
            elif parts.fragment and name == "book/records" and parts.path:  # the words that must occur
                words = unquote(parts.fragment).split()
                assert any(all(word in address for word in words) for address in records), f"{document} -> {link}"
            elif parts.fragment and name in pages:
                assert unquote(parts.fragment) in pages[name].anchors, f"{document} -> {link}"


class Assets(HTMLParser):
    """What a page loads, the texts of its inline scripts, and which roles stand inside which list."""

    VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.icons: list[str] = []
        self.inline: list[str] = []
        self.in_lists: set[str | None] = set()
        self._open: list[tuple[str, str | None]] = []
        self._inline = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if self._open and self._open[-1][1] == "list":
            self.in_lists.add(values.get("role"))
        if tag not in self.VOID:
            self._open.append((tag, values.get("role")))
        relation = (values.get("rel") or "").split()
        if tag == "script" and values.get("src"):
            self.loaded.append(str(values["src"]))
        elif tag == "link" and "stylesheet" in relation:
            self.loaded.append(str(values["href"]))
        elif tag == "link" and "icon" in relation:
            self.icons.append(str(values["href"]))
        self._inline = tag == "script" and not values.get("src")

    def handle_endtag(self, tag: str) -> None:
        self._inline = False
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inline:
            self.inline.append(data)


def declared_names(script: str) -> list[str]:
    """The names that a script declares for the whole page: a second `const` or `let` of the same name stops it."""
    return re.findall(r"(?:^|;)\s*(?:const|let|class)\s+([\w$]+)", script)


def test_declared_names() -> None:
    assert declared_names('const A = "https://x"; let b = 1; var c = 2') == ["A", "b"]


@pytest.mark.slow
def test_scripts_and_styles_are_there_and_declared_once(site: Path) -> None:
    for path in [site / f"{document}.html" for document in DOCUMENTS] + [site / "search.html", site / "genindex.html"]:
        assets = Assets(path)
        name = path.relative_to(site).as_posix()
        local = [link.split("?")[0] for link in [*assets.loaded, *assets.icons] if not urlsplit(link).netloc]
        assert len(local) > 2, f"{name} loads hardly anything: has the theme changed?"
        assert [link for link in local if not (path.parent / unquote(link)).is_file()] == [], name
        assert assets.icons, f"{name} names no icon, so every browser asks for /favicon.ico"
        assert len(assets.loaded) == len(set(assets.loaded)), f"{name} loads a file twice"
        names = [found for script in assets.inline for found in declared_names(script)]
        assert sorted(names) == sorted(set(names)), f"{name} declares a name twice"


@pytest.mark.slow
def test_style_sheets_name_files_that_are_there(site: Path) -> None:
    for sheet in site.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        named = re.findall(r"""@import\s+["']([^"']+)|url\(\s*["']?([^"')]+)""", text)
        for link in (first or second for first, second in named):
            if not link.startswith(("data:", "#", "%23", "http:", "https:", "//")):
                assert (sheet.parent / unquote(urlsplit(link).path)).is_file(), f"{sheet.relative_to(site)}: {link}"


@pytest.mark.slow
def test_lists_hold_list_items(site: Path) -> None:
    for document in DOCUMENTS:
        path = site / f"{document}.html"
        assert Assets(path).in_lists <= {"listitem"}, document
        assert "doc-biblioentry" not in path.read_text(encoding="utf-8"), document
    bibliography = (site / "book" / "bibliography.html").read_text(encoding="utf-8")
    assert bibliography.count('role="listitem"') > 20


def title_of(document: str) -> str:
    """The first heading of a page or notebook."""
    source = ROOT / f"{document}.md"
    text = source.read_text(encoding="utf-8") if source.is_file() else read_script(ROOT / f"{document}.py").cells[0].source
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    assert found is not None, document
    return found[1].strip().lower()


def test_no_title_stands_twice_in_the_contents() -> None:
    titles = [title_of(document) for document in DOCUMENTS] + [str(part["caption"]).lower() for part in TOC["parts"]]
    assert sorted(titles) == sorted(set(titles))


def test_long_values_are_left_out_of_the_reference() -> None:
    long, short, type_of = (addnodes.desc_annotation("", text) for text in (f" = {'x' * 400}", " = ('a', 'b')", f": {'y' * 400}"))
    signatures = [addnodes.desc_signature("", "", each) for each in (long, short, type_of)]
    without_long_value(signatures)
    assert [len(signature.children) for signature in signatures] == [0, 1, 1]


def test_the_reference_has_no_signature_of_many_lines(site: Path) -> None:
    for page in sorted((site / "book").glob("api*.html")):
        signatures = re.findall(r'<dt class="sig sig-object py" id="([^"]+)">(.*?)</dt>', page.read_text("utf-8"), re.S)
        long = [name for name, text in signatures if len(re.sub(r"<[^>]+>", "", text)) > 600]
        assert long == [], page.name


def test_types_of_numpy_have_the_names_that_numpy_gives_them(site: Path) -> None:
    for type_of, name in (
        (ArrayLike, "~numpy.typing.ArrayLike"),
        (torch.Tensor | ArrayLike, "~torch.Tensor | ~numpy.typing.ArrayLike"),
        (NDArray[np.uint8] | None, "~numpy.typing.NDArray[~numpy.uint8] | None"),
    ):
        assert with_numpys_names(stringify_annotation(type_of, "smart")) == name  # type: ignore[arg-type]
    for page in (site / "book").glob("api_*.html"):
        assert "_typing" not in re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")), page.name


def test_the_reference_takes_no_sentence_for_a_type(site: Path) -> None:
    field = re.compile(r'<dt class="field-\w+">Type<span class="colon">:</span></dt>\s*<dd class="field-\w+"><p>(.*?)</p>', re.S)
    texts = [text for page in sorted((site / "book").glob("api*.html")) for text in field.findall(page.read_text("utf-8"))]
    types = [re.sub(r"<[^>]+>", "", text) for text in texts]
    assert len(types) > 100
    assert [text for text in types if re.search(r"[a-z] [a-z]", text.replace(" or ", " | "))] == []


def test_scripts_are_kept_once_and_in_order() -> None:
    inline = {"body": "let a = 1;"}
    scripts_of_page = [
        SimpleNamespace(filename="a.js", attributes={}),
        SimpleNamespace(filename="", attributes=inline),
        SimpleNamespace(filename=None, attributes=inline),
        SimpleNamespace(filename="a.js", attributes={}),
        SimpleNamespace(filename=None, attributes={"body": "let b = 2;"}),
        "b.js",
    ]
    assert without_repeats(scripts_of_page) == [scripts_of_page[i] for i in (0, 1, 4, 5)]


def test_scripts_of_files_wait_for_the_page_and_thebe_is_left_out() -> None:
    files = ["_static/documentation_options.js", "_static/doctools.js", "_static/sphinx-thebe.js"]
    given = [_JavaScript(name) for name in files]
    given += [_JavaScript("", body=text) for text in ("let a = 1;", 'const THEBE_JS_URL = "x";')]
    kept = without_thebe(given)
    assert kept == [given[0], given[1], given[3]]
    assert [one.attributes.get("defer") for one in later(kept)] == [None, "defer", None], "an inline script cannot wait"
    assert [one.attributes.get("defer") for one in kept] == [None] * 3, "they are other pages' too"


@pytest.mark.slow
def test_no_script_waits_for_the_styles(site: Path) -> None:
    """A script that is not deferred and stands below a style sheet stops the reader of the page until all styles have come."""
    for document in DOCUMENTS:
        head = (site / f"{document}.html").read_text(encoding="utf-8").partition("</head>")[0]
        below = head[head.index("stylesheet") :]
        assert [tag for tag in re.findall(r"<script[^>]*>", below) if "defer" not in tag] == [], document
        assert "DOCUMENTATION_OPTIONS.pagename" in head, document


@pytest.mark.slow
def test_pictures_have_their_size_and_are_vectors_or_webp(site: Path) -> None:
    count = 0
    for document, page in _site_pages(site):
        for image in page.images:
            source = image.get("src") or ""
            if "_images/" in source:
                path = (site / f"{document}.html").parent / source
                assert path.suffix in (".svg", ".webp"), f"{document}: {source}"
                given = [int(image.get(name) or 0) for name in ("width", "height")]
                assert given == [*size_of(path.resolve())], f"{document}: {source}"
                count += 1
    assert count > 60


def test_a_picture_gets_its_size_once() -> None:
    html = '<p><img alt="a" src="../_images/a.png" /> <img src="../_images/b.svg"><img src="c.png"></p>'
    sizes = {"a.webp": (640, 380), "b.svg": (96, 48)}
    sized = with_sizes(html, sizes)
    assert '<img width="640" height="380" loading="lazy" alt="a" src="../_images/a.webp" />' in sized
    assert '<img width="96" height="48" loading="lazy" src="../_images/b.svg"><img src="c.png">' in sized
    assert with_sizes(sized, sizes) == sized
    wide = with_sizes('<img src="../_images/w.png">', {"w.webp": (1650, 660)})
    image = '<img width="1650" height="660" loading="lazy" src="../_images/w.webp">'
    assert wide == f'<a class="enlarge" href="../_images/w.webp">{image}</a>'
    assert with_sizes(wide, {"w.webp": (1650, 660)}) == wide


@pytest.mark.slow
def test_no_script_of_a_file_holds_back_the_page(site: Path) -> None:
    for document in DOCUMENTS:
        text = (site / f"{document}.html").read_text(encoding="utf-8")
        waited = [tag for tag in re.findall(r"<script[^>]*\bsrc=[^>]*>", text) if "defer" not in tag and "async" not in tag]
        assert [tag for tag in waited if "documentation_options" not in tag] == [], document
        assert "thebe" not in text.split("<body", 1)[0].lower(), document


def test_of_the_icons_those_that_are_shown_are_kept() -> None:
    rules = r'.fa-bars:before,.fa-navicon:before{content:"\f0c9"}.fa-cat:before{content:"\f6be"}'
    style = rules + ':root{--pst-icon-bell:"\uf0f3"}'
    assert shown_icons(style, ['<i class="fa-solid fa-navicon"></i>', ""]) == {"\uf0c9", "\uf0f3"}


@pytest.mark.slow
def test_the_icon_font_has_the_icons_of_the_pages(site: Path) -> None:
    folder = site / "_static" / "vendor" / "fontawesome" / "webfonts"
    with TTFont(folder / "fa-solid-900.ttf") as font:
        there = set(font.getBestCmap())
    assert {0xF0C9, 0xF002, 0xF185, 0xF019, 0xF065} <= there, "bars, magnifying glass, sun, download, expand"
    assert len(there) < 200


def test_a_shared_link_has_a_title_a_sentence_and_where_there_is_an_address_a_picture() -> None:
    address = address_of("https://github.com/Owner/the-book")
    assert address == "https://owner.github.io/the-book/"
    assert address_of("https://gitlab.com/a/b") == address_of("") == ""
    shared = card('A "title"', "What is found.", address, "book/theory")
    assert '<meta property="og:title" content="A &quot;title&quot;" />' in shared
    assert f'<meta property="og:image" content="{address}_static/card.png" />' in shared
    assert f'content="{address}book/theory.html"' in shared
    assert "og:image" not in card("A", "B", "", "book/theory")


def test_the_sitemap_names_every_page_once() -> None:
    text = sitemap("https://a.github.io/b/", ["book/theory", "book/intro"])
    assert re.findall(r"<loc>(.*?)</loc>", text) == [f"https://a.github.io/b/book/{name}.html" for name in ("intro", "theory")]


def test_the_card_has_the_size_that_is_asked_for(tmp_path: Path) -> None:
    path = write_card(tmp_path / "card.png")
    with Image.open(path) as picture:
        assert picture.size == (1200, 630)
    assert path.stat().st_size < 200_000
    written = path.stat().st_mtime_ns
    assert write_card(path).stat().st_mtime_ns == written, "it is drawn once"
    library = max(file.stat().st_mtime for file in (ROOT / "lnl_core").rglob("*.py"))
    os.utime(path, (library - 1, library - 1))
    assert write_card(path).stat().st_mtime > library, "and again after any change of the library, which draws the digits"


@pytest.mark.slow
def test_every_page_says_what_it_is_about(site: Path) -> None:
    for document in DOCUMENTS:
        text = (site / f"{document}.html").read_text(encoding="utf-8")
        (said,) = re.findall(r'<meta property="og:description" content="([^"]*)"', text)
        assert text.count('property="og:title"') == 1, document
        assert len(said) > 40 or document == "book/bibliography", f"{document}: {said}"
        assert "In one sentence" not in said, document
    assert (site / "_static" / "card.png").is_file()


def test_folds_have_the_names_that_they_need() -> None:
    assert named_folds("<summary><i></i></summary>") == '<summary aria-label="Pages below this one"><i></i></summary>'
    assert without_names('<summary aria-label="Toggle hidden content"><p>Show code</p>') == "<summary><p>Show code</p>"


def test_cells_of_text_say_so_and_others_stay() -> None:
    text = "<td><p>A sentence of <em>more</em> words than fit into forty characters.</p></td>"
    number = "<td class='x'><p>0.5</p></td>"
    marked = with_cells_of_text(f"<tr>{text}{number}</tr>")
    assert marked == f"<tr>{text.replace('<td>', '<td data-text>')}{number}</tr>"
    formula = "<td>" + "".join(f'<span class="math notranslate" style="--room:{n}em">x</span>' for n in range(30)) + "</td>"
    assert with_cells_of_text(formula) == formula, "what is counted is what one reads"


def test_scripts_that_do_nothing_are_not_loaded() -> None:
    kept = '<meta name="x"/><script src="../_static/doctools.js"></script>'
    idle = '<script src="../searchindex.js"></script><script defer src="a/fontawesome.js?digest=1"></script>'
    assert without_idle_scripts(idle + kept) == kept
    assert "searchindex" in without_idle_scripts(idle + kept, searches=True), "pages that are no document may search"


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


def test_a_notebook_without_results_says_so_and_an_executed_one_is_shown(tmp_path: Path) -> None:
    """The deterministic ones are stored with their outputs, so they wait for nothing."""
    assert "has not been executed here yet" in book._shown("00_quickstart", tmp_path, ROOT)
    assert "has not been executed" not in book._shown("02_derivation", tmp_path, ROOT)
    (tmp_path / "00_quickstart.ipynb").write_text((ROOT / "notebooks" / "02_derivation.ipynb").read_text(encoding="utf-8"))
    assert book._shown("00_quickstart", tmp_path, ROOT) == book._shown("02_derivation", tmp_path, ROOT)


@pytest.mark.parametrize(
    ("there", "options", "wanted"),
    [
        (False, [], ["stage", "render", "execute", "stage", "render"]),
        (True, [], ["execute", "stage", "render"]),
        (False, ["--smoke"], ["execute", "stage", "render"]),
        (False, ["--notebooks-only"], ["execute", "stage"]),
    ],
)
def test_the_first_site_can_be_read_before_the_notebooks_are_executed(
    there: bool,
    options: list[str],
    wanted: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[str] = []

    def note(name: str, *given: object) -> Path:
        done.append(name)
        return Path("_build", "html")

    for name in ("stage", "render", "execute"):
        monkeypatch.setattr(book, name, partial(note, name))
    monkeypatch.setattr(book, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["book", *options])
    monkeypatch.chdir(tmp_path)
    if there:
        Path("_build", "html").mkdir(parents=True)
        Path("_build", "html", "index.html").write_text("")
    book.main()
    assert done == wanted
    said = capsys.readouterr().out
    assert ("can be read now: open file://" in said) == (done[0] == "stage")
    assert (f"{(tmp_path / '_build' / 'html').as_uri()}/index.html" in said) == ("render" in done)


def test_the_page_that_is_being_rendered_is_said() -> None:
    line = "\x1b[01mreading sources... \x1b[39;49;00m[ 50%] \x1b[35mbook/glossary\x1b[39;49;00m\n"
    assert _page_in_work(line) == ("reading sources, book/glossary", 0.5)
    assert _page_in_work("writing output... [100%] index") == ("writing output, index", 1.0)
    assert _page_in_work("writing output... \n") is None
    assert _page_in_work("copying assets... [ 50%] a.css") is None


def test_a_build_that_was_interrupted_is_not_built_upon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sphinx would not repeat the warnings of the pages that it had read by then."""
    built = tmp_path / "_build"
    left = [built / "html" / "old.html", built / ".doctrees" / "old.doctree"]
    there: list[bool] = []

    class Sphinx:
        """Writes two files, and is interrupted the first time."""

        returncode = 0

        def __init__(self, *_: object, **__: object) -> None:
            there.append(any(path.exists() for path in left))
            for path in left:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()

        def __enter__(self) -> "Sphinx":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        @property
        def stdout(self) -> Iterator[str]:
            yield "reading sources... [ 50%] page\n"
            if len(there) == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen", Sphinx)
    with pytest.raises(KeyboardInterrupt):
        render(tmp_path / "source", tmp_path)
    for _ in range(2):
        render(tmp_path / "source", tmp_path)
    assert there == [False, False, True], "after a build that came to its end the next one goes on from it"


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
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "rendering the site"


def test_russian_words_say_that_they_are() -> None:
    """Screen readers read by the rules of the language that a page names."""
    links = '<ul><li><a class="x" href="a.html">Coloured</a></li><li><a class="x" href="b.html">Кратко <i>по</i></a></li></ul>'
    assert in_russian(links) == links.replace('<a class="x" href="b', '<a lang="ru" class="x" href="b')
    summary = "<h1>Кратко по-русски</h1><p>Сеть <code>lnl</code> забывает цвет &nbsp;</p>"
    assert page_in_russian(summary) == f'<div lang="ru">{summary}</div>'
    english = "<h1>Introduction</h1><p>See Кратко</p>"
    assert page_in_russian(english) == english
