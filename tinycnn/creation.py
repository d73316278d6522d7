"""New tensors: constants and random numbers, in the current backend."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

from tinycnn import backend as _backend
from tinycnn import gpu
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor


def zeros(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros."""
    return _made(_backend.library(_backend.current()).zeros, shape, dtype, requires_grad)


def ones(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones."""
    return _made(_backend.library(_backend.current()).ones, shape, dtype, requires_grad)


def rand(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of uniform random numbers in [0, 1); `tinycnn.manual_seed` seeds them."""
    return _made(_backend.generator().random, shape, dtype, requires_grad)


def randn(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> Tensor:
    """Return a tensor of normal random numbers, mean 0 and variance 1; `tinycnn.manual_seed` seeds them."""
    return _made(_backend.generator().standard_normal, shape, dtype, requires_grad)


def _made(make: Callable[..., Array], shape: tuple[Any, ...], dtype: Any, requires_grad: bool) -> Tensor:
    sizes = _sizes(shape)
    with gpu.saying(f"a new tensor {sizes}"):
        return Tensor(make(sizes, dtype=dtype), requires_grad=requires_grad)


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the sizes of ``zeros(2, 3)`` and of ``zeros((2, 3))``.

    Raises
    ------
    TypeError, ValueError
        If they are no integers, or negative.
    """
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes = tuple(operator.index(size) for size in given)
    if any(size < 0 for size in sizes):
        raise ValueError(f"no size may be negative, got {sizes}")
    return sizes
