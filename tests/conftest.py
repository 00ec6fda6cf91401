"""Small data sets for all tests, and an environment that does not depend on who runs them."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from lnl_core.datasets import BiasedImages, colored_mnist
from tools.notebooks import ROOT

# The same examples on every machine, and no failure because a machine is busy.
settings.register_profile("lnl", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lnl")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the profile, the folders nor the device of the person at the keyboard may decide a test."""
    for name in ("LNL_DATA_DIR", "LNL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LNL_DEVICE", "cpu")
    monkeypatch.setenv("LNL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _same_logging() -> Iterator[None]:
    level = logging.getLogger("lnl_core").level
    yield
    logging.getLogger("lnl_core").setLevel(level)


@pytest.fixture(scope="session")
def mini_train() -> BiasedImages:
    """The 3,500 training images of the mini digits, sigma^2 0.03."""
    return colored_mnist("train", 0.03, source="mini")


@pytest.fixture(scope="session")
def mini_test() -> BiasedImages:
    """The 1,000 test images of the mini digits, sigma^2 0.03."""
    return colored_mnist("test", 0.03, source="mini")


@pytest.fixture(scope="session")
def few(mini_train: BiasedImages) -> BiasedImages:
    """160 training images of all classes: for tests of how training works, not of what it reaches."""
    return mini_train.subset(torch.randperm(len(mini_train), generator=torch.Generator().manual_seed(1))[:160])


@pytest.fixture(scope="session")
def site() -> Path:
    """The site of the smoke runs, built now unless nothing has changed since the last time."""
    command = [sys.executable, "-m", "tools.book", "--smoke"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return ROOT / "_build" / "test" / "_build" / "html"
