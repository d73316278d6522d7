"""Winograd's convolution: 36 multiplications in place of 144, for filters of 3x3 and many channels.

A tile of 4x4 neighbouring outputs is computed from its window x of 6x6 pixels and a filter w of 3x3::

    y = A' [(G w G') * (B' x B)] A

Here `*` multiplies number by number, A' is A transposed, and the matrices are small (`transforms`). Summed
over channels, each of the 36 points is a matrix product of its own, (tiles, C) times (C, K), for the
micro-kernel. The sum of g*y over a tile is linear in w, in x and in g. So both gradients use the same
transforms in other roles::

    dL/dx = B [(G w G') * (A g A')] B'        dL/dw = G' [(B' x B) * (A g A')] G

This costs precision. The rounding errors of direct sums are relative to the products of one cell. Here they
are relative to the largest products of the tile, and a few times as large. A sum that should be 0 can become
a tiny number. So only float32 is computed like this: who asks for float64 asks for precision. If a result is
no finite number, all results are computed directly. Otherwise infinity in one pixel would become NaN in the
whole tile.

References
----------
Winograd 1980, Arithmetic complexity of computations; Lavin and Gray 2016, Fast algorithms for convolutional
neural networks.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .. import arena
from ..arrays import Array
from ..cores import get_num_threads
from ..geometry import Geometry
from . import convolution
from .micro_kernel import filters_of
from .panels import LINE, aligned, packed, workspace
from .plan import CROWDED, MOST_PARTS, UNITS, multiply_adds, table
from .threads import split
from .vectors import VECTOR_BYTES
from .winograd_blocks import forward_tiles, input_tiles, taps_of_sums, weight_tiles
from .winograd_points import POINTS, TAPS, M, weights_at_points

LEAST = 24  # channels and filters: with less, transforms take longer than what they save (measured)
WORK = 3 << 23  # multiply-adds, at least: this has more to prepare (measured)
LEFT = 0.5  # of the direct multiplications, at most
FEWEST = 32  # tiles of all images: with less, the transforms of the weights take longer
BAND = 1 << 19  # bytes of the points of a band: they stay in the second-level cache
SUMS = 1 << 21  # bytes of the sums of all parts of the batch, about
SERIAL = 1 << 22  # multiply-adds that are done before a thread that sleeps is awake


class Cut(NamedTuple):
    """How images are cut into bands of tiles, and how far from each other the points of a band are."""

    TH: int  # tiles of an image, vertically and horizontally
    TW: int
    tiles_high: int  # of a band
    images: int  # of a band; several only if it is as high as they are
    lanes: int  # channels of a pixel: as many as fill vectors
    pitch: int  # numbers from one tile to the next
    apart: int  # from one point to the next
    s_apart: int  # the same for sums of a panel
    u_apart: int  # the same for weights of a panel
    bands: int  # of an image

    @property
    def tiles(self) -> int:
        """Tiles of a band."""
        return self.images * self.tiles_high * self.TW


def is_possible(geometry: Geometry) -> bool:
    """Return whether there are transforms for this convolution."""
    N, _, H, W, _, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
    if (KH, KW, SH, SW, DH, DW, G) != (TAPS, TAPS, 1, 1, 1, 1, 1) or N == 0:
        return False
    return OH + TAPS - 1 >= PH + H and OW + TAPS - 1 >= PW + W  # all of the image is in some window


@lru_cache(maxsize=1024)
def serves(geometry: Geometry, dtype: np.dtype) -> bool:
    """Return whether this is the fastest way to compute a convolution and its gradients."""
    if dtype.char != "f" or not is_possible(geometry) or min(geometry.C, geometry.K) < LEAST:
        return False
    if multiply_adds(geometry) < WORK:
        return False
    tiles, cells = -(-geometry.OH // M) * -(-geometry.OW // M), geometry.OH * geometry.OW
    return geometry.N * tiles >= FEWEST and tiles * POINTS <= LEFT * cells * TAPS * TAPS


def conv2d(x: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return what `convolution.conv2d` does."""
    return conv2d_epilogue(x, w, geometry, bias, 1, False)[0]


def conv2d_epilogue(
    x: Array, w: Array, geometry: Geometry, bias: Array | None, slope: float, pooled: bool
) -> tuple[Array, Array | None]:
    """Return what `convolution.conv2d_epilogue` does."""
    if x.dtype == w.dtype and serves(geometry, x.dtype):
        result = _forward(*convolution.prepared(x, w), geometry, bias, slope, pooled)
        if result is not None:
            return result
    return convolution.conv2d_epilogue(x, w, geometry, bias, slope, pooled)


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return what `convolution.conv2d_input` does."""
    if g.dtype == w.dtype and serves(geometry, g.dtype):
        result = _input(*convolution.prepared(g, w), geometry, bias)
        if result is not None:
            return result
    return convolution.conv2d_input(g, w, geometry, bias)


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return what `convolution.conv2d_weight` does."""
    if x.dtype == g.dtype and serves(geometry, x.dtype):
        result = _weight(*convolution.prepared(x, g), geometry)
        if result is not None:
            return result
    return convolution.conv2d_weight(x, g, geometry)


