"""A restricted reader of pickled ``.npy`` files: it can build numeric arrays and dictionaries of them, and nothing else.

Published data sets come as a pickled dictionary of arrays. Unpickling runs whatever the file says; this reader lets the pickle
name six constructors and refuses the file at the first other name. The constructors are stand-ins written here: numpy's own take
a data type's flags and an object array's pointers from the file on trust, with which a file can crash or take over the process.
"""

import io
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from lnl_core.errors import DataError

_NO_ARRAY = "the file holds something that is not an array: it is refused"


class _Encode:
    """``_codecs.encode``, with which Python 3 writes byte strings in old pickles. Returns bytes, never an instance."""

    def __new__(cls, text: str, encoding: str = "latin1") -> bytes:  # type: ignore[misc]
        if encoding not in ("latin1", "latin-1"):
            raise DataError("the file uses a text encoding other than latin1: it is refused")
        return text.encode("latin1")


class _Dtype:
    """``numpy.dtype``: a code such as "u1", and from the state that follows nothing but the byte order."""

    def __init__(self, code: str | bytes, *_: Any) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise DataError(_NO_ARRAY)
        self.order = order

    def numeric(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or not re.fullmatch(r"[biufc]\d{1,2}", self.code):
            raise DataError(_NO_ARRAY)
        return np.dtype(self.order + self.code)


class _Ndarray:
    """``numpy.ndarray``, which pickles name only to hand it to the constructor of arrays."""

    def __init__(self, *_: Any) -> None:
        raise DataError(_NO_ARRAY)


class _Array:
    """``_reconstruct``: an empty array, whose content comes in the state that follows."""

    def __init__(self, subtype: type, *_: Any) -> None:
        if subtype is not _Ndarray:
            raise DataError(_NO_ARRAY)
        self.value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, by_columns, content = state
        if not isinstance(dtype, _Dtype) or not all(isinstance(size, int) and size >= 0 for size in shape):
            raise DataError(_NO_ARRAY)
        if shape == () and isinstance(content, list) and len(content) == 1:
            self.value = content[0]  # how numpy.save wraps what is no array: the dictionary itself
            return
        if isinstance(content, str):
            content = content.encode("latin1")
        if not isinstance(content, bytes):
            raise DataError(_NO_ARRAY)
        self.value = _array(content, dtype.numeric(), shape, by_columns)


class _Scalar:
    """``scalar``: one number. Returns a numpy number, never an instance."""

    def __new__(cls, dtype: _Dtype, content: str | bytes) -> np.generic:  # type: ignore[misc]
        data = content.encode("latin1") if isinstance(content, str) else content
        number: Any = _array(data, dtype.numeric(), (), False)[()]
        return number  # type: ignore[no-any-return]


def _array(content: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], by_columns: bool) -> NDArray[Any]:
    """``content`` as an array of its own memory; a ValueError if it has not exactly the bytes that the shape asks for."""
    return np.ndarray((len(content) // dtype.itemsize,), dtype, bytearray(content)).reshape(shape, order="F" if by_columns else "C")


_ALLOWED: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _Ndarray, ("numpy", "dtype"): _Dtype, ("_codecs", "encode"): _Encode}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_module, "_reconstruct"] = _Array
    _ALLOWED[_module, "scalar"] = _Scalar


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise DataError(f"the file asks to run {module}.{name}, which is no array: it is refused") from None

    def persistent_load(self, pid: Any) -> Any:
        raise DataError("the file refers to something outside itself: it is refused")


def _check_sizes(payload: bytes) -> None:
    """Read the opcodes without doing them: a ValueError for one that reserves more memory than the file could fill."""
    for opcode, argument, _ in pickletools.genops(payload):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(payload):
            raise ValueError("an entry is numbered beyond the end of the file")


def _unwrap(value: Any) -> Any:
    return value.value if isinstance(value, _Array) else value


def _load(stream: BinaryIO, header: Any) -> Any:
    shape, by_columns, dtype = header
    if not dtype.hasobject:
        return _array(stream.read(), dtype, shape, by_columns)
    payload = stream.read()
    _check_sizes(payload)
    return _unwrap(_ArrayUnpickler(io.BytesIO(payload), encoding="latin1").load())


def _is_numeric(value: Any) -> bool:
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
            loaded = _load(stream, read_header(stream))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: put the published file there") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(f"{path} cannot be read as a .npy file of arrays ({error}): download it again") from None
    arrays = {"array": loaded} if isinstance(loaded, np.ndarray) else loaded
    if not isinstance(arrays, dict) or not arrays:
        raise DataError(f"{path} holds no dictionary of arrays: it is refused")
    named = {key.decode("latin1") if isinstance(key, bytes) else key: _unwrap(value) for key, value in arrays.items()}
    for key, value in named.items():
        if not isinstance(key, str) or not _is_numeric(value):
            raise DataError(f"{path}: entry {key!r} is not a numeric array: it is refused")
    return named
