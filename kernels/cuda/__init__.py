"""The contract compiled by Numba for a GPU, as a ladder from naive to fast; see `tinycnn.kernels`.

================================= =======================================================================
`direct`                          rung 1: one thread for every cell, the equation verbatim
`coalesced`                       rung 2: neighbouring threads read and write neighbouring cells
`shared_tiles`                    rung 3: a block reads a patch once, into memory of its own
`implicit_gemm`                   rung 4: a matrix product whose second matrix is never written
`register_tiles`, `weight_tiles`  rung 5: 64 sums in registers, loads of 128 bits, everything unrolled
`epilogue`                        rung 6: bias and ReLU before the sums are written
`async_tiles`                     rung 7: copies that nobody waits for; for those who ask for it
`tensor_cores`                    rung 8: tensor cores, with 3xTF32 or TF32; only for those who ask for it
================================= =======================================================================

Each rung is the three convolutions: what it has no kernel of its own for, the rung below does. They
are for float32 arrays of CuPy; the functions here leave anything else to `tinycnn.kernels.im2col`.
"""

from collections.abc import Callable

from .. import im2col
from ..arrays import Array
from ..geometry import Geometry, pool2d_geometry
from ..plain import leaky_relu as leaky
from ..plain import passes
from .ladder import OPT_IN, RUNGS
from .operands import fits, too_large
from .pooling import max_pool2d, min_pool2d, pool_scatter

__all__ = [
    "OPT_IN",
    "RUNGS",
    "conv2d",
    "conv2d_epilogue",
    "conv2d_input",
    "conv2d_weight",
    "max_pool2d",
    "min_pool2d",
    "pool_scatter",
]

TOP = RUNGS["epilogue"]


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1."""
    serving = TOP if fits(x, w, bias) and not too_large(geometry.y_shape) else im2col
    return serving.conv2d(x, w, geometry, bias)


def conv2d_epilogue(
    x: Array,
    w: Array,
    geometry: Geometry,
    bias: Array | None,
    slope: float,
    pooled: bool,
    leaky_relu: Callable[[Array, float], Array] = leaky.leaky_relu,
) -> tuple[Array, Array | None]:
    """Return the activated convolution, 2x2 max-pooled if asked for, and then the winners' indices.

    The activation is y where y is not negative, else ``slope * y``; ReLU (0) is part of the convolution's
    kernel. It keeps the order of numbers, so pooling behind it finds the same values as before it. If all
    cells of a window are negative, all become 0, and the first one wins. Its gradient is 0, as the others'.
    """
    if fits(x, w, bias) and not too_large(geometry.y_shape):
        y = TOP.conv2d(x, w, geometry, bias, relu=slope == 0)
    else:
        y = im2col.conv2d(x, w, geometry, bias)
        y = passes.relu(y) if slope == 0 else y
    if 0 < slope < 1:
        y = leaky_relu(y, slope)
    return max_pool2d(y, pool2d_geometry(y.shape, 2)) if pooled else (y, None)


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution."""
    serving = TOP if fits(g, w, bias) and not too_large(geometry.x_shape) else im2col
    return serving.conv2d_input(g, w, geometry, bias)


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW)."""
    serving = TOP if fits(x, g) and not too_large(geometry.w_shape) else im2col
    return serving.conv2d_weight(x, g, geometry)
