"""A Sphinx extension for the site: it mends what Sphinx and docutils write into every page.

Sphinx keeps an inline script that an extension adds while the build runs under two names, and so declares it twice. docutils gives
the entries of a bibliography a role that has been withdrawn and that a list may not hold. The theme reports an error in the console
of everybody who has not chosen between light and dark yet, and every page loads two thousand icons twice,
of which the site shows a few. Its button for the search has another name than it shows, and those that unfold the contents have
none.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import partial
from html import escape, unescape
from importlib.resources import as_file, files
from pathlib import Path
from textwrap import shorten
from typing import Any

from docutils import nodes
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from numpy.typing import ArrayLike
from PIL import Image
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation
from sphinx.writers.html5 import HTML5Translator

from tools import write_if_changed
from tools.site import light
from tools.site.formulas import with_room

FIRST_VISIT = """localStorage.getItem("mode") || localStorage.setItem("mode", "auto");
if (localStorage.getItem("mode") === "auto")
    localStorage.setItem("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");"""
"""Says what the theme, whose script comes next, would fall back on. Its own option would leave pages uncoloured without scripts.
The colours are known at once: the theme asks for them when its script has come, and the page would change and move then."""


UNFOLDED = """for (const kind of ["toggle", "click"]) document.addEventListener(kind, ({target}) => {
    if (kind === "toggle" || target.closest?.(".toggle")) window.dispatchEvent(new Event("resize"));
}, true);"""
"""The theme asks at every change of size what scrolls, to let the keyboard reach it; what unfolds may scroll too."""


PRINTED = """let unfolded = [], theme;
addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:not([open])")];
    unfolded.forEach(each => { each.open = true; });
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
});
addEventListener("afterprint", () => {
    unfolded.forEach(each => { each.open = false; });
    document.documentElement.dataset.theme = theme;
});"""
"""On paper everything is unfolded and light; custom.css leaves out what nobody can click there."""
LONGEST_VALUE = 160
"""Characters of a constant's value that the reference shows."""
FEW_WORDS = 40
"""Characters that a cell of a table may hold without having room for several words kept."""
WIDEST = 720
"""Pixels of CSS that a picture may have to be shown beside a page's contents in its own size."""
CARD = "_static/card.png"
"""The picture that a link to a page is shown with."""


def without_repeats(scripts: list[Any]) -> list[Any]:
    """The scripts of a page in their order, each file and each inline text once.

    Args:
        scripts: Sphinx's assets, with ``filename`` (None or empty for an inline script) and ``attributes`` ("body" is its text).
    """
    kept: dict[tuple[str, str], Any] = {}
    for script in scripts:
        name = str(getattr(script, "filename", script) or "")
        body = str(getattr(script, "attributes", {}).get("body") or "")
        kept.setdefault((name, body), script)
    return list(kept.values())


