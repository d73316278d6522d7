"""The loops around the micro-kernel: blocks of cells and panels of filters that stay in the cache."""

from __future__ import annotations

from .compiled import compiled, inner
from .epilogue import activate, largest_of_4
from .micro_kernel import MOST_ROWS, NARROW_ROWS, ROWS, depthwise_tile, narrow_tile, wide_tile
from .panels import lay_out, transpose
from .parts import in_parts
from .rows import add_row, copy_row

NEAR = 60  # cells of g whose numbers stay there, from tap to tap: a multiple of the rows of every tile
WIDE, NARROW, EACH = 0, 1, 2  # tiles: of a whole panel; of its first half; a number for each of its weights
PANEL = 1 << 14  # bytes of weights that stay in the first-level cache, beside the numbers of the image


@compiled
def macro_kernel(a, a0, rows, first, last, steps, v, v0, pitch, sums, s0, places, start, fresh, tile):
    """Sum up rows first.. of a table, a tile at a time."""
    if tile == EACH:
        for i in range(first, last, ROWS):
            depthwise_tile(a, a0, rows, i, steps, v, v0, pitch, sums, s0, places, start, fresh)
    elif tile == NARROW:
        for i in range(first, last, NARROW_ROWS):
            narrow_tile(a, a0, rows, i, steps, v, v0, pitch, sums, s0, places, start, fresh)
    else:
        for i in range(first, last, ROWS):
            wide_tile(a, a0, rows, i, steps, v, v0, pitch, sums, s0, places, start, fresh)


@inner
def tile_for(layout, filters):
    """Return which tile sums up a panel with this number of filters."""
    return EACH if layout[11] else NARROW if 2 * filters <= layout[0] else WIDE


