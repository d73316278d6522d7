"""Which array library an array belongs to."""

from types import ModuleType
from typing import Any

import numpy as np

# A NumPy or a CuPy array. CuPy need not be installed, so the type cannot be written down.
Array = Any


def ready(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """Return `array`, or a copy, as the one kind that compiled kernels are for.

    That is: contiguous, writable, aligned, in the byte order of this machine, and of `dtype` if it is given.
    Numba would compile everything again for read-only arrays. It refuses foreign byte orders, or even reads
    them as if they were its own: having met an array that is not aligned, it does not look at the order.
    """
    dtype = array.dtype if dtype is None else dtype
    if array.flags.carray and array.dtype == dtype and dtype.isnative:
        return array
    return np.require(array, dtype.newbyteorder("="), ["C", "W", "A"])


def array_module(array: Array) -> ModuleType:
    """Return the library, ``numpy`` or ``cupy``, that `array` belongs to.

    Raises
    ------
    TypeError
        For anything that is not an array of one of the two.
    """
    if type(array) is np.ndarray:
        return np
    if type(array).__module__.partition(".")[0] == "cupy":
        import cupy

        return cupy
    if isinstance(array, np.ndarray | np.generic):
        return np
    raise TypeError(f"expected a NumPy or a CuPy array, got {type(array).__qualname__}")
