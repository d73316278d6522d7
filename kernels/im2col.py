"""Convolution as a matrix product: im2col lays the patches out as a matrix (Eq. 1). NumPy or CuPy arrays.

Eq. 1 as documented, ``y_ij = sum_k x_ik * w_kj``, has one patch a row and one filter a column. Here both
stand transposed, one patch a column and one filter a row, because ``w (K, C*KH*KW) @ columns (C*KH*KW,
OH*OW)`` then is the output in N, C, H, W order with nothing left to move.

`im2col` and `col2im` are each other's adjoint, not inverse: where patches overlap, `col2im` ADDS, because
an input cell that was copied into several patches collects the gradient of every copy.
"""

import os
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from .arrays import Array, array_module
from .geometry import Conv2dGeometry, Pair, conv2d_geometry, taps
from .plain.convolution import add_bias, crop, pad

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
    N, C, KH, KW, OH, OW = geometry.N, geometry.C, geometry.KH, geometry.KW, geometry.OH, geometry.OW
    columns = array_module(x).empty((N, C, KH, KW, OH, OW), x.dtype)
    _fill_columns(columns, pad(x, geometry), geometry)
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
    padded = array_module(columns).zeros(geometry.padded_shape, columns.dtype)
    _add_columns(padded, patches, geometry)
    return crop(padded, geometry)


def conv2d(x: Array, w: Array, geometry: Conv2dGeometry, bias: Array | None = None) -> Array:
    """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1."""
    N, K, G = geometry.N, geometry.K, geometry.G
    xp, dtype = array_module(x), np.result_type(x.dtype, w.dtype)
    rows = w.reshape(G, K // G, -1)  # (G, K/G, C/G*KH*KW)
    y = xp.empty((N, G, K // G, geometry.OH * geometry.OW), dtype)
    for images, columns in _pieces(xp, geometry, dtype):
        _fill_columns(columns, pad(x[images], geometry), geometry)
        xp.matmul(rows, _as_matrix(columns, geometry), out=y[images])
    return add_bias(y.reshape(geometry.y_shape), bias)


def conv2d_input(g: Array, w: Array, geometry: Conv2dGeometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution."""
    N, K, G = geometry.N, geometry.K, geometry.G
    xp, dtype = array_module(g), np.result_type(g.dtype, w.dtype)
    rows = w.reshape(G, K // G, -1).swapaxes(1, 2)  # (G, C/G*KH*KW, K/G)
    g = g.reshape(N, G, K // G, geometry.OH * geometry.OW)
    padded = xp.zeros(geometry.padded_shape, dtype)
    for images, columns in _pieces(xp, geometry, dtype):
        xp.matmul(rows, g[images], out=_as_matrix(columns, geometry))
        _add_columns(padded[images], columns, geometry)
    return add_bias(crop(padded, geometry), bias)


def conv2d_weight(x: Array, g: Array, geometry: Conv2dGeometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW)."""
    N, C, K, G = geometry.N, geometry.C, geometry.K, geometry.G
    xp, dtype = array_module(x), np.result_type(x.dtype, g.dtype)
    g = g.reshape(N, G, K // G, geometry.OH * geometry.OW)
    w = xp.zeros((G, K // G, C // G * geometry.KH * geometry.KW), dtype)
    for images, columns in _pieces(xp, geometry, dtype):
        _fill_columns(columns, pad(x[images], geometry), geometry)
        w += xp.matmul(g[images], _as_matrix(columns, geometry).swapaxes(2, 3)).sum(axis=0)
    return w.reshape(geometry.w_shape)


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
    for r, s, rows, cols in taps(geometry):
        columns[:, :, r, s] = padded[:, :, rows, cols]  # (n, C, OH, OW)


def _add_columns(padded: Array, columns: Array, geometry: Conv2dGeometry) -> None:
    for r, s, rows, cols in taps(geometry):
        padded[:, :, rows, cols] += columns[:, :, r, s]  # (n, C, OH, OW)
