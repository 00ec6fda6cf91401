"""Where the runs of a sweep run: processes on this machine, or the workers of a Dask cluster.

Both start one process a run. It works in the run's own folder under a lock, so that nobody else does the same run at the same
time, and it ends when the process that started it does. What it has to say lies in ``NAME.log`` beside the folder.
"""

import asyncio
import hashlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import lnl_core
from lnl_core.config import RunConfig
from lnl_core.errors import LNLError, RecordError, SweepError
from lnl_core.runs.records import RunRecord, read_record
from lnl_core.runs.run import HISTORY, RECORD, run

_log = logging.getLogger(__name__)
_PATIENCE = 20.0  # seconds that a scheduler has to answer
_TICK = 0.01  # seconds between two questions whether a process has ended
_NOT_RETRYABLE = 2  # exit code of a run that would fail in the same way again
_CHILD = (
    "import json, sys; job = json.loads(sys.argv[1]); sys.path[:] = job.pop('path'); "
    "from lnl_core.runs.executors import _child; _child(**job)"
)


@dataclass
class Job:
    """One run of a sweep.

    Attributes:
        config: what to run, its source resolved.
        path: the place of its record.
        folder: where it works; None where each worker of a cluster has its own.
        state: "open"; "done" with its record in place; "damaged" or "refused" if something else is there.
        reason: why it is refused.
        attempts: how often it was started.
    """

    config: RunConfig
    path: Path
    folder: Path | None
    state: str = "open"
    reason: str = ""
    attempts: int = 0

    @property
    def name(self) -> str:
        return self.path.stem

    def epochs_done(self) -> int:
        """Epochs behind it, as far as this machine can see."""
        if self.state == "done":
            return self.config.epochs
        try:
            return 0 if self.folder is None else (self.folder / HISTORY).read_bytes().count(b"\n")
        except OSError:
            return 0


@dataclass(frozen=True)
class Outcome:
    """How a process ended: with a record, or with a reason; ``retryable`` unless a second attempt would end in the same way."""

    record: RunRecord | None = None
    reason: str = ""
    retryable: bool = True


def set_aside(path: Path) -> Path:
    """Rename a damaged file to a name that no other has; returns the new path."""
    place, number = path.with_name(f"{path.name}.damaged"), 2
    while place.exists():
        place, number = path.with_name(f"{path.name}.damaged-{number}"), number + 1
    return path.rename(place)


# The process of one run


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(folder.name + suffix)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Wait until no other process works in ``folder``. A process that dies, however it dies, opens its lock."""
    import fcntl

    with _beside(folder, ".lock").open("a") as file:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def is_busy(folder: Path) -> bool:
    """Whether a process works in the folder of a run."""
    import fcntl

    try:
        with _beside(folder, ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such folder yet, or no locks here
        return False
    return False


def _start(job: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start the process of a run. It ends when the pipe to its standard input is closed, that is, when this process dies."""
    folder = Path(job["folder"])
    folder.parent.mkdir(parents=True, exist_ok=True)
    threads = job["threads"]
    names = () if threads is None else ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    arguments = json.dumps({**job, "path": [str(place) for place in sys.path]})
    with _beside(folder, ".log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _CHILD, arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {name: str(threads) for name in names},
        )


def _child(config: dict[str, Any], folder: str, data_dir: str | None, device: str, threads: int | None) -> None:
    """What the process of a run does. If it fails, the last line that it prints is the reason."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        with _lock(Path(folder)):
            _tidy(Path(folder))
            run(RunConfig.from_dict(config), folder, data_dir=data_dir, device=device, progress=False)
    except LNLError as error:
        print(error, file=sys.stderr, flush=True)
        sys.exit(_NOT_RETRYABLE)


def _leave_with_parent() -> None:
    """Wait for the end of standard input, which comes when the parent dies, and end this process without ceremony."""
    while os.read(0, 1):  # not sys.stdin: a thread that waits inside its buffer would break the interpreter's shutdown
        continue
    os._exit(1)


def _tidy(folder: Path) -> None:
    """Set a cut record aside; what else a process that was killed has left, :func:`lnl_core.run` removes."""
    if (folder / RECORD).exists():
        try:
            read_record(folder / RECORD)
        except RecordError:
            _log.warning("set aside as %s", set_aside(folder / RECORD))


_EXCEPTION = re.compile(r"[\w.]+(?:Error|Exception|Interrupt)\b")
"""How the line that names an exception begins, at the end of a traceback."""


def _outcome(code: int, folder: Path) -> Outcome:
    if code == 0:
        try:
            return Outcome(read_record(folder / RECORD))
        except RecordError as error:
            return Outcome(reason=str(error))
    if code < 0:
        hint = ", perhaps because memory ran out" if -code == signal.SIGKILL else ""
        return Outcome(reason=f"killed by {signal.Signals(-code).name}{hint}")
    lines = _beside(folder, ".log").read_text(encoding="utf-8", errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    named = [line for line in said if _EXCEPTION.match(line)]  # hints may follow it, as those of PyTorch for CUDA do
    reason = (named if code != _NOT_RETRYABLE and named else said or [f"exit code {code}"])[-1]
    return Outcome(reason=reason, retryable=code != _NOT_RETRYABLE)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process if it still runs; every file it writes is written at once or not at all."""
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


# Who starts it


