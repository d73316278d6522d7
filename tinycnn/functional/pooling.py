"""Pooling (Eq. 2): one statistic of each window. g stands for dL/dy.

Max and min are a gather: they read one cell of each window. The adjoint is a scatter: g goes back to that
cell, and adds up if windows share a winner. Sum and mean read all cells, so g goes to all of them.
"""

from typing import Any

from tinycnn.autograd import Function
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.kernels.geometry import Geometry, pair, pool2d_geometry
from tinycnn.tensor import Tensor, plain

from .cards import operation
from .convolution import Windowed
from .examples import pictures, pooling, upsampling
from .reduction import mean
from .shape import flatten, images, reshape
from .statistics import max


class ExtremePool2d(Function):
    """y = the maximum (minimum) of each window (Eq. 2). dL/dx = g at the winners: the first of equal ones."""

    keeps = "index"

    def __init__(self, geometry: Geometry, largest: bool) -> None:
        self.geometry, self.largest = geometry, largest

    def forward(self, x: Array) -> Array:
        kernels = kernels_for(x)
        y, self.index = (kernels.max_pool2d if self.largest else kernels.min_pool2d)(x, self.geometry)
        return y

    def backward(self, g: Tensor, index: Array) -> Tensor:
        return PoolScatter(index, self.geometry)(g)


@operation(ExtremePool2d, example=pooling(), equation=2)
def max_pool2d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Tensor:
    """Maximum of each window (Eq. 2): (N, C, H, W) -> (N, C, OH, OW).

    Parameters
    ----------
    x
        (N, C, H, W).
    kernel_size, stride, padding, dilation
        An int or (height, width). The stride is the kernel's size by default; padding never wins, and is at
        most half the window, which is the kernel with its dilation.

    Raises
    ------
    TypeError, ValueError
        With every size involved and what would fit.
    """
    geometry = pool2d_geometry(images("max_pool2d", x), kernel_size, stride, padding, dilation)
    return ExtremePool2d(geometry, largest=True)(x)


@operation(ExtremePool2d, example=pooling(), equation=2)
def min_pool2d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Tensor:
    """Minimum of each window; see `max_pool2d`."""
    geometry = pool2d_geometry(images("min_pool2d", x), kernel_size, stride, padding, dilation)
    return ExtremePool2d(geometry, largest=False)(x)


@operation(example=pictures, equation=2)
def global_max_pool2d(x: Tensor) -> Tensor:
    """Maximum of each channel: (N, C, H, W) -> (N, C, 1, 1); the first of equal ones takes the gradient."""
    _some_cells("global_max_pool2d", x)
    return reshape(max(flatten(x, 2), 2), *x.shape[:2], 1, 1)


class PoolGather(Function):
    """y = x at one cell of each window. dL/dx = g added at these cells."""

    def __init__(self, index: Array, geometry: Geometry) -> None:
        self.index, self.geometry = index, geometry

    def forward(self, x: Array) -> Array:
        return kernels_for(x).pool_gather(x, self.index)

    def backward(self, g: Tensor) -> Tensor:
        return PoolScatter(self.index, self.geometry)(g)


class PoolScatter(Function):
    """y = zeros with x added at one cell of each window: `PoolGather`'s adjoint. dL/dx = g at these cells."""

    def __init__(self, index: Array, geometry: Geometry) -> None:
        self.index, self.geometry = index, geometry

    def forward(self, x: Array) -> Array:
        return kernels_for(x).pool_scatter(x, self.index, self.geometry)

    def backward(self, g: Tensor) -> Tensor:
        return PoolGather(self.index, self.geometry)(g)


class SumPool2d(Windowed):
    """y = the sum of each window. dL/dx = g, added to every cell of its window."""

    floats = True

    def forward(self, x: Array) -> Array:
        return kernels_for(x).sum_pool2d(x, self.geometry)

    def backward(self, g: Tensor) -> Tensor:
        return SumPool2dInput(self.geometry)(g)


@operation(SumPool2d, example=pooling(), equation=2)
def sum_pool2d(x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Tensor:
    """Sum of each window, padding counting as 0; arguments as `max_pool2d`."""
    return SumPool2d(pool2d_geometry(images("sum_pool2d", x), kernel_size, stride, padding))(x)


@operation(SumPool2d, example=pooling(count_include_pad=[True, False]), equation=2)
def avg_pool2d(
    x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, count_include_pad: bool = True
) -> Tensor:
    """Mean of each window; arguments as `max_pool2d`.

    With `count_include_pad` the sum is divided by KH*KW everywhere, else by the number of cells inside.
    """
    geometry = pool2d_geometry(images("avg_pool2d", x), kernel_size, stride, padding)
    total = SumPool2d(geometry)(x)
    if count_include_pad:
        return total / (geometry.KH * geometry.KW)
    ones = array_module(plain(x)).ones((1, 1, *x.shape[2:]), total.dtype)
    return total / SumPool2d(geometry._replace(N=1, C=1, K=1, G=1))(ones)


@operation(example=pictures, equation=2)
def global_avg_pool2d(x: Tensor) -> Tensor:
    """Mean of each channel: (N, C, H, W) -> (N, C, 1, 1)."""
    _some_cells("global_avg_pool2d", x)
    return mean(x, (2, 3), keepdim=True)


class SumPool2dInput(Windowed):
    """y = zeros with x added to every cell of its window: `SumPool2d`'s adjoint. dL/dx = g's window sums."""

    def forward(self, x: Array) -> Array:
        return kernels_for(x).sum_pool2d_input(x, self.geometry)

    def backward(self, g: Tensor) -> Tensor:
        return SumPool2d(self.geometry)(g)


@operation(SumPool2dInput, example=upsampling)
def upsample_nearest(x: Tensor, scale_factor: Any) -> Tensor:
    """Repeat every cell: (N, C, H, W) -> (N, C, H*a, W*b) for the factor (a, b) or one for both.

    It is the adjoint of summing windows of that size side by side.
    """
    _some_cells("upsample_nearest", x)
    a, b = pair(scale_factor, "scale_factor")
    N, C, H, W = x.shape
    return SumPool2dInput(pool2d_geometry((N, C, H * a, W * b), (a, b)))(x)


def _some_cells(name: str, x: Tensor) -> None:
    if 0 in images(name, x)[2:]:
        raise ValueError(f"{name}: the input must be (N, C, H, W) with H, W at least 1, got shape {x.shape}")
