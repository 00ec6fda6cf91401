"""Runs a student's code alone: no network, no file of anybody else, limits on time, memory, processes and disk.

Three ways: ``namespaces`` (``unshare`` and ``jail.py``), ``bubblewrap``, and ``unsafe``, which has the limits only. Whatever a
process in there says is read as JSON, and believed as far as a student is believed who hands in an answer.
"""

import itertools
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

import lnl_core
from lnl_core.errors import ConfigError

_HERE = Path(__file__).resolve().parent
_INSIDE = ("jail.py", "runner.py", "wire.py")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime")
_TICK = 0.2  # seconds between two looks at the memory
_COUNT = itertools.count()
_LIBRARIES = 6 << 30  # bytes of addresses that PyTorch's libraries take without using them

WAYS = ("namespaces", "bubblewrap", "unsafe")


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        cell: seconds of one cell; the others are run all the same.
        call: seconds of one call of a function by a hidden test.
        wall: seconds of all cells together; and as many for the calls of its functions.
        memory: bytes, of each process and of all together.
        disk: bytes of its folder, and of one file.
        processes: processes and threads.
        reply: bytes of one answer.
    """

    cell: float = 30.0
    call: float = 20.0
    wall: float = 120.0
    memory: int = 3 << 30
    disk: int = 256 << 20
    processes: int = 64
    reply: int = 64 << 20


class Stopped(Exception):
    """The process has ended or was ended; ``why`` says it in a sentence to the student, ``late`` if it was the clock."""

    def __init__(self, why: str, late: bool = False) -> None:
        super().__init__(why)
        self.why, self.late = why, late


_ENDS = {
    124: "the notebook took longer than it may, all cells together",
    128 + 9: "the process was killed, as happens when memory runs out",
    128 + 24: "the notebook took more computing time than it may",
    128 + 25: "the notebook wrote a file that is larger than it may be",
}


def bound() -> list[str]:
    """The files and folders that a sandbox shows: system, Python and its packages, ``lnl_core``, three files of this folder."""
    own = [sys.prefix, sys.base_prefix, *lnl_core.__path__, *(str(_HERE / name) for name in _INSIDE)]
    found = [os.path.realpath(path) for path in own] + [
        path for path in _SYSTEM if os.path.exists(path) and not os.path.islink(path)
    ]
    return [path for path in dict.fromkeys(found) if not any(path.startswith(f"{other}/") for other in found)]


def keep_apart(*private: Path) -> None:
    """Check that nothing that a sandbox shows holds one of these folders.

    Raises:
        ConfigError: if it does.
    """
    for folder in private:
        for shown in bound():
            if folder.resolve().is_relative_to(shown):
                raise ConfigError(f"{folder} lies in {shown}, which students' code can read: move it elsewhere")


def _plan(way: str, limits: Limits, folder: str, root: str) -> dict[str, Any]:
    inside = way != "unsafe"
    home = "/student" if inside else folder
    python = os.path.join(os.path.realpath(sys.prefix), "bin", os.path.basename(sys.executable))
    environment = {
        "HOME": home, "TMPDIR": f"{home}/tmp", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "student", "MPLBACKEND": "agg",
        "PYTHONPATH": str(Path(lnl_core.__path__[0]).resolve().parent), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "LNL_DEVICE": "cpu",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    binds = bound()
    links = {path: os.readlink(path) for path in _SYSTEM if os.path.islink(path)}
    if not any(path.startswith("/tmp/") for path in binds):
        links["/tmp"] = "/student/tmp"
    return {
        "root": root if way == "namespaces" else "",
        "binds": binds,
        "links": links,
        "disk": limits.disk,
        "uid": 0x70000000 + os.getpid() * 64 + next(_COUNT) % 64 if os.getuid() == 0 and inside else None,  # nobody's
        "folder": home,
        "seconds": 2 * limits.wall,
        "limits": {
            "CPU": int(2 * limits.wall) + 1, "DATA": limits.memory, "AS": limits.memory + _LIBRARIES, "FSIZE": limits.disk,
            "NOFILE": 256, "CORE": 0, **({"NPROC": limits.processes} if inside else {}),
        },
        "environment": environment,
        "command": [python, str(_HERE / "runner.py")],
    }


def _command(way: str, plan: dict[str, Any]) -> list[str]:
    jail = [plan["command"][0], "-I", "-S", str(_HERE / "jail.py"), json.dumps(plan)]
    if way == "namespaces":
        users = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
        return ["unshare", *users, "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--", *jail]
    if way == "bubblewrap":
        binds = [word for path in plan["binds"] for word in ("--ro-bind", path, path)]
        links = [word for path, target in plan["links"].items() for word in ("--symlink", target, path)]
        spaces = [
            "--unshare-all",
            "--unshare-user",
            "--disable-userns",
            "--cap-drop",
            "ALL",
            "--die-with-parent",
            "--as-pid-1",
            "--new-session",
        ]
        private = ["--size", str(plan["disk"]), "--tmpfs", "/student", "--size", str(plan["disk"] // 4), "--tmpfs", "/dev/shm"]
        return [
            "bwrap",
            *spaces,
            *binds,
            *links,
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            *private,
            "--remount-ro",
            "/dev",
            "--remount-ro",
            "/",
            "--",
            *jail,
        ]
    return jail


class Sandbox:
    """A process that executes cells and calls functions for somebody who does not trust it.

    Args:
        way: one of WAYS.
    """

    def __init__(self, way: str, limits: Limits) -> None:
        self.limits, self.peak = limits, 0
        self._place = tempfile.TemporaryDirectory(prefix="lnl-grade-", ignore_cleanup_errors=True)
        folder = Path(self._place.name)
        (folder / "root").mkdir()
        self._end = time.monotonic() + 2 * limits.wall + 5.0
        with (folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                _command(way, _plan(way, limits, str(folder), str(folder / "root"))),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._read = bytearray()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, source: str, place: int, answers: list[str], seconds: float | None = None) -> dict[str, Any]:
        """Execute a cell and fetch what these names stand for then: ``error`` (or None), ``answers``, ``printed``."""
        seconds = self.limits.cell if seconds is None else seconds
        reply = self._ask({"run": source, "place": place, "answers": answers, "seconds": seconds}, seconds)
        return reply if isinstance(reply.get("answers"), dict) else {**reply, "answers": {}}

    def call(self, handle: int, args: Any, kwargs: Any) -> dict[str, Any]:
        """Call a function that was an answer; arguments and the ``value`` of the reply are in the form of ``wire``."""
        request = {"call": handle, "args": args, "kwargs": kwargs, "seconds": self.limits.call}
        return self._ask(request, self.limits.call)

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        try:
            reply = json.loads(self._exchange(json.dumps(request).encode() + b"\n", time.monotonic() + seconds + 15.0))
        except (ValueError, RecursionError):
            reply = None
        if not isinstance(reply, dict):
            raise self._stop("the process answered something that cannot be read")
        return reply

    def _exchange(self, request: bytes, end: float) -> bytes:
        """Send a line and receive a line, looking after time and memory meanwhile."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._in, selectors.EVENT_WRITE)
            look, searched = time.monotonic() + _TICK, 0
            while (end_of_line := self._read.find(b"\n", searched)) < 0:
                searched = len(self._read)
                for key, _ in selector.select(_TICK):
                    if key.fd == self._in:
                        with suppress(BlockingIOError, BrokenPipeError):
                            request = request[os.write(self._in, request[: 1 << 16]) :]
                        if not request:
                            selector.unregister(self._in)
                    elif not (chunk := os.read(self._out, 1 << 20)):
                        raise self._stop()
                    else:
                        self._read += chunk
                if len(self._read) > self.limits.reply:
                    raise self._stop("the process answered more than it may")
                if (now := time.monotonic()) > look:
                    if self._memory() > self.limits.memory:
                        raise self._stop("the notebook used more memory than it may")
                    look = now + max(_TICK, 10 * (time.monotonic() - now))
                    if now > min(end, self._end):
                        raise self._stop("the notebook took longer than it may", late=True)
        line = bytes(self._read[:end_of_line])
        del self._read[: end_of_line + 1]
        return line

    def _memory(self) -> int:
        """Bytes in memory of all processes in there. What they share is counted once if it decides, since that takes time."""
        total, shared_once = 0, 0
        with suppress(psutil.Error):
            inside = psutil.Process(self._process.pid).children(recursive=True)
            for one in inside:
                with suppress(psutil.Error):
                    total += one.memory_info().rss
            if total > self.limits.memory:
                for one in inside:
                    with suppress(psutil.Error):
                        shared_once += one.memory_full_info().pss
                total = shared_once
        self.peak = max(self.peak, total)
        return total

    def out_of_time(self) -> Stopped:
        """End the process because its cells took too long, all together."""
        return self._stop("the notebook took longer than it may, all cells together", late=True)

    def _stop(self, why: str = "", late: bool = False) -> Stopped:
        """End the process and say why it ended."""
        code = self.close()
        if not why:
            why, late = _ENDS.get(code, "the process ended in the middle, as by os._exit()"), code == 124
        return Stopped(why, late)

    def said(self) -> str:
        """What the machinery around the student's process complained about."""
        with suppress(OSError):
            return (Path(self._place.name) / "said").read_text(errors="replace")[-400:].strip()
        return ""

    def close(self) -> int:
        """End everything in there. Returns the exit code."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()  # at which number 1 in there ends, and all the others with it
        try:
            code = self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            with suppress(psutil.Error):
                for one in psutil.Process(self._process.pid).children(recursive=True):
                    one.kill()
            self._process.kill()
            code = self._process.wait()
        self._problem = self.said()
        self._place.cleanup()
        return code


@cache
def trouble(way: str) -> str:
    """Why this way does not work here, or nothing: it is tried."""
    program = {"namespaces": "unshare", "bubblewrap": "bwrap"}.get(way)
    if program and shutil.which(program) is None:
        return f"there is no program {program}"
    if way == "bubblewrap" and os.getuid() == 0:
        return "bubblewrap is for users other than root"
    sandbox = Sandbox(way, Limits(cell=60.0, wall=60.0))
    try:
        sandbox.run("1", 0, [])
    except Stopped as stopped:
        return sandbox._problem.splitlines()[-1] if sandbox._problem else stopped.why
    finally:
        sandbox.close()
    return ""


def choose(unsafe: bool = False) -> str:
    """The way that works on this machine.

    Raises:
        ConfigError: if none does and ``unsafe`` does not allow to go without.
    """
    if unsafe:
        return "unsafe"
    ways = ("bubblewrap", "namespaces")
    for way in ways:
        if not trouble(way):
            return way
    reasons = "; ".join(f"{way}: {trouble(way)}" for way in ways)
    raise ConfigError(
        f"students' code would run here without a sandbox ({reasons}): grade on a Linux machine that has one, install bubblewrap, "
        "or give UNSAFE=yes if you trust every submission"
    )
