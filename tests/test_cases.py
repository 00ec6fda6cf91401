"""The loop over cases that other tests stand on: it must be able to fail, and say where."""

import pytest
from cases import every


def test_every_case_that_fails_is_named_with_what_it_said() -> None:
    tried: list[object] = []

    def check(name: str, value: object) -> None:
        tried.append(value)
        with pytest.raises(ValueError, match="invalid literal"):
            int(value)  # type: ignore[call-overload]

    every([("a letter", "x"), ("a word", "one")], check)
    with pytest.raises(AssertionError) as caught:
        every([("a letter", "x"), ("a digit", "1"), ("nothing", None), ("a huge number", 10**5000), ("a word", "two")], check)
    assert len(tried) == 7, "it goes on after a failure"
    first, *lines = str(caught.value).splitlines()
    assert first == "3 of 5 cases failed:"
    assert [line.split(",")[0].strip() for line in lines] == ["a digit", "nothing", "a huge number"]
    assert "DID NOT RAISE" in lines[0]
    assert "TypeError: int() argument must be" in lines[1]
    assert caught.value.__cause__ is not None, "with the place of the first"


def test_no_case_at_all_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="there is no case"):
        every([], lambda: None)
