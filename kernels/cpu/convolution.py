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
from ..geometry import Pair, conv2d_geometry, conv2d_input_geometry, conv2d_weight_geometry
from .sums import write_sums
from .weights import sum_weights


def conv2d(
    x: Array,
    w: Array,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: Array | None = None,
) -> Array:
    """Convolve `x` (N, C, H, W) with `w` (K, C/G, KH, KW) and add `bias` (K,): (N, K, OH, OW). Eq. 1."""
    geometry = conv2d_geometry(x.shape, w.shape, stride, padding, dilation, groups)
    x, w = _prepared(x, w)
    y = arena.empty((geometry.N, geometry.K, geometry.OH, geometry.OW), x.dtype)
    if not write_sums(x, w, y, bias, geometry, transposed=False):
        return im2col.conv2d(x, w, stride, padding, dilation, groups, bias)
    return y


def conv2d_input(
    g: Array,
    w: Array,
    size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: Array | None = None,
) -> Array:
    """Return d<g, conv2d(x, w)>/dx, (N, C, H, W), for `g` (N, K, OH, OW) and (H, W) = `size`.

    And add `bias` (C,), where this is a transposed convolution.
    """
    geometry = conv2d_input_geometry(g.shape, w.shape, size, stride, padding, dilation, groups)
    g, w = _prepared(g, w)
    x = arena.empty((geometry.N, geometry.C, geometry.H, geometry.W), g.dtype)
    if not write_sums(g, w, x, bias, geometry, transposed=True):
        return im2col.conv2d_input(g, w, size, stride, padding, dilation, groups, bias)
    return x


def conv2d_weight(
    x: Array,
    g: Array,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return d<g, conv2d(x, w)>/dw, (K, C/G, KH, KW), for (KH, KW) = `kernel_size`."""
    geometry = conv2d_weight_geometry(x.shape, g.shape, kernel_size, stride, padding, dilation, groups)
    x, g = _prepared(x, g)
    w = sum_weights(x, g, geometry)
    if np.isnan(w).any():
        # Between two rows g is 0, and 0 times an infinite cell of x is not.
        return im2col.conv2d_weight(x, g, kernel_size, stride, padding, dilation, groups)
    return w


def _prepared(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both as compiled kernels want them, of their common dtype."""
    dtype = np.result_type(a.dtype, b.dtype)
    return ready(a, dtype), ready(b, dtype)
