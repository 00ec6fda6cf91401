"""A restricted reader of pickled ``.npy`` files: it can build numeric arrays and dictionaries of them, and nothing else.

Published data sets come as a pickled dictionary: of arrays (:func:`read_arrays`), of numbers (:func:`read_numbers`), of records of
numbers (:func:`read_records`) or of lists of names (:func:`read_names`). Unpickling runs whatever the file says; this reader lets
the pickle name six constructors and refuses the file at the first other name. The constructors are our own: numpy's
own take a data type's flags and an object array's pointers from the file on trust, with which a file can crash or take over the
process.
"""

import io
import pickle
import pickletools
import re
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from lnl_core._files import user_path
from lnl_core.errors import DataError

_NO_ARRAY = "the file holds something that is not an array: it is refused"


class _Fixed(type):
    """A class that a file cannot change: the opcode BUILD sets attributes of whatever it is given, a class too."""

    def __setattr__(cls, name: str, value: Any) -> None:
        raise DataError("the file tries to change its reader: it is refused")


class _Encode(metaclass=_Fixed):
    """``_codecs.encode``, with which Python 3 writes byte strings in old pickles. Returns bytes, never an instance."""

    def __new__(cls, text: str, encoding: str = "latin1") -> bytes:  # type: ignore[misc]
        if encoding not in ("latin1", "latin-1"):
            raise DataError("the file uses a text encoding other than latin1: it is refused")
        return text.encode("latin1")


class _Dtype(metaclass=_Fixed):
    """``numpy.dtype``: a code such as "u1", and from the state that follows nothing but the byte order."""

    def __init__(self, code: str | bytes, *_: Any) -> None:
        self.code = code.decode("latin1") if isinstance(code, bytes) else code
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise DataError(_NO_ARRAY)
        self.order = order

    def plain(self) -> np.dtype[Any]:
        """The data type itself, if its content is numbers and no pointer."""
        if not isinstance(self.code, str) or not re.fullmatch(self._allowed(), self.code):
            raise DataError(_NO_ARRAY)
        return np.dtype(self.order + self.code)

    def _allowed(self) -> str:
        return r"[biufc]\d{1,2}"


class _Ndarray(metaclass=_Fixed):
    """``numpy.ndarray``, which pickles name only to hand it to the constructor of arrays."""

    def __init__(self, *_: Any) -> None:
        raise DataError(_NO_ARRAY)


class _Array(metaclass=_Fixed):
    """``_reconstruct``: an empty array, whose content comes in the state that follows."""

    def __init__(self, subtype: type, *_: Any) -> None:
        if subtype is not _Ndarray:
            raise DataError(_NO_ARRAY)
        self.value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, by_columns, content = state
        if not isinstance(dtype, _Dtype) or not all(isinstance(size, int) and size >= 0 for size in shape):
            raise DataError(_NO_ARRAY)
        if isinstance(content, list) and self._takes_list(shape, content):
            # how numpy.save wraps what is no array: the dictionary itself
            self.value = content[0] if shape == () else content
            return
        if isinstance(content, str):
            content = content.encode("latin1")
        if not isinstance(content, bytes):
            raise DataError(_NO_ARRAY)
        self.value = _array(content, dtype.plain(), shape, by_columns)

    def _takes_list(self, shape: tuple[int, ...], content: list[Any]) -> bool:
        return shape == () and len(content) == 1


class _Scalar(metaclass=_Fixed):
    """``scalar``: one number. Returns a numpy number, never an instance."""

    def __new__(cls, dtype: _Dtype, content: str | bytes) -> np.generic:  # type: ignore[misc]
        data = content.encode("latin1") if isinstance(content, str) else content
        number: Any = _array(data, dtype.plain(), (), False)[()]
        return number  # type: ignore[no-any-return]


def _array(content: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], by_columns: bool) -> NDArray[Any]:
    """``content`` as an array of its own memory; a ValueError if it has not exactly the bytes that the shape asks for."""
    return np.ndarray((len(content) // dtype.itemsize,), dtype, bytearray(content)).reshape(shape, order="F" if by_columns else "C")


_ALLOWED: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _Ndarray, ("numpy", "dtype"): _Dtype, ("_codecs", "encode"): _Encode}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_module, "_reconstruct"] = _Array
    _ALLOWED[_module, "scalar"] = _Scalar


class _TextDtype(_Dtype):
    """A data type that may also be text of a fixed width, such as "U34"."""

    def _allowed(self) -> str:
        return r"[biufc]\d{1,2}|[US]\d{1,4}"


class _TextArray(_Array):
    """An array that may also be a column of Python texts, which numpy pickles as a list."""

    def _takes_list(self, shape: tuple[int, ...], content: list[Any]) -> bool:
        return super()._takes_list(shape, content) or (shape == (len(content),) and all(isinstance(item, str) for item in content))


_ALLOWED_WITH_TEXT: dict[tuple[str, str], Any] = {
    key: {_Dtype: _TextDtype, _Array: _TextArray}.get(value, value) for key, value in _ALLOWED.items()
}


class _ArrayUnpickler(pickle.Unpickler):
    allowed = _ALLOWED

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise DataError(f"the file asks to run {module}.{name}, which is no array: it is refused") from None

    def persistent_load(self, pid: Any) -> Any:
        raise DataError("the file refers to something outside itself: it is refused")


class _TextUnpickler(_ArrayUnpickler):
    allowed = _ALLOWED_WITH_TEXT


def _check_sizes(payload: bytes) -> None:
    """Read the opcodes without doing them: a ValueError for one that reserves more memory than the file could fill."""
    for opcode, argument, _ in pickletools.genops(payload):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(payload):
            raise ValueError("an entry is numbered beyond the end of the file")


