"""Convolution on the CPU, compiled by Numba: sums of shifted planes, a tile of them at a time in registers.

========== ======================================================================================
`shifts`   every stride, padding and dilation as planes and shifts
`planes`   a strip of an image's rows, laid out as planes small enough to stay in the cache
`sums`     all sums of a strip: the output, and the gradient by the input
`weights`  the gradient by the weights
`tiles`    the two innermost loops
========== ======================================================================================

Every tile that a strip takes part in is made before the next strip is read. No column matrix is written.
"""

from __future__ import annotations

import numpy as np

from .. import arena, im2col
from ..arrays import Array, ready
from ..geometry import Conv2dGeometry
from .sums import write_sums
from .weights import sum_weights


def conv2d(x: Array, w: Array, geometry: Conv2dGeometry, bias: Array | None = None) -> Array:
    """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1."""
    x, w = _prepared(x, w)
    y = arena.empty(geometry.y_shape, x.dtype)
    if not write_sums(x, w, y, bias, geometry, transposed=False):
        return im2col.conv2d(x, w, geometry, bias)
    return y


def conv2d_input(g: Array, w: Array, geometry: Conv2dGeometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution."""
    g, w = _prepared(g, w)
    x = arena.empty(geometry.x_shape, g.dtype)
    if not write_sums(g, w, x, bias, geometry, transposed=True):
        return im2col.conv2d_input(g, w, geometry, bias)
    return x


def conv2d_weight(x: Array, g: Array, geometry: Conv2dGeometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW)."""
    x, g = _prepared(x, g)
    w = sum_weights(x, g, geometry)
    if np.isnan(w).any():
        # Between two rows g is 0, and 0 times an infinite cell of x is not.
        return im2col.conv2d_weight(x, g, geometry)
    return w


def _prepared(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both as compiled kernels want them, of their common dtype."""
    dtype = np.result_type(a.dtype, b.dtype)
    return ready(a, dtype), ready(b, dtype)
