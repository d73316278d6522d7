"""The kernels compiled by Numba for all cores of the CPU; see `tinycnn.kernels`."""

from .convolution import conv2d, conv2d_input, conv2d_weight
from .pooling import max_pool2d, min_pool2d, pool_gather, pool_scatter, sum_pool2d, sum_pool2d_input

__all__ = [
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "max_pool2d",
    "min_pool2d",
    "pool_gather",
    "pool_scatter",
    "sum_pool2d",
    "sum_pool2d_input",
]