def _unwrap(value: Any) -> Any:
    return value.value if isinstance(value, _Array) else value


def _load(stream: BinaryIO, header: Any, unpickler: type[_ArrayUnpickler]) -> Any:
    shape, by_columns, dtype = header
    if not dtype.hasobject:
        return _array(stream.read(), dtype, shape, by_columns)
    payload = stream.read()
    _check_sizes(payload)
    return _unwrap(unpickler(io.BytesIO(payload), encoding="latin1").load())


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def _number(value: Any) -> int | float | None:
    """``value`` as a Python number if it is one, also as a numpy number or an array of one number; else None."""
    value = _unwrap(value)
    if _is_numeric(value) and value.size == 1:
        value = value.reshape(())[()]
    if isinstance(value, bool | np.bool_ | np.integer | int):
        return int(value)
    return float(value) if isinstance(value, float | np.floating) else None


def _text(value: Any) -> Any:
    return value.decode("latin1") if isinstance(value, bytes) else value


def _names(value: Any) -> list[str] | None:
    if isinstance(value, np.ndarray):
        if value.ndim != 1 or (value.dtype.kind == "U" and not _is_unicode(value)):
            return None
        value = value.tolist()
    names: list[Any] = [_text(name) for name in value] if isinstance(value, list) else [None]
    return names if all(isinstance(name, str) for name in names) else None


def _is_unicode(column: NDArray[Any]) -> bool:
    """Whether every character exists; numpy makes no text of one that does not, with an error of its own interpreter's insides."""
    native = np.ascontiguousarray(column.astype(column.dtype.newbyteorder("=")))
    return bool(native.view(np.uint32).max(initial=0) <= sys.maxunicode)


def _read(path: Path, what: str, unpickler: type[_ArrayUnpickler] = _ArrayUnpickler) -> Any:
    try:
        with path.open("rb") as stream:
            version = npy_format.read_magic(stream)
            read_header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            return _load(stream, read_header(stream), unpickler)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise DataError(f"{path} does not exist: put the published file there") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(f"{path} cannot be read as a .npy file of {what} ({error}): download it again") from None


def _dictionary(path: Path, value: Any, what: str) -> dict[Any, Any]:
    if not isinstance(value, dict) or not value:
        raise DataError(f"{path} holds no dictionary of {what}: it is refused")
    return {_text(key): entry for key, entry in value.items()}


def read_arrays(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read a ``.npy`` file that holds a dictionary of numeric arrays (or one array, returned under the name "array").

    Args:
        path: a file written by ``numpy.save``, pickled or not, by Python 2 or 3.

    Raises:
        DataError: if the file is missing, cut short, no ``.npy`` file, or holds anything but numeric arrays. Nothing that the
            file names is run.
    """
    path = user_path(path)
    loaded = _read(path, "arrays")
    loaded = {"array": loaded} if isinstance(loaded, np.ndarray) else loaded
    named = {key: _unwrap(value) for key, value in _dictionary(path, loaded, "arrays").items()}
    for key, value in named.items():
        if not isinstance(key, str) or not _is_numeric(value):
            raise DataError(f"{path}: entry {key!r} is not a numeric array: it is refused")
    return named


def read_numbers(path: Path | str) -> dict[str | int | float, int | float]:
    """Read a ``.npy`` file that holds a dictionary of numbers by name or by number, such as ``test_result.npy``.

    Args:
        path: a file written by ``numpy.save``; as for :func:`read_arrays`.

    Raises:
        DataError: as :func:`read_arrays`, and if a key is neither text nor a number or a value is not one number.
    """
    path = user_path(path)
    entries = _dictionary(path, _read(path, "numbers"), "numbers")
    found: dict[str | int | float, int | float] = {}
    for key, value in entries.items():
        name, number = key if isinstance(key, str) else _number(key), _number(value)
        if name is None or number is None:
            raise DataError(f"{path}: entry {key!r} is not a number by name or number: it is refused")
        found[name] = number
    return found


def read_records(path: Path | str) -> dict[str, dict[str, int | float]]:
    """Read a ``.npy`` file that holds a dictionary of dictionaries of numbers, such as ``imdb_age_gender.npy``.

    Raises:
        DataError: as :func:`read_arrays`, and if an entry is not a dictionary of numbers by name.
    """
    path = user_path(path)
    found: dict[str, dict[str, int | float]] = {}
    for key, value in _dictionary(path, _read(path, "records"), "records").items():
        numbers = {_text(name): _number(number) for name, number in value.items()} if isinstance(value, dict) else {None: None}
        if not isinstance(key, str) or not all(isinstance(name, str) for name in numbers) or None in numbers.values():
            raise DataError(f"{path}: entry {key!r} is not a record of numbers: it is refused")
        found[key] = numbers  # type: ignore[assignment]
    return found


def read_names(path: Path | str) -> dict[str, list[str]]:
    """Read a ``.npy`` file that holds lists of texts by name, such as ``imdb_split.npy`` (or one list, named "array").

    Raises:
        DataError: as :func:`read_arrays`, and if an entry is not a list or an array of texts.
    """
    path = user_path(path)
    loaded = _read(path, "names", _TextUnpickler)
    loaded = {"array": loaded} if isinstance(loaded, np.ndarray | list) else loaded
    found: dict[str, list[str]] = {}
    for key, value in _dictionary(path, loaded, "names").items():
        names = _names(_unwrap(value))
        if not isinstance(key, str) or names is None:
            raise DataError(f"{path}: entry {key!r} is not a list of names: it is refused")
        found[key] = names
    return found
