"""Convolution on the CPU, compiled by Numba: im2col in pieces that stay in the cache, one product a piece.

A piece is some rows of the output of one image. Its columns go to a buffer that every piece of a thread
reuses, so nothing as large as the columns of a whole image is ever written.

With stride 1, the input cells that kernel cell (c, r, s) meets at consecutive outputs are consecutive in
memory. So a row of the columns is as wide as the padded input (`width` instead of OW), and each is a single
long copy; the outputs that wrap from one row into the next are junk, and written nowhere. With other strides
a row is OW wide.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..geometry import Conv2dGeometry, Pair, conv2d_geometry, conv2d_input_geometry, conv2d_weight_geometry
from .compiled import compiled
from .threads import one_thread_a_product, split, thread_count

PIECE_FLOATS = 1 << 17  # of the columns: 512 KB in float32, half of a usual L2 cache


def conv2d(
    x: Array,
    w: Array,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Convolve `x` (N, C, H, W) with `w` (K, C/G, KH, KW): (N, K, OH, OW). Eq. 1."""
    geometry = conv2d_geometry(x.shape, w.shape, stride, padding, dilation, groups)
    x, w = _prepared(x, w)
    y = np.empty((geometry.N, geometry.K, geometry.OH, geometry.OW), x.dtype)
    sizes = _piece(geometry)
    split(lambda _, start, stop: _forward(x, w, y, geometry, *sizes, start, stop), geometry.N)
    return y


