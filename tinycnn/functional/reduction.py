"""Sums and means. g stands for dL/dy."""

import math

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor

from .cards import operation
from .examples import over_dims
from .shape import BroadcastTo, Dims, Reshape, many_dims, shape_of


def kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with size 1 in every dimension that was reduced."""
    return tuple(1 if d in dims else size for d, size in enumerate(shape))


def some_dims(name: str, x: Tensor, dim: Dims) -> tuple[int, ...]:
    """Return the dimensions to reduce, counted from the front; none without an element."""
    shape = shape_of(name, x)
    dims = many_dims(dim, len(shape))
    if math.prod(shape[d] for d in dims) == 0:
        raise ValueError(
            f"{name} of no elements: {shape} over the dimensions {dims}. PyTorch's {name} is nan here, or an "
            "error too; leave an empty batch out"
        )
    return dims


def _spread(g: Tensor, dims: tuple[int, ...], shape: tuple[int, ...]) -> Tensor:
    """Repeat the gradient of a reduction over `dims` to the shape that was reduced."""
    return BroadcastTo(shape)(Reshape(kept(shape, dims))(g))


class Sum(Function):
    """y = sum_i x_i over dims. dL/dx_i = g."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool) -> None:
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x.sum(axis=self.dims, keepdims=self.keepdim)

    def backward(self, g: Tensor) -> Tensor:
        return _spread(g, self.dims, self.from_shape)


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
        count = math.prod(self.from_shape[d] for d in self.dims)
        return _spread(g / count, self.dims, self.from_shape)


@operation(Mean, example=over_dims, method=True)
def mean(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the mean over `dim`.

    Raises
    ------
    ValueError
        For a mean of no elements.
    """
    return Mean(some_dims("mean", x, dim), keepdim)(x)
