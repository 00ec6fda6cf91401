"""Training keeps freed memory and counts the smallest floats as 0, until it ends: a caller's process stays the caller's."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lnl_core import _memory
from lnl_core._denormals import flushed_denormals
from lnl_core._memory import keep_freed_memory
from lnl_core.config import preset
from lnl_core.datasets import BiasedImages
from lnl_core.errors import ConfigError
from lnl_core.networks import LNLNetwork, build_network
from lnl_core.runs.run import run
from lnl_core.training import fit, fit_jlu, fit_mi_backprop

ON_GLIBC = sys.platform.startswith("linux") and sys.implementation.name == "cpython"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What is asked of a malloc that is not really there; (0, 0) stands for malloc_trim(0)."""
    calls: list[tuple[int, int]] = []
    mallopt, malloc_trim = lambda option, value: calls.append((option, value)), lambda pad: calls.append((0, pad))
    monkeypatch.setattr(_memory, "_glibc", lambda: SimpleNamespace(mallopt=mallopt, malloc_trim=malloc_trim))
    return calls


KEEPING, AFTERWARDS = list(_memory._KEEPING.items()), [*_memory._AFTERWARDS.items(), (0, 0)]


def test_the_settings_are_taken_back(asked: list[tuple[int, int]]) -> None:
    with keep_freed_memory():
        assert asked == KEEPING
        with keep_freed_memory():
            assert asked == KEEPING, "the outermost block alone counts"
        assert asked == KEEPING
    assert asked == KEEPING + AFTERWARDS


def test_they_are_taken_back_after_an_error(asked: list[tuple[int, int]]) -> None:
    with pytest.raises(KeyboardInterrupt), keep_freed_memory():
        raise KeyboardInterrupt
    assert asked == KEEPING + AFTERWARDS


def test_fit_takes_them_back(asked: list[tuple[int, int]], few: BiasedImages) -> None:
    config = preset("smoke", "baseline", train_size=64, epochs=1)
    during: list[int] = []

    def note(network: LNLNetwork) -> dict[str, float]:
        during.append(len(asked))
        return {}

    fit(build_network(config), few, config, progress=False, validate=note)
    assert during == [len(KEEPING)]
    assert asked == KEEPING + AFTERWARDS


@pytest.mark.parametrize("train", [fit, fit_jlu, fit_mi_backprop, run])
def test_every_way_to_train_does(train: Callable[..., object], asked: list[tuple[int, int]]) -> None:
    with pytest.raises((AttributeError, TypeError, ConfigError)):
        train(None, None, None)
    assert asked == KEEPING + AFTERWARDS


@pytest.mark.parametrize(
    ("name", "value"), [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.top_pad=4096")], ids=str
)
def test_what_the_environment_sets_is_left_alone(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert _memory._glibc() is None


@pytest.mark.skipif(not ON_GLIBC or _memory._glibc() is None, reason="this system's malloc has no such settings")
def test_memory_goes_back_to_the_system() -> None:
    """200 MiB in blocks of 1 MiB, freed in the block: they stay there until it ends."""

    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

    with keep_freed_memory():
        blocks = [bytearray(b"x" * 2**20) for _ in range(200)]
        full = resident()
        del blocks
        kept = resident()
    after = resident()
    assert kept > full - 40
    assert after < full - 120


def _smallest() -> float:
    return float(torch.tensor(1e-40) * 1)


@pytest.mark.parametrize("already", [False, True])
def test_fit_counts_the_smallest_floats_as_zero_and_takes_it_back(few: BiasedImages, already: bool) -> None:
    config = preset("smoke", "baseline", train_size=64, epochs=1)
    during: list[float] = []
    before = _smallest()

    def note(network: LNLNetwork) -> dict[str, float]:
        during.append(_smallest())
        return {}

    torch.set_flush_denormal(already)
    try:
        fit(build_network(config), few, config, progress=False, validate=note)
        assert during == [0.0]
        assert (_smallest() == 0) == already
        with pytest.raises(KeyboardInterrupt), flushed_denormals():
            raise KeyboardInterrupt
        assert (_smallest() == 0) == already
    finally:
        torch.set_flush_denormal(before == 0)
