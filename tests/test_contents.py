"""The way through the book: the order of the contents, and that every chapter leads on to the next."""

import shutil
from pathlib import Path

import pytest

from tools import ROOT
from tools.site import contents

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
