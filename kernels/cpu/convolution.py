"""Convolution on the CPU, compiled by Numba: filters along the vector, one micro-kernel for all directions.

============== ==================================================================================
`micro_kernel` the innermost loop: MR x NR sums in registers, and its twin in Python
`plan`         every stride, padding and dilation as tables of distances
`panels`       weights and gradients side by side, as vectors want them
`blocks`       the loops around the micro-kernel, for each direction
`epilogue`     an activation and max-pooling, on sums that are still in the cache
`depthwise`    a filter for each channel: vectors of channels on both sides, in all directions
`few`          the gradient by the input for few channels, vectors of cells instead
============== ==================================================================================

No column matrix is written, and an image without a border is read where it lies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arena
from ..arrays import Array, ready
from ..cores import get_num_threads
from ..geometry import Geometry
from . import depthwise
from .blocks import add_parts, forward_blocks, input_blocks, weight_blocks
from .depthwise import is_depthwise
from .few import few_channels
from .panels import aligned, pack
from .plan import Plan, few_plan, forward_plan, input_plan, weight_plan
from .threads import split

BLOCK = 420  # cells: the sums of a block stay in the cache; a multiple of the rows of every tile
SERIAL = 1 << 22  # multiply-adds that are done before a thread that sleeps is awake (measured on one image)
ADDED = 1 << 16  # additions that are
FEW = 12  # channels of a group, at most: for more, vectors of channels are faster (measured)


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Convolve `x` (N, C, H, W) with `w` (K, C/G, KH, KW) and add `bias` (K,): (N, K, OH, OW). Eq. 1."""
    return _forward(x, w, geometry, bias, 1, pooled=False)[0]


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
    return _forward(x, w, geometry, bias, slope, pooled)


def _forward(
    x: Array, w: Array, geometry: Geometry, bias: Array | None, slope: float, pooled: bool
) -> tuple[Array, Array | None]:
    """Return the output and the winners of its pooling, if there is one."""
    x, w = prepared(x, w)
    if is_depthwise(geometry) and not pooled:
        return depthwise.conv2d(x, w, geometry, bias, slope), None
    plan, G, K = forward_plan(geometry, x.itemsize, BLOCK, pooled), geometry.G, geometry.K
    packed = _packed(w, plan, G, 1, K // G, len(plan.steps))
    N, K, OH, OW = geometry.y_shape
    y = arena.empty((N, K, OH // 2, OW // 2) if pooled else (N, K, OH, OW), x.dtype)
    index = arena.empty(y.shape if pooled else (0,), f"i{x.itemsize}")
    _run(
        forward_blocks,
        plan,
        geometry,
        x,
        packed,
        bias,
        y,
        index.reshape(-1).view(x.dtype),
        x.dtype.type(slope),
        np.arange(0, BLOCK, 4),
    )
    return y, index if pooled else None


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx, (N, C, H, W), for `g` (N, K, OH, OW).

    And add `bias` (C,), if this is a transposed convolution.
    """
    g, w = prepared(g, w)
    if is_depthwise(geometry):
        return depthwise.conv2d_input(g, w, geometry, bias)
    G, channels, filters = geometry.G, geometry.C // geometry.G, geometry.K // geometry.G
    x = arena.empty(geometry.x_shape, g.dtype)
    if channels <= FEW:
        _run(few_channels, few_plan(geometry, g.itemsize, BLOCK), geometry, g, w.reshape(-1), bias, x)
    else:
        plan = input_plan(geometry, g.itemsize, BLOCK)
        packed = _packed(w, plan, G, filters, channels, len(plan.taps))
        _run(input_blocks, plan, geometry, g, packed, bias, x)
    return x


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw, (K, C/G, KH, KW)."""
    x, g = prepared(x, g)
    w = arena.empty(geometry.w_shape, x.dtype)
    if geometry.N == 0:
        w[...] = 0
        return w
    if is_depthwise(geometry):
        return depthwise.conv2d_weight(x, g, geometry)
    plan, G, K = weight_plan(geometry, x.itemsize, BLOCK), geometry.G, geometry.K
    NR, panels, parts = plan.layout.NR, plan.layout.panels, plan.units
    T = w.size // K
    sums = aligned(1, parts * G * panels * T * NR, x.dtype)[0]
    scratch = aligned(get_num_threads(), plan.scratch, x.dtype)
    zeros = np.zeros(NR, x.dtype)
    args = (
        tuple(geometry),
        tuple(plan.layout),
        x.reshape(-1),
        g.reshape(-1),
        zeros,
        sums,
        plan.rows,
        plan.places,
    )
    split(
        lambda part, *units: weight_blocks(*args, plan.steps, parts, scratch[part], *units),
        G * parts,
        _threads(plan),
    )
    sizes = panels, K // G, T, NR, parts
    split(
        lambda _, *units: add_parts(sums, w.reshape(-1), *sizes, *units), G * panels, 1 + sums.size // ADDED
    )
    return w


def _run(
    blocks: Callable[..., None],
    plan: Plan,
    geometry: Geometry,
    source: Array,
    weights: Array,
    bias: Array | None,
    result: Array,
    *more: Any,
) -> None:
    """Let threads write their shares of the output or of the gradient by the input."""
    layout, G = plan.layout, geometry.G
    start = np.zeros((G * layout.panels + 1) * layout.NR, result.dtype)  # of the sums; the last panel is 0
    if bias is not None:
        start[: -layout.NR].reshape(G, -1)[:, : len(bias) // G] = bias.reshape(G, -1)
    scratch = aligned(get_num_threads(), plan.scratch, result.dtype)
    arrays = source.reshape(-1), weights, start, result.reshape(-1)
    args = tuple(geometry), tuple(layout), *arrays, plan.rows, plan.places, plan.steps, plan.taps, *more
    split(lambda part, *units: blocks(*args, scratch[part], *units), plan.units, _threads(plan))


def _packed(w: Array, plan: Plan, G: int, each: int, filters: int, taps: int) -> Array:
    """Return w (G, each, filters, taps) as panels; what a panel has too many of is 0."""
    packed = aligned(1, plan.packed, w.dtype)[0]
    if filters % plan.layout.NR:
        packed[:] = 0
    pack(w.reshape(-1), packed, G, each, filters, taps, plan.layout.NR)
    return packed


def _threads(plan: Plan) -> int:
    """Return how many threads the work is worth."""
    return 1 + plan.work // SERIAL


def prepared(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both as compiled kernels want them, of their common dtype."""
    dtype = a.dtype if a.dtype is b.dtype else np.result_type(a.dtype, b.dtype)
    return ready(a, dtype), ready(b, dtype)
