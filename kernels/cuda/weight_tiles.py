"""Rung 5 for the gradient by the weights: register tiles, and a sum over all pixels in pieces (split-K).

Eq. 1 with w left open is a matrix product too, over p = (n, oh, ow)::

    w[k, (c, r, s)] = sum over p of g[k, p] * x[(c, r, s), p]

Its result is small and its sum is long: 64 filters of 32 x 3 x 3 are five tiles, where a GPU has room for a
few hundred. So the sum is cut into pieces, computed by different blocks; each writes its part to a workspace,
and a second kernel adds the parts, in the same order every time (`parts`).

Both matrices lie in memory with p innermost: threads that read side by side have neighbouring p. In shared
memory a row is one p; its length is BM + 4, so that the threads of a warp, which write to eight rows at once,
hit 32 different banks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache

import numpy as np

from ..arrays import Array
from ..geometry import Geometry
from .direct import unravel
from .launch import LAUNCHES
from .operands import LIMIT
from .pace import Pace, Work, cores
from .parts import Sums, no_change
from .target import FLOAT32, INT32, MOST_BLOCKS, ZERO, Kernel, cuda, device, divide, int32, kernel, shared
from .tile_product import BlockProduct, Tile, load_or_zero, padded_product, writing

TILES = {Tile(128, 128, 16, 8, 8): Pace(2, 1.85, 1.85, 0.5), Tile(64, 64, 16, 8, 4): Pace(4, 0.60, 0.60, 0)}
ROUNDS = (1, 2, 4)  # so many times as many blocks as are resident: more only make more parts to add
LEAST = np.int32(-(2**31))


class Loader:
    """Functions for kernels, by which a block loads the tiles of g (BK, BM) and of x (BK, BN).

    ``copy(memory, to, source, cell, there)`` writes one number of a tile, or a 0. Of every BK pixels a thread
    loads one, for some filters of g and some (c, r, s) of x, which are `TOGETHER` apart.
    """

    def __init__(self, tile: Tile, by: BlockProduct, copy: Callable[..., None]) -> None:
        BK, TOGETHER = tile.BK, tile.threads // tile.BK
        LOADS_A, LOADS_B = tile.BM // TOGETHER, tile.BN // TOGETHER
        ROW_A, ROW_B, B = by.row_a, by.row_b, tile.BK * by.row_a
        self.windows = LOADS_B  # of x for each thread

        @device
        def find(geometry, group, q, down, right, offset):
            """Note where the windows of (c, r, s) = q lie, seen from where a pixel's windows begin."""
            N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
            CG = divide(C, G)
            for load in range(LOADS_B):
                c, r, s = unravel(int32(q + load * TOGETHER), KH, KW)
                down[load], right[load] = int32(r * DH - PH), int32(s * DW - PW)
                offset[load] = int32((group * CG + c) * H * W + down[load] * W + right[load])
                if c >= CG:
                    down[load] = LEAST  # never inside

        @device
        def load(memory, to, p, end, thread, x, g, geometry, filter, filters, down, right, offset):
            """Load pixel p of g, from `filter` on while there are `filters`, and of all windows of x."""
            N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
            pixels = int32(OH * OW)
            n, oh, ow = unravel(p, OH, OW)
            top, left = int32(oh * SH), int32(ow * SW)
            of_g = int32((n * K + filter) * pixels + p - n * pixels)
            of_x = int32(n * C * H * W + top * W + left)
            lane, row = int32(thread % BK), divide(thread, BK)
            for load in range(LOADS_A):
                there = int32(p < end and load * TOGETHER < filters)
                cell = int32(of_g + load * TOGETHER * pixels)
                copy(memory, int32(to + lane * ROW_A + row + load * TOGETHER), g, cell, there)
            for load in range(LOADS_B):
                i, j = int32(top + down[load]), int32(left + right[load])
                there = int32(p < end and i >= 0 and i < H and j >= 0 and j < W)
                cell = int32(of_x + offset[load])
                copy(memory, int32(to + B + lane * ROW_B + row + load * TOGETHER), x, cell, there)

        self.find, self.load = find, load


def load_and_multiply(tile: Tile, by: BlockProduct, load: Callable[..., None]) -> Callable[..., None]:
    """Return the loop of rung 5 along the pixels: load a tile, wait for it, multiply, wait."""
    BK, first_a, first_b, add_product = tile.BK, by.first_a, by.first_b, by.add_product

    @device
    def walk(memory, first, end, thread, a, b, sums, *of_load):
        lane, a_first, b_first = int32(thread % BK), first_a(thread), first_b(thread)
        for pixel in range(first, end, int32(BK)):
            load(memory, 0, int32(pixel + lane), end, thread, *of_load)
            cuda.syncthreads()
            add_product(memory, a_first, b_first, a, b, sums)
            cuda.syncthreads()

    return walk


