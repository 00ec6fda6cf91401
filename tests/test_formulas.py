"""The room that is kept free for formulas until they are set: near enough that lines break where they will break."""

import re
from html import unescape
from pathlib import Path

import pytest

from tools.site import formulas
from tools.site.formulas import estimate, measured, width, with_room

SET = {
    r"\(b\)": 0.47,
    r"\(\mu\)": 0.66,
    r"\(0.786\)": 2.5,
    r"\(\log 3\)": 2.14,
    r"\(P(b)\)": 2.15,
    r"\(\sigma^2 > 0\)": 3.03,
    r"\(D_{KL}(P \Vert Q)\)": 5.23,
    r"\(I(b; y) = H(y)\)": 6.75,
    r"\(H(P) = -\sum_i p_i \log p_i\)": 10.19,
    r"\(c=\tfrac{1-\rho}{K}\)": 3.82,
    r"\(T = \log\frac{p(a,b)}{p(a)p(b)} + c\)": 8.86,
    r"\(\operatorname{softmax}(g + \log p)_{y'} - 1[y' = y]\)": 14.52,
    r"\(\mu \nabla \mathcal L_B\)": 2.93,
}
"""Formulas of the book with their widths in the size of the text, as a browser has set them."""


@pytest.mark.parametrize("tex", SET)
def test_the_estimate_is_about_the_width_of_the_formula(tex: str) -> None:
    assert estimate(tex) == pytest.approx(SET[tex], rel=0.1, abs=0.05)


def test_a_formula_that_was_measured_has_its_width_and_another_one_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formulas, "measured", lambda: {"a + b": 7.0})
    assert width(r"\( a + b \)") == width(r"\(a + b\)") == 7.0
    assert width(r"\(a + c\)") == estimate("a + c")


def test_the_measured_widths_are_those_of_formulas() -> None:
    """Far from its estimate only what the estimate does not know: matrices."""
    off = [tex for tex, wide in measured().items() if "matrix" not in tex and abs(estimate(tex) - wide) > 2]
    assert off == []
    assert len(measured()) > 900


def test_scripts_one_above_the_other_are_as_wide_as_the_wider_one() -> None:
    assert estimate(r"\(w_i^{m+1}\)") == estimate("w^{m+1}") == estimate("w^{m+1}_i")
    assert estimate("w_i w^{m+1}") == pytest.approx(estimate("w_i") + estimate("w^{m+1}"))


@pytest.mark.parametrize("tex", ["", r"\(", "^", "_{", r"\frac", r"\frac{a", "}", r"\sqrt", r"\text{a"])
def test_an_unfinished_formula_has_some_width(tex: str) -> None:
    assert 0 <= width(tex) < 3


def test_a_formula_in_a_line_says_its_room_and_nothing_else_changes() -> None:
    span = '<span class="math notranslate nohighlight">'
    body = rf"<p>If {span}\(a &lt; b\)</span>, so</p><div class='math'>\[a\]</div>"
    room = with_room(body)
    assert re.sub(r' style="--room:[\d.]+em"', "", room) == body
    assert f'style="--room:{width("a < b"):.2f}em"' in room


@pytest.mark.slow
def test_every_formula_in_a_line_has_room(site: Path) -> None:
    for page in [*site.glob("book/*.html"), *site.glob("notebooks/*.html")]:
        article = page.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]
        assert '<span class="math notranslate nohighlight">' not in article, page.name
    pages = [path.read_text(encoding="utf-8") for path in site.glob("book/*.html")]
    found = [one for text in pages for one in re.findall(r"\\\((.+?)\\\)</span>", text)]
    known = sum(unescape(one).strip() in measured() for one in found)
    assert known > 0.95 * len(found), "run 'python -m tools.site.formulas _build/html'"
    style = (site / "_static" / "styles" / "site.css").read_text(encoding="utf-8")
    assert "--room" in style
    assert "scripting: enabled" in style, "without scripts the source of a formula is all there is to read"
