"""The shape of a tensor, its dimensions, and operations that change no number. g stands for dL/dy."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor

from . import wrong
from .cards import operation
from .examples import in_any_order, normal, sizes, to_two_dims, unary, with_options

Dims = int | Sequence[int] | None


def shape_of(name: str, *inputs: Any) -> tuple[int, ...]:
    """Return the shape of the first input of the operation `name`; refuse lists. Further ones may be None."""
    for x in inputs:
        if not hasattr(x, "dtype") and x is not None:
            raise wrong.no_tensors(name, inputs)
    return inputs[0].shape


def images(name: str, x: Tensor, C: int | None = None) -> tuple[int, ...]:
    """Return the shape of images (N, C, H, W); refuse other shapes, and (N, H, W, C) if C says so."""
    shape = shape_of(name, x)
    if len(shape) != 4 or (shape[1] != C == shape[3]):
        raise wrong.images(name, shape, C)
    return shape


def one_dim(dim: int, ndim: int) -> int:
    """Return `dim` counted from the front; raise IndexError if it is none of the `ndim` dimensions."""
    try:
        index = operator.index(dim)
    except TypeError:
        raise TypeError(f"dim must be an integer, got {dim!r}") from None
    if not -ndim <= index < ndim:
        raise IndexError(f"dim {dim} is out of range for {ndim} dimensions: -{ndim} to {ndim - 1} fit")
    return index % ndim


def many_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """Return `dim`, one or several, counted from the front; None stands for all of them."""
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(one_dim(d, ndim) for d in (dim if isinstance(dim, Sequence) else [dim]))
    if len(set(dims)) != len(dims):
        raise ValueError(f"dim {dim} names a dimension twice")
    return dims


class Reshape(Function):
    """y = x in another shape. dL/dx = g in x's shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.to_shape = shape

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x.reshape(self.to_shape)

    def backward(self, g: Tensor) -> Tensor:
        return Reshape(self.from_shape)(g)


@operation(Reshape, example=to_two_dims, method=True)
def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return `x` in another shape of as many elements; one size may be -1, "whatever is left".

    Raises
    ------
    ValueError
        If the numbers of elements differ.
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
    sizes = tuple(map(operator.index, sizes))
    given = shape_of("reshape", x)
    count = math.prod(given)
    if sizes.count(-1) == 1:
        known = -math.prod(sizes)
        if known and count % known == 0:
            sizes = tuple([count // known if size == -1 else size for size in sizes])
    if (sizes and min(sizes) < 0) or math.prod(sizes) != count:
        raise ValueError(f"cannot reshape {given}, {count} elements, to {sizes}")
    return x if sizes == given else Reshape(sizes)(x)


@operation(Reshape, example=unary(), method=True)
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Return `x` with the dimensions from `start_dim` to `end_dim` (included) as one."""
    shape = shape_of("flatten", x)
    start, end = one_dim(start_dim, len(shape)), one_dim(end_dim, len(shape))
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} in {shape}")
    if start == end:
        return x
    return Reshape((*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))(x)


class Permute(Function):
    """y = x with its dimensions in another order. dL/dx = g with them in the order before."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, g: Tensor) -> Tensor:
        return Permute(tuple(int(d) for d in np.argsort(self.dims)))(g)


@operation(Permute, example=in_any_order, method=True)
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


@operation(
    Permute,
    example=lambda f, rng: with_options(f, normal(rng, *sizes(rng, 2)), 0, -1),
    method=True,
)
def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return `x` with two dimensions exchanged."""
    dims = list(range(len(shape_of("transpose", x))))
    a, b = one_dim(dim0, len(dims)), one_dim(dim1, len(dims))
    dims[a], dims[b] = b, a
    return Permute(tuple(dims))(x)
