"""How a program ends whose output nobody reads any longer. The command ``lnl`` ends so by itself."""

import os
import select
import sys
from collections.abc import Callable

READER_HAS_GONE = 141
"""The exit code of a program that the shell's SIGPIPE ends."""


def while_read(main: Callable[[], int | None]) -> int:
    """Run ``main`` and return its exit code; without a word :data:`READER_HAS_GONE` if its reader, such as ``head``, has enough.

    Raises:
        BrokenPipeError: if it was another pipe than standard output that broke.
    """
    try:
        try:
            return main() or 0
        finally:
            if sys.stdout is not None and not sys.stdout.closed:
                sys.stdout.flush()
    except BrokenPipeError:
        if not _is_broken(1):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written has a place to go when Python ends
        return READER_HAS_GONE


def _is_broken(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
