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

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .. import arena
from ..arrays import Array
from ..cores import get_num_threads
from ..geometry import Geometry
from . import convolution
from .micro_kernel import filters_of
from .panels import LINE, aligned, packed
from .plan import CROWDED, MOST_PARTS, UNITS, multiply_adds, table
from .threads import share
from .vectors import VECTOR_BYTES
from .winograd_blocks import convolve_tiles, taps_of_sums, weight_tiles
from .winograd_points import POINTS, TAPS, M, weights_at_points

Result = TypeVar("Result")
LEAST = 24  # channels and filters: with less, transforms take longer than what they save (measured)
WORK = 3 << 23  # multiply-adds, at least: this has more to prepare (measured)
LEFT = 0.5  # of the direct multiplications, at most
FEWEST = 32  # tiles of all images: with less, the transforms of the weights take longer
BAND = 1 << 19  # bytes of the points of a band: they stay in the second-level cache
SUMS = 1 << 21  # bytes of the sums of all parts of the batch, about
SERIAL = 1 << 22  # multiply-adds that are done before a thread that sleeps is awake


class Cut(NamedTuple):
    """How images are cut into bands of tiles, and how far from each other the points of a band are."""

    NR: int  # filters of a panel
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

    def pixels(self, width: int, more: int, lanes: int, itemsize: int) -> int:
        """Return the room for a band's pixels, with so `more` rows and columns than tiles have, and for rows.

        The rows are those of an image of this `width`, as they are when they are copied.
        """
        rows, columns = self.tiles_high * M + more, self.TW * M + more
        return -(-(self.images * columns + width) * rows * lanes * itemsize // LINE) * LINE // itemsize


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
    return _tried(_forward, convolution.conv2d_epilogue, x, w, geometry, bias, slope, pooled)


def conv2d_input(g: Array, w: Array, geometry: Geometry, bias: Array | None = None) -> Array:
    """Return what `convolution.conv2d_input` does."""
    return _tried(_input, convolution.conv2d_input, g, w, geometry, bias)


def conv2d_weight(x: Array, g: Array, geometry: Geometry) -> Array:
    """Return what `convolution.conv2d_weight` does."""
    return _tried(_weight, convolution.conv2d_weight, x, g, geometry)


def _tried(
    transformed: Callable[..., Result],
    direct: Callable[..., Result],
    a: Array,
    b: Array,
    geometry: Geometry,
    *more: Any,
) -> Result:
    """Return the result by transforms if these serve and all of it is finite, else by direct sums."""
    if a.dtype == b.dtype and serves(geometry, a.dtype):
        a, b = convolution.prepared(a, b)
        # A vector for each thread that holds NaN in the end if a result is no finite number. Two lines of the
        # cache for each: threads that write to one line wait for each other.
        wrong = np.zeros((get_num_threads(), 2 * LINE // a.itemsize), a.dtype)
        result = transformed(a, b, geometry, wrong, *more)
        if not np.isnan(wrong).any():
            return result
    return direct(a, b, geometry, *more)


def _forward(
    x: Array, w: Array, geometry: Geometry, wrong: Array, bias: Array | None, slope: float, pooled: bool
) -> tuple[Array, Array | None]:
    """Return the output and the winners of its pooling, if there is one."""
    N, C, _, _, K, *_, OH, OW = geometry
    cut, Q = _cut(geometry, x.itemsize, C, C, pooled), 2 if pooled else 1
    y = arena.empty((N, K, OH // Q, OW // Q), x.dtype)
    index = arena.empty(y.shape if pooled else (0,), convolution.INDICES[x.itemsize])
    arrays = x, *_weights(w, bias, cut, 1, K), y, index.view(x.dtype)
    cells = cut.images * max(OH, cut.tiles_high * M) * OW
    room = cells + M * OW + M, cells // Q**2  # tiles reach beyond the last row and column
    _run(cut, geometry, True, arrays, slope, room, wrong)
    return y, index if pooled else None


def _input(g: Array, w: Array, geometry: Geometry, wrong: Array, bias: Array | None = None) -> Array:
    """Return the gradient by the input."""
    C, K = geometry.C, geometry.K
    cut = _cut(geometry, g.itemsize, K, K)
    x = arena.empty(geometry.x_shape, g.dtype)
    U, start = _weights(w, bias, cut, K, C)
    panels = len(start) // cut.NR - 1
    windows = panels * cut.images * (cut.tiles_high * M + TAPS - 1) * (cut.TW * M + TAPS - 1)
    _run(cut, geometry, False, (g, U, start, x, x[:0]), 1, (windows, 0), wrong)
    return x


def _run(
    cut: Cut,
    geometry: Geometry,
    windows: bool,
    arrays: tuple[Array, ...],
    slope: float,
    room: tuple[int, int],
    wrong: Array,
) -> None:
    """Let threads write their shares of the output or of the gradient by the input.

    `room` says how many results, of NR filters each, and how many winners a thread needs memory for.
    """
    image, result = _images(geometry) if windows else _images(geometry)[::-1]
    v0 = cut.pixels(image[2], TAPS - 1 if windows else 0, cut.lanes, wrong.itemsize)
    s0 = v0 + POINTS * cut.apart
    c0 = s0 + POINTS * cut.s_apart
    w0 = c0 + room[0] * cut.NR
    size, dtype = w0 + room[1] * cut.NR, wrong.dtype
    distances = _distances(cut.tiles, cut.pitch), _distances(cut.tiles, cut.NR), np.arange(image[0])
    tables = *distances, *_windows(cut.images, geometry.OH, geometry.OW)
    flat = (array.reshape(-1) for array in arrays)
    args = tuple(cut), windows, image, result, *flat, dtype.type(slope), tables, (v0, s0, c0, w0)
    units = geometry.N // cut.images * -(-result[0] // cut.NR) * (cut.bands if windows else 1)
    share(convolve_tiles, (*args, wrong), units, _threads(geometry), scratch=(size, dtype))


def _weight(x: Array, g: Array, geometry: Geometry, wrong: Array) -> Array:
    """Return the gradient by the weights."""
    (C, _, W, *_), (K, _, OW, *_) = x_image, g_image = _images(geometry)
    cut = _cut(geometry, x.itemsize, C, C)
    NR, panels, jobs = cut.NR, -(-K // cut.NR), geometry.N // cut.images * cut.bands
    of_part = panels * POINTS * cut.u_apart
    # The batch is cut by its size alone: the sums are the same bits for every number of threads.
    parts = max(1, min(MOST_PARTS, jobs, SUMS // (of_part * x.itemsize)))
    v0 = cut.pixels(W, TAPS - 1, cut.lanes, x.itemsize)
    g0 = v0 + POINTS * cut.apart
    s0 = g0 + cut.pixels(OW, 0, NR, x.itemsize)
    size = s0 + POINTS * cut.s_apart
    sums, zeros = aligned(parts * of_part, x.dtype), np.zeros(NR, x.dtype)
    tables = _distances(C, 1), _distances(C, NR), _distances(cut.tiles, cut.pitch)[: cut.tiles]
    arrays = x_image, x.reshape(-1), g_image, g.reshape(-1), zeros, sums
    args = tuple(cut), *arrays, jobs, parts, tables, (v0, g0, s0)
    share(weight_tiles, args, parts * panels, _threads(geometry), scratch=(size, x.dtype))
    w = arena.empty(geometry.w_shape, x.dtype)
    to_add = sums, w.reshape(-1), C, K, cut.u_apart, zeros, parts, wrong
    most, taps = 1 + parts * of_part // convolution.ADDED, C * TAPS * TAPS * NR
    share(taps_of_sums, to_add, panels, most, scratch=(taps, x.dtype))
    return w


def _images(geometry: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return channels, height, width and border of the image, and of its output."""
    _, C, H, W, K, _, _, _, _, PH, PW, _, _, _, OH, OW = geometry
    return (C, H, W, PH, PW), (K, OH, OW, 0, 0)


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
    return Cut(NR, TH, TW, high, images, lanes, pitch, apart, s_apart, u_apart, -(-TH // high))


def _apart(count: int, itemsize: int) -> int:
    """Return a distance, at least `count`, at which points do not crowd into one place of the cache."""
    return (-(-count * itemsize // CROWDED) * CROWDED + LINE) // itemsize


@lru_cache(maxsize=256)
def _distances(count: int, apart: int) -> Array:
    """Return a table of the micro-kernel: `count` distances, each by `apart` larger than the one before."""
    return table(np.arange(count) * apart)


@lru_cache(maxsize=256)
def _windows(images: int, OH: int, OW: int) -> tuple[Array, Array]:
    """Return the numbers h*OW + w of the first cells of 2x2 windows, and where they are among all cells."""
    image, i, j = np.ogrid[:images, : OH // 2, : OW // 2]
    cell = 2 * i * OW + 2 * j
    return np.ravel(0 * image + cell), np.ravel(image * OH * OW + cell)


def _weights(w: Array, bias: Array | None, cut: Cut, each: int, filters: int) -> tuple[Array, Array]:
    """Return w (each, filters, taps) at all points, (panels of filters, points, numbers, NR), and the bias.

    If `each` is 1, the taps are those of all numbers. The bias is in panels, with one more of zeros.
    """
    taps, panels = w.size // (each * filters), -(-filters // cut.NR)
    at_taps, start = packed(w, bias, 1, each, filters, taps, cut.NR)
    U = aligned(panels * POINTS * cut.u_apart, w.dtype)
    args = at_taps, U, w.size // (filters * TAPS * TAPS), each, cut.u_apart, cut.NR
    share(weights_at_points, args, panels, 1 + U.size // SERIAL)
    return U, start


def _threads(geometry: Geometry) -> int:
    """Return how many threads the work is worth."""
    return 1 + multiply_adds(geometry) // SERIAL
