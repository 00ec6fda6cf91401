"""What a long piece of work is doing: one line that changes on a terminal, plain lines now and then anywhere else."""

import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from tqdm import tqdm


@dataclass
class Work:
    """One of several pieces of work.

    Attributes:
        cells: how many steps it has.
        before: seconds that it took the last time; None if that is not known.
        done: steps behind it.
        started: reading of the clock when it began; None while it waits.
        seconds: how long it took, once it is finished.
    """

    name: str
    cells: int
    before: float | None = None
    done: int = 0
    started: float | None = None
    seconds: float | None = None

    @property
    def cell(self) -> int:
        """The step that it is at, counted from 1."""
        return min(self.done + 1, self.cells)

    def spent(self, now: float) -> float:
        if self.seconds is not None:
            return self.seconds
        return 0.0 if self.started is None else now - self.started


_TRUST = 60.0
"""After so many seconds of work the pace of this time counts as much as that of the last."""


def seconds_left(works: Iterable[Work], now: float, jobs: int = 1) -> float | None:
    """How long the unfinished works will take, ``jobs`` at a time; None while nothing is known.

    A work that ran before is taken to last as long again, or as many times as long as the works that are finished or late. The
    others are judged by their steps, each as long as a step of this time's works or, before there are any, of the last time's.
    """
    works = list(works)
    seconds, steps = sum(work.spent(now) for work in works), sum(work.done for work in works)
    known = [work for work in works if work.before is not None]
    if not steps:
        seconds, steps = sum(work.before or 0.0 for work in known), sum(work.cells for work in known)
    judged = [(work.spent(now), work.before or 0.0) for work in known]
    judged = [(spent, before) for work, (spent, before) in zip(known, judged, strict=True) if work.seconds or spent > before]
    pace = (_TRUST + sum(spent for spent, _ in judged)) / (_TRUST + sum(before for _, before in judged))
    total = 0.0
    for work in works:
        if work.seconds is not None:
            continue
        if work.before is not None:
            total += max(work.before * pace - work.spent(now), 0.0)
        elif steps:
            total += (work.cells - work.done) * seconds / steps
        else:
            return None
    return total / jobs


def in_words(seconds: float | None) -> str:
    """The time left in words, rounded up."""
    if seconds is None:
        return "time left not known yet"
    if seconds <= 50:
        return f"about {max(10 * math.ceil(seconds / 10), 10)} s left"
    return f"about {math.ceil(seconds / 60)} min left"


class Progress:
    """Says what is going on.

    Args:
        stream: by default the standard output. On a terminal one line changes; elsewhere lines follow each other.
        every: seconds between two plain lines.
    """

    def __init__(self, stream: TextIO | None = None, every: float = 15.0) -> None:
        self._stream: TextIO | None = stream or sys.stdout  # None where somebody has closed it
        self._every = every
        self._last = -math.inf
        self._bar = None
        if self._stream is not None and self._stream.isatty():
            form = "{percentage:3.0f}% {desc}"
            self._bar = tqdm(total=1.0, file=self._stream, bar_format=form, leave=False, dynamic_ncols=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def stays(self, line: str, stream: TextIO | None = None) -> None:
        """A line that stays, on another stream if one is given."""
        if self._bar is not None:
            tqdm.write(line, file=stream or self._stream)
        else:
            print(line, file=stream or self._stream, flush=True)

    def now(self, text: str, share: float = 0.0, *, at_once: bool = False) -> None:
        """What is going on. Off a terminal it is left out if the last such line is younger than ``every`` seconds.

        Args:
            share: of the whole work that is done, in [0, 1].
            at_once: say it in any case.
        """
        if self._bar is not None:
            self._bar.n = min(max(share, 0.0), 1.0)
            self._bar.set_description_str(text)
        elif at_once or time.monotonic() - self._last >= self._every:
            print(text, file=self._stream, flush=True)
            self._last = time.monotonic()
