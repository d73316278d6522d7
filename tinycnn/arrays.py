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
    if is_array(data):
        data = ordinary(data)
    else:
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


def ordinary(array: Array) -> Array:
    """Return an array as one of NumPy's or CuPy's own class, in the byte order of this machine.

    A subclass has rules of its own: `numpy.matrix` multiplies as matrices do.

    Raises
    ------
    TypeError
        For a masked array: what is masked would count.
    """
    if isinstance(array, np.ndarray) and type(array) is not np.ndarray:
        if hasattr(array, "mask"):
            raise TypeError(
                f"a masked array of shape {array.shape}: a tensor has no mask, what is hidden would count; "
                "fill it first, as in array.filled(0)"
            )
        array = np.asarray(array)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def is_array(value: Any) -> bool:
    """Return whether `value` is an array of NumPy or CuPy."""
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def as_array(value: Any) -> Array:
    """Return `value` as an array: NumPy's operations on arrays without dimensions return numbers."""
    return value if is_array(value) else np.asarray(value)
