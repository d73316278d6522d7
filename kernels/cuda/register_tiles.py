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

A small result is too few tiles for a large GPU. Then the sum over channels is cut into pieces, each computed
by blocks of their own into an array of parts, and a second kernel adds the parts (split-K, `parts`).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

from ..arrays import Array
from ..geometry import Geometry
from . import few_results
from .direct import unravel
from .gather import Gather, part_of_block
from .launch import LAUNCHES, Launch
from .lay_out import laying_out
from .operands import result, too_large
from .pace import Pace
from .parts import Sums, no_change
from .target import (
    FLOAT32,
    MOST_BLOCKS,
    VECTOR,
    ZERO,
    Kernel,
    cuda,
    divide,
    int32,
    kernel,
    load4,
    shared,
    store4,
)
from .tile_product import Tile, load_or_zero, register_product

# For many, some and few results (filters in the forward pass), and the last for few channels as well: a tile
# that is not full computes for nothing. See `pace`.
TILES = {
    Tile(128, 128, 16, 8, 8): Pace(2, 1.878, 1.569, 6.8),
    Tile(64, 128, 8, 8, 8): Pace(3, 0.795, 0.478, 12.7),
    Tile(64, 64, 16, 8, 4): Pace(5, 0.769, 0.427, 11.7),
    Tile(32, 128, 8, 8, 4): Pace(8, 0.597, 0.308, 10.9),
    Tile(32, 128, 4, 8, 4): Pace(6, 0.423, 0.190, 16.2),
}
PIECES = (1, 2, 4, 8)  # that a sum may be cut into: those that were measured


