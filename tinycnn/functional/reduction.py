"""Sums and means. g stands for dL/dy."""

import math

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from . import wrong
from .cards import operation
from .examples import over_dims
from .shape import Dims, many_dims, shape_of


def kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with size 1 in every dimension that was reduced."""
    return tuple(1 if d in dims else size for d, size in enumerate(shape))


def some_dims(name: str, x: Tensor, dim: Dims) -> tuple[int, ...]:
    """Return the dimensions to reduce, counted from the front; none without an element."""
    shape = shape_of(name, x)
    dims = many_dims(dim, len(shape))
    if math.prod(shape[d] for d in dims) == 0:
        raise wrong.no_elements(name, shape, dims)
    return dims


class Sum(Function):
    """y = sum_i x_i over dims. dL/dx_i = g."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool) -> None:
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x.sum(axis=self.dims, keepdims=self.keepdim)

    def backward(self, g: Tensor) -> Tensor:
        return Spread(self.dims, self.keepdim, self.from_shape, 1)(g)


@operation(Sum, example=over_dims, method=True)
def sum(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the sum over `dim`, one, several or (None) all."""
    return Sum(many_dims(dim, len(shape_of("sum", x))), keepdim)(x)


class Mean(Function):
    """y = (1/M) sum_i x_i over the M elements of dims. dL/dx_i = g / M."""

    floats = True

    def __init__(self, dims: tuple[int, ...], keepdim: bool) -> None:
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x.mean(axis=self.dims, keepdims=self.keepdim)

    def backward(self, g: Tensor) -> Tensor:
        M = math.prod(self.from_shape[d] for d in self.dims)
        return Spread(self.dims, self.keepdim, self.from_shape, M)(g)


@operation(Mean, example=over_dims, method=True)
def mean(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the mean over `dim`; raise ValueError for a mean of no elements."""
    return Mean(some_dims("mean", x, dim), keepdim)(x)


class Spread(Function):
    """y = x / M, repeated over dims: the adjoint of `Sum` (M = 1) and of `Mean`. dL/dx = (1/M) sum_i g_i."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool, shape: tuple[int, ...], M: int) -> None:
        self.dims, self.keepdim, self.to_shape, self.M = dims, keepdim, shape, M

    def forward(self, x: Array) -> Array:
        one_of_each = (x / self.M).reshape(kept(self.to_shape, self.dims))
        return array_module(x).broadcast_to(one_of_each, self.to_shape)

    def backward(self, g: Tensor) -> Tensor:
        reduction = Sum if self.M == 1 else Mean
        return reduction(self.dims, self.keepdim)(g)


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of the losses, or all of them."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
