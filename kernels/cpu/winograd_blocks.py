"""The loops of Winograd's convolution over bands of tiles and panels of filters, for each direction."""

from __future__ import annotations

from .blocks import write_cells
from .compiled import compiled
from .panels import transpose
from .rows import add_row, copy_row
from .winograd_points import (
    POINTS,
    TAPS,
    M,
    R,
    cells_at_points,
    points_to_cells,
    points_to_taps,
    points_to_window,
    products,
    windows_at_points,
)


@compiled
def forward_tiles(
    cut, geometry, x, U, start, zeros, y, index, slope, tables, at, wrong, scratch, first, last
):
    """Write the output for the units first.. of all (images, band of tiles, panel of filters)."""
    _, _, _, _, K, _, _, _, _, _, _, _, _, _, OH, OW = geometry
    _, TW, tiles_high, images, _, _, apart, s_apart, u_apart, bands = cut
    (v0, s0, c0, w0), (rows, places, steps, numbers, where) = at, tables
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
                    sums = s0 + ((i * high + th) * TW + tw) * NR, R * s_apart, s_apart
                    cells = c0 + ((i * OH + th * M) * OW + tw * M) * NR, OW * NR, NR
                    points_to_cells(NR, scratch, sums, scratch, cells, start, (k0, zero, zero), wrong)
        p0 = band * of_band
        p1 = images * P if bands == 1 else min(P, p0 + of_band)
        write_cells(y, index, numbers, where, OW, scratch, c0, w0, n, K, k0, k, P, p0, p1, OW, NR, slope)


@compiled
def input_tiles(cut, geometry, g, U, start, zeros, x, tables, at, wrong, scratch, first, last):
    """Write the gradient by the input for the units first.. of all (images, panel of channels)."""
    _, C, H, W, K, _, _, _, _, PH, PW, _, _, _, _, _ = geometry
    _, TW, tiles_high, images, lanes, pitch, apart, s_apart, u_apart, bands = cut
    (v0, s0, x0), (rows, places, steps) = at, tables
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
                            sums = s0 + ((i * high + th) * TW + tw) * NR, R * s_apart, s_apart
                            pixels = to + ((i * rows_x + th * M) * columns + tw * M) * NR, columns * NR, NR
                            points_to_window(NR, scratch, sums, scratch, pixels, scratch, pixels, wrong)
                    for row in range(rows_x if band == bands - 1 else new):
                        h = band * new + row - PH
                        if 0 <= h < H:
                            pixel = to + ((i * rows_x + row) * columns + PW) * NR
                            transpose(x, (((n + i) * C + c0) * H + h) * W, H * W, scratch, pixel, NR, c, W)


@compiled
def weight_tiles(cut, geometry, x, g, zeros, sums, parts, tables, at, scratch, first, last):
    """Sum up the units first.. of all (part of the batch, panel of filters): sums (units, points, C, NR)."""
    N, C, _, _, K, _, _, _, _, _, _, _, _, _, _, _ = geometry
    _, _, _, images, _, _, apart, s_apart, u_apart, bands = cut
    (v0, g0, s0), (rows, places, steps) = at, tables
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
            points, taps = (total + c * NR, R * apart, apart), (c * T * NR, TAPS * NR, NR)
            points_to_taps(NR, sums, points, scratch, taps, zeros, (zero, zero, zero), wrong)
        transpose(w, panel * NR * C * T, C * T, scratch, zero, NR, k, C * T)
