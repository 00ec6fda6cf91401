"""Keep freed memory in the process while training, and hand it back afterwards."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)
_KEEPING = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 1 << 30, _TOP_PAD: 64 << 20}
# Where glibc's own adaptation ends once a block of 32 MiB was freed; mallopt stops that adaptation for good.
_AFTERWARDS = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _TOP_PAD: 128 << 10}
_lock = Lock()
_inside = 0  # blocks of keep_freed_memory that are open, in all threads


def _chosen_by_others() -> bool:
    """Whether the environment sets glibc's malloc, as ``MALLOC_TRIM_THRESHOLD_`` does: then it is left as it is."""
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc" in tunables or any(name.startswith("MALLOC_") for name in os.environ)


def _glibc() -> Any:
    """The C library if it has glibc's ``mallopt`` and ``malloc_trim`` and nobody else sets them, else ``None``."""
    if not sys.platform.startswith("linux") or _chosen_by_others():
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def _set(library: Any, options: dict[int, int]) -> None:
    for option, value in options.items():
        library.mallopt(option, value)


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """A block, or as a decorator a function, in which glibc's malloc keeps what is freed; elsewhere than on glibc it does nothing.

    Every step allocates and frees the same tensors. By default glibc hands each larger block back to the system at once, and the
    next step pays for fetching and clearing its pages again: on two cores that was a third of a float32 step of the digit network.
    At the end of the outermost block the settings are taken back and what is free goes back to the system. Where the environment
    sets glibc's malloc itself, ``MALLOC_*`` or ``GLIBC_TUNABLES``, nothing is changed.
    """
    global _inside
    library = _glibc()
    with _lock:
        _inside += 1
        if library is not None and _inside == 1:
            _set(library, _KEEPING)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if library is not None and _inside == 0:
                _set(library, _AFTERWARDS)
                library.malloc_trim(0)
