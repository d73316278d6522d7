"""The documented equations verbatim, as loops: slow, and the oracle every other kernel is held against.

Eq. 1, "convolution" as every framework has it (a cross-correlation: the kernel is not flipped)::

    y[n,k,oh,ow] = sum_{c,r,s} x[n, c, oh*SH - PH + r*DH, ow*SW - PW + s*DW] * w[k,c,r,s]

where x is 0 outside. Every product ``x * w * g`` of the trilinear form ``<g, conv2d(x, w)>`` is one turn of
the same loop; the three functions differ only in which array they add to.
"""

import operator
from collections.abc import Callable, Iterator

import numpy as np

from .arrays import Array, array_module
from .geometry import (
    Conv2dGeometry,
    Pair,
    Pool2dGeometry,
    Window,
    conv2d_geometry,
    conv2d_input_geometry,
    conv2d_weight_geometry,
    pool2d_geometry,
    sum_pool2d_input_geometry,
)


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
    xp = array_module(x)
    y = xp.zeros((geometry.N, geometry.K, geometry.OH, geometry.OW), xp.result_type(x, w))
    for n, k, oh, ow, c, r, s, i, j in _conv2d_terms(geometry):
        y[n, k, oh, ow] += x[n, c, i, j] * w[k, c % w.shape[1], r, s]
    return y if bias is None else y + bias[:, None, None]


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
    xp = array_module(g)
    x = xp.zeros((geometry.N, geometry.C, geometry.H, geometry.W), xp.result_type(g, w))
    for n, k, oh, ow, c, r, s, i, j in _conv2d_terms(geometry):
        x[n, c, i, j] += g[n, k, oh, ow] * w[k, c % w.shape[1], r, s]
    return x if bias is None else x + bias[:, None, None]


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
    xp = array_module(x)
    C_per_group = geometry.C // geometry.G
    w = xp.zeros((geometry.K, C_per_group, geometry.KH, geometry.KW), xp.result_type(x, g))
    for n, k, oh, ow, c, r, s, i, j in _conv2d_terms(geometry):
        w[k, c % C_per_group, r, s] += x[n, c, i, j] * g[n, k, oh, ow]
    return w


def _conv2d_terms(geometry: Conv2dGeometry) -> Iterator[tuple[int, ...]]:
    """Yield (n, k, oh, ow, c, r, s, i, j) of every product in Eq. 1, (i, j) the input cell."""
    N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    for n, k, oh, ow in np.ndindex(N, K, OH, OW):
        first = k // (K // G) * (C // G)  # the first input channel of filter k's group
        for c, r, s in np.ndindex(C // G, KH, KW):
            i, j = oh * SH - PH + r * DH, ow * SW - PW + s * DW
            if 0 <= i < H and 0 <= j < W:
                yield n, k, oh, ow, first + c, r, s, i, j


def max_pool2d(
    x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> tuple[Array, Array]:
    """Return each window's maximum and the winner's index h*W + w, both (N, C, OH, OW). Eq. 2.

    Of equal cells the first wins; a NaN wins over any number, the last over all. Padding never wins.
    """
    return _best(x, pool2d_geometry(x.shape, kernel_size, stride, padding, dilation), operator.gt)


def min_pool2d(
    x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> tuple[Array, Array]:
    """As `max_pool2d`, with the minimum."""
    return _best(x, pool2d_geometry(x.shape, kernel_size, stride, padding, dilation), operator.lt)


def _best(x: Array, geometry: Pool2dGeometry, beats: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    xp = array_module(x)
    shape = (geometry.N, geometry.C, geometry.OH, geometry.OW)
    index = xp.full(shape, -1, np.intp)
    y = xp.zeros(shape, x.dtype)
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


def pool_scatter(g: Array, index: Array, size: Pair, window: Window | None = None) -> Array:
    """Add every `g` (N, C, OH, OW) to its cell `index` of zeros (N, C, H, W): `pool_gather`'s adjoint."""
    H, W = size
    x = array_module(g).zeros((*g.shape[:2], H, W), g.dtype)
    for n, c, oh, ow in np.ndindex(*index.shape):
        cell = int(index[n, c, oh, ow])
        x[n, c, cell // W, cell % W] += g[n, c, oh, ow]
    return x


def sum_pool2d(x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = (0, 0)) -> Array:
    """Return each window's sum, (N, C, OH, OW); padding counts as 0."""
    geometry = pool2d_geometry(x.shape, kernel_size, stride, padding)
    y = array_module(x).zeros((geometry.N, geometry.C, geometry.OH, geometry.OW), x.dtype)
    for n, c, oh, ow, i, j in _pool2d_terms(geometry):
        y[n, c, oh, ow] += x[n, c, i, j]
    return y


def sum_pool2d_input(
    g: Array, kernel_size: Pair, size: Pair, stride: Pair | None = None, padding: Pair = (0, 0)
) -> Array:
    """Add every `g` (N, C, OH, OW) to all cells of its window: `sum_pool2d`'s adjoint, (N, C, H, W)."""
    geometry = sum_pool2d_input_geometry(g.shape, kernel_size, size, stride, padding)
    x = array_module(g).zeros((geometry.N, geometry.C, geometry.H, geometry.W), g.dtype)
    for n, c, oh, ow, i, j in _pool2d_terms(geometry):
        x[n, c, i, j] += g[n, c, oh, ow]
    return x


def _pool2d_terms(geometry: Pool2dGeometry) -> Iterator[tuple[int, ...]]:
    """Yield (n, c, oh, ow, i, j) of every cell (i, j) inside the input of every window."""
    N, C, H, W, KH, KW, SH, SW, PH, PW, DH, DW, OH, OW = geometry
    for n, c, oh, ow, r, s in np.ndindex(N, C, OH, OW, KH, KW):
        i, j = oh * SH - PH + r * DH, ow * SW - PW + s * DW
        if 0 <= i < H and 0 <= j < W:
            yield n, c, oh, ow, i, j