class LocalExecutor:
    """At most ``workers`` processes at a time on this machine. ``options``: data_dir, device and threads of each.

    A ``LocalCluster`` of Dask would be no shorter: its workers had to start the same process a run, which ends with its parent,
    gives its memory back and can be killed alone. It would make distributed a package that everybody needs. Measured once, on one
    machine and with trivial tasks, it took 21 ms each and grew by 15 MiB in a thousand; a sweep takes 5 ms a run, see
    ``benchmarks/sweep.py``.
    """

    def __init__(self, workers: int, options: dict[str, Any]) -> None:
        self.workers, self.options = workers, options
        self.active: list[tuple[Job, subprocess.Popen[bytes]]] = []

    @property
    def free(self) -> bool:
        """Whether one more job can be started now."""
        return len(self.active) < self.workers

    def start(self, job: Job) -> None:
        self.active.append((job, _start({"config": job.config.to_dict(), "folder": str(job.folder), **self.options})))

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        """The jobs that ended since the last call."""
        for entry in list(self.active):
            job, process = entry
            code = process.poll()
            if code is not None and job.folder is not None:
                _stop(process)
                self.active.remove(entry)
                yield job, _outcome(code, job.folder)

    def wait(self, seconds: float) -> None:
        """Sleep so long, or until a process ends: a short run shall not wait for the next look."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and all(process.poll() is None for _, process in self.active):
            time.sleep(_TICK)

    def stop(self) -> None:
        """End the processes that still run; their checkpoints stay."""
        for _, process in self.active:
            _stop(process)


class DaskExecutor:
    """The workers of a Dask scheduler at ``address``, each of which starts one process a job.

    ``options`` are those of :class:`LocalExecutor`.

    Raises:
        SweepError: if the scheduler does not answer, or a worker has another lnl_core.
    """

    free = True  # the scheduler has a queue of its own

    def __init__(self, address: str, options: dict[str, Any]) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise SweepError("a Dask scheduler needs the package distributed: run pip install 'distributed>=2024.5'") from None
        self.address, self.options, self.code = address, options, code_version()
        self.active: dict[str, tuple[Job, Any]] = {}
        try:
            _shake_hands(address)
            self.client = Client(address, timeout=_PATIENCE, set_as_default=False)
        except OSError:
            wrong = f"no Dask scheduler answers at {address}: start one with 'dask scheduler', or check the address"
            raise SweepError(wrong) from None
        except ValueError as error:
            raise SweepError(f"{address!r} is no address of a Dask scheduler ({error}): it looks like tcp://host:8786") from None
        try:
            self._check_workers()
        except BaseException:
            self.stop()
            raise

    def _check_workers(self) -> None:
        answers = self.client.run(code_version, on_error="return")
        for worker, code in answers.items():
            _check_code(worker, code, self.code)
        if not answers:
            _log.warning("no worker has joined the scheduler at %s yet: waiting for 'dask worker %s'", self.address, self.address)

    def start(self, job: Job) -> None:
        folder = None if job.folder is None else str(job.folder)
        arguments = {"config": job.config.to_dict(), "folder": folder, **self.options}
        key = f"{job.name}-{job.attempts}"
        self.active[job.name] = job, self.client.submit(_on_worker, arguments, job.name, self.code, key=key, pure=False)

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        """The jobs that ended since the last call; Dask has moved those of lost workers to others.

        Raises:
            SweepError: if the scheduler went away, or a worker that joined later has another lnl_core.
        """
        from distributed import KilledWorker

        for name, (job, future) in list(self.active.items()):
            if not future.done():
                continue
            del self.active[name]
            if future.status == "finished":
                yield job, future.result()
                continue
            if future.status != "error":
                raise SweepError(f"the Dask scheduler at {self.address} went away: start it again and give the same command")
            error = future.exception()
            if isinstance(error, SweepError):
                raise error
            died = isinstance(error, KilledWorker)
            reason = "every worker that took it died" if died else f"{type(error).__name__}: {error}"
            yield job, Outcome(reason=reason, retryable=not died)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)  # the workers take their next runs from the scheduler meanwhile

    def stop(self) -> None:
        """Take back what has not begun; a worker goes on with what it has begun."""
        with suppress(Exception):  # a scheduler that went away cannot be asked
            self.client.cancel([future for _, future in self.active.values()])
        self.client.close(timeout=5)


def _shake_hands(address: str) -> None:
    """Connect and disconnect. Dask's client sets no time limit on the greeting: it would wait for ever where nobody speaks."""
    from distributed import Security
    from distributed.comm import connect

    async def greet() -> None:
        comm = await connect(address, timeout=_PATIENCE, **Security().get_connection_args("client"))
        await comm.close()

    with ThreadPoolExecutor(1) as pool:  # a notebook has an event loop of its own in this thread
        pool.submit(lambda: asyncio.run(asyncio.wait_for(greet(), _PATIENCE))).result()


def code_version() -> tuple[str, str]:
    """Version and twelve hex digits of the source files: equal on two machines that would do the same."""
    home = Path(lnl_core.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        digest.update(path.relative_to(home).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return lnl_core.__version__, digest.hexdigest()[:12]


def _check_code(worker: str, theirs: tuple[str, str] | Exception, ours: tuple[str, str]) -> None:
    if theirs == ours:
        return
    found = f"has none like it ({theirs})" if isinstance(theirs, Exception) else f"has {theirs[0]} (code {theirs[1]})"
    raise SweepError(
        f"the worker {worker} {found}, this machine has lnl_core {ours[0]} (code {ours[1]}): "
        "install the same on both and start the worker again"
    )


def _on_worker(arguments: dict[str, Any], name: str, code: tuple[str, str]) -> Outcome:
    """One job on a Dask worker. The worker may have joined after the others were checked."""
    from distributed import get_worker

    worker = get_worker()
    _check_code(worker.address, code_version(), code)
    folder = Path(arguments["folder"] or Path(worker.local_directory, "lnl_core", name))
    process = _start({**arguments, "folder": str(folder)})
    try:
        return _outcome(process.wait(), folder)
    finally:
        _stop(process)
