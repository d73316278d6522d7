"""What every rung asks of its arrays, and the result that it writes to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array, array_module
from .target import SIMULATED

LIMIT = 2**31  # int32 counts the elements of every array


def fits(*arrays: Array) -> bool:
    """Return whether kernels can read all of them: float32, on the GPU, int32 enough to count elements."""
    library = "numpy" if SIMULATED else "cupy"
    return all(
        array.dtype == np.float32 and array.size < LIMIT and array_module(array).__name__ == library
        for array in arrays
    )


def ready(*arrays: Array) -> tuple[Array, ...]:
    """Return the arrays, or copies, contiguous.

    Raises
    ------
    TypeError
        Where one does not fit: see `fits`.
    """
    for array in arrays:
        if not fits(array):
            where = "NumPy arrays, as this is the simulator" if SIMULATED else "CuPy arrays"
            raise TypeError(
                f"a CUDA kernel reads {where}, of float32 and fewer than 2**31 elements; "
                f"got {array.dtype}, {array_module(array).__name__}, shape {array.shape}"
            )
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
