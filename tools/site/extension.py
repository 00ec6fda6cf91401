"""A Sphinx extension for the site: it mends what Sphinx and docutils write into every page.

Sphinx keeps an inline script that an extension adds while the build runs under two names, and so declares it twice. docutils gives
the entries of a bibliography a role that has been withdrawn and that a list may not hold. The theme reports an error in the console
of everybody who has not chosen between light and dark yet, and every page loads two thousand icons of which the site shows a few.
"""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

FIRST_VISIT = 'document.documentElement.dataset.mode ||= "auto";'
"""Says what the theme would fall back on. The theme's option for it would leave a page without scripts without its colours."""


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


_ICON = r'(?:"[\w-]+"|[\w$]+):\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+",(?:"[^"]*"|\["[^"]*","[^"]*"\])\]'
_PACK = re.compile(rf"\{{(?:{_ICON},)*{_ICON}\}}")
ICONS = Path("_static", "scripts", "fontawesome.js")


def only_icons(script: str, wanted: set[str]) -> str:
    """The theme's icon script with those icons only that have one of the names, their own or a further one."""

    def few(pack: re.Match[str]) -> str:
        icons = [icon[0] for icon in re.finditer(_ICON, pack[0])]
        return "{" + ",".join(icon for icon in icons if wanted & set(re.findall(r"[\w-]+", icon.partition(',"f')[0]))) + "}"

    return _PACK.sub(few, script)


def _few_icons(app: Sphinx, exception: Exception | None) -> None:
    target = Path(app.outdir) / ICONS
    if exception is not None or not target.is_file():
        return
    site = [path for suffix in ("html", "js", "css") for path in Path(app.outdir).rglob(f"*.{suffix}")]
    others = (path for path in site if path != target and "mathjax" not in path.parts)
    texts = (path.read_text(encoding="utf-8", errors="ignore") for path in others)
    wanted = {name for text in texts for name in re.findall(r"\bfa-([a-z0-9-]+)", text)}
    theme = files("pydata_sphinx_theme") / "theme" / "pydata_sphinx_theme"
    whole = theme / "static" / "scripts" / ICONS.name
    target.write_text(only_icons(whole.read_text(encoding="utf-8"), wanted), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(nodes.citation, override=True, html=(_begin_citation, _end_citation))
    app.add_js_file(None, body=FIRST_VISIT)
    app.connect("html-page-context", _each_script_once)
    app.connect("build-finished", _few_icons)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
