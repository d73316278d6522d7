"""The same numbers in another dtype or backend. g stands for dL/dy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, plain

from .cards import Example, Rng, operation
from .examples import normal, sizes, unary
from .shape import shape_of


class Cast(Function):
    """y = x in another dtype. dL/dx = g in x's dtype."""

    def __init__(self, dtype: Any) -> None:
        self.to_dtype = dtype

    def forward(self, x: Array) -> Array:
        self.from_dtype = x.dtype
        return x.astype(self.to_dtype)

    def backward(self, g: Tensor) -> Tensor:
        return Cast(self.from_dtype)(g)


class Clone(Function):
    """y = a copy of x. dL/dx = g."""

    def forward(self, x: Array) -> Array:
        return x.copy()

    def backward(self, g: Tensor) -> Tensor:
        return g


@operation(Clone, example=unary(), method=True)
def clone(x: Tensor) -> Tensor:
    """Return a copy of x that gradients flow through; they do not flow through `Tensor.detach`."""
    return Clone()(x)


class Move(Function):
    """y = x in another backend. dL/dx = g in x's backend."""

    def __init__(self, backend: str) -> None:
        self.to_backend = backend

    def forward(self, x: Array) -> Array:
        self.from_backend = _backend.backend_of(x)
        return _backend.to_backend(x, self.to_backend)

    def backward(self, g: Tensor) -> Tensor:
        return Move(self.from_backend)(g)


def _there_and_back(f: Callable[..., Tensor], rng: Rng) -> Example:
    return Example(lambda x: f(f(f(x, "numpy"), "float64") * 1, "float64"), [normal(rng, *sizes(rng))])


@operation(Move, example=_there_and_back, method=True)
def to(x: Tensor, target: Any) -> Tensor:
    """Return `x` in another backend ("numpy", "cupy") or dtype; the gradient comes back the same way.

    PyTorch's names of the devices, "cpu" and "cuda", stand for these backends.

    Raises
    ------
    TypeError
        If `target` is neither.
    """
    shape_of("to", x)
    target = _backend.PYTORCHS.get(target, target) if isinstance(target, str) else target
    if target in _backend.BACKENDS:
        return x if _backend.backend_of(plain(x)) == target else Move(target)(x)
    try:
        dtype = np.dtype(target)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "fiub":
        raise TypeError(f"to() takes {_backend.LISTED}, or a dtype of real numbers, got {target!r}")
    return x if x.dtype == dtype else Cast(dtype)(x)


def floating(x: Tensor) -> Tensor:
    """Return `x`; integers become float32, for operations that subtract or average."""
    return x if x.dtype.kind == "f" else to(x, "float32")
