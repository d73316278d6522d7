"""Tensors, arrays of any backend and lists as NumPy arrays: for what is read on the CPU, as labels are."""

from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.tensor import Tensor


def as_numpy(value: Any) -> np.ndarray:
    """Return `value` as a NumPy array: its own if it lives in NumPy, a copy if it lives on a GPU."""
    if isinstance(value, Tensor):
        return value.numpy()
    if type(value).__module__.partition(".")[0] == "cupy":
        return _backend.to_backend(value, "numpy")
    return np.asarray(value)
