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

from functools import cache, lru_cache

from ..arrays import Array
from ..geometry import Geometry
from . import async_tiles, async_weights
from .direct import unravel
from .launch import LAUNCHES
from .operands import LIMIT
from .pace import Pace, adding_time, capability, cores, steps_time
from .parts import Sums
from .target import (
    FLOAT32,
    INT32,
    MOST_BLOCKS,
    ZERO,
    Kernel,
    cuda,
    divide,
    int32,
    kernel,
    shared,
)
from .tile_product import Tile, padded_product

TILES = {Tile(128, 128, 8, 8, 8): Pace(2, 1.70, 1.244, 1), Tile(64, 64, 8, 8, 4): Pace(4, 1.00, 0.406, 1)}
ASYNC = {Tile(128, 128, 8, 8, 8): Pace(2, 1.00, 1.055, 0.57), Tile(64, 64, 8, 8, 4): Pace(4, 1.09, 0.325, 0)}
ROUNDS = (1, 2, 4)  # so many times as many blocks as are resident: more only make more parts to add


@cache
def parts_kernel(tile: Tile, product_of=padded_product) -> Kernel:
    """Make the kernel that writes every piece's part (pieces, K, C/G*KH*KW).

    `product_of` says how a block multiplies two tiles: that of rung 5 or 8.
    """
    BM, BN, BK, TM, TN = tile
    THREADS = tile.threads
    by = product_of(tile)
    ROW_A, ROW_B, REGISTERS_A, REGISTERS_B = by.row_a, by.row_b, by.registers_a, by.registers_b
    first_a, first_b, place_y, place_x = by.first_a, by.first_b, by.place_y, by.place_x
    A, B = 0, BK * ROW_A  # where the tiles of g (BK, BM) and of x (BK, BN) begin
    TOGETHER = THREADS // BK  # rows of g, or of x, that all threads load at once
    LOADS_A, LOADS_B = BM // TOGETHER, BN // TOGETHER
    SUMS = TM * TN
    shared_floats = shared(BK * (ROW_A + ROW_B))
    add_product = by.add_product

    @kernel(THREADS, tile.resident)
    def kernel_of_parts(x, g, parts, geometry, pieces, piece):
        N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW = geometry
        CG, KG, pixels = divide(C, G), divide(K, G), int32(OH * OW)
        P, Q = int32(N * pixels), int32(CG * KH * KW)
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

        # Of every BK pixels this thread loads one, for some filters of g and some (c, r, s) of x.
        lane, row = int32(thread % BK), divide(thread, BK)
        down = cuda.local.array(LOADS_B, INT32)
        right = cuda.local.array(LOADS_B, INT32)
        offset = cuda.local.array(LOADS_B, INT32)
        for load in range(LOADS_B):
            c, r, s = unravel(int32(q0 + row + load * TOGETHER), KH, KW)
            down[load], right[load] = int32(r * DH - PH), int32(s * DW - PW)
            offset[load] = int32((group * CG + c) * H * W + down[load] * W + right[load])
        a_first, b_first = first_a(thread), first_b(thread)

        end = int32(min(int32((part + 1) * piece), P))
        for first in range(int32(part * piece), end, int32(BK)):
            p = int32(first + lane)
            n, oh, ow = unravel(p, OH, OW)
            top, left = int32(oh * SH), int32(ow * SW)
            of_g = int32((n * K + group * KG + m0 + row) * pixels + p - n * pixels)
            of_x = int32(n * C * H * W + top * W + left)
            for load in range(LOADS_A):
                value = ZERO
                if p < end and m0 + row + load * TOGETHER < KG:
                    value = g[int32(of_g + load * TOGETHER * pixels)]
                memory[int32(A + lane * ROW_A + row + load * TOGETHER)] = value
            for load in range(LOADS_B):
                i, j = int32(top + down[load]), int32(left + right[load])
                value = ZERO
                if p < end and q0 + row + load * TOGETHER < Q and i >= 0 and i < H and j >= 0 and j < W:
                    value = x[int32(of_x + offset[load])]
                memory[int32(B + lane * ROW_B + row + load * TOGETHER)] = value
            cuda.syncthreads()
            add_product(memory, a_first, b_first, a, b, sums)
            cuda.syncthreads()

        for y in range(TM):
            m = int32(m0 + place_y(thread, y))
            for v in range(TN):
                q = int32(q0 + place_x(thread, v))
                if m < KG and q < Q:
                    parts[int32((part * K + group * KG + m) * Q + q)] = sums[y * TN + v]

    return kernel_of_parts


