"""What every rung asks of its arrays, and the result that it writes to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array, array_module
from .target import SIMULATED

LIMIT = 2**31  # int32 counts the elements of every array


def ready(*arrays: Array) -> tuple[Array, ...]:
    """Return the arrays, or copies, contiguous.

    Raises
    ------
    TypeError
        Where one is not float32, or lies where no kernel can read it.
    ValueError
        Where one has more elements than an int32 counts.
    """
    for array in arrays:
        library = array_module(array).__name__
        if library != ("numpy" if SIMULATED else "cupy"):
            needed = "NumPy arrays: this is the simulator" if SIMULATED else "CuPy arrays"
            raise TypeError(f"kernels.cuda needs {needed}, got one of {library}, shape {array.shape}")
        if array.dtype != np.float32:
            raise TypeError(f"kernels.cuda computes in float32, got {array.dtype}, shape {array.shape}")
        if array.size >= LIMIT:
            raise ValueError(f"kernels.cuda counts elements in int32, too many in shape {array.shape}")
    return tuple(array_module(array).ascontiguousarray(array) for array in arrays)


def result(like: Array, shape: Sequence[int]) -> Array:
    """Return an array of `shape` to write to, where `like` lives."""
    return array_module(like).empty(tuple(shape), np.float32)


def finish(y: Array, bias: Array | None, relu: bool) -> None:
    """Add one number a channel to y (N, K, OH, OW), and apply ReLU: each in a pass of its own over y."""
    if bias is not None:
        y += bias[:, None, None]
    if relu:
        array_module(y).maximum(y, 0, out=y)
