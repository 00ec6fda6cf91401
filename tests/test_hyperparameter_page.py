"""The page of hyper-parameters has every declaration, with default, range and meaning, and can be reached."""

from lnl_core import experiments, methods
from lnl_core.config import EXECUTION, MEASURING, TRAINING
from lnl_core.hyperparameters import choice, count, flag, number, text
from tools import ROOT
from tools.pages import hyperparameters


def _reads(name: str, told: str) -> bool:
    names = told.removeprefix("all but ").replace(" and ", ", ").split(", ")
    return name not in names if told.startswith("all but ") else told == "all of them" or name in names


def test_who_reads_is_told_in_few_words() -> None:
    everyone = ["a", "b", "c", "d", "e", "f", "g"]
    found = [hyperparameters.readers(names, everyone) for names in (everyone, everyone[:-1], everyone[:-2], everyone[:4], ["b"])]
    assert found == ["all of them", "all but g", "all but f and g", "a, b, c, d", "b"]


def test_every_declaration_is_in_the_table_of_its_owner() -> None:
    table = (ROOT / "book" / "results" / "hyperparameters.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.replace("\\|", "&").strip("|").split("|")] for line in table.splitlines() if "`" in line]
    owned = {name: one.hyperparameters for name, one in experiments.registered().items()}
    owned |= {name: one.hyperparameters for name, one in methods.registered().items()}
    declared = [(name, one) for name, those in owned.items() for one in those]
    declared += [("every run", one) for one in (*TRAINING, *MEASURING, *EXECUTION)]
    for name, one in declared:
        (row,) = [row for row in rows if row[0] == f"`{one.name}`" and _reads(name, row[4])]
        assert row[2] == one.range
        assert row[3].startswith(one.help.replace("|", "&"))
        assert row[3].endswith(f"(default: {one.source})") or not one.source


def test_the_table_is_the_declarations_and_the_page_can_be_reached() -> None:
    assert hyperparameters.tables() in (ROOT / "book" / "results" / "hyperparameters.md").read_text(encoding="utf-8")
    assert "- file: book/hyperparameters\n" in (ROOT / "_toc.yml").read_text(encoding="utf-8")


def test_ranges_and_defaults_in_words() -> None:
    values = {
        count("k", 2, "", least=1, most=40).values: "a whole number from 1 to 40, by default 2",
        count("n", None, "", optional=True).values: "a whole number from 0 on, or null",
        number("x", 1e-4, "").values: "a number from 0 on, by default 0.0001",
        choice("c", "b", ("a", "b"), "").values: "a or b, by default b",
        flag("f", False, "").values: "true or false, by default false",
        text("t", None, "", optional=True).values: "text, or null",
    }
    assert all(found == wanted for found, wanted in values.items()), values
