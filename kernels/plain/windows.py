"""Convolution (Eq. 1) and max-pooling (Eq. 2), one kernel cell at a time. NumPy or CuPy arrays.

Take one kernel cell (r, s). Over all windows it meets the input cells (oh*SH - PH + r*DH, ow*SW - PW + s*DW):
a slice of the padded input that begins at (r*DH, s*DW) and takes every SH-th row and every SW-th column. All
functions here go through these slices, which `tinycnn.kernels.geometry.taps` returns.

**Convolution.** Eq. 1,

    y[n,k,oh,ow] = sum_{c,r,s} x[n, c, oh*SH - PH + r*DH, ow*SW - PW + s*DW] * w[k,c,r,s]

is one matrix product for every (r, s): w[:, :, r, s] (K, C) times a slice of x (C, OH*OW), added up. The two
derivatives go through the same slices; only what is read and what is added to change places. With G groups,
K/G filters see C/G channels: the arrays get an axis for the group in front of these two, and the matrix
product treats it as it treats the batch.

**Pooling.** Max-pooling keeps, in every window, the largest value so far and where it came from. The
derivative needs only these places: to read the winners is a gather, and its adjoint, a scatter, adds g there.
"""

import operator
from collections.abc import Callable

import numpy as np

from ..arrays import Array, array_module
from ..geometry import Geometry, taps


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1."""
    N, CG, KG, G, cells = _sizes(geometry)
    x, w = pad(x, geometry), w.reshape(G, KG, CG, geometry.KH, geometry.KW)
    y = array_module(x).zeros((N, G, KG, cells), np.result_type(x.dtype, w.dtype))
    for r, s, rows, columns in taps(geometry):
        met = x[:, :, rows, columns].reshape(N, G, CG, cells)
        y += w[..., r, s] @ met
    return add_bias(y.reshape(geometry.y_shape), bias)


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution.

    Eq. 1 multiplied x[n,c,i,j] by w[k,c,r,s] and added it to y[n,k,oh,ow]. So here g[n,k,oh,ow] is multiplied
    by w[k,c,r,s] and added to cell (n,c,i,j).
    """
    N, CG, KG, G, cells = _sizes(geometry)
    g, w = g.reshape(N, G, KG, cells), w.reshape(G, KG, CG, geometry.KH, geometry.KW)
    x = array_module(g).zeros(geometry.padded_shape, np.result_type(g.dtype, w.dtype))
    for r, s, rows, columns in taps(geometry):
        shares = w[..., r, s].swapaxes(1, 2) @ g
        x[:, :, rows, columns] += shares.reshape(N, geometry.C, geometry.OH, geometry.OW)
    return add_bias(crop(x, geometry), bias)


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW).

    The weight w[k,c,r,s] was used once in every window: its derivative is the sum over n, oh and ow of
    g[n,k,oh,ow] times the cell that it met there.
    """
    N, CG, KG, G, cells = _sizes(geometry)
    x, g = pad(x, geometry), g.reshape(N, G, KG, cells)
    w = array_module(g).zeros((G, KG, CG, geometry.KH, geometry.KW), np.result_type(x.dtype, g.dtype))
    for r, s, rows, columns in taps(geometry):
        met = x[:, :, rows, columns].reshape(N, G, CG, cells)
        w[..., r, s] = (g @ met.swapaxes(2, 3)).sum(axis=0)
    return w.reshape(geometry.w_shape)


def _sizes(geometry: Geometry) -> tuple[int, int, int, int, int]:
    """Return N, C/G, K/G, G and OH*OW."""
    G = geometry.G
    return geometry.N, geometry.C // G, geometry.K // G, G, geometry.OH * geometry.OW


def add_bias(y: Array, bias: Array | None) -> Array:
    """Add bias[k] to every cell of y[n, k], in place, and return y."""
    if bias is not None:
        y += bias[:, None, None]
    return y


def max_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's maximum and the winner's index h*W + w, both (N, C, OH, OW). Eq. 2.

    The first of equal cells wins. A NaN wins over any number, and the last NaN over all. Padding never wins.
    """
    return _winners(x, geometry, operator.gt)


def min_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's minimum and the winner's index; see `max_pool2d`."""
    return _winners(x, geometry, operator.lt)


def _winners(x: Array, geometry: Geometry, beats: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """Return the cell of each window that beats the others, and its index h*W + w."""
    xp, H, W = array_module(x), geometry.H, geometry.W
    padded = pad(x, geometry)
    # The index h*W + w of every input cell, laid out as the padded input is; -1 in the padding.
    cells = pad(xp.arange(H * W, dtype=np.intp).reshape(1, 1, H, W), geometry, -1)
    y, index = xp.zeros(geometry.y_shape, x.dtype), xp.full(geometry.y_shape, -1, np.intp)
    for _, _, rows, columns in taps(geometry):
        value = padded[:, :, rows, columns]  # (N, C, OH, OW)
        cell = cells[:, :, rows, columns]  # (1, 1, OH, OW)
        better = beats(value, y) | (value != value) | (index < 0)  # -1: there is no winner yet
        better &= cell >= 0  # the padding never wins
        xp.copyto(y, value, where=better)
        xp.copyto(index, cell, where=better)
    return y, index


def pool_gather(x: Array, index: Array) -> Array:
    """Return the cells `index` (N, C, OH, OW), each h*W + w, of `x` (N, C, H, W)."""
    N, C, H, W = x.shape
    cells = index.reshape(N, C, index.shape[2] * index.shape[3])
    return array_module(x).take_along_axis(x.reshape(N, C, H * W), cells, axis=2).reshape(index.shape)


def pool_scatter(g: Array, index: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with every `g` (N, C, OH, OW) added at its cell: `pool_gather`'s adjoint."""
    N, C, H, W = geometry.x_shape
    xp = array_module(g)
    first = xp.arange(N * C, dtype=np.intp).reshape(N, C, 1, 1) * (H * W)  # cell of each plane
    x = xp.zeros(N * C * H * W, g.dtype)
    xp.add.at(x, (first + index).ravel(), g.ravel())  # += and not =: windows that overlap can share a winner
    return x.reshape(N, C, H, W)


def pad(x: Array, geometry: Geometry, value: float = 0) -> Array:
    """Return `x` (n, C, H, W) with `value` around it, (n, C, H+2*PH, W+2*PW); `x` itself without padding."""
    PH, PW = geometry.PH, geometry.PW
    if PH == PW == 0:
        return x
    n, C, H, W = x.shape
    padded = array_module(x).full((n, C, H + 2 * PH, W + 2 * PW), value, x.dtype)
    padded[:, :, PH : PH + H, PW : PW + W] = x
    return padded


def crop(padded: Array, geometry: Geometry) -> Array:
    """Return the inside of a padded array, (n, C, H, W), contiguous: what `pad` was given."""
    PH, PW = geometry.PH, geometry.PW
    inside = padded[:, :, PH : PH + geometry.H, PW : PW + geometry.W]
    return array_module(padded).ascontiguousarray(inside)
