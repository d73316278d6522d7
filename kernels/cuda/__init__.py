"""The contract compiled by Numba for a GPU, as a ladder from naive to fast; see `tinycnn.kernels`.

================================= =======================================================================
`direct`                          rung 1: one thread for every cell, the equation verbatim
`coalesced`                       rung 2: neighbouring threads read and write neighbouring cells
`shared_tiles`                    rung 3: a block reads a patch once, into memory of its own
`implicit_gemm`                   rung 4: a matrix product whose second matrix is never written
`register_tiles`, `weight_tiles`  rung 5: 64 sums in registers, loads of 128 bits, everything unrolled
`epilogue`                        rung 6: bias and ReLU before the sums are written
================================= =======================================================================

Each rung is the three convolutions: what it has no kernel of its own for, the rung below does. They
are for float32 arrays of CuPy; the functions here take anything else to `tinycnn.kernels.im2col`.
"""

import os
from typing import Any

from .. import im2col
from ..arrays import Array
from ..geometry import Pair
from ..im2col import pool_gather, sum_pool2d, sum_pool2d_input
from .ladder import RUNGS
from .operands import fits
from .pooling import max_pool2d, min_pool2d, pool_scatter

__all__ = [
    "RUNGS",
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


def conv2d(x: Array, w: Array, *options: Any, **more: Any) -> Array:
    """Convolve as `tinycnn.kernels.im2col.conv2d` does, with the same arguments. Eq. 1."""
    return _serving(x, w, *options, *more.values()).conv2d(x, w, *options, **more)


def conv2d_input(g: Array, w: Array, size: Pair, *options: Any, **more: Any) -> Array:
    """Return d<g, conv2d(x, w)>/dx as `tinycnn.kernels.im2col.conv2d_input` does."""
    return _serving(g, w, *options, *more.values()).conv2d_input(g, w, size, *options, **more)


def conv2d_weight(x: Array, g: Array, kernel_size: Pair, *options: Any, **more: Any) -> Array:
    """Return d<g, conv2d(x, w)>/dw as `tinycnn.kernels.im2col.conv2d_weight` does."""
    return _serving(x, g).conv2d_weight(x, g, kernel_size, *options, **more)


def _serving(*arguments: Any) -> Any:
    """Return what serves these arguments: the rung named in ``TINYCNN_CONV``, else the top one or im2col."""
    name = os.environ.get("TINYCNN_CONV")
    if name in RUNGS:
        return RUNGS[name]
    return RUNGS["fused"] if fits(*(a for a in arguments if hasattr(a, "dtype"))) else im2col