@lru_cache(LAUNCHES)
def plan(
    geometry: Geometry,
    tile: Tile | None = None,
    pieces: int | None = None,
    stages: int = 1,
    product_of=padded_product,
) -> Sums | None:
    """Return how to compute the gradient, by default in the fastest way; None if it does not fit a grid.

    With more `stages` than one by rung 7; `product_of` is that of rung 5 or 8.
    """
    best = choices(geometry, stages) if tile is None else [(tile, pieces or 1)]
    K, KH, KW, CG = geometry.K, geometry.KH, geometry.KW, geometry.C // geometry.G
    P, shape = geometry.N * geometry.OH * geometry.OW, (K, CG, KH, KW)
    for tile, pieces in best:
        across, down, G = grid(geometry, tile)
        if max(down, G * pieces) > MOST_BLOCKS or pieces * K * CG * KH * KW >= LIMIT:
            continue
        piece = max(1, -(-P // (pieces * tile.BK))) * tile.BK  # pixels of each but the last: whole tiles
        if stages > 1:
            chosen = async_weights.async_parts_kernel(tile, stages)
        else:
            chosen = parts_kernel(tile, product_of)
        multiply = chosen.prepared(
            (across, down, G * pieces), (tile.threads,), "fff", (geometry, pieces, piece)
        )
        return Sums.of(multiply, pieces, shape)
    return None


def choices(geometry: Geometry, stages: int = 1) -> list[tuple[Tile, int]]:
    """Return tiles and into how many pieces the sum is cut, by the time that they are estimated to take."""
    tiles = ASYNC if stages > 1 else TILES
    found = sorted((estimate(geometry, t, p, stages), t, p) for t in tiles for p in splits(geometry, t))
    return [(tile, pieces) for _, tile, pieces in found]


def splits(geometry: Geometry, tile: Tile) -> list[int]:
    """Return into how many pieces the sum over pixels may be cut: full rounds of blocks."""
    across, down, G = grid(geometry, tile)
    steps = -(-geometry.N * geometry.OH * geometry.OW // tile.BK)
    round_ = (TILES[tile].resident if tile in TILES else tile.resident) * cores()
    found = {1}
    for rounds in ROUNDS:
        wanted = max(1, min(steps, rounds * round_ // (across * down * G)))
        found.add(-(-steps // -(-steps // wanted)) if steps else 1)  # none of them empty
    return sorted(found)


def estimate(geometry: Geometry, tile: Tile, pieces: int, stages: int = 1) -> float:
    """Return how many us the gradient takes, see `pace`."""
    across, down, G = grid(geometry, tile)
    steps = -(-geometry.N * geometry.OH * geometry.OW // (tile.BK * pieces))
    size = geometry.K * geometry.C // geometry.G * geometry.KH * geometry.KW
    pace = (ASYNC if stages > 1 else TILES)[tile]
    return steps_time(across * down * G * pieces, steps, pace) + adding_time(size, pieces)


def grid(geometry: Geometry, tile: Tile) -> tuple[int, int, int]:
    """Return the blocks along (c, r, s), filters, and groups."""
    G = geometry.G
    Q = geometry.C // G * geometry.KH * geometry.KW
    return -(-Q // tile.BN), -(-geometry.K // G // tile.BM), G


def write_weight(
    x: Array,
    g: Array,
    w: Array,
    geometry: Geometry,
    tile: Tile | None = None,
    pieces: int | None = None,
    stages: int = 1,
    product_of=padded_product,
) -> bool:
    """Write w = conv2d_weight(x, g); or return False, if there are more groups than a grid holds."""
    planned = plan(geometry, tile, pieces, stages, product_of)
    if planned is None:
        return False
    planned.write((x, g), w, w)  # the sums are written as they are: no bias is read
    return True


def write_weight_async(x: Array, g: Array, w: Array, geometry: Geometry) -> bool:
    """Write w by rung 7; or return False, if the GPU has no copies that nobody waits for."""
    if capability() < async_tiles.CAPABILITY:
        return False
    return write_weight(x, g, w, geometry, stages=async_tiles.STAGES)
