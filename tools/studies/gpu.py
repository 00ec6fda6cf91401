"""As much of the evidence as half an hour of a GPU brings home: `make gpu`.

    python -m tools.studies.gpu --out FOLDER [--minutes 25] [--workers N]     do what is missing, for so many minutes
    python -m tools.studies.gpu --out FOLDER --studies released newer         the same, of these studies in this order
    python -m tools.studies.gpu --unpack FOLDER                               put the records that came home where they belong

The steps are the tests that need a GPU, the benchmark, and the training runs of the studies in STUDIES_IN_ORDER. Figure 4 in the
paper's setting comes first. The authors' released settings and the methods of today come next, and the shorter runs of Figure 4 are
last.

No step takes longer than nine minutes. A study that needs longer goes on in the next step, and may leave no time for those after
it: ``--studies`` chooses others. What is done is kept below ``runs/gpu``, so the same command goes on where it was stopped. Every
minute all that is there so far is put into FOLDER, in four files. One of them, ``steps.json``, says how each step ended.

A run has the precision that its study asks for. Where it asks for none, a card with instructions for bf16 trains in bf16. float32
is never rounded to TF32. A record of another precision than the study's, or one that no study asks for, is refused when it is
unpacked. One that is there already stays as it is, and is named if it says something else.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lnl_core._files import write_atomically
from lnl_core.config import RunConfig
from lnl_core.datasets.digits import load_mnist
from lnl_core.errors import LNLError, RecordError
from lnl_core.runs.records import parse_record
from lnl_core.training.checkpoints import same_run
from lnl_core.training.devices import choose_device
from tools import ROOT
from tools.pipes import while_read
from tools.studies.__main__ import known
from tools.studies.study import Options, Runs

WORK = ROOT / "runs" / "gpu"
LONGEST = 9 * 60.0  # seconds of a step
STUDIES_IN_ORDER = ("figure_4_full", "released", "newer", "figure_4_groups", "figure_4")
PLACES = ("runs", "released", "newer", "figure_4_groups")
"""The folders below ``results`` that their records are in."""
TESTS = "tests/test_gpu.py"  # alone: collecting all files would import what only the book needs
RECORDS = "records.jsonl"
DONE, STOPPED = "done", "stopped when its time was up"
NO_TESTS = 5  # pytest's exit code
AT_A_TIME = 4  # runs on one card: their kernels take turns on it, and many at a time all end late
EVERY = 60.0  # seconds between two looks at what came in
WHOLE_FLOAT32 = {"NVIDIA_TF32_OVERRIDE": "0"}  # PyTorch lets convolutions in float32 round to TF32
Step = tuple[str, list[str]]


@dataclass
class Unpacked:
    """The records that were written, those that were there already, and those in whose place something else was."""

    written: list[Path] = field(default_factory=list)
    there: list[Path] = field(default_factory=list)
    other: list[Path] = field(default_factory=list)


def steps(workers: int, data_dir: str | None, studies: Sequence[str] = STUDIES_IN_ORDER) -> list[Step]:
    """Name and command of every step, in their order.

    A study trains in a folder of its own: the same run in float32 and in bf16, of two studies, has the same name.
    """
    python = [sys.executable, "-m"]
    data = ["--data-dir", data_dir] if data_dir else []
    how = ["--workers", str(workers), "--threads", "1", *data]
    return [
        ("tests", [*python, "pytest", "-q", "-m", "gpu", TESTS]),
        ("bench", [*python, "lnl_core", "bench", "--no-reference", "--out", str(WORK / "bench.json"), *data]),
        *((name, [*python, "tools.studies", name, "--work", str(WORK / "work" / name), *how]) for name in studies),
    ]


def outcome(code: int, command: Sequence[str]) -> str:
    """How a step has ended, in words."""
    if code == NO_TESTS and "pytest" in command:
        return f"nothing was tested: no test in {TESTS} is marked gpu"
    return DONE if code == 0 else f"failed with exit code {code}: log.txt says why"


def run_step(command: Sequence[str], log: Path, seconds: float, meanwhile: Callable[[], Any] = lambda: None) -> str:
    """Run a command for at most so long, its output going to ``log``, and ``meanwhile`` every EVERY seconds; how it ended.

    Whatever ends this process, a signal among them, ends all that the step has started.
    """
    how: dict[str, Any] = {"stderr": subprocess.STDOUT, "cwd": ROOT, "start_new_session": True, "env": os.environ | WHOLE_FLOAT32}
    with log.open("a", encoding="utf-8") as file, subprocess.Popen(command, stdout=file, **how) as process:
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                with suppress(subprocess.TimeoutExpired):
                    return outcome(process.wait(min(left, EVERY)), command)
                meanwhile()
            return STOPPED
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # runs go on from their checkpoints the next time


def pack(started: float, out: Path) -> int:
    """Write what there is so far into ``out``: the records since ``started``, and what was said; returns how many records."""
    records = {}
    packed = WORK / RECORDS
    if packed.is_file():
        records = {line["file"]: line for line in map(json.loads, packed.read_text(encoding="utf-8").splitlines())}
    for path in sorted(path for place in PLACES for path in (ROOT / "results" / place).glob("*.json")):
        if path.stat().st_mtime >= started:
            name = path.relative_to(ROOT / "results").as_posix()
            records[name] = {"file": name, "text": path.read_text(encoding="utf-8")}
    text = "".join(json.dumps(records[name]) + "\n" for name in sorted(records))
    out.mkdir(parents=True, exist_ok=True)
    for target in (packed, out / RECORDS):
        write_atomically(target, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
    for name in ("bench.json", "log.txt", "steps.json"):
        if (WORK / name).is_file():
            content = (WORK / name).read_bytes()
            write_atomically(out / name, lambda temporary, content=content: Path(temporary).write_bytes(content))  # type: ignore[misc]
    return len(records)


@cache
def asked() -> dict[str, RunConfig]:
    """The runs that studies ask for, by the place of their record below ``results``."""
    jobs = (job for study in known().values() if isinstance(study, Runs) for job in study.jobs(Options()))
    return {f"{job.file.parent.name}/{job.file.name}": job.values for job in jobs if job.file.parent.name in PLACES}


def checked(line: str, where: str) -> tuple[str, str]:
    """Place and text of the record in a line of a pack.

    Raises:
        RecordError: a line that is no record of ours, a path out of the folders of records, or another run than a study asks for.
    """
    try:
        found = json.loads(line)
        name, text = str(found["file"]), str(found["text"])
    except (ValueError, KeyError, TypeError):
        raise RecordError(f"{where}, is damaged: bring the file home again") from None
    if Path(name).parent.as_posix() not in PLACES:
        raise RecordError(f"{where}, names {name}, which is no place of records")
    record = parse_record(text, f"{name} in {where}")
    if name not in asked():
        raise RecordError(f"{where}, names {name}, which no study asks for: take the line out, or ask for the run")
    same_run(asked()[name], record.run_config(), Path(f"{name} in {where}"))
    return name, text


def unpack(folder: Path, root: Path = ROOT) -> Unpacked:
    """Write the records of a pack below ``results``, once all are checked; one that is there already stays as it is.

    Raises:
        RecordError: see :func:`checked`; nothing is written.
    """
    lines = (folder / RECORDS).read_text(encoding="utf-8").splitlines()
    records = [checked(line, f"{folder / RECORDS}, line {number}") for number, line in enumerate(lines, start=1)]
    found = Unpacked()
    for name, text in records:
        target = root / "results" / name
        if target.exists():
            (found.there if target.read_text(encoding="utf-8") == text else found.other).append(target)
            continue
        write_atomically(target, lambda temporary, text=text: Path(temporary).write_text(text, encoding="utf-8"))  # type: ignore[misc]
        found.written.append(target)
    return found


def drive(todo: Sequence[Step], out: Path, minutes: float, *, progress: bool = True) -> dict[str, str]:
    """The steps one after another until the time is up; what is finished is not begun again."""
    WORK.mkdir(parents=True, exist_ok=True)
    begin = WORK / "begun"  # records that are older came with the checkout
    if not begin.exists():
        begin.touch()
    state = WORK / "steps.json"
    done: dict[str, str] = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
    deadline = time.monotonic() + 60 * minutes
    bring_home = partial(pack, begin.stat().st_mtime, out)
    with tqdm(total=len(todo), unit="step", disable=not progress) as bar:
        for name, command in todo:
            left = deadline - time.monotonic()
            bar.set_description_str(f"{name}, {left / 60:.0f} min left")
            while done.get(name) != DONE and (left := deadline - time.monotonic()) > 20:
                done[name] = run_step(command, WORK / "log.txt", min(left - 15, LONGEST), bring_home)
                write_atomically(state, lambda temporary: Path(temporary).write_text(json.dumps(done), encoding="utf-8"))
                bring_home()
                if done[name] != STOPPED or "tools.studies" not in command:
                    break  # the others go on, also after one that failed; the tests and the benchmark would begin anew
            bar.update()
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "gpu")
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--workers", type=int, default=AT_A_TIME, help="runs at a time on the GPU")
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--studies", nargs="+", choices=STUDIES_IN_ORDER, default=STUDIES_IN_ORDER, metavar="NAME")
    parser.add_argument("--unpack", type=Path, default=None, metavar="FOLDER")
    given = parser.parse_args()
    if given.unpack:
        return say_unpacked(unpack(given.unpack))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(f"stopped by SIGTERM; what is there so far is in {given.out}"))
    if reason := obstacle(given.data_dir):
        print(reason)
        return 1
    todo = steps(given.workers, given.data_dir, given.studies)
    say_done([name for name, _ in todo], drive(todo, given.out, given.minutes))
    print(f"everything so far is in {given.out}")
    return 0


def obstacle(data_dir: str | None) -> str:
    """Why nothing should be begun here, in a sentence; empty if all is there."""
    if choose_device().type != "cuda":
        return "there is no CUDA device: the tests would be skipped and the runs trained elsewhere, so nothing was begun"
    try:
        load_mnist("train", data_dir)
    except LNLError as error:
        return str(error)
    return ""


def say_unpacked(found: Unpacked) -> int:
    print(f"{len(found.written)} records written below results, {len(found.there)} were there already")
    for path in found.other:
        print(f"{path} says something else already, and stays: move it away to have the new one")
    return 1 if found.other else 0


def say_done(names: Sequence[str], done: dict[str, str]) -> None:
    for name in names:
        print(f"{name}: {done.get(name, 'not begun, its time was up')}")


if __name__ == "__main__":
    sys.exit(while_read(main))