@compiled
def forward_blocks(
    geometry, layout, x, packed, start, y, rows, places, steps, numbers, index, slope, where, memory, work
):
    """Write the output for a share of all units (images, group, block of cells, panel of filters).

    If `index` is not empty, of four cells that follow each other the largest is written to y, and its number
    to `index`, as bits. A `slope` other than 1 is that of an activation below 0.
    """
    part, first, last = in_parts(work)
    if first == last:
        return
    scratch = memory[part]
    _, C, H, W, K, _, _, _, _, _, _, _, _, _, _, OW = geometry
    NR, groups, panels, block, together, copied, _, channels, _, filters, _ = layout[:11]
    window = 4 if len(index) else 1
    cells, T = len(places) - MOST_ROWS + 1, len(steps)
    blocks, P = -(-cells // block), cells // (together * window)
    most, w0 = PANEL // (NR * x.itemsize), len(scratch) - block // window * NR
    below, there = first - first + 2, -1  # no constant, see `input_blocks`
    scratch[:copied] = 0
    for unit in range(first, last):
        panel, p0, images = unit % panels, unit // panels % blocks * block, unit // (panels * blocks)
        group, n = images % groups, images // groups * together
        a, a0 = x, (n * C + group * channels) * H * W
        if copied:
            if there != images:
                lay_out(scratch, x, n, group, layout)
                there = images
            a, a0 = scratch, 0
        p1, s0 = min(cells, p0 + block), copied - p0 * NR
        k0 = group * filters + panel * NR
        k = min(NR, filters - panel * NR, K - k0)
        panel += group * panels
        begin, tile = start[panel * NR :], tile_for(layout, k)
        for t in range(0, T, most):  # so many taps at a time that their weights stay in the cache
            some, v0 = steps[t : t + most], (panel * T + t) * NR
            macro_kernel(a, a0, rows, p0, p1, some, packed, v0, NR, scratch, s0, places, begin, t == 0, tile)
        p0, p1 = p0 // window, p1 // window
        write_cells(
            y, index, numbers, where, below, scratch, copied, w0, n, K, k0, k, P, p0, p1, OW, NR, slope
        )


@inner
def write_cells(y, index, numbers, where, below, sums, s0, w0, n, K, k0, k, P, p0, p1, OW, NR, slope):
    """Write the cells p0.. of the images n.., P of each, for k filters. Their sums begin at s0.

    If `index` is not empty, a cell is the largest of a window of 2x2, and its number is written to `index`.
    Then where[p - p0] is the first cell of the window, counted from s0. The one below it is `below` cells on.
    There is room for the numbers from w0 on. A `slope` other than 1 is that of an activation below 0.
    """
    pooled = len(index) > 0
    for p in range(p1 - p0):
        at = s0 + p * NR
        if pooled:
            largest_of_4(sums, s0 + where[p] * NR, below * NR, numbers[p0 + p], OW, at, w0 + p * NR, slope)
        elif slope != 1:
            activate(sums, at, slope)
    p = p0
    while p < p1:  # image after image
        i = p // P
        stop = min(p1, (i + 1) * P)
        to, at = ((n + i) * K + k0 - i) * P + p, (p - p0) * NR
        transpose(y, to, P, sums, s0 + at, NR, k, stop - p)
        if pooled:
            transpose(index, to, P, sums, w0 + at, NR, k, stop - p)
        p = stop


@compiled
def input_blocks(geometry, layout, g, packed, start, x, rows, places, steps, taps, memory, work):
    """Write the gradient by the input for a share of all units (images, group, panel of channels)."""
    part, first, last = in_parts(work)
    if first == last:
        return
    scratch = memory[part]
    _, C, H, W, K, _, _, SH, _, PH, PW, _, _, _, OH, OW = geometry
    NR, groups, panels, _, together, copied, _, filters, _, channels, _ = layout[:11]
    P = OH * OW
    HP, WP = H + 2 * PH, W + 2 * PW
    there, fresh = -1, first < 0  # False, but no constant: for that, macro_kernel would be compiled once more
    scratch[:copied] = 0  # what is no filter may be denormal, which is slow to multiply
    for unit in range(first, last):
        panel, images = unit % panels, unit // panels
        group, n = images % groups, images // groups * together
        a, a0 = g, (n * K + group * filters) * P
        if copied:
            if there != images:
                lay_out(scratch, g, n, group, layout)
                there = images
            a, a0 = scratch, 0
        c0 = group * channels + panel * NR
        c = min(NR, channels - panel * NR, C - c0)
        panel += group * panels
        begin, tile = start[panel * NR :], tile_for(layout, c)
        for q in range(copied, len(scratch), NR):
            copy_row(scratch, q, start, panel * NR, NR)
        h0 = h1 = 0
        for p0 in range(0, together * P, NEAR):
            p1 = min(together * P, p0 + NEAR)
            for tap in range(len(taps)):
                v0, s0 = (panel * len(taps) + tap) * len(steps) * NR, copied + taps[tap]
                macro_kernel(
                    a, a0, rows, p0, p1, steps, packed, v0, NR, scratch, s0, places, begin, fresh, tile
                )
            if p1 == together * P:
                h1 = H
            elif together == 1:
                h1 = min(H, max(h0, p1 // OW * SH - PH))  # no later cell meets the rows above
            for i in range(together):
                to, at = ((n + i) * C + c0) * H * W, copied + i * HP * WP * NR
                if PW == 0:
                    transpose(x, to + h0 * W, H * W, scratch, at + (h0 + PH) * W * NR, NR, c, (h1 - h0) * W)
                else:
                    for h in range(h0, h1):
                        transpose(x, to + h * W, H * W, scratch, at + ((h + PH) * WP + PW) * NR, NR, c, W)
            h0 = h1


@compiled
def weight_blocks(geometry, layout, x, g, zeros, sums, rows, places, steps, parts, memory, work):
    """Sum up a share of all units (part of the batch, group): sums (parts, groups, panels, T, NR)."""
    part, first, last = in_parts(work)
    if first == last:
        return
    scratch = memory[part]
    N, C, H, W, K, KH, KW, _, _, _, _, _, _, G, OH, OW = geometry
    NR, groups, panels, block, together, copied, _, channels, _, filters, _ = layout[:11]
    P, T = OH * OW, C // G * KH * KW
    blocks = -(-together * P // block)
    jobs = N // together * blocks
    scratch[:] = 0  # not only the border: what is no filter may be denormal, which is slow to multiply
    for unit in range(first, last):
        piece, group = unit // groups, unit % groups
        first_job, there = jobs * piece // parts, -1
        for job in range(first_job, jobs * (piece + 1) // parts):
            n, p0 = job // blocks * together, job % blocks * block
            p1 = min(together * P, p0 + block)
            a, a0 = x, (n * C + group * channels) * H * W
            if copied:
                if there != n:
                    lay_out(scratch, x, n, group, layout)
                    there = n
                a, a0 = scratch, 0
            some, fresh = steps[p0:p1], job == first_job
            for panel in range(panels):
                k0 = group * filters + panel * NR
                k = min(NR, filters - panel * NR, K - k0)
                p = p0
                while p < p1:  # image after image
                    i = p // P
                    stop = min(p1, (i + 1) * P)
                    at = ((n + i) * K + k0 - i) * P + p
                    transpose(scratch, copied + (p - p0) * NR, NR, g, at, P, stop - p, k)
                    p = stop
                s0, t0, tile = (unit * panels + panel) * T * NR, p0 - p0, tile_for(layout, k)
                macro_kernel(
                    a, a0, rows, t0, T, some, scratch, copied, NR, sums, s0, places, zeros, fresh, tile
                )


@compiled
def add_parts(sums, w, layout, T, parts, work):
    """Add sums (parts, groups, panels, T, NR) up to w (K, T), for a share of the panels of all groups."""
    _, first, last = in_parts(work)
    NR, _, panels, _, _, _, _, _, _, filters, all_filters = layout[:11]
    size = len(sums) // parts
    for panel in range(first, last):
        total = panel * T * NR
        for part in range(1, parts):
            add_row(sums, total, sums, total + part * size, T * NR)
        k0 = panel // panels * filters + panel % panels * NR
        k = min(NR, filters - panel % panels * NR, all_filters - k0)
        transpose(w, k0 * T, T, sums, total, NR, k, T)
