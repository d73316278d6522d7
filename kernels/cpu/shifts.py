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
    """One sum over taps, and where it goes."""

    taps: tuple[Tap, ...]
    target: Target


class ShiftedSums(NamedTuple):
    """Sums over the same planes."""

    layout: Layout
    sums: tuple[ShiftedSum, ...]


@lru_cache(maxsize=1024)
def forward_sums(geometry: Conv2dGeometry) -> ShiftedSums:
    """Return the sum over x that is the convolution's output."""
    _, _, _, _, _, KH, KW, SH, SW, PH, PW, DH, DW, _, OH, OW = geometry
    taps = tuple(
        Tap(r, s, r * DH % SH, s * DW % SW, r * DH // SH, s * DW // SW) for r, s in np.ndindex(KH, KW)
    )
    return _with_layout(PH, PW, SH, SW, (ShiftedSum(taps, Target(0, 0, 1, 1, OH, OW)),))


@lru_cache(maxsize=1024)
def input_sums(geometry: Conv2dGeometry) -> ShiftedSums:
    """Return the sums over g that are the gradient by the input: one for every (a, b)."""
    _, _, H, W, _, KH, KW, SH, SW, PH, PW, DH, DW, _, _, _ = geometry
    top, left = (KH - 1) * DH // SH, (KW - 1) * DW // SW  # the largest d and e
    sums = []
    for a, b in np.ndindex(SH, SW):
        # The first i and j whose cell h = i*SH + a - PH, w = j*SW + b - PW is inside the input.
        i0, j0 = -((a - PH) // SH), -((b - PW) // SW)
        h, w = i0 * SH + a - PH, j0 * SW + b - PW
        rows, columns = -((h - H) // SH), -((w - W) // SW)
        if rows < 1 or columns < 1:
            continue
        taps = tuple(
            Tap(r, s, 0, 0, top + i0 - r * DH // SH, left + j0 - s * DW // SW)
            for r, s in np.ndindex(KH, KW)
            if r * DH % SH == a and s * DW % SW == b
        )
        sums.append(ShiftedSum(taps, Target(h, w, SH, SW, rows, columns)))
    return _with_layout(top, left, 1, 1, tuple(sums))


def _with_layout(top: int, left: int, SH: int, SW: int, sums: tuple[ShiftedSum, ...]) -> ShiftedSums:
    """Return the sums with planes that begin with the first row and column that is read."""
    taps = [tap for one in sums for tap in one.taps]
    first_i, first_j = (min((getattr(tap, axis) for tap in taps), default=0) for axis in "ij")
    sums = tuple(
        ShiftedSum(tuple(tap._replace(i=tap.i - first_i, j=tap.j - first_j) for tap in one.taps), one.target)
        for one in sums
    )
    WP = max((tap.j + one.target.columns for one in sums for tap in one.taps), default=1)
    halo = max((tap.i for one in sums for tap in one.taps), default=0)
    return ShiftedSums(Layout(top - first_i * SH, left - first_j * SW, SH, SW, WP, halo), sums)


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