@cache
def gather_kernel(tile: Tile, finish=no_change, product_of=register_product) -> Kernel:
    """Make the kernel for blocks of `tile`; every sum is written as ``finish(sum, bias, channel)``.

    `product_of` says how a block multiplies two tiles.

    Raises
    ------
    ValueError
        For a tile with fewer threads than BN, or not a multiple: each thread loads for one pixel.
    """
    BM, BN, BK, TM, TN = tile
    THREADS = tile.threads
    if THREADS % BN:
        raise ValueError(f"{tile} has {THREADS} threads, no multiple of BN={BN}")
    by = product_of(tile)
    ROW_A, ROW_B, REGISTERS_A, REGISTERS_B, first_a, first_b, place_y, place_x, add_product, _ = by
    B = BK * ROW_A  # where the tile of the source (BK, BN) begins, behind that of the weights (BK, BM)
    LOADS_A, LOADS_B = -(-BK * BM // VECTOR // THREADS), BK * BN // THREADS
    STRIDE_A, STRIDE_B = THREADS * VECTOR // BM, THREADS // BN  # rows that all threads load at once
    SUMS = TM * TN
    ALL_LOAD = THREADS * VECTOR <= BK * BM
    shared_floats = shared(BK * (ROW_A + ROW_B))

    @kernel(THREADS, by.resident)
    def sums_kernel(source, weights, bias, out, gather, CP, MP, pieces, piece):
        N, C, H, W, M, OH, OW, KH, KW, G, AH, AW, STEP_H, STEP_W, FIRST_H, FIRST_W, PITCH_H, PITCH_W = gather
        memory = shared_floats()
        sums = cuda.local.array(SUMS, FLOAT32)
        a = cuda.local.array(REGISTERS_A, FLOAT32)
        b = cuda.local.array(REGISTERS_B, FLOAT32)
        for i in range(SUMS):
            sums[i] = ZERO
        thread = int32(cuda.threadIdx.x)
        m0, p0 = int32(cuda.blockIdx.y * BM), int32(cuda.blockIdx.x * BN)
        part, group, ah, aw, rows, columns = part_of_block(gather, pieces, int32(cuda.blockIdx.z))
        if rows == 0 or columns == 0:
            return  # the result is smaller than the stride

        # What this thread loads: four weights of some row of the tile, and one pixel of the source.
        a_row, a_column = divide(thread, BM // VECTOR), int32(thread % (BM // VECTOR) * VECTOR)
        b_row, b_column = divide(thread, BN), int32(thread % BN)
        n, row, column = unravel(p0 + b_column, rows, columns)
        # Where what it multiplies begins in shared memory.
        a_first, b_first = first_a(thread), first_b(thread)
        plane = int32(H * W)
        image = int32((n * G + group) * C * plane)
        first, last = int32(part * piece), int32(min(int32((part + 1) * piece), CP))  # of the channels

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
                for c0 in range(first, last, int32(BK)):
                    for load in range(LOADS_A):
                        t = int32(a_row + load * STRIDE_A)
                        if ALL_LOAD or t < BK:
                            four = load4(weights, int32(weight + (c0 + t) * MP))
                            store4(memory, int32(t * ROW_A + a_column), four)
                    for load in range(LOADS_B):
                        t = int32(b_row + load * STRIDE_B)
                        there = int32(inside and c0 + t < C)
                        to = int32(B + t * ROW_B + b_column)
                        load_or_zero(memory, to, source, int32(cell + (c0 + t) * plane), there)
                    cuda.syncthreads()
                    add_product(memory, a_first, b_first, a, b, sums)
                    cuda.syncthreads()

        for x in range(TN):
            p = int32(p0 + place_x(thread, x))
            n, row, column = unravel(p, rows, columns)
            if n < N:
                pixel = int32((row * AH + ah) * OW + column * AW + aw)
                for y in range(TM):
                    m = int32(m0 + place_y(thread, y))
                    if m < M:
                        channel = int32(group * M + m)
                        value = finish(sums[y * TN + x], bias, channel)
                        out[int32(((part * N + n) * G * M + channel) * OH * OW + pixel)] = value

    return sums_kernel


class Plan(NamedTuple):
    """All launches of one convolution, which only lack the arrays."""

    weights_shape: tuple[int, ...]
    lay_out: Launch  # w, weights
    sums: Sums  # of source, weights and bias


@lru_cache(LAUNCHES)
def plan(
    gather: Gather,
    transposed: bool,
    finish=no_change,
    tile: Tile | None = None,
    pieces: int | None = None,
    product_of=register_product,
) -> Plan | None:
    """Return how to compute all sums, by default with the fastest tile; None if they do not fit one.

    `transposed` if w's first channels, the filters, are summed over; `product_of` is that of rung 5 or 8.
    """
    C, M, G, taps, out_shape = gather.C, gather.M, gather.G, gather.KH * gather.KW, gather.out_shape
    best = choices(gather) if tile is None else [(tile, pieces or 1)]
    for tile, pieces in best:
        CP, MP = -(-C // tile.BK) * tile.BK, -(-M // tile.BM) * tile.BM
        across, down, others = gather.work.grid(tile)
        few = tile == few_results.TILE
        if (few and M > few_results.MOST) or max(down, others * pieces) > MOST_BLOCKS:
            continue
        if too_large((G, taps, CP, MP), (pieces, *out_shape)):
            continue
        finish_here = finish if pieces == 1 else no_change
        chosen = few_results.few_kernel(finish_here) if few else gather_kernel(tile, finish_here, product_of)
        piece = -(-CP // tile.BK // pieces) * tile.BK  # channels of each
        numbers = (gather, CP, MP, pieces, piece)
        multiply = chosen.prepared((across, down, others * pieces), (chosen.threads,), "ffff", numbers)
        return Plan(
            (G, gather.KH, gather.KW, CP, MP),
            laying_out(G, taps, C, M, CP, MP, transposed),
            Sums.of(multiply, pieces, out_shape, finish),
        )
    return None


def choices(gather: Gather) -> list[tuple[Tile, int]]:
    """Return tiles and into how many pieces the sum is cut, by the time that they are estimated to take."""
    work = gather.work
    few = [(few_results.TILE, few_results.pieces(work))] if gather.M <= few_results.MOST else []
    return few + work.choices(TILES, lambda work, tile: (p for p in PIECES if work.full(tile, p) == p))


def write_sums(
    source: Array,
    w: Array,
    out: Array,
    gather: Gather,
    transposed: bool,
    tile: Tile | None = None,
    finish=no_change,
    bias: Array | None = None,
    pieces: int | None = None,
    product_of=register_product,
) -> bool:
    """Write all sums, each through `finish`; or return False, if they do not fit the tiles."""
    planned = plan(gather, transposed, finish, tile, pieces, product_of)
    if planned is None:
        return False
    weights = result(w, planned.weights_shape)
    planned.lay_out(w, weights)
    something = out if bias is None else bias  # if there is no bias, `finish` reads none
    planned.sums.write((source, weights, something), something, out)
    return True


def write_output(x: Array, w: Array, y: Array, geometry: Geometry) -> bool:
    """Write y = conv2d(x, w)."""
    return write_sums(x, w, y, Gather.output(geometry), transposed=False)


def write_input(g: Array, w: Array, x: Array, geometry: Geometry) -> bool:
    """Write x = conv2d_input(g, w)."""
    return write_sums(g, w, x, Gather.input(geometry), transposed=True)
