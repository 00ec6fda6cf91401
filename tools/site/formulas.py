r"""Room for formulas before they are set: MathJax starts when a page is shown, and what stands there until then, the source of a
formula, is up to ten times as wide as the formula. With about its width kept free, hardly a line of text moves.

The widths are those of MathJax's fonts at the scale of ``_config.yml``, as a browser has set the formulas of this book;
``python -m tools.site.formulas _build/html`` measures them anew. A formula that is not among them gets an estimate, which does no
harm where it is not quite right: it holds until the formula is there.
"""

import json
import re
import sys
from functools import cache
from html import unescape
from pathlib import Path

from lnl_core._files import write_json
from tools.pipes import while_read
from tools.site.browser import chromium

MEASURED = Path(__file__).with_name("formula_widths.json")
_SET = """async () => {
    await MathJax.startup.promise;
    document.querySelectorAll("details").forEach(each => { each.open = true; });
    document.querySelectorAll(".toggle-hidden").forEach(each => each.classList.remove("toggle-hidden"));
    const wide = node => node.getBoundingClientRect().width / parseFloat(getComputedStyle(node.parentElement).fontSize);
    const inLines = [...MathJax.startup.document.math].filter(({display, typesetRoot}) => !display && typesetRoot);
    return inLines.map(({math, typesetRoot}) => [math, wide(typesetRoot)]).filter(([, found]) => found);
}"""
"""The formulas in lines of text with their widths in the size of that text."""

_SCRIPT, _DIGIT, _ROMAN, _CAPITAL, _LETTER, _COMMAND = 0.72, 0.55, 0.53, 0.75, 0.56, 0.7
_WIDTHS = {
    0.0: r"\left \right \big \Big \bigl \bigr \Bigl \Bigr \limits \hat \bar \tilde \dot \overline \mathcal \mathbb \boldsymbol \!",
    0.2: r"\, . '",
    0.3: r"[ ] | l \:",
    0.43: r"( ) \; i t j",
    0.48: r", ; b c \xi \ell \epsilon",
    0.52: r"e g q s v z o r p y \varepsilon \{ \}",
    0.57: r"a d k \tau \rho \nu \eta \theta I",
    0.63: r"f h u x n \sigma \lambda \beta \mu \alpha \partial \Sigma \Vert",
    0.72: r"S \psi V J L T",
    0.83: r"A B C D F G O P Q R U Y Z w \pm",
    0.96: r"E H K N X m \Delta \nabla \mid \infty",
    1.1: r"- + M W \times \gg \ldots \circ",
    1.3: r"\ln \in \sum \prod \int \propto",
    1.5: r"= < > \le \ge \ne \approx \sim \log \exp \arg \dots \cdots \to : \equiv \ll",
    1.8: r"\min \max \leftarrow \rightarrow \Rightarrow \cosh \quad",
}
_WIDTH = {name: width for width, names in _WIDTHS.items() for name in names.split()}
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\S")
_WORDS = {r"\text", r"\operatorname", r"\mathrm", r"\mathbf"}
_FRACTIONS = {r"\frac", r"\tfrac", r"\dfrac", r"\binom"}


@cache
def measured() -> dict[str, float]:
    """The width of each formula of the book that was measured, by its source without white space at its ends."""
    found: dict[str, float] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return found


def width(tex: str) -> float:
    """How wide a formula in a line of text is when it is set, in the size of that text: measured, or about so."""
    source = tex.removeprefix(r"\(").removesuffix(r"\)").strip()
    return measured().get(source) or estimate(tex)


def estimate(tex: str) -> float:
    """About how wide a formula is, from the signs in it."""
    tokens = _TOKEN.findall(tex.replace(r"\(", "").replace(r"\)", ""))[::-1]
    total = 0.0
    while tokens:
        total += _next(tokens)
    return total


def _next(tokens: list[str], roman: bool = False) -> float:
    """The width of the token or group at the end of ``tokens``, which it takes away."""
    token = tokens.pop()
    if token in ("^", "_"):
        found = _argument(tokens, roman)
        if tokens and tokens[-1] in ("^", "_"):  # one above the other
            tokens.pop()
            found = max(found, _argument(tokens, roman))
        return _SCRIPT * found
    if token == "{":
        total = 0.0
        while tokens and tokens[-1] != "}":
            total += _next(tokens, roman)
        del tokens[-1:]
        return total
    if token in _WORDS:
        return _argument(tokens, roman=True)
    if token in _FRACTIONS:
        return _SCRIPT * max(_argument(tokens, roman), _argument(tokens, roman)) + 0.35
    if token == r"\sqrt":
        return 0.95 + _argument(tokens, roman)
    if roman and token.isalpha():
        return _ROMAN if token.islower() else _CAPITAL
    return _WIDTH.get(token, _DIGIT if token.isdigit() else _LETTER if len(token) == 1 else _COMMAND)


def _argument(tokens: list[str], roman: bool) -> float:
    return _next(tokens, roman) if tokens else 0.0


_INLINE = re.compile(r'<span class="(math notranslate nohighlight)">(\\\(.*?\\\))</span>', re.DOTALL)


def with_room(body: str) -> str:
    """The body of a page whose formulas in lines of text say how wide they will be, as ``--room`` for the style sheet."""

    def wide(found: re.Match[str]) -> str:
        return f'<span class="{found[1]}" style="--room:{width(unescape(found[2])):.2f}em">{found[2]}</span>'

    return _INLINE.sub(wide, body)


def measure(site: Path) -> dict[str, float]:
    """The widths of all formulas in lines of text of a built site, rounded to a hundredth; of one that differs the last."""
    found: dict[str, float] = {}
    with chromium("formulas are measured") as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for path in sorted([*site.glob("book/*.html"), *site.glob("notebooks/*.html")]):
            page.goto(path.absolute().as_uri())
            if not page.query_selector("span.math"):
                continue
            page.wait_for_function("() => window.MathJax?.startup?.promise")
            found |= {math.strip(): round(wide, 2) for math, wide in page.evaluate(_SET)}
    return dict(sorted(found.items()))


def main() -> None:
    write_json(MEASURED, measure(Path(sys.argv[1])))


if __name__ == "__main__":
    sys.exit(while_read(main))
