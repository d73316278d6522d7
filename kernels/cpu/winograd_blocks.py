"""The loops of Winograd's convolution, for each direction; see `winograd`.

Pixels are laid out with their channels side by side, so that a transform works on full vectors. What it
makes of the tiles are numbers (points, tiles, channels). For each point the micro-kernel computes one
matrix product.
"""

from __future__ import annotations

from fractions import Fraction

from .blocks import PANEL, write_cells
from .compiled import compiled
from .micro_kernel import ROWS, wide_tile
from .panels import transpose
from .rows import add_row, copy_row
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
                window_to_points(lanes, scratch, at, columns * lanes, lanes, scratch, v0, R * apart, apart)
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
                cells_to_points(lanes, scratch, at, columns * lanes, lanes, scratch, v0, R * apart, apart)
    return images * high * TW


@compiled
def weights_at_points(packed, U, each, tap, number, apart, NR, first, last):
    """Transform the taps of the panels first.. of w to U (panels, points, each, NR).

    In a panel, tap t of number c is vector t*tap + c*number. The points are `apart` numbers from each other.
    """
    for panel in range(first, last):
        for c in range(each):
            at, to = (panel * TAPS * TAPS * each + c * number) * NR, panel * POINTS * apart + c * NR
            taps_to_points(NR, packed, at, TAPS * tap * NR, tap * NR, U, to, R * apart, apart)


@compiled
def products(a, a0, a_apart, rows, count, steps, v, v0, v_apart, sums, s0, s_apart, places, zeros, fresh):
    """Multiply the numbers of each point by its weights: sums (points, rows, NR); from 0 on, if `fresh`."""
    NR = len(zeros)
    most = PANEL // (NR * a.itemsize)
    for point in range(POINTS):
        a_at, s_at = a0 + point * a_apart, s0 + point * s_apart
        for t in range(0, len(steps), most):  # so many steps at a time that their weights stay in the cache
            some, v_at, new = steps[t : t + most], v0 + point * v_apart + t * NR, fresh and t == 0
            for i in range(0, count, ROWS):
                wide_tile(a, a_at, rows, i, some, v, v_at, NR, sums, s_at, places, zeros, new)


