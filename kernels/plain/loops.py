"""The documented equations verbatim, as loops: slow, and the oracle every other kernel is held against.

Eq. 1, "convolution" as every framework has it (a cross-correlation: the kernel is not flipped)::

    y[n,k,oh,ow] = sum_{c,r,s} x[n, c, oh*SH - PH + r*DH, ow*SW - PW + s*DW] * w[k,c,r,s]

and x is 0 outside the image. Every product ``x * w * g`` of the trilinear form ``<g, conv2d(x, w)>`` is one
turn of the same loop; the three functions differ only in which array they add to.
"""

import operator
from collections.abc import Callable, Iterator

import numpy as np

from ..arrays import Array, array_module
from ..geometry import Geometry


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1."""
    xp = array_module(x)
    y = xp.zeros(geometry.y_shape, xp.result_type(x, w))
    for n, k, oh, ow, c, r, s, i, j in _conv2d_terms(geometry):
        y[n, k, oh, ow] += x[n, c, i, j] * w[k, c % w.shape[1], r, s]
    return y if bias is None else y + bias[:, None, None]


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution."""
    xp = array_module(g)
    x = xp.zeros(geometry.x_shape, xp.result_type(g, w))
    for n, k, oh, ow, c, r, s, i, j in _conv2d_terms(geometry):
        x[n, c, i, j] += g[n, k, oh, ow] * w[k, c % w.shape[1], r, s]
    return x if bias is None else x + bias[:, None, None]


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW)."""
    xp = array_module(x)
    w = xp.zeros(geometry.w_shape, xp.result_type(x, g))
    for n, k, oh, ow, c, r, s, i, j in _conv2d_terms(geometry):
        w[k, c % w.shape[1], r, s] += x[n, c, i, j] * g[n, k, oh, ow]
    return w


def _conv2d_terms(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    """Yield (n, k, oh, ow, c, r, s, i, j) of every product in Eq. 1, (i, j) the input cell."""
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    for n, k, oh, ow in np.ndindex(N, K, OH, OW):
        first = k // (K // G) * (C // G)  # the first input channel of filter k's group
        for c, r, s in np.ndindex(C // G, KH, KW):
            i, j = oh * SH - PH + r * DH, ow * SW - PW + s * DW
            if 0 <= i < H and 0 <= j < W:
                yield n, k, oh, ow, first + c, r, s, i, j


def max_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's maximum and the winner's index h*W + w, both (N, C, OH, OW). Eq. 2.

    The first of equal cells wins. A NaN wins over any number, and the last NaN over all. Padding never wins.
    """
    return _winners(x, geometry, operator.gt)


def min_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's minimum and the winner's index; see `max_pool2d`."""
    return _winners(x, geometry, operator.lt)


def _winners(x: Array, geometry: Geometry, beats: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    xp = array_module(x)
    y, index = xp.zeros(geometry.y_shape, x.dtype), xp.full(geometry.y_shape, -1, np.intp)
    for n, c, oh, ow, i, j in _pool2d_terms(geometry):
        value, best = x[n, c, i, j], y[n, c, oh, ow]
        first = index[n, c, oh, ow] < 0
        if first or beats(value, best) or value != value:
            y[n, c, oh, ow], index[n, c, oh, ow] = value, i * geometry.W + j
    return y, index


def pool_gather(x: Array, index: Array) -> Array:
    """Return the cells `index` (N, C, OH, OW), each h*W + w, of `x` (N, C, H, W)."""
    y = array_module(x).zeros(index.shape, x.dtype)
    W = x.shape[3]
    for n, c, oh, ow in np.ndindex(*index.shape):
        cell = int(index[n, c, oh, ow])
        y[n, c, oh, ow] = x[n, c, cell // W, cell % W]
    return y


def pool_scatter(g: Array, index: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with every `g` (N, C, OH, OW) added at its cell: `pool_gather`'s adjoint."""
    x, W = array_module(g).zeros(geometry.x_shape, g.dtype), geometry.W
    for n, c, oh, ow in np.ndindex(*index.shape):
        cell = int(index[n, c, oh, ow])
        x[n, c, cell // W, cell % W] += g[n, c, oh, ow]
    return x


def sum_pool2d(x: Array, geometry: Geometry) -> Array:
    """Return each window's sum, (N, C, OH, OW); padding counts as 0."""
    y = array_module(x).zeros(geometry.y_shape, x.dtype)
    for n, c, oh, ow, i, j in _pool2d_terms(geometry):
        y[n, c, oh, ow] += x[n, c, i, j]
    return y


def sum_pool2d_input(g: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with `g` added to all cells of its window: `sum_pool2d`'s adjoint."""
    x = array_module(g).zeros(geometry.x_shape, g.dtype)
    for n, c, oh, ow, i, j in _pool2d_terms(geometry):
        x[n, c, i, j] += g[n, c, oh, ow]
    return x


def _pool2d_terms(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    """Yield (n, c, oh, ow, i, j) of every cell (i, j) inside the input of every window."""
    N, C, H, W, _, KH, KW, SH, SW, PH, PW, DH, DW, _, OH, OW = geometry
    for n, c, oh, ow, r, s in np.ndindex(N, C, OH, OW, KH, KW):
        i, j = oh * SH - PH + r * DH, ow * SW - PW + s * DW
        if 0 <= i < H and 0 <= j < W:
            yield n, c, oh, ow, i, j
