"""Convolution as a matrix product: im2col lays the patches out as a matrix (Eq. 1). NumPy or CuPy arrays.

Eq. 1 as documented, ``y_ij = sum_k x_ik * w_kj``, has one patch a row and one filter a column. Here both
stand transposed, one patch a column and one filter a row, because ``w (K, C*KH*KW) @ columns (C*KH*KW,
OH*OW)`` then is the output in N, C, H, W order with nothing left to move.

`im2col` and `col2im` are each other's adjoint, not inverse: where patches overlap, `col2im` ADDS, because
an input cell that was copied into several patches collects the gradient of every copy.
"""

import operator
import os
from collections.abc import Callable, Iterator
from types import ModuleType

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

# The columns of a whole batch are KH*KW times its size: fresh memory costs more than the product itself.
# So a few images at a time go through one buffer that stays in the cache (bytes; a GPU wants more at once).
PIECE_BYTES = {"numpy": int(os.environ.get("TINYCNN_PIECE_BYTES", 1 << 20)), "cupy": 1 << 28}


def im2col(
    x: Array,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> Array:
    """Lay the patches of `x` (N, C, H, W) out as columns: (N, C*KH*KW, OH*OW).

    >>> import numpy as np
    >>> im2col(np.arange(6).reshape(1, 1, 2, 3), (2, 2))  # two patches, side by side
    array([[[0, 1],
            [1, 2],
            [3, 4],
            [4, 5]]])
    """
    geometry = conv2d_geometry(x.shape, (1, x.shape[1], *kernel_size), stride, padding, dilation, 1)
    N, C, KH, KW, OH, OW = (getattr(geometry, letter) for letter in ("N", "C", "KH", "KW", "OH", "OW"))
    columns = array_module(x).empty((N, C, KH, KW, OH, OW), x.dtype)
    _fill_columns(columns, _pad(x, geometry), geometry)
    return columns.reshape(N, C * KH * KW, OH * OW)


def col2im(
    columns: Array,
    size: Pair,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> Array:
    """Add `columns` (N, C*KH*KW, OH*OW) up where they came from, (N, C, H, W): `im2col`'s adjoint.

    >>> import numpy as np
    >>> col2im(np.ones((1, 4, 2)), (2, 3), (2, 2))  # the middle column was in both patches
    array([[[[1., 2., 1.],
             [1., 2., 1.]]]])
    """
    N, C = columns.shape[0], columns.shape[1] // (kernel_size[0] * kernel_size[1])
    geometry = conv2d_geometry((N, C, *size), (1, C, *kernel_size), stride, padding, dilation, 1)
    expected = (N, C * geometry.KH * geometry.KW, geometry.OH * geometry.OW)
    if columns.shape != expected:
        raise ValueError(
            f"col2im: columns must be (N, C*KH*KW, OH*OW), {expected} for the input (N, C, H, W)="
            f"{(N, C, *size)} and the kernel (KH, KW)={tuple(kernel_size)}, got shape {columns.shape}"
        )
    patches = columns.reshape(N, C, geometry.KH, geometry.KW, geometry.OH, geometry.OW)
    padded = _zeros_padded(array_module(columns), N, geometry, columns.dtype)
    _add_columns(padded, patches, geometry)
    return _crop(padded, geometry)


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
    N, K, G = geometry.N, geometry.K, geometry.G
    xp, dtype = array_module(x), np.result_type(x.dtype, w.dtype)
    rows = w.reshape(G, K // G, -1)  # (G, K/G, C/G*KH*KW)
    y = xp.empty((N, G, K // G, geometry.OH * geometry.OW), dtype)
    for images, columns in _pieces(xp, geometry, dtype):
        _fill_columns(columns, _pad(x[images], geometry), geometry)
        xp.matmul(rows, _as_matrix(columns, geometry), out=y[images])
    return _plus(bias, y.reshape(N, K, geometry.OH, geometry.OW))


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
    N, K, G = geometry.N, geometry.K, geometry.G
    xp, dtype = array_module(g), np.result_type(g.dtype, w.dtype)
    rows = w.reshape(G, K // G, -1).swapaxes(1, 2)  # (G, C/G*KH*KW, K/G)
    g = g.reshape(N, G, K // G, geometry.OH * geometry.OW)
    padded = _zeros_padded(xp, N, geometry, dtype)
    for images, columns in _pieces(xp, geometry, dtype):
        xp.matmul(rows, g[images], out=_as_matrix(columns, geometry))
        _add_columns(padded[images], columns, geometry)
    return _plus(bias, _crop(padded, geometry))


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
    N, C, K, G = geometry.N, geometry.C, geometry.K, geometry.G
    xp, dtype = array_module(x), np.result_type(x.dtype, g.dtype)
    g = g.reshape(N, G, K // G, geometry.OH * geometry.OW)
    w = xp.zeros((G, K // G, C // G * geometry.KH * geometry.KW), dtype)
    for images, columns in _pieces(xp, geometry, dtype):
        _fill_columns(columns, _pad(x[images], geometry), geometry)
        w += xp.matmul(g[images], _as_matrix(columns, geometry).swapaxes(2, 3)).sum(axis=0)
    return w.reshape(K, C // G, geometry.KH, geometry.KW)


def _plus(bias: Array | None, y: Array) -> Array:
    """Add one number a channel to y (N, K, OH, OW), in place."""
    if bias is not None:
        y += bias[:, None, None]
    return y


def _pieces(xp: ModuleType, geometry: Conv2dGeometry, dtype: np.dtype) -> Iterator[tuple[slice, Array]]:
    """Yield (which images, their columns (n, C, KH, KW, OH, OW)); every piece writes to the same buffer."""
    N, C, KH, KW = geometry.N, geometry.C, geometry.KH, geometry.KW
    shape = (C, KH, KW, geometry.OH, geometry.OW)
    one_image = int(np.prod(shape)) * dtype.itemsize
    step = min(max(1, PIECE_BYTES[xp.__name__] // one_image), max(1, N))
    buffer = xp.empty((step, *shape), dtype)
    for start in range(0, N, step):
        images = slice(start, min(start + step, N))
        yield images, buffer[: images.stop - start]


def _as_matrix(columns: Array, geometry: Conv2dGeometry) -> Array:
    """View the columns (n, C, KH, KW, OH, OW) as (n, G, C/G*KH*KW, OH*OW)."""
    G, patch = geometry.G, geometry.C // geometry.G * geometry.KH * geometry.KW
    return columns.reshape(len(columns), G, patch, geometry.OH * geometry.OW)


def _fill_columns(columns: Array, padded: Array, geometry: Conv2dGeometry) -> None:
    for r, s, rows, cols in _shifts(geometry):
        columns[:, :, r, s] = padded[:, :, rows, cols]  # (n, C, OH, OW)


def _add_columns(padded: Array, columns: Array, geometry: Conv2dGeometry) -> None:
    for r, s, rows, cols in _shifts(geometry):
        padded[:, :, rows, cols] += columns[:, :, r, s]  # (n, C, OH, OW)


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
    padded = _pad(x, geometry)
    # The index of an input cell h*W + w, laid out as the padded input is; padding is -1.
    cells = xp.arange(geometry.H * geometry.W, dtype=np.intp).reshape(1, 1, geometry.H, geometry.W)
    cells = _pad(cells, geometry, -1)
    y = index = None
    for _, _, rows, cols in _shifts(geometry):
        value = padded[:, :, rows, cols]  # (N, C, OH, OW)
        cell = xp.broadcast_to(cells[:, :, rows, cols], value.shape)
        if y is None or index is None:
            y, index = value.copy(), cell.copy()
            continue
        better = beats(value, y) | (value != value)
        if geometry.PH or geometry.PW:
            better = (better | (index < 0)) & (cell >= 0)
        xp.copyto(y, value, where=better)
        xp.copyto(index, cell, where=better)
    return y, index


def pool_gather(x: Array, index: Array) -> Array:
    """Return the cells `index` (N, C, OH, OW), each h*W + w, of `x` (N, C, H, W)."""
    N, C, H, W = x.shape
    cells = index.reshape(N, C, index.shape[2] * index.shape[3])
    return array_module(x).take_along_axis(x.reshape(N, C, H * W), cells, axis=2).reshape(index.shape)


def pool_scatter(g: Array, index: Array, size: Pair, window: Window | None = None) -> Array:
    """Add every `g` (N, C, OH, OW) to its cell `index` of zeros (N, C, H, W): `pool_gather`'s adjoint."""
    N, C = g.shape[:2]
    H, W = size
    xp = array_module(g)
    planes = xp.arange(N * C, dtype=np.intp).reshape(N, C, 1, 1) * (H * W)
    x = xp.zeros(N * C * H * W, g.dtype)
    xp.add.at(x, (index + planes).ravel(), g.ravel())  # not =: windows that overlap can share a winner
    return x.reshape(N, C, H, W)


def sum_pool2d(x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = (0, 0)) -> Array:
    """Return each window's sum, (N, C, OH, OW); padding counts as 0."""
    geometry = pool2d_geometry(x.shape, kernel_size, stride, padding)
    padded = _pad(x, geometry)
    y = array_module(x).zeros((geometry.N, geometry.C, geometry.OH, geometry.OW), x.dtype)
    for _, _, rows, cols in _shifts(geometry):
        y += padded[:, :, rows, cols]
    return y


def sum_pool2d_input(
    g: Array, kernel_size: Pair, size: Pair, stride: Pair | None = None, padding: Pair = (0, 0)
) -> Array:
    """Add every `g` (N, C, OH, OW) to all cells of its window: `sum_pool2d`'s adjoint, (N, C, H, W)."""
    geometry = sum_pool2d_input_geometry(g.shape, kernel_size, size, stride, padding)
    padded = _zeros_padded(array_module(g), geometry.N, geometry, g.dtype)
    for _, _, rows, cols in _shifts(geometry):
        padded[:, :, rows, cols] += g
    return _crop(padded, geometry)


def _shifts(geometry: Conv2dGeometry | Pool2dGeometry) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield (r, s, rows, columns): the padded input's cells that kernel cell (r, s) meets, OH by OW."""
    SH, SW, DH, DW = geometry.SH, geometry.SW, geometry.DH, geometry.DW
    for r, s in np.ndindex(geometry.KH, geometry.KW):
        rows = slice(r * DH, r * DH + SH * (geometry.OH - 1) + 1, SH)
        cols = slice(s * DW, s * DW + SW * (geometry.OW - 1) + 1, SW)
        yield r, s, rows, cols


def _pad(x: Array, geometry: Conv2dGeometry | Pool2dGeometry, value: float = 0) -> Array:
    """Return `x` (n, C, H, W) with `value` around it, (n, C, H+2*PH, W+2*PW); `x` itself without padding."""
    PH, PW = geometry.PH, geometry.PW
    if PH == PW == 0:
        return x
    n, C, H, W = x.shape
    padded = array_module(x).full((n, C, H + 2 * PH, W + 2 * PW), value, x.dtype)
    padded[:, :, PH : PH + H, PW : PW + W] = x
    return padded


def _zeros_padded(
    xp: ModuleType, N: int, geometry: Conv2dGeometry | Pool2dGeometry, dtype: np.dtype
) -> Array:
    return xp.zeros((N, geometry.C, geometry.H + 2 * geometry.PH, geometry.W + 2 * geometry.PW), dtype)


def _crop(padded: Array, geometry: Conv2dGeometry | Pool2dGeometry) -> Array:
    """Return the inside (N, C, H, W) of what `_pad` makes, contiguous."""
    PH, PW = geometry.PH, geometry.PW
    inside = padded[:, :, PH : PH + geometry.H, PW : PW + geometry.W]
    return array_module(padded).ascontiguousarray(inside)
