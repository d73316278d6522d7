"""What every rung asks of its arrays, and the result that it writes to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..arrays import Array, array_module
from .target import SIMULATED

LIMIT = 2**31  # int32 counts the elements of every array
ON_GPU = "__cuda_array_interface__"  # what has this can say where in the GPU's memory it lies


def fits(*arrays: Array | None) -> bool:
    """Return whether kernels can read all that are not None: float32, on the GPU, int32 enough to count.

    What only calls itself CuPy's array has no address that a kernel could read.
    """
    for array in arrays:
        if array is None:
            continue
        there = isinstance(array, np.ndarray) if SIMULATED else hasattr(type(array), ON_GPU)
        if not there or array.dtype.char != "f" or array.size >= LIMIT:
            return False
    return True


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
    return tuple(
        array if array.flags.c_contiguous else array_module(array).ascontiguousarray(array)
        for array in arrays
    )


def result(like: Array, shape: Sequence[int]) -> Array:
    """Return an array of `shape` to write to, where `like` lives.

    Raises
    ------
    ValueError
        If a kernel cannot count its elements: `too_large`.
    """
    if too_large(shape):
        raise ValueError(
            f"a CUDA kernel writes arrays of fewer than 2**31 elements, not one of {tuple(shape)}; "
            "im2col has no such limit"
        )
    return array_module(like).empty(shape, np.float32)


def too_large(*shapes: Sequence[int]) -> bool:
    """Return whether one array of these shapes has more elements than int32 counts."""
    return any(math.prod(shape) >= LIMIT for shape in shapes)


def finish(y: Array, bias: Array | None, relu: bool) -> None:
    """Add one number a channel to y (N, K, OH, OW), and apply ReLU: each in a pass of its own over y."""
    if bias is not None:
        y += bias[:, None, None]
    if relu:
        array_module(y).maximum(y, 0, out=y)
