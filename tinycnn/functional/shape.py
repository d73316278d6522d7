"""Operations that move numbers without changing them: each one's derivative moves the gradient back."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Function, Tensor, as_tensor, refuse_mixed_backends

from .dims import one_dim


class Reshape(Function):
    """y = x in another shape. dL/dx = g in x's shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.to_shape = shape

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x.reshape(self.to_shape)

    def backward(self, g: Tensor) -> Tensor:
        return reshape(g, self.from_shape)


class Permute(Function):
    """y = x with its dimensions in another order. dL/dx = g with them in the order before."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, g: Tensor) -> Tensor:
        return Permute(tuple(int(d) for d in np.argsort(self.dims)))(g)


class Index(Function):
    """y = x[key]. dL/dx = zeros, with g ADDED at key: a cell that was read twice collects both."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x[self.key]

    def backward(self, g: Tensor) -> Tensor:
        return IndexAdd(self.key, self.from_shape)(g)


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


class Concatenate(Function):
    """y = the inputs one after another along dim. dL/d(input) = its slice of g."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, *arrays: Array) -> Array:
        self.ends = np.cumsum([a.shape[self.dim] for a in arrays]).tolist()
        return array_module(arrays[0]).concatenate(arrays, axis=self.dim)

    def backward(self, g: Tensor) -> tuple[Tensor, ...]:
        before = (slice(None),) * self.dim
        starts = [0, *self.ends[:-1]]
        return tuple(g[(*before, slice(a, b))] for a, b in zip(starts, self.ends, strict=True))


class Pad(Function):
    """y = x with a constant around it. dL/dx = the inside of g."""

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float) -> None:
        self.widths, self.value = widths, value

    def forward(self, x: Array) -> Array:
        return array_module(x).pad(x, self.widths, constant_values=self.value)

    def backward(self, g: Tensor) -> Tensor:
        return g[tuple(slice(a, size - b) for (a, b), size in zip(self.widths, g.shape, strict=True))]


class Cast(Function):
    """y = x in another dtype. dL/dx = g in x's dtype."""

    def __init__(self, dtype: Any) -> None:
        self.to_dtype = dtype

    def forward(self, x: Array) -> Array:
        self.from_dtype = x.dtype
        return x.astype(self.to_dtype)

    def backward(self, g: Tensor) -> Tensor:
        return Cast(self.from_dtype)(g)


