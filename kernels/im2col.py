"""Convolution as a matrix product: im2col lays the patches out as a matrix (Eq. 1). NumPy or CuPy arrays.

Eq. 1 as documented, ``y_ij = sum_k x_ik * w_kj``, has a row for each patch and a column for each filter. Here
both are transposed, with a column for each patch and a row for each filter. Then ``w (K, C*KH*KW) @ columns
(C*KH*KW, OH*OW)`` is the output of one image in the order (K, OH, OW), and nothing has to be moved.

`im2col` and `col2im` are each other's adjoint, not inverse. If patches overlap, `col2im` ADDS, because
an input cell that was copied into several patches collects the gradient of every copy.
"""

from .arrays import Array, array_module
from .geometry import Geometry, Pair, conv2d_geometry, taps
from .plain.windows import add_bias, crop, pad


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
    return _columns(x, geometry)[:, 0]


def col2im(
    columns: Array,
    size: Pair,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> Array:
    """Return zeros (N, C, H, W) with every number of `columns` (N, C*KH*KW, OH*OW) added at its cell.

    This is the adjoint of `im2col`.

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
    return _add_columns(columns, geometry)


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return y (N, K, OH, OW), the convolution of `x` with `w`, plus `bias` (K,): Eq. 1."""
    y = _rows(w, geometry) @ _columns(x, geometry)  # (N, G, K/G, OH*OW)
    return add_bias(y.reshape(geometry.y_shape), bias)


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return d<g, conv2d(x, w)>/dx (N, C, H, W), plus `bias` (C,) for a transposed convolution."""
    columns = _rows(w, geometry).swapaxes(1, 2) @ _by_group(g, geometry)  # (N, G, C/G*KH*KW, OH*OW)
    return add_bias(_add_columns(columns, geometry), bias)


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw (K, C/G, KH, KW)."""
    each = _by_group(g, geometry) @ _columns(x, geometry).swapaxes(2, 3)  # (N, G, K/G, C/G*KH*KW)
    return each.sum(axis=0).reshape(geometry.w_shape)


def _columns(x: Array, geometry: Geometry) -> Array:
    """Return the patches of x as columns, group by group: (N, G, C/G*KH*KW, OH*OW)."""
    N, C, _, _, _, KH, KW, *_, G, OH, OW = geometry
    columns, padded = array_module(x).empty((N, C, KH, KW, OH, OW), x.dtype), pad(x, geometry)
    for r, s, rows, cols in taps(geometry):
        columns[:, :, r, s] = padded[:, :, rows, cols]  # (N, C, OH, OW)
    return columns.reshape(N, G, C // G * KH * KW, OH * OW)


def _add_columns(columns: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with every number of the columns added at the cell it belongs to."""
    N, C, _, _, _, KH, KW, *_, OH, OW = geometry
    columns = columns.reshape(N, C, KH, KW, OH, OW)
    padded = array_module(columns).zeros(geometry.padded_shape, columns.dtype)
    for r, s, rows, cols in taps(geometry):
        padded[:, :, rows, cols] += columns[:, :, r, s]
    return crop(padded, geometry)


def _rows(w: Array, geometry: Geometry) -> Array:
    """Return each filter as a row, group by group: (G, K/G, C/G*KH*KW)."""
    return w.reshape(geometry.G, geometry.K // geometry.G, -1)


def _by_group(g: Array, geometry: Geometry) -> Array:
    """Return g (N, K, OH, OW) as (N, G, K/G, OH*OW)."""
    N, K, G = geometry.N, geometry.K, geometry.G
    return g.reshape(N, G, K // G, geometry.OH * geometry.OW)
