"""The loops of Winograd's convolution over bands of tiles and panels of filters."""

from __future__ import annotations

from .blocks import write_cells
from .compiled import compiled
from .panels import transpose
from .parts import in_parts
from .rows import add_row, copy_row
from .winograd_points import (
    POINTS,
    TAPS,
    M,
    R,
    points_to_cells,
    points_to_taps,
    points_to_window,
    products,
    tiles_at_points,
)


@compiled
def convolve_tiles(
    cut, windows, image, result, a, U, start, y, index, slope, tables, at, wrongs, memory, work
):
    """Write the output or the gradient by the input for a share of all units.

    The output is computed from `windows`. A unit is one of (images, band of tiles, panel of filters). The
    gradient by the input is computed from cells of g. They add to windows that reach into the next band, so a
    unit is one of (images, panel of channels). If a result is no finite number, NaN is written to a row of
    `wrongs`.
    """
    part, first, last = in_parts(work)
    if first == last:
        return
    scratch = memory[part]
    wrong = wrongs[part]
    K, H, W, PH, PW = result
    NR, _, TW, tiles_high, images, lanes, pitch, apart, s_apart, u_apart, bands = cut
    rows, places, steps, numbers, where = tables
    v0, s0, c0, w0 = at
    panels, zeros, pool, unit = -(-K // NR), start[len(start) - NR :], 2 if len(index) else 1, first
    zero, fresh = first - first, first >= 0  # no constants: for each, what is called would be compiled again
    P, of_band = (H // pool) * (W // pool), tiles_high * M // pool * (W // pool)
    # Windows of x that the tiles of a band add to:
    new, columns = tiles_high * M, TW * M + TAPS - 1
    high_x = new + TAPS - 1
    of_panel = images * high_x * columns * NR
    scratch[:v0] = 0
    while unit < last:
        panel0, group = unit % panels, unit // panels
        panel1 = min(panels, panel0 + last - unit)
        unit += panel1 - panel0
        band0, band1, n = 0, bands, group * images
        if windows:
            band0, n = group % bands, group // bands * images
            band1 = band0 + 1
        for band in range(band0, band1):
            tiles = tiles_at_points(
                cut, image, windows, a, n, zero, image[0], band, scratch, zero, v0, lanes, pitch, apart
            )
            of_image = tiles // images
            for panel in range(panel0, panel1):
                k0, k = panel * NR, min(NR, K - panel * NR)
                weights, points = (U, panel * POINTS * u_apart, u_apart), (scratch, s0, s_apart)
                products((scratch, v0, apart), rows, tiles, steps, weights, points, places, zeros, fresh)
                if windows:
                    for i in range(images):
                        for tile in range(of_image):
                            # What a tile writes beyond the end of a row is written again: from right to left.
                            th, tw = tile // TW, TW - 1 - tile % TW
                            sums = s0 + (i * of_image + th * TW + tw) * NR, R * s_apart, s_apart
                            cells = c0 + ((i * H + th * M) * W + tw * M) * NR, W * NR, NR
                            points_to_cells(NR, scratch, sums, scratch, cells, start, (k0, zero, zero), wrong)
                    p0 = band * of_band
                    p1 = images * P if bands == 1 else min(P, p0 + of_band)
                    write_cells(
                        y, index, numbers, where, W, scratch, c0, w0, n, K, k0, k, P, p0, p1, W, NR, slope
                    )
                    continue
                to, kept = c0 + (panel - panel0) * of_panel, 0
                if band > 0:  # windows of the band before reach into this one
                    kept = (TAPS - 1) * columns * NR
                    copy_row(scratch, to, scratch, to + new * columns * NR, kept)
                for pixel in range(to + kept, to + of_panel, NR):
                    copy_row(scratch, pixel, start, k0, NR)
                for i in range(images):
                    for tile in range(of_image):
                        sums = s0 + (i * of_image + tile) * NR, R * s_apart, s_apart
                        pixel = to + ((i * high_x + tile // TW * M) * columns + tile % TW * M) * NR
                        window = pixel, columns * NR, NR
                        points_to_window(NR, scratch, sums, scratch, window, scratch, window, wrong)
                    for row in range(high_x if band == bands - 1 else new):
                        h = band * new + row - PH
                        if 0 <= h < H:
                            pixel = to + ((i * high_x + row) * columns + PW) * NR
                            transpose(y, (((n + i) * K + k0) * H + h) * W, H * W, scratch, pixel, NR, k, W)


@compiled
def weight_tiles(cut, x_image, x, g_image, g, zeros, sums, jobs, parts, tables, at, memory, work):
    """Sum up a share of all units (part of the batch, panel of filters): sums (units, points, C, NR)."""
    part, first, last = in_parts(work)
    if first == last:
        return
    scratch = memory[part]
    C, K = x_image[0], g_image[0]
    NR, _, _, _, images, lanes, pitch, apart, s_apart, u_apart, bands = cut
    (v0, g0, s0), (rows, places, steps) = at, tables
    panels, unit = -(-K // NR), first
    zero, windows, cells = first - first, first >= 0, first < 0  # no constants, see `convolve_tiles`
    scratch[:v0] = 0
    scratch[g0:s0] = 0
    while unit < last:
        piece, panel0 = unit // panels, unit % panels
        panel1 = min(panels, panel0 + last - unit)
        first_job = jobs * piece // parts
        for job in range(first_job, jobs * (piece + 1) // parts):
            n, band = job // bands * images, job % bands
            tiles = tiles_at_points(
                cut, x_image, windows, x, n, zero, C, band, scratch, zero, v0, lanes, pitch, apart
            )
            some, fresh = steps[:tiles], job == first_job
            for panel in range(panel0, panel1):
                k0, k = panel * NR, min(NR, K - panel * NR)
                to, gs = (unit + panel - panel0) * POINTS * u_apart, (scratch, s0, s_apart)
                tiles_at_points(cut, g_image, cells, g, n, k0, k, band, scratch, g0, s0, NR, NR, s_apart)
                products((scratch, v0, apart), rows, C, some, gs, (sums, to, u_apart), places, zeros, fresh)
        unit += panel1 - panel0


@compiled
def taps_of_sums(sums, w, C, K, apart, zeros, parts, wrongs, memory, work):
    """Add sums (parts, panels, points, C, NR) up to w (K, C, TAPS, TAPS), for a share of the panels."""
    part, first, last = in_parts(work)
    if first == last:
        return
    scratch = memory[part]
    wrong = wrongs[part]
    NR, T, zero = len(zeros), TAPS * TAPS, first - first
    panels = -(-K // NR)
    for panel in range(first, last):
        k, total = min(NR, K - panel * NR), panel * POINTS * apart
        for piece in range(1, parts):
            add_row(sums, total, sums, total + piece * panels * POINTS * apart, POINTS * apart)
        for c in range(C):
            points, taps = (total + c * NR, R * apart, apart), (c * T * NR, TAPS * NR, NR)
            points_to_taps(NR, sums, points, scratch, taps, zeros, (zero, zero, zero), wrong)
        transpose(w, panel * NR * C * T, C * T, scratch, zero, NR, k, C * T)