def conv2d_input(
    g: Array,
    w: Array,
    size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Return d<g, conv2d(x, w)>/dx, (N, C, H, W), for `g` (N, K, OH, OW) and (H, W) = `size`."""
    geometry = conv2d_input_geometry(g.shape, w.shape, size, stride, padding, dilation, groups)
    g, w = _prepared(g, w)
    x = np.empty((geometry.N, geometry.C, geometry.H, geometry.W), g.dtype)
    sizes = _piece(geometry)
    split(lambda _, start, stop: _input(g, w, x, geometry, *sizes, start, stop), geometry.N)
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
    shape = (geometry.K, geometry.C // geometry.G, geometry.KH, geometry.KW)
    sums = np.zeros((thread_count(), *shape), x.dtype)  # one a thread, added up in their order
    sizes = _piece(geometry)
    split(lambda part, start, stop: _weight(x, g, sums[part], geometry, *sizes, start, stop), geometry.N)
    return sums.sum(axis=0)


def _prepared(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both contiguous and of their common dtype.

    And writable: read-only arrays are another type to Numba, for which it would compile everything again.
    """
    one_thread_a_product()
    dtype = np.result_type(a.dtype, b.dtype)
    return np.require(a, dtype, ["C", "W"]), np.require(b, dtype, ["C", "W"])


def _piece(geometry: Conv2dGeometry) -> tuple[int, int]:
    """Return how wide a row of the columns is, and how many rows of the output a piece has."""
    width = geometry.W + 2 * geometry.PW if geometry.SH == geometry.SW == 1 else geometry.OW
    one_row = geometry.C // geometry.G * geometry.KH * geometry.KW * width
    return width, min(max(1, PIECE_FLOATS // one_row), geometry.OH)


@compiled
def _padded_planes(buffer, x, PH, PW):
    """Return an image x (C, H, W) with its padding as planes (C, HP*WP): in `buffer`, or x itself without."""
    C, H, W = x.shape
    if PH == 0 and PW == 0:
        return x.reshape(C, H * W)
    for c in range(C):
        for h in range(H):
            buffer[c, PH + h, PW : PW + W] = x[c, h]
    return buffer.reshape(C, buffer.shape[1] * buffer.shape[2])


@compiled
def _fill(columns, planes, geometry, first, width, oh0, rows):
    """Lay output rows `oh0`.. out as columns (C/G*KH*KW, rows*width), from channel `first` on."""
    _, _, _, W, _, KH, KW, SH, SW, _, PW, DH, DW, _, _, OW = geometry
    WP = W + 2 * PW
    for row in range(len(columns)):
        c, r, s = row // (KH * KW), row // KW % KH, row % KW
        source, target = planes[first + c], columns[row]
        if SH == SW == 1:
            offset, count = (oh0 + r * DH) * WP + s * DW, (rows - 1) * WP + OW
            for j in range(count):
                target[j] = source[offset + j]
            target[count:] = 0
        else:
            for i in range(rows):
                offset = ((oh0 + i) * SH + r * DH) * WP + s * DW
                for j in range(OW):
                    target[i * OW + j] = source[offset + j * SW]


@compiled
def _add(planes, columns, geometry, first, width, oh0, rows):
    """Add columns up where `_fill` took them from: its adjoint."""
    _, _, _, W, _, KH, KW, SH, SW, _, PW, DH, DW, _, _, OW = geometry
    WP = W + 2 * PW
    for row in range(len(columns)):
        c, r, s = row // (KH * KW), row // KW % KH, row % KW
        source, target = columns[row], planes[first + c]
        if SH == SW == 1:
            offset = (oh0 + r * DH) * WP + s * DW
            for j in range((rows - 1) * WP + OW):
                target[offset + j] += source[j]
        else:
            for i in range(rows):
                offset = ((oh0 + i) * SH + r * DH) * WP + s * DW
                for j in range(OW):
                    target[offset + j * SW] += source[i * OW + j]


@compiled
def _widen(target, g, oh0, rows, width):
    """Copy output rows `oh0`.. of g (K/G, OH, OW) to (K/G, rows*width), with 0 where a row is wider."""
    OW = g.shape[2]
    for k in range(len(target)):
        for i in range(rows):
            for j in range(OW):
                target[k, i * width + j] = g[k, oh0 + i, j]
            for j in range(OW, width):
                target[k, i * width + j] = 0


@compiled
def _forward(x, w, y, geometry, width, piece_rows, start, stop):
    _, C, H, W, K, KH, KW, _, _, PH, PW, _, _, G, OH, OW = geometry
    patch, KG = C // G * KH * KW, K // G
    filters = w.reshape(G, KG, patch)
    padded = np.zeros((C, H + 2 * PH, W + 2 * PW), x.dtype)
    column_buffer = np.empty(patch * piece_rows * width, x.dtype)
    product_buffer = np.empty(KG * piece_rows * width, x.dtype)
    for n in range(start, stop):
        planes = _padded_planes(padded, x[n], PH, PW)
        for group in range(G):
            for oh0 in range(0, OH, piece_rows):
                rows = min(piece_rows, OH - oh0)
                columns = column_buffer[: patch * rows * width].reshape(patch, rows * width)
                product = product_buffer[: KG * rows * width].reshape(KG, rows * width)
                _fill(columns, planes, geometry, group * (C // G), width, oh0, rows)
                np.dot(filters[group], columns, product)
                for k in range(KG):
                    for i in range(rows):
                        for j in range(OW):
                            y[n, group * KG + k, oh0 + i, j] = product[k, i * width + j]


@compiled
def _input(g, w, x, geometry, width, piece_rows, start, stop):
    _, C, H, W, K, KH, KW, _, _, PH, PW, _, _, G, OH, _ = geometry
    patch, KG = C // G * KH * KW, K // G
    filters = w.reshape(G, KG, patch)
    padded = np.empty((C, H + 2 * PH, W + 2 * PW), x.dtype)
    planes = padded.reshape(C, padded.shape[1] * padded.shape[2])
    column_buffer = np.empty(patch * piece_rows * width, x.dtype)
    g_buffer = np.empty(KG * piece_rows * width, x.dtype)
    for n in range(start, stop):
        padded[:] = 0
        for group in range(G):
            for oh0 in range(0, OH, piece_rows):
                rows = min(piece_rows, OH - oh0)
                columns = column_buffer[: patch * rows * width].reshape(patch, rows * width)
                wide = g_buffer[: KG * rows * width].reshape(KG, rows * width)
                _widen(wide, g[n, group * KG : (group + 1) * KG], oh0, rows, width)
                np.dot(filters[group].T, wide, columns)
                _add(planes, columns, geometry, group * (C // G), width, oh0, rows)
        for c in range(C):
            for h in range(H):
                x[n, c, h] = padded[c, PH + h, PW : PW + W]


@compiled
def _weight(x, g, total, geometry, width, piece_rows, start, stop):
    _, C, H, W, K, KH, KW, _, _, PH, PW, _, _, G, OH, _ = geometry
    patch, KG = C // G * KH * KW, K // G
    sums = total.reshape(G, KG, patch)
    padded = np.zeros((C, H + 2 * PH, W + 2 * PW), x.dtype)
    column_buffer = np.empty(patch * piece_rows * width, x.dtype)
    g_buffer = np.empty(KG * piece_rows * width, x.dtype)
    product = np.empty((KG, patch), x.dtype)
    for n in range(start, stop):
        planes = _padded_planes(padded, x[n], PH, PW)
        for group in range(G):
            for oh0 in range(0, OH, piece_rows):
                rows = min(piece_rows, OH - oh0)
                columns = column_buffer[: patch * rows * width].reshape(patch, rows * width)
                wide = g_buffer[: KG * rows * width].reshape(KG, rows * width)
                _fill(columns, planes, geometry, group * (C // G), width, oh0, rows)
                _widen(wide, g[n, group * KG : (group + 1) * KG], oh0, rows, width)
                np.dot(wide, columns.T, product)
                sums[group] += product
