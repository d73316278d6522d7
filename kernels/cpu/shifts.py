"""What a convolution looks like as sums of shifted planes: where the planes lie, and the shift of each tap.

A tap (r, s) meets the input cells (oh*SH + r*DH - PH, ow*SW + s*DW - PW). Lay the image out as planes whose
rows are every SH-th of its rows and whose columns are every SW-th of its columns. Then a stride is no stride any
more, and what a tap meets at consecutive outputs lies consecutively in memory, so that with p = oh*WP + ow, WP
the width of a plane, all that is left of stride, padding and dilation is one shift a tap::

    y[p] = sum_t w[t] * planes[shift[t] + p]

Plane (a, b) holds the cells with the row i*SH + a - top and the column j*SW + b - left. A plane is wider than the
output, so a few p lie between two rows: their sums mean nothing and are left out.

The gradient by the input is the same again. The cells h = i*SH + a - PH of the input with one a (and b) meet the
taps with r*DH = d*SH + a only, so they are a convolution of g with these::

    x[a, b][i, j] = sum_{r,s of (a, b)} w[r, s] * g[i - d, j - e]
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..geometry import Conv2dGeometry


class Tap(NamedTuple):
    """A kernel cell (r, s), the plane (a, b) it reads, and its shift there by i rows and j columns."""

    r: int
    s: int
    a: int
    b: int
    i: int
    j: int


class Layout(NamedTuple):
    """How an image becomes planes: plane (a, b)[i, j] = image[i*SH + a - top, j*SW + b - left], 0 outside."""

    top: int
    left: int
    SH: int
    SW: int
    WP: int  # width of a plane
    halo: int  # rows of a plane beyond those of the output


class Target(NamedTuple):
    """Where the sum for (i, j), i < rows and j < columns, goes: to row h + i*SH and column w + j*SW."""

    h: int
    w: int
    SH: int
    SW: int
    rows: int
    columns: int


class ShiftedSum(NamedTuple):
    """One sum over taps: from where, which taps, to where."""

    layout: Layout
    taps: tuple[Tap, ...]
    target: Target


@lru_cache(maxsize=1024)
def forward_sum(geometry: Conv2dGeometry) -> ShiftedSum:
    """Return the sum over x that is the convolution's output."""
    _, _, _, _, _, KH, KW, SH, SW, PH, PW, DH, DW, _, OH, OW = geometry
    cells = [(r, s, r * DH, s * DW) for r, s in np.ndindex(KH, KW)]
    return _sum(PH, PW, SH, SW, cells, Target(0, 0, 1, 1, OH, OW))


@lru_cache(maxsize=1024)
def input_sums(geometry: Conv2dGeometry) -> tuple[ShiftedSum, ...]:
    """Return the sums over g that are the gradient by the input: one for every (a, b)."""
    _, _, H, W, _, KH, KW, SH, SW, PH, PW, DH, DW, _, _, _ = geometry
    sums = []
    for a, b in np.ndindex(SH, SW):
        # The first i and j whose cell h = i*SH + a - PH, w = j*SW + b - PW is inside the input.
        i0, j0 = -((a - PH) // SH), -((b - PW) // SW)
        h, w = i0 * SH + a - PH, j0 * SW + b - PW
        rows, columns = -((h - H) // SH), -((w - W) // SW)
        if rows < 1 or columns < 1:
            continue
        cells = [
            (r, s, i0 - r * DH // SH, j0 - s * DW // SW)
            for r, s in np.ndindex(KH, KW)
            if r * DH % SH == a and s * DW % SW == b
        ]
        top = -min((i for *_, i, _ in cells), default=0)
        left = -min((j for *_, j in cells), default=0)
        cells = [(r, s, i + top, j + left) for r, s, i, j in cells]
        sums.append(_sum(top, left, 1, 1, cells, Target(h, w, SH, SW, rows, columns)))
    return tuple(sums)


def _sum(
    top: int, left: int, SH: int, SW: int, cells: list[tuple[int, int, int, int]], target: Target
) -> ShiftedSum:
    """Return the sum over taps (r, s) that meet the cells (i*SH + y - top, j*SW + x - left)."""
    taps = tuple(Tap(r, s, y % SH, x % SW, y // SH, x // SW) for r, s, y, x in cells)
    WP = target.columns + max((tap.j for tap in taps), default=0)
    halo = max((tap.i for tap in taps), default=0)
    return ShiftedSum(Layout(top, left, SH, SW, WP, halo), taps, target)


@lru_cache(maxsize=1024)
def shifts(layout: Layout, taps: tuple[Tap, ...], channels: int, plane: int) -> np.ndarray:
    """Return the shift of every (channel, tap), channel after channel, for planes of `plane` cells: (T,)."""
    return np.array(
        [
            ((c * layout.SH + tap.a) * layout.SW + tap.b) * plane + tap.i * layout.WP + tap.j
            for c in range(channels)
            for tap in taps
        ],
        dtype=np.int64,
    )
