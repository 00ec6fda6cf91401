"""Paths as their users mean them, and atomic writes: a reader sees the old file or the new one, never half of one."""

import errno
import json
import math
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lnl_core.errors import ConfigError, RecordError, StorageError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def variable(name: str) -> str | None:
    """An environment variable of ours; one that is empty or blank counts as not set."""
    value = os.environ.get(name, "")
    return value if value.strip() else None


def user_path(path: Path | str) -> Path:
    """A path as its user means it: ``~`` and ``~name`` at its beginning are home folders.

    Raises:
        ConfigError: if it is empty, holds a null character, or names the home of a user who is not known here.
    """
    text = os.fspath(path)
    if not text.strip():
        raise ConfigError("the path is empty: name a file or a folder")
    if "\0" in text:
        raise ConfigError(f"the path {text!r} holds a null character: write it without")
    found = os.path.expanduser(text)  # pathlib takes ./~name for the home of a user
    if found.startswith("~"):
        name = text.split("/")[0]
        raise ConfigError(f"{name} in the path {text} is the home of no user who is known here: write the folder out, or ./{name}")
    return Path(found)


def check_file(path: Path, example: str) -> None:
    """Refuse a path to write to that is a folder, before the work that would be lost; ``example`` is a name for a file in it.

    Raises:
        ConfigError: naming a file that would do.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: name a file, such as {path / example}")


@contextmanager
def _said_in_a_sentence(path: Path) -> Iterator[None]:
    """Turn what a full disk raises, in Python or in safetensors, into a :class:`StorageError`."""
    try:
        yield
    except Exception as error:  # the error of safetensors has no class of its own before it is imported
        inner = re.search(r"^(?s:.*)\(os error (\d+)\)", str(error)) if type(error).__name__ == "SafetensorError" else None
        number = int(inner[1]) if inner else error.errno if isinstance(error, OSError) else None
        if number in _NO_ROOM:
            raise StorageError(
                f"{path} cannot be written ({os.strerror(number)}): nothing that was finished is lost, so make room and give the "
                "same command again, which goes on from there"
            ) from None
        if inner and number is not None:
            raise OSError(number, os.strerror(number), str(path)) from None
        raise


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Call ``write`` on a temporary file beside ``path``, then rename it into place.

    Raises:
        StorageError: if the disk is full, or a limit on the size of files is reached. What was at ``path`` is still there.
        OSError: if the folder cannot be written to.
    """
    with _said_in_a_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        temporary.touch(exist_ok=False)  # unlike mkstemp's, with the rights that the user's umask leaves
        try:
            rights = temporary.stat().st_mode & 0o777
            write(temporary)
            temporary.chmod(rights)  # safetensors puts a file of its own, for its owner's eyes only, in the place of this one
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, without the byte-order mark that some editors put before it."""
    return path.read_text(encoding="utf-8-sig")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """A JSON file that holds one table of names and values.

    Args:
        path: of the file.
        remedy: what to do about one that does not, the end of the sentence.

    Raises:
        RecordError: missing, cut short, not text, or anything but a table.
    """
    try:
        found = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} is no readable JSON ({error}): {remedy}") from None
    if not isinstance(found, dict):
        raise RecordError(f"{path} holds no table of names and values: {remedy}")
    return found


def is_number(value: Any) -> bool:
    """Whether a value from a JSON file is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def leftovers(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Temporary files in ``folder`` that a process killed in :func:`write_atomically` has left of files called ``names``."""
    ours = re.compile(rf"\.({'|'.join(map(re.escape, names))})\.[a-z0-9_]{{8}}")
    return sorted(path for path in folder.iterdir() if ours.fullmatch(path.name)) if folder.is_dir() else []


def write_json(path: Path, value: Any) -> Path:
    """Write ``value`` as indented JSON; NaN and infinity are refused, since JSON has no word for them."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
