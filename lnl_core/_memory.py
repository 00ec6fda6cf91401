"""Keep freed memory in the process while training on a CPU."""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)


def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep what is freed; returns whether it listened, False on other systems.

    Every step allocates and frees the same tensors. By default glibc hands each larger block back to the system at once, and the
    next step pays for fetching and clearing its pages again: on two cores that was a third of a float32 step of the digit network.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return all([mallopt(_MMAP_THRESHOLD, 32 << 20), mallopt(_TRIM_THRESHOLD, 1 << 30), mallopt(_TOP_PAD, 64 << 20)])
