"""What the built pages load, made light: one style sheet with the rules that the site uses, one script, and the options of Sphinx
in the page itself.

A browser asks for each file by itself and shows nothing before all styles are there and read; three quarters of the theme's rules
are for things that no page has. What is written can be read and written again: a page that Sphinx did not write anew stays right.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from tools import write_if_changed

SHEET, SCRIPT = "_static/styles/site.css", "_static/site.js"
_SHEETS = re.compile(r'<link (?=[^>]*rel="stylesheet")[^>]*href="((?:\.\./)*)(_static/[^"?]+\.css)[^"]*"[^>]*>\s*')
_SCRIPTS = re.compile(
    r'<script (?=[^>]*\bdefer\b)[^>]*src="((?:\.\./)*)(_static/(?!explorables/|mathjax/)[^"?]+\.js)[^"]*"[^>]*></script>\s*'
)
_PRELOADED = re.compile(r'<link rel="preload" as="script"[^>]*>\s*')
_OPTIONS = re.compile(r'<script src="[^"]*_static/documentation_options\.js[^"]*"></script>')
_QUOTED = r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'"""


def blocks(style: str) -> Iterator[tuple[str, str | None]]:
    """The rules of a style sheet without comments: what stands before the braces and what in them, None for a statement."""
    style = re.sub(rf"({_QUOTED})|/\*.*?\*/", lambda found: found[1] or "", style, flags=re.DOTALL)
    depth = start = opened = 0
    for found in re.finditer(rf"{_QUOTED}|[{{}};]", style):
        place, mark = found.start(), found[0]
        if mark == "{":
            depth += 1
            opened = place if depth == 1 else opened
        elif mark == "}":
            depth -= 1
            if not depth:
                yield style[start:opened].strip(), style[opened + 1 : place].strip()
                start = place + 1
        elif mark == ";" and not depth:
            yield style[start:place].strip(), None
            start = place + 1


def can_match(selector: str, words: set[str], begun: tuple[str, ...] = ()) -> bool:
    """Whether a selector names only classes and ids that are among the words of the site or have one of its beginnings. What stands
    in parentheses, as in ``:not(.a)``, may be missing, and so may a name with an escape."""
    while "(" in selector and (bare := re.sub(r"\([^()]*\)", "", selector)) != selector:
        selector = bare
    names = re.findall(r"[.#]([A-Za-z_-](?:[\w-]|\\.)*)", re.sub(r"\[[^\]]*\]", "", selector))
    return all("\\" in name or name in words or name.startswith(begun) for name in names)


def used(style: str, words: set[str]) -> str:
    """A style sheet with those of its rules that can match on pages with these words; scripts put names together from beginnings,
    which end with a hyphen."""
    kept, begun = [], tuple(word for word in words if re.fullmatch(r"[a-z].{2,}-", word))
    for head, body in blocks(style):
        if body is None:
            kept.append(f"{head};")
        elif head.startswith(("@media", "@supports")):
            inner = used(body, words)
            kept += [f"{head}{{{inner}}}"] if inner else []
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        else:
            selectors = [one for one in re.split(r",(?![^()]*\))", head) if can_match(one, words, begun)]
            kept += [f"{','.join(one.strip() for one in selectors)}{{{' '.join(body.split())}}}"] if selectors and body else []
    return "\n".join(kept)


def whole(sheet: Path) -> str:
    """The text of a style sheet, those that it imports in their places, with addresses as seen from the folder of SHEET."""
    text = sheet.read_text(encoding="utf-8")
    text = re.sub(r'@import\s+"([^":]+)";', lambda found: whole(sheet.parent / found[1]), text)
    if sheet.parent.name == "styles":
        return text
    return re.sub(r"url\((?!['\"]?(?:data:|#|/|https?:|\.\./))['\"]?([^)'\"]+)['\"]?\)", r"url(../\1)", text)


def _together(site: Path, pattern: re.Pattern[str], bundle: str, pages: list[str]) -> list[str]:
    """The files that the pages load by links of this form, those of the bundle as its first line names them."""
    target = site / bundle
    first = target.read_text(encoding="utf-8").partition("*/")[0].removeprefix("/*").split() if target.is_file() else []
    names = [name for page in pages for _, name in pattern.findall(page) if name != bundle]
    return list(dict.fromkeys([*names, *first]))


def one_link(page: str, pattern: re.Pattern[str], bundle: str, form: str) -> str:
    """A page with the first link of this form in place of all."""
    first = pattern.search(page)
    if first is None:
        return page
    link = form.format(f"{first[1]}{bundle}")
    return pattern.sub("", page[: first.start()] + "\0" + page[first.end() :]).replace("\0", link)


def lighten(site: Path) -> None:
    """Give all pages of a built site one style sheet and one script."""
    paths = [path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts]
    pages = {path: path.read_text(encoding="utf-8") for path in paths}
    texts = [text for text in pages.values() if "<body" in text]
    documents = [text for text in texts if 'src="' in text and "searchtools.js" not in text]
    sheets, scripts = _together(site, _SHEETS, SHEET, texts), _together(site, _SCRIPTS, SCRIPT, documents)
    if not sheets or not scripts:
        return
    others = [path for path in (site / "_static").glob("explorables/*.js") if not re.search("network_|_data", path.name)]
    running = [site / name for name in scripts] + others + [*(site / "_static").glob("searchtools.js")]
    texts += [path.read_text(encoding="utf-8") for path in running]
    words = {word for text in texts for word in re.findall(r"[\w-]+", text)}
    style = "\n".join(used(whole(site / name), words) for name in sheets)
    script = "\n;".join(re.sub(r"\n//# sourceMappingURL=.*", "", (site / name).read_text(encoding="utf-8")) for name in scripts)
    options = (site / "_static" / "documentation_options.js").read_text(encoding="utf-8").strip()
    for name, names, text in ((SHEET, sheets, style), (SCRIPT, scripts, ";" + script)):
        write_if_changed(site / name, f"/* {' '.join(names)} */\n{text}\n")
    digests = [hashlib.sha256((site / name).read_bytes()).hexdigest()[:8] for name in (SHEET, SCRIPT)]
    for path, text in pages.items():
        light = one_link(text, _SHEETS, SHEET, f'<link rel="stylesheet" href="{{}}?v={digests[0]}">\n')
        if text in documents:
            light = one_link(_PRELOADED.sub("", light), _SCRIPTS, SCRIPT, f'<script defer src="{{}}?v={digests[1]}"></script>\n')
            light = _OPTIONS.sub(lambda _: f"<script>{options}</script>", light)
        write_if_changed(path, light)
