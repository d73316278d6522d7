"""Rung 7: copies that nobody waits for (cp.async), into three tiles in turn.

In rung 5 a block loads a tile, waits for it, multiplies, and waits again before the tile may be overwritten.
Here there are several tiles in shared memory (stages). While one is multiplied, the next ones are on their
way: the threads only say what is to be copied from where to where. The copy passes by the registers, which
are all needed for sums, and fills in zeros itself if a cell lies outside the input. One barrier a step is
left: it says that all threads' copies of the next tile have arrived, and that all are done with the last one.

All else is as in rung 5: the same weights, the same product, the same sums. GPUs from compute capability 8.0
on can do it. On an H200 it was no faster here than rung 5, which serves; see `async_weights` for where it is.
"""

from __future__ import annotations

from functools import cache

from .direct import unravel
from .parts import no_change
from .target import (
    FLOAT32,
    VECTOR,
    ZERO,
    Kernel,
    all_but,
    commit_copies,
    copy4_or_zero,
    copy16,
    cuda,
    device,
    divide,
    int32,
    kernel,
    shared,
)
from .tile_product import Tile, product

STAGES = 3
CAPABILITY = (8, 0)  # of the first GPUs with such copies


@device
def meets(position, period):
    """Whether `period` divides: if not, this row of the kernel meets no cell of the class."""
    return divide(position, period) * period == position


@cache
def async_kernel(tile: Tile, finish=no_change, stages: int = STAGES) -> Kernel:
    """Make the kernel; its arguments are those of `register_tiles.gather_kernel`."""
    BM, BN, BK, TM, TN = tile
    THREADS = tile.threads
    COLUMNS, ROWS = tile.columns, tile.rows
    B, STAGE = BK * BM, BK * (BM + BN)  # where the source's tile begins in a stage, and how long a stage is
    LOADS_A, LOADS_B = -(-BK * BM // VECTOR // THREADS), BK * BN // THREADS
    STRIDE_A, STRIDE_B = THREADS * VECTOR // BM, THREADS // BN  # rows that all threads copy at once
    SUMS, AHEAD, END = TM * TN, stages - 1, stages * STAGE
    ALL_LOAD = THREADS * VECTOR <= BK * BM
    shared_floats = shared(END)
    add_product, wait = product(tile, BM, BN), all_but(stages - 2)

    @kernel(THREADS, tile.resident)
    def kernel_of_async_sums(source, weights, bias, out, gather, CP, MP, pieces, piece):
        N, C, H, W, M, OH, OW, KH, KW, G, AH, AW, STEP_H, STEP_W, FIRST_H, FIRST_W, PITCH_H, PITCH_W = gather
        memory = shared_floats()
        sums = cuda.local.array(SUMS, FLOAT32)
        a = cuda.local.array(TM, FLOAT32)
        b = cuda.local.array(TN, FLOAT32)
        for i in range(SUMS):
            sums[i] = ZERO
        thread = int32(cuda.threadIdx.x)
        m0, p0 = int32(cuda.blockIdx.y * BM), int32(cuda.blockIdx.x * BN)
        rest, part = divide(int32(cuda.blockIdx.z), pieces), int32(cuda.blockIdx.z % pieces)
        group, ah, aw = unravel(rest, AH, AW)
        rows, columns = divide(OH - ah + AH - 1, AH), divide(OW - aw + AW - 1, AW)  # of this class
        if rows == 0 or columns == 0:
            return  # the result is smaller than the stride

        # What this thread copies: four weights of some row of the tile, and one pixel of the source.
        a_row, a_column = divide(thread, BM // VECTOR), int32(thread % (BM // VECTOR) * VECTOR)
        b_row, b_column = divide(thread, BN), int32(thread % BN)
        n, row, column = unravel(p0 + b_column, rows, columns)
        a_to, b_to = int32(a_row * BM + a_column), int32(B + b_row * BN + b_column)
        a_first = int32(divide(thread, COLUMNS) * VECTOR)
        b_first = int32(B + thread % COLUMNS * VECTOR)
        plane = int32(H * W)
        image = int32((n * G + group) * C * plane)
        first, last = int32(part * piece), int32(min(int32((part + 1) * piece), CP))  # of the channels

        # The walk along (r, s, c): how long it is, and where it begins.
        taps_h, taps_w, r, s0 = int32(0), int32(0), KH, KW
        for other in range(int32(0), KH):
            if meets(int32(ah + FIRST_H + other * PITCH_H), AH):
                taps_h, r = int32(taps_h + 1), int32(min(r, other))
        for other in range(int32(0), KW):
            if meets(int32(aw + FIRST_W + other * PITCH_W), AW):
                taps_w, s0 = int32(taps_w + 1), int32(min(s0, other))
        steps = int32(taps_h * taps_w * divide(last - first + BK - 1, int32(BK)))
        s, c0 = s0, first

        copied, put, get = int32(0), int32(0), int32(0)
        for step in range(int32(-AHEAD), steps):
            if copied < steps:
                i = int32(row * STEP_H + divide(ah + FIRST_H + r * PITCH_H, AH))
                j = int32(column * STEP_W + divide(aw + FIRST_W + s * PITCH_W, AW))
                inside = n < N and i >= 0 and i < H and j >= 0 and j < W
                weight = int32((((group * KH + r) * KW + s) * CP + c0 + a_row) * MP + m0 + a_column)
                cell = int32(image + i * W + j + (c0 + b_row) * plane)
                for load in range(LOADS_A):
                    if ALL_LOAD or a_row + load * STRIDE_A < BK:
                        to = int32(put + a_to + load * STRIDE_A * BM)
                        copy16(memory, to, weights, int32(weight + load * STRIDE_A * MP))
                for load in range(LOADS_B):
                    there = int32(inside and c0 + b_row + load * STRIDE_B < C)
                    to = int32(put + b_to + load * STRIDE_B * BN)
                    copy4_or_zero(memory, to, source, int32((cell + load * STRIDE_B * plane) * there), there)
                c0 = int32(c0 + BK)
                if c0 >= last:
                    c0, s = first, int32(s + 1)
                    while s < KW and not meets(int32(aw + FIRST_W + s * PITCH_W), AW):
                        s = int32(s + 1)
                    if s >= KW:
                        s, r = s0, int32(r + 1)
                        while r < KH and not meets(int32(ah + FIRST_H + r * PITCH_H), AH):
                            r = int32(r + 1)
                copied, put = int32(copied + 1), int32(put + STAGE)
                if put == END:
                    put = int32(0)
            commit_copies()
            if step >= 0:
                add_product(memory, int32(get + a_first), int32(get + b_first), a, b, sums)
                get = int32(get + STAGE)
                if get == END:
                    get = int32(0)
            wait()
            cuda.syncthreads()

        for x in range(TN):
            p = int32(p0 + x // VECTOR * VECTOR * COLUMNS + thread % COLUMNS * VECTOR + x % VECTOR)
            n, row, column = unravel(p, rows, columns)
            if n < N:
                pixel = int32((row * AH + ah) * OW + column * AW + aw)
                for y in range(TM):
                    m = int32(
                        m0 + y // VECTOR * VECTOR * ROWS + divide(thread, COLUMNS) * VECTOR + y % VECTOR
                    )
                    if m < M:
                        channel = int32(group * M + m)
                        value = finish(sums[y * TN + x], bias, channel)
                        out[int32(((part * N + n) * G * M + channel) * OH * OW + pixel)] = value

    return kernel_of_async_sums
