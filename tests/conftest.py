"""Small data sets for all tests, and an environment that does not depend on who runs them.

``make test`` runs one process a core (pytest-xdist). Each computes with one thread, as do the programs that it starts: more threads
than cores would wait for each other. A file's tests stay in one process, where they share what is trained once. Long files begin
first, and the one that looks at the pages comes last, when they are built.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from browsers import launched
from filelock import FileLock
from hypothesis import settings
from threadpoolctl import threadpool_limits

from lnl_core.datasets import BiasedImages, colored_mnist
from tools import ROOT

# The same examples on every machine, and no failure because a machine is busy.
settings.register_profile("lnl", deadline=None, derandomize=True, database=None, max_examples=60)
settings.load_profile("lnl")

_FIRST = ("test_book", "test_claims", "test_sweep", "test_leakage")
_LAST = ("test_browser",)

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    threadpool_limits(1)  # of NumPy, which was loaded before the variable was set


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place - len(_FIRST) for place, name in enumerate(_FIRST)} | dict.fromkeys(_LAST, 1)
    items.sort(key=lambda item: order.get(item.path.stem, 0))


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path) -> Iterator[None]:
    """Neither the profile, the folders, the device nor the plug-ins of the person at the keyboard may decide a test, and what a
    test or a cell that it executes sets ends with it."""
    before = dict(os.environ)
    for name in ("LNL_DATA_DIR", "LNL_PROFILE", "LNL_PLUGINS"):
        os.environ.pop(name, None)
    os.environ |= {"LNL_DEVICE": "cpu", "LNL_CACHE_DIR": str(tmp_path / "cache")}
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _same_logging() -> Iterator[None]:
    level = logging.getLogger("lnl_core").level
    yield
    logging.getLogger("lnl_core").setLevel(level)


@pytest.fixture(scope="module")
def hasty_probes() -> Iterator[None]:
    """For runs that are measured by the way: their probes stop at the first epoch that gains nothing, and take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lnl_core.evaluation.probes._PROBE_PATIENCE", 1)
        yield


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser that waits for each step."""
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def site() -> Path:
    """The site of the smoke runs, built now unless nothing has changed since the last time."""
    command = [sys.executable, "-m", "tools.site.book", "--smoke"]
    (ROOT / "_build").mkdir(exist_ok=True)
    with FileLock(ROOT / "_build" / "test.lock"):  # one process builds, another then finds it done
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return ROOT / "_build" / "test" / "_build" / "html"
