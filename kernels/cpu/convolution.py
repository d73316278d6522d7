"""Convolution on the CPU, compiled by Numba: sums of shifted planes, a tile of them at a time in registers.

`shifts` says how every stride, padding and dilation becomes planes and shifts; `tiles` has the two innermost
loops. What is left here is the way to feed them: a strip of an image's rows is laid out as planes, small
enough to stay in the cache, and every tile of sums it takes part in is made before the next strip is read. No
column matrix is written anywhere.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .. import arena, im2col
from ..arrays import Array, ready
from ..geometry import Conv2dGeometry, Pair, conv2d_geometry, conv2d_input_geometry, conv2d_weight_geometry
from .compiled import compiled
from .rows import add_row, copy_row
from .shifts import Layout, Target, forward_sums, input_sums, shifts
from .threads import split
from .tiles import output_tile, weight_tile
from .vectors import REGISTERS, VECTOR_BYTES

STRIP = 1024  # cells of a strip of the output, at most about
LINE = 16  # elements of a cache line in float32
PLANES = 1 << 17  # cells of all its planes, at most about: half of a usual L2 cache in float32
SERIAL = 1 << 20  # multiply-adds that are done before another thread has started

WIDE, WIDE_VECTORS = REGISTERS.wide
NARROW, NARROW_VECTORS = REGISTERS.narrow
WEIGHT_FILTERS, WEIGHT_TAPS = REGISTERS.weights
wide_tile, wide_rest = output_tile(WIDE, WIDE_VECTORS), output_tile(WIDE, 1)
narrow_tile, narrow_rest = output_tile(NARROW, NARROW_VECTORS), output_tile(NARROW, 1)
copy_1, copy_2 = copy_row(1), copy_row(2)
add_1, add_2 = add_row(1), add_row(2)
weights_tile = weight_tile(WEIGHT_FILTERS, WEIGHT_TAPS)


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
    x, w = _prepared(x, w)
    y = arena.empty((geometry.N, geometry.K, geometry.OH, geometry.OW), x.dtype)
    if not _sum_up(x, w, y, bias, geometry, transposed=False):
        return im2col.conv2d(x, w, stride, padding, dilation, groups, bias)
    return y


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
    g, w = _prepared(g, w)
    x = arena.empty((geometry.N, geometry.C, geometry.H, geometry.W), g.dtype)
    if not _sum_up(g, w, x, bias, geometry, transposed=True):
        return im2col.conv2d_input(g, w, size, stride, padding, dilation, groups, bias)
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
    C, K, G = geometry.C, geometry.K, geometry.G
    layout, strip, each = _weight_plan(geometry, STRIP)
    filter_tiles, tap_tiles = -(-(K // G) // WEIGHT_FILTERS), len(each) // WEIGHT_TAPS
    tiles = np.zeros((G, filter_tiles, tap_tiles, WEIGHT_FILTERS, WEIGHT_TAPS), x.dtype)
    args = x, g, tiles, each, layout, strip
    split(lambda _, start, stop: _weights(*args, start, stop), G * filter_tiles * tap_tiles, _parts(geometry))
    rows = tiles.transpose(0, 1, 3, 2, 4).reshape(G, filter_tiles * WEIGHT_FILTERS, tap_tiles * WEIGHT_TAPS)
    T = C // G * geometry.KH * geometry.KW
    w = rows[:, : K // G, :T].reshape(K, C // G, geometry.KH, geometry.KW)
    if np.isnan(w).any():
        # Between two rows g is 0, and 0 times an infinite cell of x is not.
        return im2col.conv2d_weight(x, g, kernel_size, stride, padding, dilation, groups)
    return np.ascontiguousarray(w)


def _prepared(a: Array, b: Array) -> tuple[Array, Array]:
    """Return both as compiled kernels want them, of their common dtype."""
    dtype = np.result_type(a.dtype, b.dtype)
    return ready(a, dtype), ready(b, dtype)


@lru_cache(maxsize=1024)
def _weight_plan(
    geometry: Conv2dGeometry, strip: int
) -> tuple[tuple[int, ...], tuple[int, int, int, int], Array]:
    """Return the layout, a strip, and the shifts of all taps, filled up to whole tiles."""
    layout, ((taps, target),) = forward_sums(geometry)
    channels = geometry.C // geometry.G
    sizes = _strip(layout, target.rows, geometry.N, channels, strip)
    each = shifts(layout, taps, channels, sizes[3])
    return tuple(layout), sizes, np.append(each, np.zeros(-len(each) % WEIGHT_TAPS, np.int64))


def _strip(layout: Layout, rows: int, N: int, channels: int, strip: int) -> tuple[int, int, int, int]:
    """Return (rows, images, cells of each, pitch of the planes) of a strip of about so many cells.

    It has all rows of several small images, or some rows of one.
    """
    most = min(strip, PLANES // (channels * layout.SH * layout.SW))
    if rows * layout.WP > most:
        rows, images = max(1, most // layout.WP), 1
    else:
        images = max(1, min(N, most // ((rows + layout.halo) * layout.WP)))
    each = (rows + layout.halo) * layout.WP
    # An odd number of cache lines: multiples of a power of two would crowd into a few places of the cache.
    pitch = (images * each // LINE | 1) * LINE
    return rows, images, each, pitch if pitch >= images * each else pitch + 2 * LINE


def _parts(geometry: Conv2dGeometry) -> int:
    """Return how many threads the work is worth."""
    N, C, _, _, K, KH, KW, *_, G, OH, OW = geometry
    return 1 + N * K * OH * OW * (C // G) * KH * KW // SERIAL


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
    strip_rows, _, _, pitch = _strip(layout, rows, 1, channels, strip)
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


def _sum_up(
    source: Array, w: Array, result: Array, bias: Array | None, geometry: Conv2dGeometry, transposed: bool
) -> bool:
    """Write the sums over `source` to `result`; return False, with nothing done, where w is not finite.

    Outside an image the planes are 0, and 0 times an infinite weight is NaN instead of nothing.
    """
    G, channels, outputs = geometry.G, source.shape[1] // geometry.G, result.shape[1] // geometry.G
    plan = _plan(geometry, transposed, STRIP)
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
    split(lambda _, start, stop: _sums(*args, start, stop), units, _parts(geometry))
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
def _lay_out(planes, plane0, plane, image, layout, first, rows):
    """Lay rows first.. of an image's planes out, the first of them from cell `plane0` of `planes` on.

    Columns outside the image are 0 from the start, and never written.
    """
    top, left, SH, SW, WP, _ = layout
    channels, H, W = image.shape
    cells = image.ravel()
    # The rows and columns of an image that are nowhere outside of it, as long copies.
    whole = SH == SW == 1 and left == 0 and WP == W and first >= top and first + rows - top <= H
    for c in range(channels):
        for a in range(SH):
            for b in range(SW):
                at = plane0 + ((c * SH + a) * SW + b) * plane
                if whole:
                    copy_1(planes, at, cells, (c * H + first - top) * W, rows * W)
                    continue
                # The columns begin.. end of the plane lie inside the image.
                column = b - left
                begin = min(max(0, -(column // SW)), WP)
                end = max(begin, min(WP, -((column - W) // SW)))
                for i in range(rows):
                    h = (first + i) * SH + a - top
                    if 0 <= h < H:
                        source = (c * H + h) * W + begin * SW + column
                        if SW == 1:
                            copy_1(planes, at + begin, cells, source, end - begin)
                        elif SW == 2:
                            copy_2(planes, at + begin, cells, source, end - begin)
                        else:
                            for j in range(end - begin):
                                planes[at + begin + j] = cells[source + j * SW]
                    else:
                        for j in range(WP):
                            planes[at + j] = 0
                    at += WP


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
            _lay_out(planes, 0, plane, image, layout, first, strip_rows + halo)
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


@compiled
def _weights(x, g, tiles, shifts, layout, strip, start, stop):
    """Do tiles start.. of all (group, filters, taps)."""
    _, _, SH, SW, WP, halo = layout
    strip_rows, strip_images, image_plane, plane = strip
    G, filter_tiles, tap_tiles, filters, taps = tiles.shape
    N, K, OH, OW = g.shape
    channels, outputs = x.shape[1] // G, K // G
    lanes = VECTOR_BYTES // x.itemsize
    g_image = -(-strip_rows * WP // lanes) * lanes
    pitch = strip_images * g_image + LINE
    planes = np.zeros(channels * SH * SW * plane + lanes, x.dtype)
    g_planes = np.zeros(filter_tiles * filters * pitch, g.dtype)  # 0 between the rows
    w, g_cells = tiles.ravel(), g.ravel()
    for group in range(start // (filter_tiles * tap_tiles), -(-stop // (filter_tiles * tap_tiles))):
        first_tile = group * filter_tiles * tap_tiles
        tile0, tile1 = max(start - first_tile, 0), min(stop - first_tile, filter_tiles * tap_tiles)
        k0, k1 = tile0 // tap_tiles * filters, min(outputs, -(-tile1 // tap_tiles) * filters)
        channel0 = group * channels
        for n0 in range(0, N, strip_images):
            images = min(strip_images, N - n0)
            for first in range(0, OH, strip_rows):
                rows = min(strip_rows, OH - first)
                if rows < strip_rows:
                    g_planes[:] = 0
                for image in range(images):
                    _lay_out(
                        planes,
                        image * image_plane,
                        plane,
                        x[n0 + image, channel0 : channel0 + channels],
                        layout,
                        first,
                        rows + halo,
                    )
                    for k in range(k0, k1):
                        to = k * pitch + image * g_image
                        at = (((n0 + image) * G + group) * outputs + k) * OH * OW + first * OW
                        if WP == OW:
                            copy_1(g_planes, to, g_cells, at, rows * OW)
                        else:
                            for i in range(rows):
                                copy_1(g_planes, to + i * WP, g_cells, at + i * OW, OW)
                cells = (rows - 1) * WP + OW
                for tile in range(tile0, tile1):
                    k, t = tile // tap_tiles * filters, tile % tap_tiles * taps
                    at = (first_tile + tile) * filters * taps
                    g0 = k * pitch
                    weights_tile(
                        g_planes, g0, pitch, g_image, planes, 0, image_plane, shifts, t, images, cells, w, at
                    )
