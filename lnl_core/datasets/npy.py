"""A restricted reader of pickled ``.npy`` files: it can build numeric arrays and dictionaries of them, and nothing else.

Published data sets come as a pickled dictionary of arrays. Unpickling runs whatever the file says; this reader lets the pickle
name six harmless constructors and refuses the file at the first other name.
"""

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from lnl_core.errors import DataError


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise DataError("the file uses a text encoding other than latin1: it is refused")
    return text.encode("latin1")


def _reconstruct(subtype: type, shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    if subtype is not np.ndarray:
        raise DataError("the file holds something that is not an array: it is refused")
    return np.ndarray.__new__(np.ndarray, shape, kind)


def _scalar(dtype: np.dtype[Any], data: bytes) -> Any:
    if dtype.hasobject:
        raise DataError("the file holds something that is not an array: it is refused")
    return np.frombuffer(data, dtype=dtype)[0]


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_module, "_reconstruct"] = _reconstruct
    _ALLOWED[_module, "scalar"] = _scalar


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise DataError(f"the file asks to run {module}.{name}, which is no array: it is refused") from None

    def persistent_load(self, pid: Any) -> Any:
        raise DataError("the file refers to something outside itself: it is refused")


def _load_object(stream: BinaryIO, header: Any) -> Any:
    shape, by_columns, dtype = header
    if not dtype.hasobject:
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(stream.read(), dtype=dtype, count=count).reshape(shape, order="F" if by_columns else "C")
    loaded = _ArrayUnpickler(stream, encoding="latin1").load()
    return loaded.item() if isinstance(loaded, np.ndarray) and loaded.shape == () else loaded


def _is_plain(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def read_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read a ``.npy`` file that holds a dictionary of numeric arrays (or one array, returned under the name "array").

    Args:
        path: a file written by ``numpy.save``, pickled or not, by Python 2 or 3.

    Raises:
        DataError: if the file is missing, cut short, no ``.npy`` file, or holds anything but numeric arrays. Nothing that the
            file names is run.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            version = npy_format.read_magic(stream)
            read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            loaded = _load_object(stream, read_header(stream))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: put the published file there") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(f"{path} cannot be read as a .npy file of arrays ({error}): download it again") from None
    arrays = {"array": loaded} if isinstance(loaded, np.ndarray) else loaded
    if not isinstance(arrays, dict) or not arrays:
        raise DataError(f"{path} holds no dictionary of arrays: it is refused")
    named = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in arrays.items()}
    for key, value in named.items():
        if not isinstance(key, str) or not _is_plain(value):
            raise DataError(f"{path}: entry {key!r} is not a numeric array: it is refused")
    return named
