"""Runs inside the sandbox: executes the cells that it is given and calls the functions that they define.

It is told by the lines of its standard input and answers by lines of its standard output, all JSON. The student's code can do to
this process whatever it likes; what the grader reads from it is data, and the hidden tests are not in it.
"""

import io
import json
import os
import re
import signal
import sys
import traceback
from types import FrameType
from typing import Any, cast

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # type: ignore[import-not-found]

VALUE = 24 << 20  # bytes of one answer as text
CELL = re.compile(r"<cell (\d+)>")
TEXT = 2000  # characters of a message, a line, a cell's output


class TimeLimit(KeyboardInterrupt):
    """The cell or the call took longer than it may. An ``except Exception`` does not catch it."""


class Output(io.StringIO):
    """Keeps the beginning of what is printed."""

    def write(self, text: str) -> int:
        if self.tell() < TEXT:
            super().write(text[:TEXT])
        return len(text)


def alarm(_: int, __: FrameType | None) -> None:
    raise TimeLimit("took longer than it may")


class Runner:
    """The student's names, and the functions that were asked for."""

    def __init__(self) -> None:
        self.place = -1  # of the cell, in the notebook
        self.skipped: dict[int, int] = {}  # empty lines at the beginning of a cell, which IPython does not count
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self.shell: Any = cast(Any, InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}})))
        self.shell.ask_exit = lambda: None  # exit() in a cell ends the notebook nowhere
        self.shell.enable_gui = lambda gui=None: None  # %matplotlib asks for one
        self.shell.compile.get_code_name = lambda *_: f"<cell {self.place}>"
        self.shell.showtraceback = self.shell.showsyntaxerror = lambda *_, **__: None
        self.handles: list[Any] = []

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request: ``run`` a cell and hand over the ``answers`` of these names, or ``call`` a function."""
        printed = sys.stdout = sys.stderr = Output()
        signal.setitimer(signal.ITIMER_REAL, request["seconds"], 1.0)  # again and again, since code that ends may swallow it
        try:
            if "run" in request:
                error = self.run(request["run"], request["place"])
                signal.setitimer(signal.ITIMER_REAL, 0)
                answers = {name: self.answer(name) for name in request["answers"] if name in self.shell.user_ns}
                return {"error": error, "answers": answers, "printed": printed.getvalue()[:TEXT]}
            function = self.handles[request["call"]]
            return {"value": self.sized(function(*wire.decode(request["args"]), **wire.decode(request["kwargs"])))}
        except BaseException as error:
            return {"error": self.told(error)}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def run(self, source: str, place: int) -> dict[str, Any] | None:
        """Execute a cell as IPython does, magics included. Returns its error."""
        self.place = place
        self.skipped[place] = len(source) - len(source.lstrip("\n"))
        result = self.shell.run_cell(source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        return None if error is None else self.told(error)

    def answer(self, name: str) -> Any:
        value = self.shell.user_ns[name]
        try:
            return self.sized(value)
        except wire.NotData as reason:
            if not callable(value):
                return {"is": "nothing", "why": str(reason)}
            self.handles.append(value)
            return {"is": "function", "handle": len(self.handles) - 1}

    def sized(self, value: Any) -> Any:
        encoded = wire.encode(value)
        if len(json.dumps(encoded)) > VALUE:
            raise wire.NotData("the value is too large to be handed over")
        return encoded

    def told(self, error: BaseException) -> dict[str, Any]:
        """An error: its classes, its message, and the lines of cells that it passed, each as place, line and text."""
        try:
            message = str(error.msg if isinstance(error, SyntaxError) else error)
        except BaseException:
            message = ""
        frames = [(one.filename, one.lineno, one.line) for one in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError):
            frames = [(error.filename or "", error.lineno, error.text)]
        lines = []
        for name, line, text in frames:
            if cell := CELL.fullmatch(name):
                place = int(cell[1])
                lines.append([place, (line or 0) + self.skipped.get(place, 0), (text or "").strip()[:200]])
        return {"kinds": [one.__name__ for one in type(error).__mro__], "message": message[:TEXT], "lines": lines[-20:]}


def main() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # a program that a cell starts inherits these
        os.dup2(nothing, stream)
    signal.signal(signal.SIGALRM, alarm)
    runner, own = Runner(), os.getpid()
    for line in requests:
        reply = runner.handle(json.loads(line))
        if os.getpid() != own:
            os._exit(0)  # a copy of this process that a cell has forked and left
        replies.write(json.dumps(reply).encode() + b"\n")
        replies.flush()


if __name__ == "__main__":
    main()
