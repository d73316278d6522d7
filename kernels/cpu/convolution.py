"""Convolution on the CPU, compiled by Numba: filters along the vector, one micro-kernel for all directions.

============== ==================================================================================
`micro_kernel` the innermost loop: MR x NR sums in registers, and its twin in Python
`plan`         every stride, padding and dilation as tables of distances
`panels`       weights and gradients side by side, as vectors want them
`blocks`       the loops around the micro-kernel, for each direction
`epilogue`     an activation and max-pooling, on sums that are still in the cache
`few`          the gradient by the input for few channels, vectors of cells instead
============== ==================================================================================

No column matrix is written, and an image without a border is read where it lies. In a depthwise convolution
every channel has one filter of its own: one number of the image meets one weight. So the copy of an image has
NR channels side by side, and the micro-kernel multiplies vectors of them with vectors of weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arena
from ..arrays import Array, ready
from ..geometry import Geometry
from .blocks import add_parts, forward_blocks, input_blocks, weight_blocks
from .few import few_channels
from .panels import aligned, packed
from .plan import Plan, few_plan, forward_plan, input_plan, is_depthwise, weight_plan
from .threads import share

BLOCK = 420  # cells: the sums of a block stay in the cache; a multiple of the rows of every tile
SERIAL = 1 << 22  # multiply-adds that are done before a thread that sleeps is awake (measured on one image)
ADDED = 1 << 16  # additions that are
WINDOWS = np.arange(0, BLOCK, 4)  # the first cells of the 2x2 windows of a block
INDICES = {size: np.dtype(f"i{size}") for size in (4, 8)}  # of winners, which are kept as bits of floats
FEW = 12  # channels of a group, at most: for more, vectors of channels are faster (measured)


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Convolve `x` (N, C, H, W) with `w` (K, C/G, KH, KW) and add `bias` (K,): (N, K, OH, OW). Eq. 1."""
    return conv2d_epilogue(x, w, geometry, bias, 1, pooled=False)[0]


def conv2d_epilogue(
    x: Array, w: Array, geometry: Geometry, bias: Array | None, slope: float, pooled: bool
) -> tuple[Array, Array | None]:
    """Return what `conv2d` does, max-pooled if asked for and then activated; and the winners of the pooling.

    Parameters
    ----------
    slope
        Of the activation below 0: 0 for ReLU, 1 for none.
    pooled
        Whether of each 2x2 window of the output the largest is taken: (N, K, OH//2, OW//2). The winners are
        those of `max_pool2d`. None if it is not pooled.
    """
    x, w = prepared(x, w)
    plan, G = forward_plan(geometry, x.itemsize, BLOCK, pooled), _groups(geometry)
    N, K, OH, OW = geometry.y_shape
    y = arena.empty((N, K, OH // 2, OW // 2) if pooled else (N, K, OH, OW), x.dtype)
    index = arena.empty(y.shape if pooled else (0,), INDICES[x.itemsize])
    weights = packed(w, bias, G, 1, K // G, len(plan.steps), plan.layout.NR)
    winners = index.reshape(-1).view(x.dtype)
    _run(forward_blocks, plan, geometry, x, weights, y, winners, x.dtype.type(slope), WINDOWS)
    return y, index if pooled else None


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx, (N, C, H, W), for `g` (N, K, OH, OW).

    And add `bias` (C,), if this is a transposed convolution.
    """
    g, w = prepared(g, w)
    x, G = arena.empty(geometry.x_shape, g.dtype), _groups(geometry)
    filters, channels = geometry.K // geometry.G, geometry.C // G
    if channels <= FEW and not is_depthwise(geometry):
        few = few_plan(geometry, g.itemsize, BLOCK)
        _, start = packed(w, bias, G, 0, channels, 0, few.layout.NR)
        _run(few_channels, few, geometry, g, (w.reshape(-1), start), x)
    else:
        plan = input_plan(geometry, g.itemsize, BLOCK)
        weights = packed(w, bias, G, filters, channels, len(plan.taps), plan.layout.NR)
        _run(input_blocks, plan, geometry, g, weights, x)
    return x


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw, (K, C/G, KH, KW)."""
    x, g = prepared(x, g)
    w = arena.empty(geometry.w_shape, x.dtype)
    if geometry.N == 0:
        w[...] = 0
        return w
    plan, T = weight_plan(geometry, x.itemsize, BLOCK), w.size // geometry.K
    layout, parts = tuple(plan.layout), plan.units
    NR, groups, panels = layout[:3]
    sums = aligned(parts * groups * panels * T * NR, x.dtype)
    arrays = x.reshape(-1), g.reshape(-1), np.zeros(NR, x.dtype), sums, plan.rows, plan.places, plan.steps
    args = tuple(geometry), layout, *arrays, parts
    most, scratch = 1 + plan.work // SERIAL, (plan.scratch, x.dtype)
    share(weight_blocks, args, groups * parts, most, scratch)
    to_add = sums, w.reshape(-1), layout, T, parts
    share(add_parts, to_add, groups * panels, 1 + sums.size // ADDED)
    return w


def _run(
    blocks: Callable[..., None],
    plan: Plan,
    geometry: Geometry,
    source: Array,
    weights: tuple[Array, Array],
    result: Array,
    *more: Any,
) -> None:
    """Let threads write their shares of the output or of the gradient by the input."""
    arrays = source.reshape(-1), *weights, result.reshape(-1), plan.rows, plan.places, plan.steps, plan.taps
    args = tuple(geometry), tuple(plan.layout), *arrays, *more
    share(blocks, args, plan.units, 1 + plan.work // SERIAL, scratch=(plan.scratch, result.dtype))


def _groups(geometry: Geometry) -> int:
    """Return in how many groups weights are packed: in one, if each channel has a filter of its own."""
    return 1 if is_depthwise(geometry) else geometry.G


def prepared(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both as compiled kernels want them, of their common dtype."""
    dtype = a.dtype if a.dtype is b.dtype else np.result_type(a.dtype, b.dtype)
    return ready(a, dtype), ready(b, dtype)
