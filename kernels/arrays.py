"""Which array library an array belongs to."""

from types import ModuleType
from typing import Any

import numpy as np

# A NumPy or a CuPy array. CuPy need not be installed, so the type cannot be written down.
Array = Any


def ready(array: np.ndarray, dtype: Any = None) -> np.ndarray:
    """Return `array`, or a copy, contiguous, writable and of `dtype`: the one kind a compiled kernel is for.

    Read-only arrays are another type to Numba, for which it would compile everything again.
    """
    flags = array.flags
    if flags.c_contiguous and flags.writeable and (dtype is None or array.dtype == dtype):
        return array
    return np.require(array, dtype, ["C", "W"])


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