def _each_script_once(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    if "script_files" in context:
        context["script_files"] = without_repeats(context["script_files"])


def _begin_citation(self: HTML5Translator, node: nodes.citation) -> None:
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<div role="list" class="citation-list">\n')
    self.body.append(self.starttag(node, "div", classes=[node.tagname], role="listitem"))


def _end_citation(self: HTML5Translator, node: nodes.citation) -> None:
    self.body.append("</div>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        self.body.append("</div>\n")


_ICON_SCRIPT = re.compile(r"<script[^>]*/fontawesome\.js[^>]*></script>")
_SEARCH_SCRIPTS = re.compile(r"<script[^>]*/(searchtools|language_data|searchindex)\.js[^>]*></script>")
_ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"(.)"\}')


def without_idle_scripts(html: str, searches: bool = False) -> str:
    """A part of the theme's page without what does nothing there: icons as drawings, which its font shows too, and the search as
    one types, which is off."""
    html = _ICON_SCRIPT.sub("", html)
    return html if searches else _SEARCH_SCRIPTS.sub("", html)


def _idle_scripts(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    context["without_idle_scripts"] = partial(without_idle_scripts, searches=doctree is None)  # the index is one
    has_formula = doctree is not None and any(isinstance(node, (nodes.math, nodes.math_block)) for node in doctree.findall())
    if not has_formula and "script_files" in context:
        context["script_files"] = [one for one in context["script_files"] if "mathjax" not in str(getattr(one, "filename", one))]


def named_folds(contents: str) -> str:
    """A contents list of the theme whose buttons that unfold the pages below one say so to those who do not see the arrow."""
    return contents.replace("<summary>", '<summary aria-label="Pages below this one">')


def without_names(body: str) -> str:
    """The body of a page whose folds of cells are called what they show, so that they can be asked for by voice."""
    return body.replace(' aria-label="Toggle hidden content"', "")


def with_cells_of_text(body: str) -> str:
    """The body of a page whose table cells of more than a few words say so: on a narrow screen they keep room for several words."""

    def marked(cell: re.Match[str]) -> str:
        words = unescape(re.sub(r"<[^>]+>", "", cell["inside"])).split()
        return f"<td data-text{cell['attributes']}>{cell['inside']}</td>" if len(" ".join(words)) > FEW_WORDS else cell[0]

    return re.sub(r"<td(?P<attributes>(?: [^>]*)?)>(?P<inside>.*?)</td>", marked, body, flags=re.S)


CYRILLIC = re.compile(r"[\u0400-\u04ff]")


def in_russian(links: str) -> str:
    """Lists of links in which those of Russian words say so: a voice reads them by the rules of their language."""
    return re.sub(r"<a\b(?P<attributes>[^>]*)>(?P<words>.*?)</a>", _link_in_russian, links, flags=re.S)


def _link_in_russian(link: re.Match[str]) -> str:
    return f'<a lang="ru"{link["attributes"]}>{link["words"]}</a>' if CYRILLIC.search(link["words"]) else link[0]


def page_in_russian(body: str) -> str:
    """The body of a page, which says so if most of its letters are Russian."""
    words = re.sub(r"<[^>]+>|&\w+;", "", body)
    russian, english = len(CYRILLIC.findall(words)), len(re.findall("[A-Za-z]", words))
    return f'<div lang="ru">{body}</div>' if russian > english else body


def _names(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    if contents := context.get("generate_toctree_html"):
        context["generate_toctree_html"] = lambda *args, **options: in_russian(named_folds(str(contents(*args, **options))))
    if sections := context.get("toc"):  # at the right of the page
        context["toc"] = in_russian(with_room(sections))
    if body := context.get("body"):
        context["body"] = page_in_russian(with_cells_of_text(with_room(without_names(body))))


def without_thebe(scripts: list[Any]) -> list[Any]:
    """The scripts of a page without those of Thebe, which is off, and that of tabs, which no page has."""
    texts = [f"{getattr(one, 'filename', one)} {getattr(one, 'attributes', {}).get('body')}".lower() for one in scripts]
    return [one for one, text in zip(scripts, texts, strict=True) if "thebe" not in text and "design-tabs" not in text]


def later(scripts: list[Any]) -> list[Any]:
    """The scripts of a page, of which those in files are loaded beside the page and run when it is there, in the same order. One is
    needed at once: inline scripts change its options."""

    def waiting(one: Any) -> Any:
        name, attributes = str(getattr(one, "filename", "") or ""), getattr(one, "attributes", {})
        if not name or "documentation_options" in name or {"async", "defer"} & set(attributes):
            return one
        return type(one)(one.filename, priority=one.priority, **attributes, defer="defer")  # a copy: all pages share the scripts

    return [waiting(one) for one in scripts]


def _later(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    scripts = without_thebe(context.get("script_files", []))
    if doctree is None:  # the search has a script that needs the others at once
        first = [one for one in scripts if one.attributes.get("body") == FIRST_VISIT]
    else:
        scripts = later(scripts)
        first = [one for one in scripts if not {"async", "defer"} & set(one.attributes)]
    context["metatags"] = context.get("metatags", "") + "\n".join(context["js_tag"](one) for one in first) + "\n"
    context["script_files"] = [one for one in scripts if one not in first]
    context["css_files"] = [one for one in context.get("css_files", []) if "thebe" not in str(getattr(one, "filename", one))]


def address_of(repository: str) -> str:
    """Where the site of a repository on GitHub is published; empty for any other."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", repository)
    return f"https://{found[1].lower()}.github.io/{found[2]}/" if found else ""


def card(title: str, description: str, address: str, page: str) -> str:
    """What a link to a page is shown with where people share it; without an address there is neither a link nor a picture."""
    texts = {"og:type": "article", "og:title": title, "og:description": description}
    if address:
        texts |= {"og:url": f"{address}{page}.html", "og:image": f"{address}{CARD}", "twitter:card": "summary_large_image"}
    lines = [f'<meta property="{name}" content="{escape(text)}" />' for name, text in texts.items()]
    return "\n".join([f'<meta name="description" content="{escape(description)}" />', *lines, ""])


def begins(doctree: nodes.document) -> str:
    """The first paragraph of a page, that of its result where there is one, cut after a word at 200 characters."""
    texts = (" ".join(one.astext().split()) for one in doctree.findall(nodes.paragraph))
    first = next((text for text in texts if len(text) > 40 and not text.startswith("To run this page")), "")
    return shorten(first.removeprefix("In one sentence. "), 200, placeholder=" …")


def _card(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    if doctree is not None:
        title = app.env.titles[page].astext()
        context["metatags"] = context.get("metatags", "") + card(title, begins(doctree), app.config.html_baseurl, page)


def _anew(app: Sphinx, config: Any) -> None:
    """Pages are written anew where this file, `light` or a style or script of ours has changed: Sphinx compares the configuration,
    and with nothing to write it copies no style either."""
    ours = sorted(path for path in (Path(app.srcdir) / "book" / "_static").rglob("*") if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in [Path(__file__), Path(light.__file__), *ours])).hexdigest()
    config.html_context = {**config.html_context, "written_by": digest}


def _address(app: Sphinx, config: Any) -> None:
    config.html_baseurl = config.html_baseurl or address_of(config.html_theme_options.get("repository_url", ""))


def sitemap(address: str, pages: Iterable[str]) -> str:
    """The pages of the site for search engines, as sitemaps.org defines it."""
    lines = [f"  <url><loc>{escape(address + page)}.html</loc></url>" for page in sorted(pages)]
    head = ['<?xml version="1.0" encoding="UTF-8"?>', '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">']
    return "\n".join([*head, *lines, "</urlset>", ""])


def _sitemap(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.config.html_baseurl:
        (Path(app.outdir) / "sitemap.xml").write_text(sitemap(app.config.html_baseurl, app.env.found_docs), encoding="utf-8")


def shown_icons(style: str, texts: Iterable[str]) -> set[str]:
    """The characters of the icon font that a style sheet shows by itself, and those of the icons that the texts name."""
    style = re.sub(r"\\([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), style)
    names = {name for text in texts for name in re.findall(r"\bfa-[a-z0-9-]+", text)}
    named = {found[2] for found in _ICON_RULE.finditer(style) if names & set(re.findall(r"fa-[\w-]+", found[1]))}
    return named | set(re.findall("[\ue000-\uf8ff]", _ICON_RULE.sub("", style)))


def _few_icons(app: Sphinx, exception: Exception | None) -> None:
    """The icon fonts hold two thousand icons; those of the site hold the few that it shows."""
    static = Path(app.outdir) / "_static"
    style = static / "styles" / "pydata-sphinx-theme.css"
    if exception is not None or not style.is_file():
        return
    naming = [*Path(app.outdir).rglob("*.html"), *(static / "scripts").glob("*theme.js")]
    texts = (path.read_text(encoding="utf-8") for path in naming)
    rules = style.read_text(encoding="utf-8")
    shown = shown_icons(rules, texts)
    fonts = files("pydata_sphinx_theme") / "theme" / "pydata_sphinx_theme" / "static" / "vendor" / "fontawesome" / "webfonts"
    for name in ("fa-solid-900", "fa-regular-400", "fa-brands-400"):
        with as_file(fonts / f"{name}.ttf") as whole, TTFont(whole) as font:
            chosen = Subsetter(Options(notdef_outline=True))
            chosen.populate(unicodes=[ord(character) for character in shown])
            chosen.subset(font)
            font.save(static / "vendor" / "fontawesome" / "webfonts" / f"{name}.ttf")
    style.write_text(re.sub(r"url\([^)]*\.woff2\) format\(\"woff2\"\),", "", rules), encoding="utf-8")


def _light_pictures(app: Sphinx, exception: Exception | None) -> None:
    """Pictures as WebP, in 256 colours: charts have some thousand, nearly all of them edges of a few, and then weigh a third."""
    folder = Path(app.outdir) / "_images"
    for path in folder.glob("*.png") if exception is None else ():
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
        few = whole.quantize(256)
        if not whole.getcolors(20_000):
            few = whole.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG)
        few.convert("RGB").save(path.with_suffix(".webp"), lossless=True, method=4)
        path.unlink()
    sizes = {path.name: size_of(path) for path in folder.glob("*.*")} if exception is None else {}
    for page in Path(app.outdir).rglob("*.html") if sizes else ():
        write_if_changed(page, with_sizes(page.read_text(encoding="utf-8"), sizes))


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a picture in pixels of CSS."""
    if picture.suffix == ".svg":
        found = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', picture.read_text(encoding="utf-8"))
        return (round(float(found[1]) * 4 / 3), round(float(found[2]) * 4 / 3)) if found else (0, 0)
    with Image.open(picture) as opened:
        return opened.size


def with_sizes(html: str, sizes: dict[str, tuple[int, int]]) -> str:
    """A page whose pictures have the place that they need from the beginning, so that nothing moves when they arrive, and are
    loaded when the reader comes near: to read two drawings of the first page takes as long as all its text. One that is wider than
    the text leads to its file, where it has its own size.

    Args:
        sizes: width and height by file name; a PNG that is not among them is looked for as WebP.
    """

    def sized(found: re.Match[str]) -> str:
        name = found[3] if found[3] in sizes else found[3].removesuffix(".png") + ".webp"
        width, height = sizes.get(name, (0, 0))
        tag = found[1].replace(found[3], name) if width else found[1]
        if not width or " width=" in tag:
            return tag
        tag = tag.replace("<img ", f'<img width="{width}" height="{height}" loading="lazy" ', 1)
        return f'<a class="enlarge" href="{found[2]}{name}">{tag}</a>' if width > WIDEST else tag

    return re.sub(r'(<img [^>]*?src="([^"]*_images/)([^"/]+)"[^>]*>)', sized, html)


def _light_pages(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        light.lighten(Path(app.outdir))


def _whole_sentence(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Napoleon takes what stands before a colon in the sentence of a constant for its type; an empty comment stops that."""
    if kind in ("data", "attribute", "property") and lines:
        lines[:0] = ["..", ""]


def without_long_value(signatures: Iterable[nodes.Element]) -> None:
    """Leave out of each signature the value of a constant that would fill several lines; its sentence says what it holds."""
    for signature in signatures:
        for part in list(signature.findall(addnodes.desc_annotation)):
            if part.astext().lstrip().startswith("=") and len(part.astext()) > LONGEST_VALUE:
                part.parent.remove(part)


def _short_values(app: Sphinx, domain: str, kind: str, content: addnodes.desc_content) -> None:
    without_long_value(content.parent.findall(addnodes.desc_signature))


_ARRAY_LIKE = stringify_annotation(ArrayLike, "smart")  # type: ignore[arg-type]
_ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?numpy\.dtype\[([^\]]*)\]\]")


def with_numpys_names(type_of: str) -> str:
    """A type as autodoc spells it, with the two names that numpy has for its long ones."""
    return _ARRAY.sub(r"~numpy.typing.NDArray[\1]", type_of.replace(_ARRAY_LIKE, "~numpy.typing.ArrayLike"))


def _types(app: Sphinx, *_: Any) -> None:
    for types in app.env.temp_data.get("annotations", {}).values():
        types.update({name: with_numpys_names(type_of) for name, type_of in types.items()})


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(nodes.citation, override=True, html=(_begin_citation, _end_citation))
    app.add_js_file(None, body=FIRST_VISIT)
    app.add_js_file(None, body=UNFOLDED)
    app.add_js_file(None, body=PRINTED)
    app.config.templates_path.insert(0, str(Path(__file__).parent / "templates"))
    app.connect("config-inited", _address)
    app.connect("config-inited", _anew)
    app.connect("object-description-transform", _short_values)
    app.connect("object-description-transform", _types, priority=400)  # before autodoc writes them
    app.connect("autodoc-process-docstring", _whole_sentence, priority=400)
    app.connect("html-page-context", _card)
    app.connect("html-page-context", _idle_scripts, priority=900)
    app.connect("html-page-context", _names, priority=900)
    app.connect("html-page-context", _each_script_once, priority=901)
    app.connect("html-page-context", _later, priority=902)
    app.connect("build-finished", _sitemap)
    app.connect("build-finished", _few_icons)
    app.connect("build-finished", _light_pictures)
    app.connect("build-finished", _light_pages, priority=900)  # when the theme has written its colours of code
    return {"parallel_read_safe": True, "parallel_write_safe": True}
