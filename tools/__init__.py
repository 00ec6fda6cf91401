"""What builds, draws and measures the book; nothing here is needed to use lnl_core.

``site`` builds the site, ``pages`` makes the tables, figures and numbers of the pages from stored results, ``studies`` makes the
results, and ``course`` makes the assignments. ``pages`` imports ``studies``, and ``course`` asks ``site`` for the address of the
project; nothing else is imported from one of the four into another. ``badge`` checks what reviewers' lists ask for, and imports
``pages``.
"""

from pathlib import Path

from lnl_core._files import write_atomically

ROOT = Path(__file__).resolve().parents[1]


def write_if_changed(path: Path, text: str) -> bool:
    """Write ``text`` unless the file says so already, so that time stamps mean something."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return True
