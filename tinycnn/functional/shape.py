"""Operations that move numbers without changing them: each one's derivative moves the gradient back."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, plain

from .dims import one_dim, shape_of


class Reshape(Function):
    """y = x in another shape. dL/dx = g in x's shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.to_shape = shape

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x.reshape(self.to_shape)

    def backward(self, g: Tensor) -> Tensor:
        return reshape(g, self.from_shape)


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return `x` in another shape of as many elements; one size may be -1, "whatever is left".

    Raises
    ------
    ValueError
        If the numbers of elements differ.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes = tuple(operator.index(size) for size in sizes)
    given = shape_of("reshape", x)
    count = math.prod(given)
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known and count % known == 0:
        sizes = tuple(count // known if size == -1 else size for size in sizes)
    if any(size < 0 for size in sizes) or math.prod(sizes) != count:
        raise ValueError(f"cannot reshape {given}, {count} elements, to {sizes}")
    return x if sizes == given else Reshape(sizes)(x)


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return `x` with the dimensions from `start_dim` to `end_dim` (included) as one."""
    shape = shape_of("flatten", x)
    start, end = one_dim(start_dim, len(shape)), one_dim(end_dim, len(shape))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in {shape}")
    return reshape(x, *shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])


class Permute(Function):
    """y = x with its dimensions in another order. dL/dx = g with them in the order before."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, g: Tensor) -> Tensor:
        return Permute(tuple(int(d) for d in np.argsort(self.dims)))(g)


def permute(x: Tensor, *dims: Any) -> Tensor:
    """Return `x` with its dimensions in the order `dims`.

    Raises
    ------
    ValueError
        If `dims` does not name every dimension once.
    """
    order = tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], Sequence) else dims
    ndim = len(shape_of("permute", x))
    order = tuple(one_dim(d, ndim) for d in order)
    if sorted(order) != list(range(ndim)):
        raise ValueError(f"permute: {dims} does not name each of the {ndim} dimensions of {x.shape} once")
    return Permute(order)(x)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return `x` with two dimensions exchanged."""
    dims = list(range(len(shape_of("transpose", x))))
    a, b = one_dim(dim0, len(dims)), one_dim(dim1, len(dims))
    dims[a], dims[b] = b, a
    return Permute(tuple(dims))(x)


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


def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors one after another along `dim`; all other sizes must be equal.

    Raises
    ------
    ValueError
        If there is none, or the sizes differ.
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("concatenate needs at least one tensor")
    dim = one_dim(dim, len(shape_of("concatenate", *tensors)))
    rests = {(*x.shape[:dim], None, *x.shape[dim + 1 :]) for x in tensors}
    if len(rests) > 1:
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise ValueError(f"concatenate: shapes must be equal except in dimension {dim}, got {shapes}")
    return Concatenate(dim)(*tensors)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return tensors of one shape as slices along a new dimension `dim`.

    Raises
    ------
    ValueError
        If there is none, or the shapes differ.
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack needs at least one tensor")
    shape = shape_of("stack", *tensors)
    if len({x.shape for x in tensors}) > 1:
        raise ValueError(f"stack: shapes must be equal, got {', '.join(str(x.shape) for x in tensors)}")
    dim = one_dim(dim, len(shape) + 1)
    return concatenate([reshape(x, *shape[:dim], 1, *shape[dim:]) for x in tensors], dim)


class Pad(Function):
    """y = x with a constant around it. dL/dx = the inside of g."""

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float) -> None:
        self.widths, self.value = widths, value

    def forward(self, x: Array) -> Array:
        return array_module(x).pad(x, self.widths, constant_values=self.value)

    def backward(self, g: Tensor) -> Tensor:
        return g[tuple(slice(a, size - b) for (a, b), size in zip(self.widths, g.shape, strict=True))]


def pad(x: Tensor, widths: Sequence[int], value: float = 0.0) -> Tensor:
    """Return `x` with `value` around it; `widths` as PyTorch's: (left, right, top, bottom, ...).

    Pairs start from the last dimension.

    Raises
    ------
    ValueError
        If a width is negative, or they are not pairs for at most all dimensions.
    """
    ndim = len(shape_of("pad", x))
    if len(widths) % 2 or len(widths) > 2 * ndim or any(w < 0 for w in widths):
        raise ValueError(f"pad: {tuple(widths)} must be pairs of widths >= 0 for at most {ndim} dimensions")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
    full = [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]
    return Pad(tuple(full), value)(x)


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


def to(x: Tensor, target: Any) -> Tensor:
    """Return `x` in another backend ("numpy", "cupy") or dtype; the gradient comes back the same way.

    Raises
    ------
    TypeError
        If `target` is neither.
    """
    shape_of("to", x)
    if target in _backend.BACKENDS:
        return x if _backend.backend_of(plain(x)) == target else Move(target)(x)
    try:
        dtype = np.dtype(target)
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "fiub":
        backends = ", ".join(map(repr, _backend.BACKENDS))
        raise TypeError(f"to() takes a backend ({backends}) or a dtype of real numbers, got {target!r}")
    return x if x.dtype == dtype else Cast(dtype)(x)


def floating(x: Tensor) -> Tensor:
    """Return `x`, integers as float32: for operations that subtract or average."""
    return x if x.dtype.kind == "f" else to(x, "float32")
