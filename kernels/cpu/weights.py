"""The gradient of a convolution by its weights: products of g and shifted planes, summed over all cells."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import Array
from ..geometry import Conv2dGeometry
from . import planes as in_cache
from .compiled import compiled
from .planes import LINE, lay_out, parts_of, strip_of
from .rows import copy_row
from .shifts import forward_sums, shifts
from .threads import split
from .tiles import weight_tile
from .vectors import REGISTERS, VECTOR_BYTES

WEIGHT_FILTERS, WEIGHT_TAPS = REGISTERS.weights
weights_tile = weight_tile(WEIGHT_FILTERS, WEIGHT_TAPS)
copy_1 = copy_row(1)


def sum_weights(x: Array, g: Array, geometry: Conv2dGeometry) -> Array:
    """Return d<g, conv2d(x, w)>/dw, (K, C/G, KH, KW), and NaN where x is infinite beside a row."""
    C, K, G = geometry.C, geometry.K, geometry.G
    layout, strip, each = _plan(geometry, in_cache.STRIP)
    filter_tiles, tap_tiles = -(-(K // G) // WEIGHT_FILTERS), len(each) // WEIGHT_TAPS
    tiles = np.zeros((G, filter_tiles, tap_tiles, WEIGHT_FILTERS, WEIGHT_TAPS), x.dtype)
    args = x, g, tiles, each, layout, strip
    split(
        lambda _, start, stop: _weights(*args, start, stop), G * filter_tiles * tap_tiles, parts_of(geometry)
    )
    rows = tiles.transpose(0, 1, 3, 2, 4).reshape(G, filter_tiles * WEIGHT_FILTERS, tap_tiles * WEIGHT_TAPS)
    T = C // G * geometry.KH * geometry.KW
    w = rows[:, : K // G, :T].reshape(K, C // G, geometry.KH, geometry.KW)
    return np.ascontiguousarray(w)


@lru_cache(maxsize=1024)
def _plan(geometry: Conv2dGeometry, strip: int) -> tuple[tuple[int, ...], tuple[int, int, int, int], Array]:
    """Return the layout, a strip, and the shifts of all taps, filled up to whole tiles."""
    layout, ((taps, target),) = forward_sums(geometry)
    channels = geometry.C // geometry.G
    sizes = strip_of(layout, target.rows, geometry.N, channels, strip)
    each = shifts(layout, taps, channels, sizes[3])
    return tuple(layout), sizes, np.append(each, np.zeros(-len(each) % WEIGHT_TAPS, np.int64))


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
                    lay_out(
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