@compiled
def forward_tiles(
    cut,
    geometry,
    x,
    U,
    start,
    zeros,
    y,
    rows,
    places,
    steps,
    numbers,
    where,
    index,
    slope,
    at,
    wrong,
    scratch,
    first,
    last,
):
    """Write the output for the units first.. of all (images, band of tiles, panel of filters)."""
    _, _, _, _, K, _, _, _, _, _, _, _, _, _, OH, OW = geometry
    _, TW, tiles_high, images, _, _, apart, s_apart, u_apart, bands = cut
    v0, s0, c0, w0 = at
    NR, zero, there, tiles = len(zeros), first - first, -1, 0
    panels, fresh, pool = -(-K // NR), first >= 0, 2 if len(index) else 1
    P, of_band = (OH // pool) * (OW // pool), tiles_high * M // pool * (OW // pool)
    scratch[:v0] = 0
    for unit in range(first, last):
        panel, band, n = unit % panels, unit // panels % bands, unit // (panels * bands) * images
        if there != unit // panels:
            tiles = windows_at_points(cut, geometry, x, n, band, scratch, v0)
            there = unit // panels
        k0, k = panel * NR, min(NR, K - panel * NR)
        u0 = panel * POINTS * u_apart
        products(
            scratch, v0, apart, rows, tiles, steps, U, u0, u_apart, scratch, s0, s_apart, places, zeros, fresh
        )
        high = tiles // (images * TW)
        for i in range(images):
            for th in range(high):
                for from_right in range(TW):  # what a tile writes beyond the end of a row is written again
                    tw = TW - 1 - from_right
                    s_at, to = (
                        s0 + ((i * high + th) * TW + tw) * NR,
                        c0 + ((i * OH + th * M) * OW + tw * M) * NR,
                    )
                    points_to_cells(
                        NR,
                        scratch,
                        s_at,
                        R * s_apart,
                        s_apart,
                        scratch,
                        to,
                        OW * NR,
                        NR,
                        start,
                        k0,
                        zero,
                        zero,
                        wrong,
                    )
        p0 = band * of_band
        p1 = images * P if bands == 1 else min(P, p0 + of_band)
        write_cells(y, index, numbers, where, OW, scratch, c0, w0, n, K, k0, k, P, p0, p1, OW, NR, slope)


@compiled
def input_tiles(cut, geometry, g, U, start, zeros, x, rows, places, steps, at, wrong, scratch, first, last):
    """Write the gradient by the input for the units first.. of all (images, panel of channels)."""
    _, C, H, W, K, _, _, _, _, PH, PW, _, _, _, _, _ = geometry
    _, TW, tiles_high, images, lanes, pitch, apart, s_apart, u_apart, bands = cut
    v0, s0, x0 = at
    NR, new, columns, zero = len(zeros), tiles_high * M, TW * M + TAPS - 1, first - first
    panels, rows_x, fresh, unit = -(-C // NR), new + TAPS - 1, first >= 0, first
    of_panel = images * rows_x * columns * NR
    scratch[:v0] = 0
    while unit < last:
        n, panel0 = unit // panels * images, unit % panels
        panel1 = min(panels, panel0 + last - unit)
        unit += panel1 - panel0
        for band in range(bands):
            tiles = cells_at_points(
                cut, geometry, g, n, zero, K, band, scratch, zero, v0, lanes, pitch, apart
            )
            high = tiles // (images * TW)
            for panel in range(panel0, panel1):
                c0, c = panel * NR, min(NR, C - panel * NR)
                u0, to = panel * POINTS * u_apart, x0 + (panel - panel0) * of_panel
                kept = 0
                if band > 0:  # windows of the band before reach into this one
                    kept = (TAPS - 1) * columns * NR
                    copy_row(scratch, to, scratch, to + new * columns * NR, kept)
                for pixel in range(to + kept, to + of_panel, NR):
                    copy_row(scratch, pixel, start, c0, NR)
                products(
                    scratch,
                    v0,
                    apart,
                    rows,
                    tiles,
                    steps,
                    U,
                    u0,
                    u_apart,
                    scratch,
                    s0,
                    s_apart,
                    places,
                    zeros,
                    fresh,
                )
                for i in range(images):
                    for th in range(high):
                        for tw in range(TW):
                            s_at = s0 + ((i * high + th) * TW + tw) * NR
                            pixel = to + ((i * rows_x + th * M) * columns + tw * M) * NR
                            points_to_window(
                                NR,
                                scratch,
                                s_at,
                                R * s_apart,
                                s_apart,
                                scratch,
                                pixel,
                                columns * NR,
                                NR,
                                scratch,
                                pixel,
                                columns * NR,
                                NR,
                                wrong,
                            )
                    for row in range(rows_x if band == bands - 1 else new):
                        h = band * new + row - PH
                        if 0 <= h < H:
                            pixel = to + ((i * rows_x + row) * columns + PW) * NR
                            transpose(x, (((n + i) * C + c0) * H + h) * W, H * W, scratch, pixel, NR, c, W)


@compiled
def weight_tiles(cut, geometry, x, g, zeros, sums, rows, places, steps, parts, at, scratch, first, last):
    """Sum up the units first.. of all (part of the batch, panel of filters): sums (units, points, C, NR)."""
    N, C, _, _, K, _, _, _, _, _, _, _, _, _, _, _ = geometry
    _, _, _, images, _, _, apart, s_apart, u_apart, bands = cut
    v0, g0, s0 = at
    NR, jobs, unit = len(zeros), N // images * bands, first
    panels = -(-K // NR)
    scratch[:v0] = 0
    scratch[g0:s0] = 0
    while unit < last:
        part, panel0 = unit // panels, unit % panels
        panel1 = min(panels, panel0 + last - unit)
        first_job = jobs * part // parts
        for job in range(first_job, jobs * (part + 1) // parts):
            n, band, fresh = job // bands * images, job % bands, job == first_job
            tiles = windows_at_points(cut, geometry, x, n, band, scratch, v0)
            for panel in range(panel0, panel1):
                k0, k = panel * NR, min(NR, K - panel * NR)
                cells_at_points(cut, geometry, g, n, k0, k, band, scratch, g0, s0, NR, NR, s_apart)
                to = (unit + panel - panel0) * POINTS * u_apart
                products(
                    scratch,
                    v0,
                    apart,
                    rows,
                    C,
                    steps[:tiles],
                    scratch,
                    s0,
                    s_apart,
                    sums,
                    to,
                    u_apart,
                    places,
                    zeros,
                    fresh,
                )
        unit += panel1 - panel0


@compiled
def taps_of_sums(sums, w, C, K, apart, zeros, parts, wrong, scratch, first, last):
    """Add sums (parts, panels, points, C, NR) up and write w (K, C, TAPS, TAPS), for the panels first.. ."""
    NR, T, zero = len(zeros), TAPS * TAPS, first - first
    panels = -(-K // NR)
    for panel in range(first, last):
        k, total = min(NR, K - panel * NR), panel * POINTS * apart
        for part in range(1, parts):
            add_row(sums, total, sums, total + part * panels * POINTS * apart, POINTS * apart)
        for c in range(C):
            points_to_taps(
                NR,
                sums,
                total + c * NR,
                R * apart,
                apart,
                scratch,
                c * T * NR,
                TAPS * NR,
                NR,
                zeros,
                zero,
                zero,
                zero,
                wrong,
            )
        transpose(w, panel * NR * C * T, C * T, scratch, zero, NR, k, C * T)
