"""A folder in which one process works at a time."""

from pathlib import Path
from threading import Event, Thread

import pytest

from tools.alone import alone_in


def test_the_second_waits_says_so_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entered = Event()

    def second() -> None:
        with alone_in(tmp_path / "work"):
            entered.set()

    thread = Thread(target=second)
    with alone_in(tmp_path / "work"):
        assert capsys.readouterr().err == "", "the first waits for nobody"
        thread.start()
        assert not entered.wait(0.3)
    thread.join(10)
    assert entered.is_set()
    assert capsys.readouterr().err == f"another process is at work in {tmp_path / 'work'}: this one goes on when it has ended\n"
    assert not [*(tmp_path / "work").iterdir()], "nothing is left behind"


def test_a_block_that_fails_lets_the_next_one_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), alone_in(tmp_path):
        raise ValueError("no")
    with alone_in(tmp_path):
        assert capsys.readouterr().err == ""
