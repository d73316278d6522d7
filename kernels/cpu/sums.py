"""Sums of shifted planes, a tile at a time: the output of a convolution, and its gradient by the input."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arrays import Array, ready
from ..geometry import Conv2dGeometry
from . import planes as in_cache
from .compiled import compiled
from .planes import lay_out, parts_of, strip_of
from .rows import add_row
from .shifts import Target, forward_sums, input_sums, shifts
from .threads import split
from .tiles import output_tile
from .vectors import REGISTERS, VECTOR_BYTES

WIDE, WIDE_VECTORS = REGISTERS.wide
NARROW, NARROW_VECTORS = REGISTERS.narrow
wide_tile, wide_rest = output_tile(WIDE, WIDE_VECTORS), output_tile(WIDE, 1)
narrow_tile, narrow_rest = output_tile(NARROW, NARROW_VECTORS), output_tile(NARROW, 1)
add_1, add_2 = add_row(1), add_row(2)


class Plan(NamedTuple):
    """What the compiled code is told of the sums of one geometry."""

    layout: tuple[int, ...]
    strip_rows: int
    pitch: int  # cells from plane to plane
    shifts: Array  # of every tap of every channel, one sum after the other, (T,)
    targets: Array  # of each sum, and the number of its taps, (sums, 7)
    taps: Array  # of every kernel cell: its first place among the T, from channel to channel, r and s
    without_taps: tuple[Target, ...]  # cells that no tap meets


@lru_cache(maxsize=1024)
def _plan(geometry: Conv2dGeometry, transposed: bool, strip: int) -> Plan:
    layout, sums = input_sums(geometry) if transposed else forward_sums(geometry)
    channels = (geometry.K if transposed else geometry.C) // geometry.G
    rows = max((one.target.rows for one in sums), default=1)
    strip_rows, _, _, pitch = strip_of(layout, rows, 1, channels, strip)
    met = [one for one in sums if one.taps]
    each = [shifts(layout, one.taps, channels, pitch) for one in met]
    places, t0 = [], 0
    for one in met:
        places += [(t0 + i, len(one.taps), tap.r, tap.s) for i, tap in enumerate(one.taps)]
        t0 += channels * len(one.taps)
    return Plan(
        tuple(layout),
        strip_rows,
        pitch,
        np.concatenate([*each, np.empty(0, np.int64)]),
        np.array([(*one.target, len(shift)) for one, shift in zip(met, each, strict=True)], np.int64),
        np.array(places, np.int64),
        tuple(one.target for one in sums if not one.taps),
    )


def write_sums(
    source: Array, w: Array, result: Array, bias: Array | None, geometry: Conv2dGeometry, transposed: bool
) -> bool:
    """Write the sums over `source` to `result`; return False, with nothing done, where w is not finite.

    Outside an image the planes are 0, and 0 times an infinite weight is NaN instead of nothing.
    """
    G, channels, outputs = geometry.G, source.shape[1] // geometry.G, result.shape[1] // geometry.G
    plan = _plan(geometry, transposed, in_cache.STRIP)
    b = np.zeros(result.shape[1], result.dtype) if bias is None else ready(bias, result.dtype)
    for target in plan.without_taps:
        result[:, :, target.h :: target.SH, target.w :: target.SW] = b[:, None, None]
    if not len(plan.shifts):
        return True
    # Filters of a tile side by side, in the order in which it reads them; 0 where it has more than there are.
    filters = NARROW if outputs <= NARROW else WIDE
    packed = np.zeros((G, -(-outputs // filters), len(plan.shifts), filters), w.dtype)
    if not _pack(w, packed, channels, plan.taps, transposed):
        return False
    args = source, packed, result, b, plan.shifts, plan.targets, plan.layout, plan.strip_rows, plan.pitch
    units = len(source) * G * packed.shape[1]
    split(lambda _, start, stop: _sums(*args, start, stop), units, parts_of(geometry))
    return True


@compiled
def _pack(w, packed, channels, taps, transposed):
    """Copy w to packed (G, blocks, T, filters), and return whether all of it is finite."""
    G, blocks, _, filters = packed.shape
    outputs = w.shape[1] if transposed else w.shape[0] // G
    finite = True
    for group in range(G):
        for block in range(blocks):
            for c in range(channels):
                for start, step, r, s in taps:
                    row = packed[group, block, start + c * step]
                    for k in range(min(filters, outputs - block * filters)):
                        if transposed:
                            value = w[group * channels + c, block * filters + k, r, s]
                        else:
                            value = w[group * outputs + block * filters + k, c, r, s]
                        row[k] = value
                        finite &= value - value == 0
    return finite


@compiled
def _sums(source, packed, result, bias, shifts, targets, layout, strip_rows, plane, start, stop):
    """Do units start.. of image after image, group after group, block of filters after block."""
    _, _, SH, SW, WP, halo = layout
    G, blocks, all_taps, filters = packed.shape
    channels, outputs = source.shape[1] // G, result.shape[1] // G
    lanes = VECTOR_BYTES // source.itemsize
    slack = (WIDE_VECTORS + NARROW_VECTORS) * lanes  # cells that a tile at the end makes in vain
    pitch = plane + slack
    planes = np.zeros(channels * SH * SW * plane + slack, source.dtype)
    sums = np.empty(filters * pitch, source.dtype)
    weights, out = packed.ravel(), result.ravel()
    unit = start
    while unit < stop:
        n, group, block0 = unit // (G * blocks), unit // blocks % G, unit % blocks
        block1 = min(blocks, block0 + stop - unit)
        unit += block1 - block0
        image = source[n, group * channels : (group + 1) * channels]
        for first in range(0, targets[:, 4].max(), strip_rows):
            lay_out(planes, 0, plane, image, layout, first, strip_rows + halo)
            for block in range(block0, block1):
                t0 = 0
                for target in targets:
                    taps = target[6]
                    shift, at = shifts[t0 : t0 + taps], ((group * blocks + block) * all_taps + t0) * filters
                    t0 += taps
                    rows = min(strip_rows, target[4] - first)
                    if rows <= 0:
                        continue
                    cells = (rows - 1) * WP + target[5]
                    _fill(weights, at, planes, shift, sums, pitch, cells, filters)
                    for k in range(min(filters, outputs - block * filters)):
                        channel = group * outputs + block * filters + k
                        _write(out, result.shape, n, channel, target, first, sums, k * pitch, WP, rows, bias)


@compiled
def _fill(weights, at, planes, shift, sums, pitch, cells, filters):
    """Fill `cells` sums of every filter, tile after tile."""
    lanes = VECTOR_BYTES // planes.itemsize
    p = 0
    if filters == WIDE:
        while p + (WIDE_VECTORS - 1) * lanes < cells:
            wide_tile(weights, at, planes, p, shift, sums, p, pitch)
            p += WIDE_VECTORS * lanes
        while p < cells:
            wide_rest(weights, at, planes, p, shift, sums, p, pitch)
            p += lanes
    else:
        while p + (NARROW_VECTORS - 1) * lanes < cells:
            narrow_tile(weights, at, planes, p, shift, sums, p, pitch)
            p += NARROW_VECTORS * lanes
        while p < cells:
            narrow_rest(weights, at, planes, p, shift, sums, p, pitch)
            p += lanes


@compiled
def _write(out, shape, n, channel, target, first, sums, row, WP, rows, bias):
    """Write the rows of one channel where they belong, without what lies between them."""
    _, channels, H, W = shape
    h0, w0, step_h, step_w, _, columns, _ = target
    to = ((n * channels + channel) * H + h0 + first * step_h) * W + w0
    number = bias[channel]
    if step_w == step_h == 1 and WP == columns == W:
        add_1(out, to, sums, row, rows * WP, number)
        return
    for i in range(rows):
        at, here = to + i * step_h * W, row + i * WP
        if step_w == 1:
            add_1(out, at, sums, here, columns, number)
        elif step_w == 2:
            add_2(out, at, sums, here, columns, number)
        else:
            for j in range(columns):
                out[at + j * step_w] = sums[here + j] + number
