"""Which array library an array belongs to."""

from types import ModuleType
from typing import Any

import numpy as np

# A NumPy or a CuPy array. CuPy need not be installed, so the type cannot be written down.
Array = Any


def ready(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """Return `array` in the one form that compiled kernels accept, as a copy if it has another.

    That is: contiguous, writable, aligned, in the byte order of this machine, and of `dtype` if it is given.
    For a read-only array, Numba would compile everything again. An array in another byte order it refuses;
    if it has met an array that is not aligned, it even reads the bytes in the wrong order.
    """
    dtype = array.dtype if dtype is None else dtype
    if array.flags.carray and array.dtype == dtype and dtype.isnative:
        return array
    return np.require(array, dtype.newbyteorder("="), ["C", "W", "A"])


def array_module(array: Array) -> ModuleType:
    """Return the library, ``numpy`` or ``cupy``, that `array` belongs to; raise TypeError otherwise."""
    if type(array) is np.ndarray:
        return np
    if type(array).__module__.partition(".")[0] == "cupy":
        import cupy

        return cupy
    if isinstance(array, np.ndarray | np.generic):
        return np
    raise TypeError(f"expected a NumPy or a CuPy array, got {type(array).__qualname__}")
