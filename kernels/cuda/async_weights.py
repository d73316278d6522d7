"""Rung 7 for the gradient by the weights: as `async_tiles`, with the sums of `weight_tiles`.

A tile of rung 5 is written to shared memory number by number, as it is turned round: from memory, where
pixels are neighbours, to rows of one pixel. cp.async can do that too, four bytes at a time. On an H200 that
was up to 1.2 times as fast as rung 5, so it serves this direction, from compute capability 8.0 on.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .async_tiles import STAGES
from .direct import unravel
from .target import (
    FLOAT32,
    INT32,
    VECTOR,
    ZERO,
    Kernel,
    all_but,
    commit_copies,
    copy4_or_zero,
    cuda,
    divide,
    int32,
    kernel,
    shared,
)
from .tile_product import Tile, product

LEAST = np.int32(-(2**31))
PADDING = 4  # float32 behind every row in shared memory, as in `weight_tiles`


@cache
def async_parts_kernel(tile: Tile, stages: int = STAGES) -> Kernel:
    """Make the kernel; its arguments are those of `weight_tiles.parts_kernel`."""
    BM, BN, BK, TM, TN = tile
    THREADS = tile.threads
    COLUMNS, ROWS = tile.columns, tile.rows
    ROW_A, ROW_B = BM + PADDING, BN + PADDING
    B, STAGE = BK * ROW_A, BK * (ROW_A + ROW_B)  # where the tile of x begins in a stage, how long a stage is
    TOGETHER = THREADS // BK  # rows of g, or of x, that all threads copy at once
    LOADS_A, LOADS_B = BM // TOGETHER, BN // TOGETHER
    SUMS, AHEAD, END = TM * TN, stages - 1, stages * STAGE
    shared_floats = shared(END)
    add_product, wait = product(tile, ROW_A, ROW_B), all_but(stages - 2)

    @kernel(THREADS, tile.resident)
    def kernel_of_async_parts(x, g, parts, geometry, pieces, piece):
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        CG, KG, pixels = divide(C, G), divide(K, G), int32(OH * OW)
        P, Q = int32(N * pixels), int32(CG * KH * KW)
        memory = shared_floats()
        sums = cuda.local.array(SUMS, FLOAT32)
        a = cuda.local.array(TM, FLOAT32)
        b = cuda.local.array(TN, FLOAT32)
        for i in range(SUMS):
            sums[i] = ZERO
        thread = int32(cuda.threadIdx.x)
        m0, q0 = int32(cuda.blockIdx.y * BM), int32(cuda.blockIdx.x * BN)
        group = divide(int32(cuda.blockIdx.z), pieces)
        part = int32(cuda.blockIdx.z - group * pieces)

        # Of every BK pixels this thread copies one, for some filters of g and some (c, r, s) of x.
        lane, row = int32(thread % BK), divide(thread, BK)
        down = cuda.local.array(LOADS_B, INT32)
        right = cuda.local.array(LOADS_B, INT32)
        offset = cuda.local.array(LOADS_B, INT32)
        for load in range(LOADS_B):
            q = int32(q0 + row + load * TOGETHER)
            c, r, s = unravel(q, KH, KW)
            down[load], right[load] = int32(r * DH - PH), int32(s * DW - PW)
            offset[load] = int32((group * CG + c) * H * W + down[load] * W + right[load])
            if q >= Q:
                down[load] = LEAST  # never inside
        a_to, b_to = int32(lane * ROW_A + row), int32(B + lane * ROW_B + row)
        a_first = int32(divide(thread, COLUMNS) * VECTOR)
        b_first = int32(B + thread % COLUMNS * VECTOR)
        filters = int32(KG - m0 - row)  # of g that there still are for this thread

        first, end = int32(part * piece), int32(min(int32((part + 1) * piece), P))
        steps = int32(0)
        if end > first:
            steps = divide(end - first + BK - 1, int32(BK))
        put, get = int32(0), int32(0)
        for step in range(int32(-AHEAD), steps):
            if step + AHEAD < steps:
                p = int32(first + (step + AHEAD) * BK + lane)
                n, oh, ow = unravel(p, OH, OW)
                top, left = int32(oh * SH), int32(ow * SW)
                of_g = int32((n * K + group * KG + m0 + row) * pixels + p - n * pixels)
                of_x = int32(n * C * H * W + top * W + left)
                for load in range(LOADS_A):
                    there = int32(p < end and load * TOGETHER < filters)
                    to, cell = int32(put + a_to + load * TOGETHER), int32(of_g + load * TOGETHER * pixels)
                    copy4_or_zero(memory, to, g, int32(cell * there), there)
                for load in range(LOADS_B):
                    i, j = int32(top + down[load]), int32(left + right[load])
                    there = int32(p < end and i >= 0 and i < H and j >= 0 and j < W)
                    to, cell = int32(put + b_to + load * TOGETHER), int32(of_x + offset[load])
                    copy4_or_zero(memory, to, x, int32(cell * there), there)
                put = int32(put + STAGE)
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

        for y in range(TM):
            m = int32(m0 + y // VECTOR * VECTOR * ROWS + divide(thread, COLUMNS) * VECTOR + y % VECTOR)
            for v in range(TN):
                q = int32(q0 + v // VECTOR * VECTOR * COLUMNS + thread % COLUMNS * VECTOR + v % VECTOR)
                if m < KG and q < Q:
                    parts[int32((part * K + group * KG + m) * Q + q)] = sums[y * TN + v]

    return kernel_of_async_parts
