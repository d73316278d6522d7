"""From what a user gives to an array that a tensor can hold."""

from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.kernels.arrays import Array


def new_array(data: Any, dtype: Any = None, backend: str | None = None) -> Array:
    """Return `data` as an array of `dtype` in `backend`; see `tinycnn.Tensor`.

    Raises
    ------
    TypeError
        For data that are not real numbers or booleans.
    """
    if isinstance(data, list | tuple) and any(hasattr(x, "creator") for x in data):
        raise TypeError(
            "a list of tensors is no tensor: use stack() or concatenate(), which gradients follow"
        )
    if not is_array(data):
        given = np.asarray(data)
        if given.dtype.kind == "f" and not hasattr(data, "dtype"):
            given = given.astype(np.float32)
        data = given
    if data.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds real numbers or booleans, not {data.dtype}: {data!r:.60}")
    if backend is None:
        backend = _backend.current() if isinstance(data, np.ndarray) else _backend.backend_of(data)
    array = _backend.to_backend(data, backend)
    return array if dtype is None else array.astype(dtype, copy=False)


def is_array(value: Any) -> bool:
    """Return whether `value` is an array of NumPy or CuPy."""
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def as_array(value: Any) -> Array:
    """Return `value` as an array: NumPy's operations on arrays without dimensions return numbers."""
    return value if is_array(value) else np.asarray(value)
