"""Studies: one way to list, run, kill and resume them all, and every stored result is a job of one."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import ROOT
from tools.pages import results
from tools.studies import choosing, released, search, under_limit
from tools.studies.__main__ import known, main
from tools.studies.study import Job, NotReady, Options, Runs, ShortRuns, Study, measured, run_study

STUDIES = known()


class Toy(Study):
    """Four jobs, each of which leaves a line in a log when it begins; one is killed the first time, one cannot be done."""

    name = "toy"
    about = "Squares."

    def __init__(self, folder: Path, killer: str = "", power: int = 2) -> None:
        self.folder, self.killer, self.settings = folder, killer, {"power": power}

    def jobs(self, options: Options) -> list[Job]:
        return [Job(f"square-{number}", self.folder / f"square-{number}.json", number) for number in range(4)]

    def do(self, job: Job, options: Options) -> dict[str, Any]:
        with (self.folder / "log.txt").open("a") as log:
            log.write(f"{job.key}\n")
        if job.key == self.killer:
            os.kill(os.getpid(), signal.SIGKILL)
        if job.values == 3:
            raise NotReady("three is not there")
        return {"settings": self.settings, "value": job.values ** self.settings["power"]}

    def line(self, found: dict[str, Any]) -> str:
        return f"is {found['value']}"


def begun(folder: Path) -> list[str]:
    return (folder / "log.txt").read_text().split()


def test_a_study_that_was_killed_goes_on_and_does_nothing_twice(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; from tests.test_studies import Path, Toy, main; main(['toy'], {'toy': Toy(Path(sys.argv[1]), 'square-2')})"
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert begun(tmp_path) == ["square-0", "square-1", "square-2"]
    assert main(["toy"], {"toy": Toy(tmp_path)}) == 1, "one job could not be done"
    out, err = capfd.readouterr()
    assert "1 done, 2 there already, 1 could not be done" in out
    assert "square-3: three is not there" in err
    assert "square-2: is 4" in out + err
    assert begun(tmp_path) == ["square-0", "square-1", "square-2", "square-2", "square-3"]
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["log.txt", "square-0.json", "square-1.json", "square-2.json"]
    for number in range(3):
        found = json.loads((tmp_path / f"square-{number}.json").read_text())
        assert (found["value"], list(found)) == (number**2, ["settings", "value", "provenance"])


def test_results_of_other_settings_are_made_again_and_a_choice_of_jobs_leaves_the_others(tmp_path: Path) -> None:
    quiet = Options(progress=False)
    assert run_study(Toy(tmp_path), quiet, "*-[12]").done == ["square-1", "square-2"]
    report = run_study(Toy(tmp_path, power=3), quiet, "*-2")
    assert (report.done, report.there) == (["square-2"], [])
    assert [json.loads((tmp_path / f"square-{number}.json").read_text())["value"] for number in (1, 2)] == [1, 8]


def test_a_study_that_works_in_one_process_does_not_ignore_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toy", "--workers", "2"], {"toy": Toy(tmp_path)}) == 2
    assert "toy does one job after another in this process: leave --workers out" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []
    assert STUDIES["figure_4"].several
    assert not STUDIES["figure_4_small"].several


def test_the_list_says_what_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_study(Toy(tmp_path), Options(progress=False), "*-0")
    capsys.readouterr()
    assert main(["toy", "--list"], {"toy": Toy(tmp_path)}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["done", "to", "to", "to"]
    assert str(tmp_path / "square-0.json") in lines[0]
    assert begun(tmp_path) == ["square-0"], "a list does nothing"


def test_without_a_name_every_study_is_named_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == set(STUDIES)
    assert all(line.endswith(".") for line in lines)


UNFINISHED = ("mi_cost", "figure_4_full", "released")
"""Studies that may have jobs without a result: no page says that they are finished."""
JOBS = [(name, job) for name, study in STUDIES.items() for job in study.jobs(Options())]


def _without_result(name: str) -> list[Job]:
    """The jobs of a study that have none; a short run that diverged has one."""
    study, jobs = STUDIES[name], [job for owner, job in JOBS if owner == name]
    return study.left(jobs) if isinstance(study, ShortRuns) else [job for job in jobs if not job.file.is_file()]


def test_every_job_of_every_study_has_its_result() -> None:
    """But for the cost of mi_backprop, which is not measured on most devices."""
    missing = [name for name in STUDIES if name not in UNFINISHED for _ in _without_result(name)]
    assert missing == []
    assert any(job.file.is_file() for name, job in JOBS if name == "mi_cost")
    for name in ("estimators", "labels", "limit", "leakage", "courses", "groups", "fairness", "confidence"):
        assert STUDIES[name].left([job for owner, job in JOBS if owner == name]) == [], name


def test_a_run_that_reads_what_the_profile_short_does_not_has_its_changes_named() -> None:
    (config, *_) = released.configs()
    assert under_limit.changed(config)["lr_step"] == config.lr_step


def test_the_commit_of_a_measurement_is_that_of_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    commits = iter("ab")
    monkeypatch.setattr("tools.studies.study.code_state", lambda: {"commit": next(commits), "dirty": False})
    monkeypatch.setattr("lnl_core.runs.provenance.code_state", lambda: {"commit": next(commits), "dirty": False})
    assert measured(lambda: {"value": 1})["provenance"]["commit"] == "a"


def test_no_study_takes_the_run_of_another_in_a_precision_that_it_does_not_ask_for() -> None:
    """The name of a run's folder does not say its precision, and one of "auto" goes on in whatever it finds there."""
    asked: dict[Path, set[str]] = {}
    for study in STUDIES.values():
        if isinstance(study, Runs):
            for job in study.jobs(Options()):
                asked.setdefault(study.work_dir(Options()) / job.key, set()).add(job.values.precision)
    assert [place.name for place, precisions in asked.items() if len(precisions) > 1] == []


