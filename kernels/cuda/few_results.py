"""Rung 5 for very few results: a thread computes all of one pixel's, up to four.

The gradient by a picture has one or three channels, and so has a picture that a generator draws: of a tile of
32 results most would be computed for nothing. Here a thread has a pixel to itself, and a register for each of
its results. A cell of the source is read once and serves all of them; their weights lie side by side, the
threads of a warp all want the same four, and one load of 128 bits sends them to all.
"""

from __future__ import annotations

import math
from functools import cache

from .direct import unravel
from .gather import part_of_block
from .pace import Work, cores
from .parts import no_change
from .target import VECTOR, ZERO, Kernel, cuda, divide, int32, kernel, load4
from .tile_product import Tile

MOST = VECTOR  # results of a pixel, in each group
THREADS = 128
TILE = Tile(MOST, THREADS, 1, MOST, 1)  # what a block computes
BLOCKS_A_CORE, MOST_PIECES = 4, 64  # so many blocks shall be there, if it takes no more pieces


def pieces(work: Work) -> int:
    """Return into how many pieces the sum over channels is cut, so that all multiprocessors have work."""
    blocks = max(1, math.prod(work.grid(TILE)))
    return work.full(TILE, min(MOST_PIECES, -(-BLOCKS_A_CORE * cores() // blocks)))


@cache
def few_kernel(finish=no_change) -> Kernel:
    """Make the kernel; weights are (G, KH*KW, C, 4), all else as in `register_tiles.gather_kernel`."""

    @kernel(THREADS)
    def kernel_of_few(source, weights, bias, out, gather, CP, MP, pieces, piece):
        N, C, H, W, M, OH, OW, KH, KW, G, AH, AW, STEP_H, STEP_W, FIRST_H, FIRST_W, PITCH_H, PITCH_W = gather
        part, group, ah, aw, rows, columns = part_of_block(gather, pieces, int32(cuda.blockIdx.z))
        if rows == 0 or columns == 0:
            return  # the result is smaller than the stride
        n, row, column = unravel(int32(cuda.grid(1)), rows, columns)
        if n >= N:
            return
        plane = int32(H * W)
        image = int32((n * G + group) * C * plane)
        first, last = int32(part * piece), int32(min(int32((part + 1) * piece), C))  # of the channels
        sum0, sum1, sum2, sum3 = ZERO, ZERO, ZERO, ZERO
        for r in range(int32(0), KH):
            top = int32(ah + FIRST_H + r * PITCH_H)
            down = divide(top, AH)
            for s in range(int32(0), KW):
                left = int32(aw + FIRST_W + s * PITCH_W)
                right = divide(left, AW)
                i, j = int32(row * STEP_H + down), int32(column * STEP_W + right)
                divides = down * AH == top and right * AW == left
                if divides and i >= 0 and i < H and j >= 0 and j < W:
                    cell = int32(image + first * plane + i * W + j)
                    weight = int32((((group * KH + r) * KW + s) * C + first) * VECTOR)
                    for _ in range(first, last):
                        value = source[cell]
                        w0, w1, w2, w3 = load4(weights, weight)
                        sum0 += value * w0
                        sum1 += value * w1
                        sum2 += value * w2
                        sum3 += value * w3
                        cell, weight = int32(cell + plane), int32(weight + VECTOR)

        first_channel = int32(group * M)
        cell = int32((part * N + n) * G * M * OH * OW + (row * AH + ah) * OW + column * AW + aw)
        for m in range(int32(0), M):
            value = sum0
            if m == 1:
                value = sum1
            elif m == 2:
                value = sum2
            elif m == 3:
                value = sum3
            channel = int32(first_channel + m)
            out[int32(cell + channel * OH * OW)] = finish(value, bias, channel)

    return kernel_of_few
