"""The kernels compiled by Numba for all cores of the CPU; see `tinycnn.kernels`."""

from .convolution import FEW
from .micro_kernel import ROWS, filters_of
from .pooling import max_pool2d, min_pool2d, pool_gather, pool_scatter, sum_pool2d, sum_pool2d_input
from .products import FEW as FEW_ROWS
from .vectors import VECTOR_BYTES
from .winograd import LEAST, conv2d, conv2d_input, conv2d_weight

__all__ = [
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "describe",
    "max_pool2d",
    "min_pool2d",
    "pool_gather",
    "pool_scatter",
    "sum_pool2d",
    "sum_pool2d_input",
]


def describe() -> tuple[str, ...]:
    """Return what computes convolutions and products here, and which sizes something else serves."""
    return (
        f"micro-kernel: {ROWS} cells times {filters_of(4)} filters of float32, "
        f"vectors of {8 * VECTOR_BYTES} bits",
        f"3x3 filters, stride 1, at least {LEAST} channels and filters, float32: Winograd's tiles of 4x4",
        f"gradient by the input with at most {FEW} channels in a group: vectors of cells",
        "depthwise, in all directions: vectors of channels of the image and of the weights",
        f"small products with at most {FEW_ROWS} rows, columns or terms: BLAS, one thread a call",
    )
