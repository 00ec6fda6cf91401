"""One test over many cases: a failure names every case that failed, and what each of them said."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def every(cases: Iterable[tuple[Any, ...]], check: Callable[..., None]) -> None:
    """Call ``check(*case)`` for each case and go on after a failure; then fail once, with a line for each case that failed.

    A test item costs more than a case of a few microseconds, and hundreds of items of one line hide the list of what is tested.
    No case at all is a failure too: a list that became empty would check nothing.
    """
    failed: list[str] = []
    first: BaseException | None = None
    listed = [*cases]
    for case in listed:
        try:
            check(*case)
        except (Exception, pytest.fail.Exception) as error:
            first = first or error
            failed.append(f"  {', '.join(_short(part) for part in case)}: {type(error).__name__}: {_short(error)}")
    assert listed, "there is no case"
    if failed:
        raise AssertionError("\n".join([f"{len(failed)} of {len(listed)} cases failed:", *failed])) from first


def _short(value: object) -> str:
    """On one line, and cut in the middle if it is long."""
    text = str(value) if isinstance(value, str | BaseException) else getattr(value, "__name__", None) or _said(value)
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")  # a path may hold what no text can
    return text if len(text) < 400 else f"{text[:200]} ... {text[-150:]}"


def _said(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f"a huge {type(value).__name__}"
