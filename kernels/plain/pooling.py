"""Pooling: one number of every window (Eq. 2). NumPy or CuPy arrays.

As in `convolution`, kernel cell (r, s) meets one slice of the padded input over all windows. Max-pooling goes
through these slices and keeps, in every window, the largest value so far and where it came from. That index
is all the derivative needs: reading the winners is a gather, and its adjoint adds g at the same places, a
scatter.
"""

import operator
from collections.abc import Callable

import numpy as np

from ..arrays import Array, array_module
from ..geometry import Geometry, taps
from .convolution import crop, pad


def max_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's maximum and the winner's index h*W + w, both (N, C, OH, OW). Eq. 2.

    The first of equal cells wins. A NaN wins over any number, and the last NaN over all. Padding never wins.
    """
    return _winners(x, geometry, operator.gt)


def min_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's minimum and the winner's index; see `max_pool2d`."""
    return _winners(x, geometry, operator.lt)


def _winners(x: Array, geometry: Geometry, beats: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    xp, H, W = array_module(x), geometry.H, geometry.W
    padded = pad(x, geometry)
    # The index h*W + w of every input cell, laid out as the padded input is; -1 in the padding.
    cells = pad(xp.arange(H * W, dtype=np.intp).reshape(1, 1, H, W), geometry, -1)
    y = index = None
    for _, _, rows, columns in taps(geometry):
        value = padded[:, :, rows, columns]  # (N, C, OH, OW)
        cell = xp.broadcast_to(cells[:, :, rows, columns], value.shape)
        if y is None or index is None:
            y, index = value.copy(), cell.copy()
            continue
        better = beats(value, y) | (value != value)
        better = (better | (index < 0)) & (cell >= 0)  # the padding never wins
        xp.copyto(y, value, where=better)
        xp.copyto(index, cell, where=better)
    assert y is not None
    assert index is not None
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


def sum_pool2d(x: Array, geometry: Geometry) -> Array:
    """Return each window's sum, (N, C, OH, OW); padding counts as 0."""
    padded = pad(x, geometry)
    y = array_module(x).zeros(geometry.y_shape, x.dtype)
    for _, _, rows, columns in taps(geometry):
        y += padded[:, :, rows, columns]
    return y


def sum_pool2d_input(g: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with `g` added to all cells of its window: `sum_pool2d`'s adjoint."""
    x = array_module(g).zeros(geometry.padded_shape, g.dtype)
    for _, _, rows, columns in taps(geometry):
        x[:, :, rows, columns] += g
    return crop(x, geometry)
