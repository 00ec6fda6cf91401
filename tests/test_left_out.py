"""What the studies ask for and nobody has run is counted on a page."""

from pathlib import Path

from tools import ROOT
from tools.pages import left_out
from tools.studies.__main__ import known
from tools.studies.study import Options


def test_a_study_that_is_not_whole_has_a_row_and_a_whole_one_has_none() -> None:
    table, found = left_out.left_out_table(), left_out.counts()
    assert found["search"][0] == found["search"][1] > 100
    assert "| `search` |" not in table
    partly = [name for name, (there, planned) in found.items() if there < planned]
    assert partly
    assert [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")] == partly
    assert not {*left_out.OF_THE_MACHINE} & {*found}, "the page is the same wherever it is made"
    there, planned = found[partly[0]]
    assert f"| {there:,} | {planned:,} |" in table
    assert f"The other {len(found) - len(partly)} studies are whole." in table


def test_only_results_below_the_given_root_count_and_a_run_that_diverged_is_one(tmp_path: Path) -> None:
    assert {there for there, _ in left_out.counts(tmp_path).values()} == {0}
    jobs = known()["pretrained_faces"].jobs(Options())
    file = tmp_path / jobs[0].file.relative_to(ROOT)
    (file.parent / "diverged").mkdir(parents=True)
    (file.parent / "diverged" / f"{jobs[1].key}.json").write_text("{}")
    assert left_out.counts(tmp_path)["pretrained_faces"] == (1, len(jobs))
    file.write_text("{}")
    assert left_out.counts(tmp_path)["pretrained_faces"] == (2, len(jobs))


def test_figure_4_asks_for_three_seeds_of_every_cell_and_five_of_three_methods() -> None:
    cells: dict[tuple[str, float], set[int]] = {}
    for job in known()["figure_4"].jobs(Options()):
        cells.setdefault((job.values.method, job.values.color_var), set()).add(job.values.seed)
    assert len(cells) == 9 * 7
    five = {cell for cell, seeds in cells.items() if seeds == {0, 1, 2, 3, 4}}
    assert five == {(method, value) for method in ("baseline", "lnl", "bias_balanced") for value in (0.02, 0.03, 0.05)}
    assert {frozenset(seeds) for cell, seeds in cells.items() if cell not in five} == {frozenset({0, 1, 2})}
