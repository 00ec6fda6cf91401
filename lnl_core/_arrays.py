"""Arrays that a reader hands in: taken rightly, or refused in one sentence that names the argument, its type and what is wanted.

What is taken: tensors of any device, numpy arrays, lists, and whatever numpy makes an array of. A column (N, 1) is taken for the
(N,) it means; NumPy would broadcast it against a row without a word.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lnl_core.errors import DataError


def described(values: Tensor | NDArray[Any]) -> str:
    """Type and shape in words: "float64 of shape (10, 1)"."""
    kind = str(values.dtype).removeprefix("torch.")
    if isinstance(values, np.ndarray) and values.dtype.kind in "OUST":
        kind = f"text such as {_first_text(values)!r}" if _is_text(values) else "something other than numbers"
    return f"{kind} of shape {tuple(values.shape)}"


def _is_text(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "UST" or (values.size > 0 and all(isinstance(value, str) for value in values.flat))


def _first_text(values: NDArray[Any]) -> str:
    return str(next(iter(values.flat), ""))


def _array(name: str, values: Any, wanted: str) -> NDArray[Any]:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):
        raise DataError(f"{name} must be {wanted}, got rows of different lengths or something that is no array") from None
    return array.astype(array.dtype.newbyteorder("=")) if array.dtype.kind in "iufc" and not array.dtype.isnative else array


def numbers(name: str, values: Any, wanted: str = "an array of numbers") -> NDArray[np.float64]:
    """``values`` as float64 of their own shape.

    Raises:
        DataError: anything but real numbers.
    """
    array = _array(name, values, wanted)
    if array.dtype.kind not in "biuf" and array.size:
        raise DataError(f"{name} must be {wanted}, got {described(array)}")
    return array.astype(np.float64)


def tensor_of(name: str, values: Any, wanted: str = "an array of numbers") -> Tensor:
    """``values`` as a tensor of numbers; one that is a tensor already stays what and where it is, with its gradient.

    Raises:
        DataError: anything but real numbers.
    """
    if isinstance(values, Tensor):
        if values.is_complex() or values.layout != torch.strided:
            raise DataError(f"{name} must be {wanted}, got {described(values)}")
        return values
    array = _array(name, values, wanted)
    if array.dtype.kind not in "biuf" and array.size:
        raise DataError(f"{name} must be {wanted}, got {described(array)}")
    if array.dtype.kind == "u" and array.itemsize > 1:  # torch can do little with these
        array = array.astype(np.int64)
    elif array.dtype.kind not in "biuf" or array.dtype == np.longdouble:
        array = array.astype(np.float64)
    return torch.from_numpy(array if array.flags.writeable and min(array.strides, default=0) >= 0 else array.copy())


def whole_numbers(name: str, values: Any, wanted: str) -> Tensor:
    """``values`` as an int64 tensor of their own shape; true and false count as 1 and 0.

    Raises:
        DataError: numbers with a fraction in their type, text, or no numbers at all. Nothing is cut to a whole number.
    """
    tensor = tensor_of(name, values, wanted)
    if tensor.is_floating_point() and tensor.numel():
        raise DataError(f"{name} must be {wanted}, got {described(tensor)}: number the kinds from 0 and convert them to integers")
    return tensor.long()


def class_labels(name: str, values: Any) -> Tensor:
    """Labels of N examples as an int64 tensor (N,) on their own device.

    Args:
        name: of the argument, for the message.
        values: (N,), or a column (N, 1), of whole numbers.

    Raises:
        DataError: another type or shape.
    """
    wanted = "whole numbers of shape (N,), one an example"
    labels: Tensor = _a_row(name, whole_numbers(name, values, wanted), wanted)
    return labels


def _a_row(name: str, values: Any, wanted: str) -> Any:
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim != 1:
        raise DataError(f"{name} must be {wanted}, got {described(values)}")
    return values


def group_codes(name: str, values: Any) -> NDArray[np.int64]:
    """Which of the kinds that occur each of N examples is of, (N,) from 0 in their order; kinds may be text, such as "f" and "m".

    Raises:
        DataError: numbers with a fraction, another shape, or neither numbers nor text.
    """
    wanted = "one group an example, shape (N,), whole numbers or text"
    array = _array(name, values, wanted)
    if array.dtype.kind in "OUST" and array.size and _is_text(array):
        array = _a_row(name, array.astype(np.str_), wanted)
    else:
        array = _a_row(name, whole_numbers(name, array, wanted), wanted).numpy()
    return np.unique(array, return_inverse=True)[1].astype(np.int64).reshape(-1)


def feature_rows(name: str, values: Any, dimensions: int | None = None) -> Tensor:
    """Features of N examples as a float32 tensor (N, ...) on the CPU.

    Args:
        name: of the argument, for the message.
        values: (N, D), or more dimensions.
        dimensions: how many there must be, all in all; by default two or more.

    Raises:
        DataError: another type or shape, such as (N,).
    """
    shape = "(N, C, H, W)" if dimensions == 4 else "(N, D)"
    wanted = f"numbers of shape {shape}, one row an example"
    tensor = tensor_of(name, values, wanted)
    if tensor.ndim < 2 or (dimensions is not None and tensor.ndim != dimensions):
        hint = ": give a single feature as a column (N, 1)" if tensor.ndim == 1 and dimensions is None else ""
        raise DataError(f"{name} must be {wanted}, got {described(tensor)}{hint}")
    if tensor.shape[1:].numel() == 0:
        raise DataError(f"{name} must be {wanted}, got {described(tensor)}: there is no feature to read")
    return tensor.detach().cpu().float()


def number(name: str, value: Any, holds: Callable[[float], bool], wanted: str) -> float:
    """``value`` as a float for which ``holds`` is true.

    Raises:
        DataError: anything else, such as text or an array.
    """
    try:
        found = None if isinstance(value, str | bytes | bool | None) else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        found = None
    if found is None or not holds(found):
        raise DataError(f"{name} must be {wanted}, got {value!r}")
    return found


def exact(values: Tensor) -> Tensor:
    """The same in float64: on its device, or on the CPU where the device has no float64, as Apple's MPS."""
    return (values.cpu() if values.device.type == "mps" else values).double()
