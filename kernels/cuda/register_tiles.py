"""Rung 5: register tiles. A thread computes TM x TN cells, so that a number loaded serves many products.

Of a tile BM x BN a thread of rung 4 computed one cell, with two loads for every product. Now it keeps TM x TN
sums in registers: TM + TN loads serve TM*TN products, with TM = TN = 8 that is 16 for 64. The loads take four
numbers at once (128 bits), for which rows that a thread needs together lie together: TM = 8 are two runs of
four. Loops over the tile have constant bounds, so that the compiler unrolls them and names every register
(`tile_product`).

The walk along q = (r, s, c) has the channel innermost: then a thread asks once for each (r, s) whether its
cell lies inside the input, and from channel to channel only adds H*W to an address. The weights are laid out
once a call as (G, KH*KW, channels, results), padded with zeros to whole tiles, and read without a question.

The same kernel computes the gradient by the input, which gathers from g by the same weights (`gather`)::

    y[n,k,oh,ow] = sum over r, s, c of w[k,c,r,s] * x[n, c, oh*SH - PH + r*DH, ...]
    x[n,c,i,j]   = sum over r, s, k of w[k,c,r,s] * g[n, k, (i + PH - r*DH) / SH, ...]   where that divides

With stride 2 only every other r divides, by whether i is odd or even. So the cells are sorted into SH*SW
classes, a class is a grid of its own, and all threads of a block agree on which (r, s) to leave out.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..arrays import Array
from ..geometry import Conv2dGeometry
from .direct import split
from .gather import Gather
from .operands import result
from .target import (
    FLOAT32,
    MOST_BLOCKS,
    VECTOR,
    ZERO,
    Kernel,
    cuda,
    device,
    divide,
    int32,
    kernel,
    load4,
    shared,
    store4,
)
from .tile_product import Tile, product

# For many, some and few results (filters in the forward pass): a tile that is not full computes for nothing.
TILES = (Tile(128, 128, 8, 8, 8), Tile(64, 64, 8, 8, 4), Tile(32, 128, 8, 8, 4))
ENOUGH_BLOCKS = 132  # one for every core of an H100
COPIERS = 128  # threads of a block that lays out weights
FEW = 4  # for fewer results most of a tile would compute for nothing: rung 3 has smaller ones


@device
def no_change(value, bias, m):
    """What is done to a sum before it is written: nothing."""
    return value


@cache
def gather_kernel(tile: Tile, finish=no_change) -> Kernel:
    """Make the kernel for blocks of `tile`; every sum is written as ``finish(sum, bias, channel)``.

    Raises
    ------
    ValueError
        For a tile with fewer threads than BN, or not a multiple: each thread loads for one pixel.
    """
    BM, BN, BK, TM, TN = tile
    THREADS = tile.threads
    if THREADS % BN:
        raise ValueError(f"{tile} has {THREADS} threads, no multiple of BN={BN}")
    COLUMNS, ROWS = tile.columns, tile.rows
    A, B = 0, BK * BM  # where the tiles of weights (BK, BM) and of the source (BK, BN) begin
    LOADS_A, LOADS_B = -(-BK * BM // VECTOR // THREADS), BK * BN // THREADS
    STRIDE_A, STRIDE_B = THREADS * VECTOR // BM, THREADS // BN  # rows that all threads load at once
    SUMS = TM * TN
    ALL_LOAD = THREADS * VECTOR <= BK * BM
    shared_floats = shared(BK * (BM + BN))
    add_product = product(tile, BM, BN)

    @kernel(THREADS, tile.resident)
    def sums_kernel(source, weights, bias, out, gather, CP, MP):
        N, C, H, W, M, OH, OW, KH, KW, G, AH, AW, STEP_H, STEP_W, FIRST_H, FIRST_W, PITCH_H, PITCH_W = gather
        memory = shared_floats()
        sums = cuda.local.array(SUMS, FLOAT32)
        a = cuda.local.array(TM, FLOAT32)
        b = cuda.local.array(TN, FLOAT32)
        for i in range(SUMS):
            sums[i] = ZERO
        thread = int32(cuda.threadIdx.x)
        m0, p0 = int32(cuda.blockIdx.y * BM), int32(cuda.blockIdx.x * BN)
        group, ah, aw = split(int32(cuda.blockIdx.z), AH, AW)
        rows, columns = divide(OH - ah + AH - 1, AH), divide(OW - aw + AW - 1, AW)  # of this class
        if rows == 0 or columns == 0:
            return  # the result is smaller than the stride

        # What this thread loads: four weights of some row of the tile, and one pixel of the source.
        a_row, a_column = divide(thread, BM // VECTOR), int32(thread % (BM // VECTOR) * VECTOR)
        b_row, b_column = divide(thread, BN), int32(thread % BN)
        n, row, column = split(p0 + b_column, rows, columns)
        # Where what it multiplies begins in shared memory.
        a_first = int32(A + divide(thread, COLUMNS) * VECTOR)
        b_first = int32(B + thread % COLUMNS * VECTOR)
        plane = int32(H * W)
        image = int32((n * G + group) * C * plane)

        for r in range(int32(0), KH):
            top = int32(ah + FIRST_H + r * PITCH_H)
            down = divide(top, AH)
            for s in range(int32(0), KW):
                left = int32(aw + FIRST_W + s * PITCH_W)
                right = divide(left, AW)
                if down * AH != top or right * AW != left:
                    continue
                i, j = int32(row * STEP_H + down), int32(column * STEP_W + right)
                inside = n < N and i >= 0 and i < H and j >= 0 and j < W
                cell = int32(image + i * W + j)
                weight = int32(((group * KH + r) * KW + s) * CP * MP + m0 + a_column)
                for c0 in range(int32(0), CP, int32(BK)):
                    for load in range(LOADS_A):
                        t = int32(a_row + load * STRIDE_A)
                        if ALL_LOAD or t < BK:
                            store4(
                                memory,
                                int32(A + t * BM + a_column),
                                load4(weights, int32(weight + (c0 + t) * MP)),
                            )
                    for load in range(LOADS_B):
                        t = int32(b_row + load * STRIDE_B)
                        value = ZERO
                        if inside and c0 + t < C:
                            value = source[int32(cell + (c0 + t) * plane)]
                        memory[int32(B + t * BN + b_column)] = value
                    cuda.syncthreads()
                    add_product(memory, a_first, b_first, a, b, sums)
                    cuda.syncthreads()

        for x in range(TN):
            p = int32(p0 + x // VECTOR * VECTOR * COLUMNS + thread % COLUMNS * VECTOR + x % VECTOR)
            n, row, column = split(p, rows, columns)
            if n < N:
                pixel = int32((row * AH + ah) * OW + column * AW + aw)
                for y in range(TM):
                    m = int32(
                        m0 + y // VECTOR * VECTOR * ROWS + divide(thread, COLUMNS) * VECTOR + y % VECTOR
                    )
                    if m < M:
                        channel = int32(group * M + m)
                        value = finish(sums[y * TN + x], bias, channel)
                        out[int32((n * G * M + channel) * OH * OW + pixel)] = value

    return sums_kernel


@kernel(COPIERS)
def lay_out_kernel(w, weights, G, TAPS, C, M, CP, MP, transposed):
    """Every thread writes one element of the weights (G, TAPS, CP, MP): one of w, or a zero."""
    number = int32(cuda.grid(1))
    if number < G * TAPS * CP * MP:
        row, c, m = split(number, CP, MP)
        group = divide(row, TAPS)
        tap = int32(row - group * TAPS)
        value = ZERO
        if c < C and m < M:
            first, second, count = m, c, C  # w is (G, M, C, TAPS)
            if transposed:
                first, second, count = c, m, M  # w is (G, C, M, TAPS)
            value = w[int32((group * C * M + first * count + second) * TAPS + tap)]
        weights[number] = value


def laid_out(w: Array, gather: Gather, tile: Tile, transposed: bool) -> tuple[Array, int, int]:
    """Return the weights (G, KH, KW, CP, MP), padded with zeros to whole tiles, and the sizes CP and MP.

    `transposed` where w's first channels, the filters, are summed over.
    """
    G, C, M, KH, KW = gather.G, gather.C, gather.M, gather.KH, gather.KW
    CP, MP = -(-C // tile.BK) * tile.BK, -(-M // tile.BM) * tile.BM
    weights = result(w, (G, KH, KW, CP, MP))
    blocks = -(-weights.size // COPIERS)
    lay_out_kernel.launch((blocks,), (COPIERS,), w, weights, G, KH * KW, C, M, CP, MP, int(transposed))
    return weights, CP, MP


def tile_for(gather: Gather) -> Tile:
    """Return the largest tile that the results fill to more than half, and that gives work to every core."""
    for tile in TILES[:-1]:
        if 2 * gather.M > tile.BM and blocks(gather, tile) >= ENOUGH_BLOCKS:
            return tile
    return TILES[-1]


def blocks(gather: Gather, tile: Tile) -> int:
    """Return how many blocks compute all results."""
    return int(np.prod(grid(gather, tile), dtype=object))


def grid(gather: Gather, tile: Tile) -> tuple[int, int, int]:
    """Return the blocks along pixels of a class, results, and groups with classes."""
    pixels = gather.N * -(-gather.OH // gather.AH) * -(-gather.OW // gather.AW)
    return -(-pixels // tile.BN), -(-gather.M // tile.BM), gather.G * gather.AH * gather.AW


def write_sums(
    source: Array,
    w: Array,
    out: Array,
    gather: Gather,
    transposed: bool,
    tile: Tile | None = None,
    finish=no_change,
    bias: Array | None = None,
) -> bool:
    """Write all sums, each through `finish`; or return False, where they do not fit the tiles."""
    if gather.M < FEW or max(grid(gather, TILES[-1])[1:]) > MOST_BLOCKS:
        return False
    tile = tile or tile_for(gather)
    weights, CP, MP = laid_out(w, gather, tile, transposed)
    gather_kernel(tile, finish).launch(
        grid(gather, tile),
        (tile.threads,),
        source,
        weights,
        out if bias is None else bias,
        out,
        gather,
        CP,
        MP,
    )
    return True


def write_output(x: Array, w: Array, y: Array, geometry: Conv2dGeometry) -> bool:
    """Write y = conv2d(x, w)."""
    return write_sums(x, w, y, Gather.output(geometry), transposed=False)


def write_input(g: Array, w: Array, x: Array, geometry: Conv2dGeometry) -> bool:
    """Write x = conv2d_input(g, w)."""
    return write_sums(g, w, x, Gather.input(geometry), transposed=True)
