"""Pooling (Eq. 2): the largest or smallest cell of each window. g stands for dL/dy.

Max and min are a gather: they read one cell of each window. The adjoint is a scatter: g goes back to that
cell, and adds up if windows share a winner. Sum and mean, which read all cells, are in `sum_pooling`.
"""

from typing import Any

from tinycnn.autograd import Function
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array
from tinycnn.kernels.geometry import Geometry, pool2d_geometry
from tinycnn.tensor import Tensor

from .cards import operation
from .examples import pooling
from .shape import images


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
    kernel_size, stride, padding, dilation
        An int or (height, width). The stride is the kernel's size by default; padding never wins, and is at
        most half the window, which is the kernel with its dilation. What does not fit is a TypeError or a
        ValueError with every size involved.
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
