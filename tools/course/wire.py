"""Values as JSON, between a student's process and the grader's: data only, nothing that is executed when it is read.

Both sides use this file. It is bound into the sandbox, so it imports NumPy and the standard library alone, and torch where it must.
"""

import base64
from typing import Any

import numpy as np

KINDS = "biufc"
"""The kinds of arrays that are handed over: booleans, integers, floats and complex numbers."""


class NotData(TypeError):
    """A value that cannot be handed over, said in a sentence."""


def encode(value: Any, depth: int = 20) -> Any:
    """A value as what :mod:`json` writes: ``None``, ``bool``, ``int``, ``float``, ``str``, ``complex``, lists, tuples and dicts of
    them, NumPy arrays and scalars, torch tensors.

    Raises:
        NotData: for anything else, or more than ``depth`` levels of it.
    """
    if depth == 0:
        raise NotData("the value holds too many levels of lists or dictionaries")
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, str):  # such as NumPy's
        return str.__str__(value)
    if type(value) is list:
        return [encode(one, depth - 1) for one in value]
    if isinstance(value, tuple):
        return {"is": "tuple", "items": [encode(one, depth - 1) for one in value]}
    if isinstance(value, dict):
        return {"is": "dict", "items": [[encode(key, depth - 1), encode(one, depth - 1)] for key, one in value.items()]}
    if isinstance(value, complex | np.generic | np.ndarray):
        array = np.asarray(value)
        if array.dtype.kind not in KINDS:
            raise NotData(f"an array of {array.dtype} cannot be handed over: make it one of numbers")
        form = "array" if isinstance(value, np.ndarray) else "complex" if type(value) is complex else "scalar"
        data = base64.b64encode(array.tobytes()).decode()
        return {"is": form, "dtype": array.dtype.str, "shape": list(array.shape), "data": data}
    if type(value).__module__.startswith("torch") and hasattr(value, "detach"):
        try:
            return {**encode(value.detach().cpu().numpy(), depth), "is": "tensor"}
        except Exception:
            raise NotData(f"a tensor of {value.dtype} cannot be handed over: make it a dense one of float32 or int64") from None
    raise NotData(
        f"a value of type {type(value).__name__} cannot be handed over: only numbers, text, lists, dicts, arrays and tensors"
    )


def decode(found: Any, depth: int = 60) -> Any:
    """What :func:`encode` made, as the value again. ``found`` may come from anybody.

    Raises:
        NotData: if it is nothing that :func:`encode` makes.
    """
    if depth == 0:
        raise NotData("the value holds too many levels of lists or dictionaries")
    if found is None or isinstance(found, bool | int | float | str):
        return found
    if isinstance(found, list):
        return [decode(one, depth - 1) for one in found]
    try:
        form = found["is"]
        if form == "tuple":
            return tuple(decode(one, depth - 1) for one in found["items"])
        if form == "dict":
            return {decode(key, depth - 1): decode(one, depth - 1) for key, one in found["items"]}
        dtype = np.dtype(str(found["dtype"]))
        if dtype.kind not in KINDS:
            raise ValueError(dtype)
        array = np.frombuffer(base64.b64decode(found["data"]), dtype).reshape([int(size) for size in found["shape"]]).copy()
        if form == "tensor":
            import torch

            return torch.from_numpy(array)
        return {"array": lambda: array, "scalar": lambda: array[()], "complex": lambda: complex(array[()])}[form]()
    except NotData:
        raise
    except Exception:
        raise NotData("what was handed over is no value that can be read") from None
