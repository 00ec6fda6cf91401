"""Compute convolutions of float32 in float32 on a CUDA card, where PyTorch lets them round to the ten bits of TF32."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch

_lock = Lock()
_inside = 0  # blocks of whole_float32 that are open, in all threads
_before: Any = None  # where the setting is, its name and its value before the outermost block


def _setting() -> tuple[Any, str, Any]:
    """What holds the setting for convolutions of float32, its name there, and its value where nothing is rounded."""
    cudnn: Any = torch.backends.cudnn
    try:
        cudnn.allow_tf32  # noqa: B018 - PyTorch refuses to read it once its newer names were set one by one
    except RuntimeError:
        return cudnn.conv, "fp32_precision", "ieee"
    return cudnn, "allow_tf32", False


@contextmanager
def whole_float32() -> Iterator[None]:
    """A block, or as a decorator a function, in which a convolution of float32 on a CUDA card is computed in float32.

    Matrix products are so already, and autocast to bf16 stays what it is. At the end of the outermost block the setting is what it
    was before. Source: PyTorch's notes on CUDA semantics, "TensorFloat-32 (TF32) on Ampere (and later) devices".
    """
    global _inside, _before
    with _lock:
        _inside += 1
        if _inside == 1:
            place, name, whole = _setting()
            _before = place, name, getattr(place, name)
            setattr(place, name, whole)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                setattr(*_before)