def _forward(
    x: Array, w: Array, geometry: Geometry, bias: Array | None, slope: float, pooled: bool
) -> tuple[Array, Array | None] | None:
    """Return the output and the winners of its pooling, or None if some result is not finite."""
    N, C, _, W, K, *_, OH, OW = geometry
    cut = _cut(geometry, x.itemsize, C, C, pooled)
    NR, Q = filters_of(x.itemsize), 2 if pooled else 1
    y = arena.empty((N, K, OH // Q, OW // Q), x.dtype)
    index = arena.empty(y.shape if pooled else (0,), f"i{x.itemsize}")
    rows, columns = cut.tiles_high * M + TAPS - 1, cut.TW * M + TAPS - 1
    v0 = _lines((cut.images * columns + W) * rows * cut.lanes, x.itemsize)
    s0 = v0 + POINTS * cut.apart
    c0 = s0 + POINTS * cut.s_apart
    cells = cut.images * max(OH, cut.tiles_high * M) * OW
    w0 = c0 + (cells + M * OW + M) * NR  # tiles reach beyond the last row and column
    size, wrong = w0 + cells // Q**2 * NR, _watch(x.dtype)
    weights = _weights(w, bias, cut, 1, K, C, 1, TAPS * TAPS)
    arrays = x.reshape(-1), *weights, y.reshape(-1), index.reshape(-1).view(x.dtype)
    tables = *_rows(cut, NR), _numbers(C), *_windows(cut.images, OH, OW)
    args = tuple(cut), tuple(geometry), *arrays, x.dtype.type(slope), tables, (v0, s0, c0, w0)
    units = N // cut.images * cut.bands * -(-K // NR)
    split(
        lambda part, *some: forward_tiles(*args, wrong[part], workspace(size, x.dtype), *some),
        units,
        _threads(geometry),
    )
    return None if np.isnan(wrong).any() else (y, index if pooled else None)


def _input(g: Array, w: Array, geometry: Geometry, bias: Array | None) -> Array | None:
    """Return the gradient by the input, or None if some result is not finite."""
    N, C, *_, K, _, _, _, _, _, _, _, _, _, _, OW = geometry
    cut = _cut(geometry, g.itemsize, K, K)
    NR = filters_of(g.itemsize)
    panels = -(-C // NR)
    x = arena.empty(geometry.x_shape, g.dtype)
    rows, columns = cut.tiles_high * M, cut.TW * M
    v0 = _lines((cut.images * columns + OW) * rows * cut.lanes, g.itemsize)
    s0 = v0 + POINTS * cut.apart
    x0 = s0 + POINTS * cut.s_apart
    size = x0 + panels * cut.images * (rows + TAPS - 1) * (columns + TAPS - 1) * NR
    wrong, tables = _watch(g.dtype), (*_rows(cut, NR), _numbers(K))
    arrays = g.reshape(-1), *_weights(w, bias, cut, K, C, K, K, 1), x.reshape(-1)
    args = tuple(cut), tuple(geometry), *arrays, tables, (v0, s0, x0)
    split(
        lambda part, *some: input_tiles(*args, wrong[part], workspace(size, g.dtype), *some),
        N // cut.images * panels,
        _threads(geometry),
    )
    return None if np.isnan(wrong).any() else x


def _weight(x: Array, g: Array, geometry: Geometry) -> Array | None:
    """Return the gradient by the weights, or None if some result is not finite."""
    N, C, _, W, K, *_, OW = geometry
    cut = _cut(geometry, x.itemsize, C, C)
    NR = filters_of(x.itemsize)
    panels, jobs = -(-K // NR), N // cut.images * cut.bands
    of_part = panels * POINTS * cut.u_apart
    # The batch is cut by its size alone: the sums are the same bits for every number of threads.
    parts = max(1, min(MOST_PARTS, jobs, SUMS // (of_part * x.itemsize)))
    rows, columns = cut.tiles_high * M, cut.TW * M
    v0 = _lines((cut.images * (columns + TAPS - 1) + W) * (rows + TAPS - 1) * cut.lanes, x.itemsize)
    g0 = v0 + POINTS * cut.apart
    s0 = g0 + _lines((cut.images * columns + OW) * rows * NR, x.itemsize)
    size = s0 + POINTS * cut.s_apart
    sums, zeros = aligned(parts * of_part, x.dtype), np.zeros(NR, x.dtype)
    tables = _distances(C, 1), _distances(C, NR), _distances(cut.tiles, cut.pitch)[: cut.tiles]
    args = tuple(cut), tuple(geometry), x.reshape(-1), g.reshape(-1), zeros, sums, parts, tables, (v0, g0, s0)
    split(
        lambda _, *some: weight_tiles(*args, workspace(size, x.dtype), *some),
        parts * panels,
        _threads(geometry),
    )
    w, wrong = arena.empty(geometry.w_shape, x.dtype), _watch(x.dtype)
    taps = C * TAPS * TAPS * NR
    of_taps = sums, w.reshape(-1), C, K, cut.u_apart, zeros, parts
    split(
        lambda part, *some: taps_of_sums(*of_taps, wrong[part], workspace(taps, x.dtype), *some),
        panels,
        1 + parts * of_part // convolution.ADDED,
    )
    return None if np.isnan(wrong).any() else w


@lru_cache(maxsize=1024)
def _cut(geometry: Geometry, itemsize: int, channels: int, each: int, pooled: bool = False) -> Cut:
    """Return how to cut images whose tiles have `channels`; at a point, a filter has `each` weights."""
    N, OH, OW = geometry.N, geometry.OH, geometry.OW
    Q, NR = 2 if pooled else 1, filters_of(itemsize)
    TH, TW = (-(-(size // Q * Q) // M) for size in (OH, OW))
    lane = VECTOR_BYTES // itemsize
    lanes = -(-channels // lane) * lane
    pitch = lanes + LINE // itemsize if lanes * itemsize % CROWDED == 0 else lanes
    tiles = max(1, BAND // (POINTS * pitch * itemsize))
    bands = 1 if tiles >= TH * TW else -(-TH // max(1, tiles // TW))
    most = min(tiles // (TH * TW), N // UNITS) if bands == 1 else 1
    images = max(i for i in range(1, max(1, most) + 1) if N % i == 0)
    high = -(-TH // bands)
    apart, s_apart, u_apart = (
        _apart(n, itemsize) for n in (images * high * TW * pitch, images * high * TW * NR, each * NR)
    )
    return Cut(TH, TW, high, images, lanes, pitch, apart, s_apart, u_apart, -(-TH // high))


def _apart(count: int, itemsize: int) -> int:
    """Return a distance, at least `count`, at which points do not crowd into one place of the cache."""
    return (-(-count * itemsize // CROWDED) * CROWDED + LINE) // itemsize


@lru_cache(maxsize=256)
def _distances(count: int, apart: int) -> Array:
    """Return a table of the micro-kernel: so many distances, `apart` from each other."""
    return table(np.arange(count) * apart)


def _rows(cut: Cut, NR: int) -> tuple[Array, Array]:
    """Return the distances of tiles, and of their sums."""
    return _distances(cut.tiles, cut.pitch), _distances(cut.tiles, NR)


_numbers = lru_cache(maxsize=256)(np.arange)


@lru_cache(maxsize=256)
def _windows(images: int, OH: int, OW: int) -> tuple[Array, Array]:
    """Return the numbers h*OW + w of the first cells of 2x2 windows, and where they are among all cells."""
    image, i, j = np.ogrid[:images, : OH // 2, : OW // 2]
    cell = 2 * i * OW + 2 * j
    return np.ravel(0 * image + cell), np.ravel(image * OH * OW + cell)


def _weights(
    w: Array, bias: Array | None, cut: Cut, each: int, filters: int, number: int, tap: int, of_number: int
) -> tuple[Array, Array, Array]:
    """Return w (each, filters, taps) at all points: (panels of filters, points, number, NR).

    And what is added to the results of each panel, and zeros for one panel.
    """
    NR = filters_of(w.itemsize)
    at_taps, start = packed(w, bias, 1, each, filters, w.size // (each * filters), NR)
    U = aligned(-(-filters // NR) * POINTS * cut.u_apart, w.dtype)
    args = at_taps, U, number, tap, of_number, cut.u_apart, NR
    split(lambda _, *some: weights_at_points(*args, *some), -(-filters // NR), 1 + U.size // SERIAL)
    return U, start, start[-NR:]


def _watch(dtype: np.dtype) -> Array:
    """Return a vector for each thread that holds NaN in the end if a result is no finite number."""
    # Two lines of the cache for each: threads that write to one line wait for each other.
    return np.zeros((get_num_threads(), 2 * LINE // dtype.itemsize), dtype)


def _lines(count: int, itemsize: int) -> int:
    """Return the count, rounded up to whole lines of the cache."""
    return -(-count * itemsize // LINE) * LINE // itemsize


def _threads(geometry: Geometry) -> int:
    """Return how many threads the work is worth."""
    return 1 + multiply_adds(geometry) // SERIAL
