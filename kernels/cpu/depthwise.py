"""Depthwise convolution: every channel has one filter of its own, so a vector holds channels on both sides.

In other convolutions one number of the image meets the weights of many filters. Here it meets one weight. So
the copy of an image has NR channels side by side in every cell, and the micro-kernel multiplies vectors of
them with vectors of weights. The tables are those of `plan.forward_plan` in these cells.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import arena
from ..arrays import Array
from ..cores import get_num_threads
from ..geometry import Geometry
from .compiled import compiled
from .epilogue import activate
from .micro_kernel import MOST_ROWS, ROWS, depthwise_tile, filters_of
from .panels import aligned, pack, transpose
from .plan import PART, multiply_adds, table
from .rows import copy_row
from .threads import split

BLOCK = 420  # cells whose sums, or whose numbers of g, are in the cache: a multiple of the rows of a tile
SERIAL = 1 << 19  # multiply-adds that are done before a thread that sleeps is awake
STEP = np.zeros(1, np.int64)  # of the gradient by the input: each channel has one filter


class Tables(NamedTuple):
    """Distances in a copy of NR channels with its border."""

    cells: Array  # of the first number of each window
    taps: Array  # of each number in a window
    places: Array  # of cells of the output side by side
    tap_places: Array  # of taps side by side


def is_depthwise(geometry: Geometry) -> bool:
    """Return whether every channel has one filter of its own, and is not alone."""
    return 1 < geometry.C == geometry.G == geometry.K


@lru_cache(maxsize=256)
def _tables(geometry: Geometry, NR: int) -> Tables:
    _, _, _, W, _, KH, KW, SH, SW, _, PW, DH, DW, _, OH, OW = geometry
    oh, ow = np.ogrid[:OH, :OW]
    r, s = np.ogrid[:KH, :KW]
    pitch = (W + 2 * PW) * NR
    return Tables(
        table(oh * SH * pitch + ow * SW * NR),
        table(r * DH * pitch + s * DW * NR),
        table(np.arange(OH * OW) * NR),
        table(np.arange(KH * KW) * NR),
    )


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None, slope: float) -> Array:
    """Return the output, activated."""
    y = arena.empty(geometry.y_shape, x.dtype)
    _by_images(_forward, geometry, x, w, bias, y, x.dtype.type(slope))
    return y


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None) -> Array:
    """Return the gradient by the input, or the result of a transposed convolution."""
    x = arena.empty(geometry.x_shape, g.dtype)
    _by_images(_input, geometry, g, w, bias, x)
    return x


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return the gradient by the weights. The batch is cut into parts by its size alone."""
    N, C, T, NR = geometry.N, geometry.C, geometry.KH * geometry.KW, filters_of(x.itemsize)
    panels, work = -(-C // NR), multiply_adds(geometry)
    parts = max(1, min(N, work // PART))
    sums = np.zeros((parts, panels * T * NR), x.dtype)
    scratch = _scratch(geometry, NR, x.dtype)
    arrays = x.reshape(-1), g.reshape(-1), np.zeros(NR, x.dtype), sums.reshape(-1)
    args = tuple(geometry), parts, *arrays, *_tables(geometry, NR)
    split(lambda part, *units: _weight(*args, scratch[part], *units), parts * panels, 1 + work // SERIAL)
    total = sums.sum(0).reshape(panels, T, NR).transpose(0, 2, 1)
    return np.ascontiguousarray(total).reshape(-1)[: C * T].reshape(geometry.w_shape)


def _by_images(
    kernel: Callable[..., None],
    geometry: Geometry,
    source: Array,
    w: Array,
    bias: Array | None,
    result: Array,
    *more: Any,
) -> None:
    """Let threads write their shares of the output or of the gradient by the input."""
    C, T, NR = geometry.C, geometry.KH * geometry.KW, filters_of(w.itemsize)
    panels = -(-C // NR)
    start = np.zeros(panels * NR, w.dtype)
    if bias is not None:
        start[:C] = bias
    packed = np.zeros(panels * T * NR, w.dtype)
    pack(w.reshape(-1), packed, 1, 1, C, T, NR)
    scratch = _scratch(geometry, NR, w.dtype)
    arrays = source.reshape(-1), packed, start, result.reshape(-1)
    args = tuple(geometry), NR, *arrays, *_tables(geometry, NR), *more
    units = geometry.N * panels
    split(
        lambda part, *some: kernel(*args, scratch[part], *some), units, 1 + multiply_adds(geometry) // SERIAL
    )


def _scratch(geometry: Geometry, NR: int, dtype: np.dtype) -> Array:
    """Return memory for each thread: a copy of NR channels with its border, and a block of cells."""
    _, _, H, W, *_, PH, PW, _, _, _, OH, OW = geometry
    cells = (H + 2 * PH) * (W + 2 * PW) + min(BLOCK, OH * OW) + MOST_ROWS
    return aligned(get_num_threads() * cells * NR, dtype).reshape(get_num_threads(), -1)


@compiled
def _lay_out(to, geometry, NR, x, n, c0):
    """Copy NR channels of an image into a border of zeros that is there already; return how many exist."""
    _, C, H, W, _, _, _, _, _, PH, PW, _, _, _, _, _ = geometry
    c, x0 = min(NR, C - c0), (n * C + c0) * H * W
    if PW == 0:
        transpose(to, PH * W * NR, NR, x, x0, H * W, H * W, c)
    else:
        for h in range(H):
            transpose(to, ((h + PH) * (W + 2 * PW) + PW) * NR, NR, x, x0 + h * W, H * W, W, c)
    return c


@compiled
def _forward(geometry, NR, x, w, start, y, cells, taps, places, _, slope, scratch, first, last):
    """Write the output for the units first.. of all (image, panel of channels)."""
    _, C, H, W, _, KH, KW, _, _, PH, PW, _, _, _, OH, OW = geometry
    panels, copied, P, T = len(start) // NR, (H + 2 * PH) * (W + 2 * PW) * NR, OH * OW, KH * KW
    scratch[:copied] = 0
    for unit in range(first, last):
        n, panel = unit // panels, unit % panels
        c, v0, begin = _lay_out(scratch, geometry, NR, x, n, panel * NR), panel * T * NR, start[panel * NR :]
        for p0 in range(0, P, BLOCK):
            p1, s0 = min(P, p0 + BLOCK), copied - p0 * NR
            for p in range(p0, p1, ROWS):
                depthwise_tile(scratch, 0, cells, p, taps[:T], w, v0, NR, scratch, s0, places, begin, True)
            if slope != 1:
                for p in range(p0, p1):
                    activate(scratch, s0 + p * NR, slope)
            transpose(y, (n * C + panel * NR) * P + p0, P, scratch, copied, NR, c, p1 - p0)


@compiled
def _input(geometry, NR, g, w, start, x, cells, taps, places, _, scratch, first, last):
    """Write the gradient by the input for the units first.. of all (image, panel of channels)."""
    _, C, H, W, _, KH, KW, _, _, PH, PW, _, _, _, OH, OW = geometry
    WP, P, T, panels = W + 2 * PW, OH * OW, KH * KW, len(start) // NR
    copied = (H + 2 * PH) * WP * NR
    scratch[copied:] = 0  # what is no channel may be denormal, which is slow to multiply
    for unit in range(first, last):
        n, panel = unit // panels, unit % panels
        c, begin = min(NR, C - panel * NR), start[panel * NR :]
        for q in range(0, copied, NR):
            copy_row(scratch, q, start, panel * NR, NR)
        for p0 in range(0, P, BLOCK):
            p1, g0 = min(P, p0 + BLOCK), copied - p0 * NR
            transpose(scratch, copied, NR, g, (n * C + panel * NR) * P + p0, P, p1 - p0, c)
            for t in range(T):
                v0, tap = (panel * T + t) * NR, taps[t]
                for p in range(p0, p1, ROWS):
                    depthwise_tile(scratch, g0, places, p, STEP, w, v0, NR, scratch, tap, cells, begin, False)
        to = (n * C + panel * NR) * H * W
        if PW == 0:
            transpose(x, to, H * W, scratch, PH * W * NR, NR, c, H * W)
        else:
            for h in range(H):
                transpose(x, to + h * W, H * W, scratch, ((h + PH) * WP + PW) * NR, NR, c, W)


@compiled
def _weight(geometry, parts, x, g, zeros, sums, cells, taps, _, places, scratch, first, last):
    """Sum up the units first.. of all (part of the batch, panel): sums (parts, panels, T, NR)."""
    N, C, H, W, _, KH, KW, _, _, PH, PW, _, _, _, OH, OW = geometry
    NR, P, T = len(zeros), OH * OW, KH * KW
    copied, panels = (H + 2 * PH) * (W + 2 * PW) * NR, -(-C // NR)
    scratch[:] = 0
    for unit in range(first, last):
        part, panel, s0 = unit // panels, unit % panels, unit * T * NR
        for n in range(N * part // parts, N * (part + 1) // parts):
            c = _lay_out(scratch, geometry, NR, x, n, panel * NR)
            for p0 in range(0, P, BLOCK):
                some = cells[p0 : min(P, p0 + BLOCK)]
                transpose(scratch, copied, NR, g, (n * C + panel * NR) * P + p0, P, len(some), c)
                for t in range(0, T, ROWS):
                    depthwise_tile(
                        scratch, 0, taps, t, some, scratch, copied, NR, sums, s0, places, zeros, False
                    )
