"""As much of the evidence as half an hour of a GPU brings home: `make gpu`.

    python -m tools.studies.gpu --out FOLDER [--minutes 25] [--workers N]     do what is missing, for so many minutes
    python -m tools.studies.gpu --unpack FOLDER                               put the records that came home where they belong

The steps are the tests that need a GPU, the benchmark, and the training runs of the studies in STUDIES_IN_ORDER, the one that
others wait for first. No step takes longer than nine minutes. What is done is kept below ``runs/gpu``, so the same command goes on
where it was stopped, and everything that is there so far lies in FOLDER, in four files, after every step.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lnl_core._files import write_atomically
from lnl_core.errors import RecordError
from lnl_core.runs.records import read_record
from tools import ROOT
from tools.pipes import while_read

WORK = ROOT / "runs" / "gpu"
LONGEST = 9 * 60.0  # seconds of a step
STUDIES_IN_ORDER = ("search", "figure_4", "figure_4_full")
RECORDS = "records.jsonl"
Step = tuple[str, list[str]]


def steps(workers: int, data_dir: str | None) -> list[Step]:
    """Name and command of every step, in their order."""
    python = [sys.executable, "-m"]
    bench = [*python, "lnl_core", "bench", "--out", str(WORK / "bench.json")]
    data = ["--data-dir", data_dir] if data_dir else []
    one = ["--threads", "1", "--work", str(WORK / "work"), *data]
    several = ["--workers", str(workers), *one]
    return [
        ("tests", [*python, "pytest", "-q", "-m", "gpu", "tests"]),
        ("bench", bench),
        *((name, [*python, "tools.studies", name, *(one if name == "search" else several)]) for name in STUDIES_IN_ORDER),
        ("search again", [*python, "tools.studies", "search", *one]),  # its second part is known when the first is there
    ]


def run_step(command: Sequence[str], log: Path, seconds: float) -> bool:
    """Run a command for at most so long, its output going to ``log``; whether it came to its end, with exit code 0."""
    how: dict[str, Any] = {"stderr": subprocess.STDOUT, "cwd": ROOT, "start_new_session": True}
    with log.open("a", encoding="utf-8") as file, subprocess.Popen(command, stdout=file, **how) as process:
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # runs go on from their checkpoints the next time
            return False


def pack(started: float, out: Path) -> int:
    """Write what there is so far into ``out``: the records since ``started``, and what was said; returns how many records."""
    records = {}
    packed = WORK / RECORDS
    if packed.is_file():
        records = {line["file"]: line for line in map(json.loads, packed.read_text(encoding="utf-8").splitlines())}
    for path in sorted((ROOT / "results").rglob("*.json")):
        if path.parent.name in ("runs", "search") and path.stat().st_mtime >= started:
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


def unpack(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write the records of a pack below ``results``, each checked; one that is there already stays as it is.

    Raises:
        RecordError: a line that is no record of ours, or a path out of the folders of records.
    """
    written = []
    for number, line in enumerate((folder / RECORDS).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found = json.loads(line)
            target = (root / "results" / found["file"]).resolve()
            text = str(found["text"])
        except (ValueError, KeyError, TypeError):
            raise RecordError(f"{folder / RECORDS}, line {number}, is damaged: bring the file home again") from None
        if target.parent not in ((root / "results" / name).resolve() for name in ("runs", "search")):
            raise RecordError(f"{folder / RECORDS}, line {number}, names {found['file']}, which is no place of records")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, lambda temporary, text=text: Path(temporary).write_text(text, encoding="utf-8"))  # type: ignore[misc]
            try:
                read_record(target)
            except RecordError:
                target.unlink()
                raise
            written.append(target)
    return written


def drive(todo: Sequence[Step], out: Path, minutes: float, *, progress: bool = True) -> dict[str, bool]:
    """The steps one after another until the time is up; what is finished is not begun again."""
    WORK.mkdir(parents=True, exist_ok=True)
    begin = WORK / "begun"  # records that are older came with the checkout
    if not begin.exists():
        begin.touch()
    state = WORK / "steps.json"
    done: dict[str, bool] = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
    deadline = time.monotonic() + 60 * minutes
    with tqdm(total=len(todo), unit="step", disable=not progress) as bar:
        for name, command in todo:
            left = deadline - time.monotonic()
            bar.set_description_str(f"{name}, {left / 60:.0f} min left")
            while not done.get(name) and (left := deadline - time.monotonic()) > 20:
                clock = time.monotonic()
                done[name] = run_step(command, WORK / "log.txt", min(left - 15, LONGEST))
                write_atomically(state, lambda temporary: Path(temporary).write_text(json.dumps(done), encoding="utf-8"))
                pack(begin.stat().st_mtime, out)
                if not done[name] and time.monotonic() - clock < min(left - 15, LONGEST) - 1:
                    break  # it failed: its log says why, and the others go on
            bar.update()
    return done


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "gpu")
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="runs at a time on the GPU")
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--unpack", type=Path, default=None, metavar="FOLDER")
    given = parser.parse_args()
    if given.unpack:
        print(f"{len(unpack(given.unpack))} records written below results")
        return 0
    done = drive(steps(given.workers, given.data_dir), given.out, given.minutes)
    print(f"{sum(done.values())} of {len(steps(1, None))} steps done; everything so far is in {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(while_read(main))
