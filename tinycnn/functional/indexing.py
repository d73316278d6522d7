"""Read some of the elements; the adjoint adds to them. g stands for dL/dy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, as_tensor, plain
from tinycnn.wrong import refuse_mixed_backends

from .cards import Example, Rng, operation
from .examples import beside, normal
from .shape import one_dim, shape_of


class Index(Function):
    """y = x[key]. dL/dx = zeros, with g ADDED at key: a cell that was read twice collects both."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x[self.key]

    def backward(self, g: Tensor) -> Tensor:
        return IndexAdd(self.key, self.from_shape)(g)


def _any_key(f: Callable[..., Tensor], rng: Rng) -> Example:
    rows, columns = rng.integers(0, 4, 6), rng.integers(-3, 3, 6)
    keys: list[Any] = [
        (slice(None, None, 2), 1),
        (..., slice(3, 0, -1)),
        (None, -1),
        rows,
        (rows, columns),
        (slice(1, 3), slice(None), rng.integers(0, 5, (2, 2))),
        rng.random((4, 3)) < 0.5,
    ]
    key = keys[int(rng.integers(len(keys)))]

    def indexed(x: Tensor) -> Tensor:
        def here(k: Any) -> Any:
            return beside(x, k) if isinstance(k, np.ndarray) else k

        return f(x, tuple(map(here, key)) if isinstance(key, tuple) else here(key))

    return Example(indexed, [normal(rng, 4, 3, 5)])


@operation(Index, example=_any_key)
def index(x: Tensor, key: Any) -> Tensor:
    """Return x[key], for integers, slices, None, ... and lists or arrays of integers or booleans."""
    shape_of("index", x)

    def copied(k: Any) -> Any:
        if isinstance(k, list):
            return array_module(plain(x)).asarray(np.array(k) if k else np.zeros(0, np.int64))
        if isinstance(k, np.generic) or not hasattr(k, "dtype"):
            return k
        if isinstance(x, Tensor):
            refuse_mixed_backends("index", (x, as_tensor(k)))
        return plain(k).copy()

    # Copies: whoever gave the key may change it before backward.
    return Index(tuple(map(copied, key)) if isinstance(key, tuple) else copied(key))(x)


class IndexAdd(Function):
    """y = zeros, with x added at key: `Index`'s adjoint. dL/dx = g[key]."""

    def __init__(self, key: Any, shape: tuple[int, ...]) -> None:
        self.key, self.to_shape = key, shape

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        y = xp.zeros(self.to_shape, x.dtype)
        xp.add.at(y, self.key, x)
        return y

    def backward(self, g: Tensor) -> Tensor:
        return Index(self.key)(g)


class Gather(Function):
    """y[..., i, ...] = x[..., index[..., i, ...], ...] along dim. dL/dx = zeros, with g added at index."""

    def __init__(self, dim: int, index: Array) -> None:
        self.dim, self.index = dim, index

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return array_module(x).take_along_axis(x, self.index, axis=self.dim)

    def backward(self, g: Tensor) -> Tensor:
        return ScatterAdd(self.dim, self.index, self.from_shape)(g)


def _some_of_each(f: Callable[..., Tensor], rng: Rng) -> Example:
    dim = int(rng.integers(2))
    index = rng.integers(0, 3, (5, 3) if dim == 0 else (3, 5))
    return Example(lambda x: f(x, dim, beside(x, index)), [normal(rng, 3, 3)])


@operation(Gather, example=_some_of_each)
def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """Return x's elements at `index` along `dim`: y[i, j] = x[index[i, j], j] for dim = 0 of two.

    Raises
    ------
    ValueError, TypeError, IndexError
        If the index does not hold integers, has other dimensions than x, or points outside of x.
    """
    shape = shape_of("gather", x)
    if isinstance(x, Tensor):
        refuse_mixed_backends("gather", (x, index := as_tensor(index)))
    cells = np.array(index) if isinstance(index, list) else plain(index).copy()  # the caller may change it
    dim = one_dim(dim, len(shape))
    if cells.dtype.kind not in "iu":
        raise TypeError(f"gather: the index must hold integers, got {cells.dtype}")
    others = [d for d in range(len(shape)) if d != dim]
    if cells.ndim != len(shape) or any(cells.shape[d] != shape[d] for d in others):
        raise ValueError(f"gather: index {cells.shape} must equal {shape} except in dimension {dim}")
    if cells.size and not (int(cells.min()) >= 0 and int(cells.max()) < shape[dim]):
        raise IndexError(
            f"gather: indices {int(cells.min())} to {int(cells.max())} in dimension {dim} of {shape}: "
            f"0 to {shape[dim] - 1} fit"
        )
    return Gather(dim, cells)(x)


class ScatterAdd(Function):
    """y = zeros, with x added at index along dim: `Gather`'s adjoint. dL/dx = g gathered at index."""

    def __init__(self, dim: int, index: Array, shape: tuple[int, ...]) -> None:
        self.dim, self.index, self.to_shape = dim, index, shape

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        y = xp.zeros(self.to_shape, x.dtype)
        key = list(xp.ogrid[tuple(slice(size) for size in self.index.shape)])
        key[self.dim] = self.index
        xp.add.at(y, tuple(key), x)
        return y

    def backward(self, g: Tensor) -> Tensor:
        return Gather(self.dim, self.index)(g)
