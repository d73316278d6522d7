"""Pooling on the CPU, compiled by Numba: one pass over each plane, threads share the planes.

A plane is one channel of one image: x (N, C, H, W) has N*C of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .. import arena
from ..arrays import Array, ready
from ..geometry import Geometry
from . import convolution
from .compiled import compiled
from .parts import in_parts
from .rows import largest_row
from .threads import share

_largest, _largest_by_2 = largest_row(1), largest_row(2)


SERIAL = 1 << 16  # elements: fewer are done before another thread has started


def max_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's maximum and the winner's index h*W + w, both (N, C, OH, OW). Eq. 2.

    The first of equal cells wins. A NaN wins over any number, and the last NaN over all. Padding never wins.
    """
    return _winners(x, geometry, largest=True)


def min_pool2d(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return each window's minimum and the winner's index; see `max_pool2d`."""
    return _winners(x, geometry, largest=False)


def _winners(x: Array, geometry: Geometry, largest: bool) -> tuple[Array, Array]:
    y, index = arena.empty(geometry.y_shape, x.dtype), arena.empty(geometry.y_shape, np.int32)
    arrays = _planes(x), _planes(y), _planes(index)
    if largest and x.dtype.kind == "f" and geometry.PH == geometry.PW == 0 and geometry.SW <= 2:
        flat = [array.reshape(-1) for array in arrays]
        sizes = geometry.H, geometry.W, geometry.SH, geometry.SW, geometry.OH, geometry.OW
        _share(_largest_of_planes, (*flat, _offsets(geometry), sizes), arrays)
    else:
        _share(_best_of_planes, (*arrays, tuple(geometry), largest), arrays)
    return y, index


@lru_cache(maxsize=256)
def _offsets(geometry: Geometry) -> Array:
    """Return the distance in memory from a window's first cell to each of its cells, (KH*KW,)."""
    rows, columns = np.arange(geometry.KH) * geometry.DH, np.arange(geometry.KW) * geometry.DW
    return (rows[:, None] * geometry.W + columns).ravel()


def pool_gather(x: Array, index: Array) -> Array:
    """Return the cells `index` (N, C, OH, OW), each h*W + w, of `x` (N, C, H, W)."""
    y = arena.empty(index.shape, x.dtype)
    arrays = _flat_planes(x), _flat_planes(index), _flat_planes(y)
    _share(_gather_planes, arrays, arrays)
    return y


def pool_scatter(g: Array, index: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with every `g` (N, C, OH, OW) added at its cell: `pool_gather`'s adjoint."""
    x = arena.empty(geometry.x_shape, g.dtype)
    arrays = _flat_planes(g), _flat_planes(index), _flat_planes(x)
    _share(_scatter_planes, arrays, arrays)
    return x


# Sums of windows are a depthwise convolution with weights of 1. The geometry says so: it has C groups.


def sum_pool2d(x: Array, geometry: Geometry) -> Array:
    """Return each window's sum, (N, C, OH, OW); padding counts as 0."""
    return convolution.conv2d(x, np.ones(geometry.w_shape, x.dtype), geometry)


def sum_pool2d_input(g: Array, geometry: Geometry) -> Array:
    """Return zeros (N, C, H, W) with `g` added to all cells of its window: `sum_pool2d`'s adjoint."""
    if geometry.w_shape[2:] == geometry.padded_shape[2:]:  # one window that holds all cells
        x = arena.empty(geometry.x_shape, g.dtype)
        x[...] = g
        return x
    return convolution.conv2d_input(g, np.ones(geometry.w_shape, g.dtype), geometry)


def _share(kernel: Any, args: Sequence[Any], arrays: Sequence[Array]) -> None:
    """Run a kernel on parts of the planes."""
    share(kernel, args, len(arrays[0]), 1 + max(a.size for a in arrays) // SERIAL)


def _planes(x: Array) -> Array:
    """Return (N*C, H, W) of (N, C, H, W)."""
    return ready(x).reshape(x.shape[0] * x.shape[1], x.shape[2], x.shape[3])


def _flat_planes(x: Array) -> Array:
    """Return (N*C, H*W) of (N, C, H, W)."""
    return ready(x).reshape(x.shape[0] * x.shape[1], x.shape[2] * x.shape[3])


@compiled
def _best_of_planes(x, y, index, geometry, largest, work):
    _, start, stop = in_parts(work)
    _, _, H, W, _, KH, KW, SH, SW, PH, PW, DH, DW, _, OH, OW = geometry
    for plane in range(start, stop):
        for oh in range(OH):
            for ow in range(OW):
                winner = -1
                best = x[plane, 0, 0]
                for r in range(KH):
                    i = oh * SH - PH + r * DH
                    if i < 0 or i >= H:
                        continue
                    for s in range(KW):
                        j = ow * SW - PW + s * DW
                        if j < 0 or j >= W:
                            continue
                        value = x[plane, i, j]
                        better = value > best if largest else value < best
                        if winner < 0 or better or value != value:
                            best, winner = value, i * W + j
                y[plane, oh, ow], index[plane, oh, ow] = best, winner


@compiled
def _largest_of_planes(cells, best, winner, offsets, sizes, work):
    """Write the maximum and its index for planes start.. without padding and SW = 1 or 2, row by row."""
    _, start, stop = in_parts(work)
    H, W, SH, SW, OH, OW = sizes
    for plane in range(start, stop):
        for oh in range(OH):
            window, at = (plane * OH + oh) * OW, oh * SH * W
            if SW == 1:
                _largest(best, winner, window, cells, plane * H * W + at, at, offsets, OW)
            else:
                _largest_by_2(best, winner, window, cells, plane * H * W + at, at, offsets, OW)


@compiled
def _gather_planes(x, index, y, work):
    _, start, stop = in_parts(work)
    for plane in range(start, stop):
        for o in range(index.shape[1]):
            y[plane, o] = x[plane, index[plane, o]]


@compiled
def _scatter_planes(g, index, x, work):
    _, start, stop = in_parts(work)
    for plane in range(start, stop):
        for cell in range(x.shape[1]):
            x[plane, cell] = 0
        for o in range(index.shape[1]):
            x[plane, index[plane, o]] += g[plane, o]