def test_no_two_jobs_of_a_study_share_their_name() -> None:
    keys = [(name, job.key) for name, job in JOBS]
    assert len(keys) == len(set(keys))


NOBODYS = {"ablations": 7}
"""How many stored records no study makes, by folder: runs that went wrong or were a check."""


@pytest.mark.parametrize(
    "folder",
    [
        *("ablations", "estimators", "fairness", "leakage", "limit", "limit/records", "limit/runs"),
        *("confidence", "maps", "mi_cost", "models", "newer", "runs", "pretrained", "exceptions"),
        *("pretrained_faces", "answers", "released", "search", "digit_exceptions", "look_alikes", "newer_small"),
        *("figure_4_small", "digit_draws", "leakage_seeds", "figure_4_groups", "longer", "pretrained_curves"),
    ],
)
def test_every_stored_result_is_a_job_of_a_study(folder: str) -> None:
    files = {job.file for _, job in JOBS}
    stored = [path for path in sorted((ROOT / "results" / folder).glob("*.json*")) if path not in files]
    assert len(stored) == NOBODYS.get(folder, 0), [path.name for path in stored]


def test_no_figure_is_so_wide_that_its_letters_become_small() -> None:
    """The text of the site is some 820 pixels wide, so 9 points in a figure of 8.7 inches are 12 pixels there."""
    wide = {name: drawn.get_figwidth() for name, draw in results.drawings().items() if (drawn := draw()).get_figwidth() > 8.7}
    assert wide == {}
    for script in (ROOT / "notebooks").glob("*.py"):
        widths = [float(found) for found in re.findall(r"figsize=\(([\d.]+),", script.read_text(encoding="utf-8"))]
        assert max(widths, default=0) <= 10, script.name


def test_every_generated_table_and_figure_says_which_command_makes_it() -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "book").glob("*.md")}
    made, pictures = results.tables(), results.drawings()
    assert {name.partition(".")[0] for name in (*made, *pictures)} == set(results.MADE_BY)
    assert {study for names in results.MADE_BY.values() for study in names} <= set(STUDIES)
    for name, text in made.items():
        assert text.endswith(f"\n\n{results.made_by(name)}\n"), name
        assert any(f"{{include}} results/{name}\n" in page for page in pages.values()), name
    for name in pictures:
        shown = re.compile(rf"{{figure}} results/{name}\n.*?\n```", re.S)
        captions = [" ".join(caption.split()) for page in pages.values() for caption in shown.findall(page)]
        assert captions, name
        assert all(results.made_by(name) in caption for caption in captions), name


def test_several_commands_are_one_sentence() -> None:
    assert results.made_by("left.png") == "Made by `python -m tools.studies figure_4` and `python -m tools.studies leakage`."
    assert results.made_by("roofline.md") == "Made by `make results`."


@pytest.mark.parametrize("name", ["search", "choosing", "digit_exceptions", "look_alikes"])
def test_a_result_whose_setting_is_no_longer_the_one_asked_for_counts_as_missing(name: str, monkeypatch: Any) -> None:
    """The names of these files hold the number of a setting, or nothing of it: what the setting is stands in the file."""
    study = STUDIES[name]
    jobs = [job for owner, job in JOBS if owner == name]
    assert all(job.config for job in jobs)
    assert study.left(jobs) == []
    rates = {"lr": (0.3, 5.0)}
    for module in (search, choosing):
        monkeypatch.setattr(module, "SPACE", module.SPACE | rates)
    assert len(study.left(study.jobs(Options()))) > len(jobs) / 2
