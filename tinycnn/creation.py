"""New tensors: constants and random numbers, in the current backend."""

from typing import Any

from tinycnn import backend as _backend
from tinycnn.tensor import Tensor


def zeros(*shape: int, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros."""
    xp = _backend.library(_backend.current())
    return Tensor(xp.zeros(shape, dtype), requires_grad=requires_grad)


def ones(*shape: int, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones."""
    xp = _backend.library(_backend.current())
    return Tensor(xp.ones(shape, dtype), requires_grad=requires_grad)


def rand(*shape: int, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of uniform random numbers in [0, 1); `tinycnn.manual_seed` seeds them."""
    return Tensor(_backend.generator().random(shape, dtype=dtype), requires_grad=requires_grad)


def randn(*shape: int, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of normal random numbers, mean 0 and variance 1; `tinycnn.manual_seed` seeds them."""
    return Tensor(_backend.generator().standard_normal(shape, dtype=dtype), requires_grad=requires_grad)
