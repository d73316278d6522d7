"""Tiles at the points of Winograd's convolution, and the products of each point; see `winograd`.

Pixels are laid out with their channels side by side, so that a transform works on full vectors. What it
makes of the tiles are numbers (points, tiles, channels). For each point the micro-kernel computes one
matrix product.
"""

from __future__ import annotations

from fractions import Fraction

from .blocks import PANEL
from .compiled import compiled
from .micro_kernel import ROWS, wide_tile
from .panels import transpose
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


@compiled
def lay_out_pixels(pixels, to, source, s0, H, W, PH, PW, apart, images, first, rows, columns, C, lanes):
    """Copy rows first.. of images, with a border of zeros, to `pixels`: (images, rows, columns, lanes).

    An image begins `apart` numbers after the one before. `pixels` is 0 where nothing is ever written. What
    lies behind the pixels is overwritten.
    """
    between, wide = to + images * rows * columns * lanes, min(W, columns - PW)
    top, bottom = min(rows, max(0, PH - first)), max(0, min(rows, PH + H - first))
    for i in range(images):
        if top < bottom:
            at = s0 + i * apart + (first + top - PH) * W
            transpose(pixels, between, lanes, source, at, H * W, (bottom - top) * W, C)
        for row in range(rows):
            at = to + ((i * rows + row) * columns + PW) * lanes
            if top <= row < bottom:
                copy_row(pixels, at, pixels, between + (row - top) * W * lanes, wide * lanes)
            else:
                pixels[at : at + wide * lanes] = 0


@compiled
def windows_at_points(cut, geometry, x, n, band, scratch, to):
    """Transform the windows of a band of tiles in the images n..; return how many tiles."""
    _, C, H, W, _, _, _, _, _, PH, PW, _, _, _, _, _ = geometry
    TH, TW, tiles_high, images, lanes, pitch, apart, _, _, _ = cut
    high = min(tiles_high, TH - band * tiles_high)
    rows, columns, first = tiles_high * M + TAPS - 1, TW * M + TAPS - 1, band * tiles_high * M
    at, size = n - n, C * H * W
    lay_out_pixels(scratch, at, x, n * size, H, W, PH, PW, size, images, first, rows, columns, C, lanes)
    for i in range(images):
        for th in range(high):
            for tw in range(TW):
                at = ((i * rows + th * M) * columns + tw * M) * lanes
                v0 = to + ((i * high + th) * TW + tw) * pitch
                window_to_points(
                    lanes, scratch, (at, columns * lanes, lanes), scratch, (v0, R * apart, apart)
                )
    return images * high * TW


@compiled
def cells_at_points(cut, geometry, g, n, k0, k, band, scratch, pixels, to, lanes, pitch, apart):
    """Transform the cells of a band of tiles, for k filters of the images n..; return how many tiles."""
    _, _, _, _, K, _, _, _, _, _, _, _, _, _, OH, OW = geometry
    TH, TW, tiles_high, images, _, _, _, _, _, _ = cut
    high = min(tiles_high, TH - band * tiles_high)
    rows, columns, P, border = tiles_high * M, TW * M, OH * OW, n - n
    at, first = (n * K + k0) * P, band * rows
    lay_out_pixels(
        scratch, pixels, g, at, OH, OW, border, border, K * P, images, first, rows, columns, k, lanes
    )
    for i in range(images):
        for th in range(high):
            for tw in range(TW):
                at = pixels + ((i * rows + th * M) * columns + tw * M) * lanes
                v0 = to + ((i * high + th) * TW + tw) * pitch
                cells_to_points(lanes, scratch, (at, columns * lanes, lanes), scratch, (v0, R * apart, apart))
    return images * high * TW


@compiled
def weights_at_points(packed, U, each, tap, number, apart, NR, first, last):
    """Transform the taps of the panels first.. of w to U (panels, points, each, NR).

    In a panel, tap t of number c is vector t*tap + c*number. The points are `apart` numbers from each other.
    """
    for panel in range(first, last):
        for c in range(each):
            at, to = (panel * TAPS * TAPS * each + c * number) * NR, panel * POINTS * apart + c * NR
            taps_to_points(NR, packed, (at, TAPS * tap * NR, tap * NR), U, (to, R * apart, apart))


@compiled
def products(a, a0, a_apart, rows, count, steps, v, v0, v_apart, sums, s0, s_apart, places, zeros, fresh):
    """Multiply the numbers of each point by its weights: sums (points, rows, NR); from 0 on, if `fresh`."""
    NR = len(zeros)
    most = PANEL // (NR * a.itemsize)
    for point in range(POINTS):
        a_at, s_at = a0 + point * a_apart, s0 + point * s_apart
        for t in range(0, len(steps), most):  # the weights of `most` steps stay in the cache
            some, v_at, new = steps[t : t + most], v0 + point * v_apart + t * NR, fresh and t == 0
            for i in range(0, count, ROWS):
                wide_tile(a, a_at, rows, i, some, v, v_at, NR, sums, s_at, places, zeros, new)