def make_kernel(tile: Tile, product_of, copy, walking=load_and_multiply, stages: int = 1) -> Kernel:
    """Make a kernel that writes every piece's part (pieces, K, C/G*KH*KW).

    `product_of` says how a block multiplies two tiles, `copy` is that of `Loader`, `walking` returns the loop
    along the pixels, and shared memory holds so many `stages` of two tiles.
    """
    BM, BN, BK, TM, TN = tile
    by = product_of(tile)
    loader = Loader(tile, by, copy)
    WINDOWS, find, walk = loader.windows, loader.find, walking(tile, by, loader.load)
    REGISTERS_A, REGISTERS_B, SUMS = by.registers_a, by.registers_b, TM * TN
    write = writing(tile, by, no_change)
    shared_floats = shared(stages * BK * (by.row_a + by.row_b))

    @kernel(tile.threads, by.resident)
    def kernel_of_parts(x, g, parts, geometry, pieces, piece):
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        CG, KG = divide(C, G), divide(K, G)
        memory = shared_floats()
        sums = cuda.local.array(SUMS, FLOAT32)
        a = cuda.local.array(REGISTERS_A, FLOAT32)
        b = cuda.local.array(REGISTERS_B, FLOAT32)
        for i in range(SUMS):
            sums[i] = ZERO
        thread = int32(cuda.threadIdx.x)
        m0, q0 = int32(cuda.blockIdx.y * BM), int32(cuda.blockIdx.x * BN)
        group = divide(int32(cuda.blockIdx.z), pieces)
        part = int32(cuda.blockIdx.z - group * pieces)

        row = divide(thread, BK)
        down = cuda.local.array(WINDOWS, INT32)
        right = cuda.local.array(WINDOWS, INT32)
        offset = cuda.local.array(WINDOWS, INT32)
        find(geometry, group, int32(q0 + row), down, right, offset)
        filter, filters = int32(group * KG + m0 + row), int32(KG - m0 - row)

        first, end = int32(part * piece), int32(min(int32((part + 1) * piece), N * OH * OW))
        of_load = x, g, geometry, filter, filters, down, right, offset
        walk(memory, first, end, thread, a, b, sums, *of_load)
        write(parts, int32(part * K + group * KG), sums, parts, m0, q0, KG, int32(CG * KH * KW), thread)

    return kernel_of_parts


@cache
def parts_kernel(tile: Tile, product_of=padded_product) -> Kernel:
    """Make the kernel of rung 5, or with its product that of rung 8."""
    return make_kernel(tile, product_of, load_or_zero)


@lru_cache(LAUNCHES)
def plan(
    geometry: Geometry,
    tile: Tile | None = None,
    pieces: int | None = None,
    product_of=padded_product,
    make=parts_kernel,
) -> Sums | None:
    """Return how to compute the gradient, by default with the tile that is fastest in rung 5.

    `product_of` is that of rung 5 or 8, `make` makes the kernel of rung 5 or 7. None if it does not fit a
    grid.
    """
    K, KH, KW, CG = geometry.K, geometry.KH, geometry.KW, geometry.C // geometry.G
    work, shape = work_of(geometry), (K, CG, KH, KW)
    best = choices(geometry) if tile is None else [(tile, pieces or 1)]
    for tile, pieces in best:
        across, down, G = work.grid(tile)
        if max(down, G * pieces) > MOST_BLOCKS or pieces * K * CG * KH * KW >= LIMIT:
            continue
        piece = max(1, -(-work.terms // (pieces * tile.BK))) * tile.BK  # pixels of each but the last
        multiply = make(tile, product_of).prepared(
            (across, down, G * pieces), (tile.threads,), "fff", (geometry, pieces, piece)
        )
        return Sums.of(multiply, pieces, shape)
    return None


def work_of(geometry: Geometry) -> Work:
    """Return the sums over pixels: filters by (c, r, s), in each group."""
    N, C, _, _, K, KH, KW, *_, G, OH, OW = geometry
    return Work(K // G, C // G * KH * KW, N * OH * OW, G)


def choices(geometry: Geometry, tiles: Mapping[Tile, Pace] = TILES) -> list[tuple[Tile, int]]:
    """Return tiles and into how many pieces the sum is cut, by the time that they are estimated to take."""
    return work_of(geometry).choices(tiles, splits)


def splits(work: Work, tile: Tile) -> list[int]:
    """Return into how many pieces the sum over pixels may be cut: full rounds of blocks."""
    across, down, G = work.grid(tile)
    at_once = (TILES[tile].resident if tile in TILES else tile.resident) * cores()
    rounds = (work.full(tile, n * at_once // (across * down * G)) for n in ROUNDS)
    return sorted({1, *rounds})


def write_weight(
    x: Array,
    g: Array,
    w: Array,
    geometry: Geometry,
    tile: Tile | None = None,
    pieces: int | None = None,
    product_of=padded_product,
    make=parts_kernel,
) -> bool:
    """Write w = conv2d_weight(x, g); or return False, if there are more groups than a grid holds."""
    planned = plan(geometry, tile, pieces, product_of, make)
    if planned is None:
        return False
    planned.write((x, g), w, w)  # the sums are written as they are: no bias is read
    return True
