"""Tiles at the points of Winograd's convolution, and the products of each point; see `winograd`.

Pixels are laid out with their channels side by side, so that a transform works on full vectors. What it
makes of the tiles are numbers (points, tiles, channels). For each point the micro-kernel computes one
matrix product.
"""

from __future__ import annotations

from fractions import Fraction

from .blocks import PANEL
from .compiled import compiled, inner
from .micro_kernel import ROWS, wide_tile
from .panels import transpose
from .parts import in_parts
from .rows import copy_row
from .transforms import matrices, transposed, two_sided

M = 4  # cells of the output in a tile, in each direction
TAPS = 3
R = M + TAPS - 1  # pixels of a tile's window, and points, in each direction
POINTS = R * R
FORM = matrices(M, TAPS, (0, 1, -1, Fraction(1, 2), -2))

window_to_points = two_sided(transposed(FORM.B))
cells_to_points = two_sided(FORM.A)
taps_to_points = two_sided(FORM.G)
points_to_cells = two_sided(transposed(FORM.A), last=True)
points_to_window = two_sided(FORM.B, last=True)
points_to_taps = two_sided(transposed(FORM.G), last=True)


@inner
def tiles_at_points(cut, image, windows, source, n, c0, C, band, scratch, pixels, to, lanes, pitch, apart):
    """Transform a band of tiles, for the channels c0.. of the images n..; return how many tiles.

    They are windows, or else cells. `image` says of what size the images are, and how wide their border of
    zeros is. Their rows are laid out in scratch[pixels:] first, (images, rows, columns, lanes): it is 0 where
    nothing is ever written, and what lies behind is overwritten. The results are in scratch[to:].
    """
    channels, H, W, PH, PW = image
    _, TH, TW, tiles_high, images, _, _, _, _, _, _ = cut
    more, first = TAPS - 1 if windows else 0, band * tiles_high * M
    high, rows, columns = min(tiles_high, TH - band * tiles_high), tiles_high * M + more, TW * M + more
    between, wide = pixels + images * rows * columns * lanes, min(W, columns - PW)
    top, bottom = min(rows, max(0, PH - first)), max(0, min(rows, PH + H - first))
    for i in range(images):
        if top < bottom:
            at = (((n + i) * channels + c0) * H + first + top - PH) * W
            transpose(scratch, between, lanes, source, at, H * W, (bottom - top) * W, C)
        for row in range(rows):
            at = pixels + ((i * rows + row) * columns + PW) * lanes
            if top <= row < bottom:
                copy_row(scratch, at, scratch, between + (row - top) * W * lanes, wide * lanes)
            else:
                scratch[at : at + wide * lanes] = 0
        for tile in range(high * TW):
            at = pixels + ((i * rows + tile // TW * M) * columns + tile % TW * M) * lanes
            numbers, points = (
                (at, columns * lanes, lanes),
                (to + (i * high * TW + tile) * pitch, R * apart, apart),
            )
            if windows:
                window_to_points(lanes, scratch, numbers, scratch, points)
            else:
                cells_to_points(lanes, scratch, numbers, scratch, points)
    return images * high * TW


@compiled
def weights_at_points(packed, U, numbers, each, apart, NR, work):
    """Transform the taps of a share of the panels of w to U (panels, points, numbers, NR).

    A panel is (taps, each, NR), or (numbers, taps, 1, NR) if `each` is 1. Points are `apart` numbers apart.
    """
    _, first, last = in_parts(work)
    T = TAPS * TAPS
    for panel in range(first, last):
        for c in range(numbers):
            at = (panel * T * numbers + c * (T if each == 1 else 1)) * NR
            to = panel * POINTS * apart + c * NR
            taps_to_points(NR, packed, (at, TAPS * each * NR, each * NR), U, (to, R * apart, apart))


@inner
def products(numbers, rows, count, steps, weights, results, places, zeros, fresh):
    """Multiply the numbers of each point by its weights: results (points, rows, NR); from 0 on, if `fresh`.

    Of all three we are given the array, where the first point begins in it, and how far apart points are.
    """
    (a, a0, a_apart), (v, v0, v_apart), (sums, s0, s_apart) = numbers, weights, results
    NR = len(zeros)
    most = PANEL // (NR * a.itemsize)
    for point in range(POINTS):
        a_at, s_at = a0 + point * a_apart, s0 + point * s_apart
        for t in range(0, len(steps), most):  # the weights of `most` steps stay in the cache
            some, v_at, new = steps[t : t + most], v0 + point * v_apart + t * NR, fresh and t == 0
            for i in range(0, count, ROWS):
                wide_tile(a, a_at, rows, i, some, v, v_at, NR, sums, s_at, places, zeros, new)
