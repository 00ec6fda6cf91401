"""Commands whose output nobody reads to its end, as in ``lnl methods | head -3``, end without a word."""

import os
import re
import subprocess
import sys
from functools import partial

import pytest

from tools import ROOT
from tools.pipes import READER_HAS_GONE, while_read


@pytest.mark.parametrize(
    ("code", "command"),
    [
        (1, ("lnl_core", "methods")),
        (READER_HAS_GONE, ("tools.studies",)),
        (READER_HAS_GONE, ("tools.studies", "newer", "--list")),
    ],
)
def test_a_command_whose_reader_has_gone_ends_without_a_word(code: int, command: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", *command], stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (code, "")


def test_every_program_ends_so() -> None:
    """Those that a sandbox starts aside: who reads them is ours."""
    own = {"tools/course/jail.py", "tools/course/runner.py"}
    programs = list((ROOT / "tools").rglob("*.py"))
    ends = {
        path.relative_to(ROOT).as_posix(): found[1]
        for path in programs
        if (found := re.search(r'^if __name__ == "__main__":\n((?: +.*\n)+)', path.read_text("utf-8"), re.M))
    }
    assert len(ends) > 14
    assert {name for name, lines in ends.items() if "while_read(" not in lines} == own


def test_the_exit_code_is_that_of_the_program() -> None:
    assert [while_read(partial(int, code)) for code in (0, 3)] == [0, 3]
    assert while_read(lambda: None) == 0
    with pytest.raises(SystemExit, match="what is wrong"):
        while_read(lambda: sys.exit("what is wrong"))


def test_another_pipe_that_breaks_is_said() -> None:
    def broken() -> int:
        raise BrokenPipeError("another program has ended")

    with pytest.raises(BrokenPipeError, match="another program"):
        while_read(broken)
