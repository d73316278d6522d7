"""Pooling (Eq. 2) by sum and mean, and its adjoint, upsampling. g stands for dL/dy.

Sum and mean read all cells of a window, so g goes to all of them.
"""

from typing import Any

from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.kernels.geometry import pair, pool2d_geometry
from tinycnn.tensor import Tensor, plain

from .cards import operation
from .convolution import Windowed
from .examples import pooling, upsampling
from .global_pooling import some_cells
from .shape import images


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
    some_cells("upsample_nearest", x)
    a, b = pair(scale_factor, "scale_factor")
    N, C, H, W = x.shape
    return SumPool2dInput(pool2d_geometry((N, C, H * a, W * b), (a, b)))(x)