class Move(Function):
    """y = x in another backend. dL/dx = g in x's backend."""

    def __init__(self, backend: str) -> None:
        self.to_backend = backend

    def forward(self, x: Array) -> Array:
        self.from_backend = _backend.backend_of(x)
        return _backend.to_backend(x, self.to_backend)

    def backward(self, g: Tensor) -> Tensor:
        return Move(self.from_backend)(g)


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return `x` in another shape of as many elements; one size may be -1, "whatever is left".

    Raises
    ------
    ValueError
        Where the numbers of elements differ.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes = tuple(operator.index(size) for size in sizes)
    count = math.prod(x.shape)
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known and count % known == 0:
        sizes = tuple(count // known if size == -1 else size for size in sizes)
    if any(size < 0 for size in sizes) or math.prod(sizes) != count:
        raise ValueError(f"cannot reshape {x.shape}, {count} elements, to {sizes}")
    return x if sizes == x.shape else Reshape(sizes)(x)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return `x` with the dimensions from `start_dim` to `end_dim` (included) as one."""
    start, end = one_dim(start_dim, x.ndim), one_dim(end_dim, x.ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in {x.shape}")
    return reshape(x, *x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :])


def permute(x: Tensor, *dims: Any) -> Tensor:
    """Return `x` with its dimensions in the order `dims`.

    Raises
    ------
    ValueError
        Where `dims` does not name every dimension once.
    """
    order = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], Sequence) else dims
    order = tuple(one_dim(d, x.ndim) for d in order)
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"permute: {dims} does not name each of the {x.ndim} dimensions of {x.shape} once")
    return Permute(order)(x)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return `x` with two dimensions exchanged."""
    dims = list(range(x.ndim))
    a, b = one_dim(dim0, x.ndim), one_dim(dim1, x.ndim)
    dims[a], dims[b] = b, a
    return Permute(tuple(dims))(x)


def index(x: Tensor, key: Any) -> Tensor:
    """Return x[key], for integers, slices, None, ... and arrays of integers or booleans, as in NumPy."""

    def plain(k: Any) -> Any:
        if isinstance(k, np.generic) or not hasattr(k, "dtype"):
            return k
        k = as_tensor(k)
        refuse_mixed_backends("index", (x, k))
        return k.data.copy()  # whoever gave it may change it before backward

    return Index(tuple(plain(k) for k in key) if isinstance(key, tuple) else plain(key))(x)


def gather(x: Tensor, dim: int, index: Any) -> Tensor:
    """Return x's elements at `index` along `dim`: y[i, j] = x[index[i, j], j] for dim = 0 of two.

    Raises
    ------
    ValueError, TypeError, IndexError
        Where the index is no integer tensor of as many dimensions, or points outside.
    """
    index = as_tensor(index)
    refuse_mixed_backends("gather", (x, index))
    cells = index.data.copy()  # whoever gave it may change it before backward
    dim = one_dim(dim, x.ndim)
    if cells.dtype.kind not in "iu":
        raise TypeError(f"gather: the index must hold integers, got {cells.dtype}")
    others = [d for d in range(x.ndim) if d != dim]
    if cells.ndim != x.ndim or any(cells.shape[d] != x.shape[d] for d in others):
        raise ValueError(f"gather: index {cells.shape} must equal {x.shape} except in dimension {dim}")
    if cells.size and not (int(cells.min()) >= 0 and int(cells.max()) < x.shape[dim]):
        raise IndexError(
            f"gather: indices {int(cells.min())} to {int(cells.max())} in dimension {dim} of {x.shape}: "
            f"0 to {x.shape[dim] - 1} fit"
        )
    return Gather(dim, cells)(x)


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors one after another along `dim`; all other sizes must be equal.

    Raises
    ------
    ValueError
        Where there is none, or the sizes differ.
    """
    tensors = [as_tensor(x) for x in tensors]
    if not tensors:
        raise ValueError("concatenate needs at least one tensor")
    dim = one_dim(dim, tensors[0].ndim)
    rests = {x.shape[:dim] + x.shape[dim + 1 :] for x in tensors}
    if len(rests) > 1 or len({x.ndim for x in tensors}) > 1:
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise ValueError(f"concatenate: shapes must be equal except in dimension {dim}, got {shapes}")
    return Concatenate(dim)(*tensors)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return tensors of one shape as slices along a new dimension `dim`.

    Raises
    ------
    ValueError
        Where there is none, or the shapes differ.
    """
    tensors = [as_tensor(x) for x in tensors]
    if not tensors:
        raise ValueError("stack needs at least one tensor")
    if len({x.shape for x in tensors}) > 1:
        raise ValueError(f"stack: shapes must be equal, got {', '.join(str(x.shape) for x in tensors)}")
    shape = tensors[0].shape
    dim = one_dim(dim, len(shape) + 1)
    return concatenate([reshape(x, *shape[:dim], 1, *shape[dim:]) for x in tensors], dim)


def pad(x: Tensor, widths: Sequence[int], value: float = 0.0) -> Tensor:
    """Return `x` with `value` around it; `widths` as PyTorch's: (left, right, top, bottom, ...).

    Pairs start from the last dimension.

    Raises
    ------
    ValueError
        Where a width is negative, or they are not pairs for at most all dimensions.
    """
    if len(widths) % 2 or len(widths) > 2 * x.ndim or any(w < 0 for w in widths):
        raise ValueError(f"pad: {tuple(widths)} must be pairs of widths >= 0 for at most {x.ndim} dimensions")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
    full = [(0, 0)] * (x.ndim - len(pairs)) + pairs[::-1]
    return Pad(tuple(full), value)(x)


def to(x: Tensor, target: Any) -> Tensor:
    """Return `x` in another backend ("numpy", "cupy") or dtype; the gradient comes back the same way.

    Raises
    ------
    TypeError
        Where `target` is neither.
    """
    if target in _backend.BACKENDS:
        return x if x.backend == target else Move(target)(x)
    try:
        dtype = np.dtype(target)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "fiub":
        backends = ", ".join(map(repr, _backend.BACKENDS))
        raise TypeError(f"to() takes a backend ({backends}) or a dtype of real numbers, got {target!r}")
    return x if x.dtype == dtype else Cast(dtype)(x)
