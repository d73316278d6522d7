"""Rung 8: tensor cores, which multiply small matrices, and how they keep float32's accuracy (3xTF32).

Up to rung 7 one instruction of a warp makes 32 products, one a thread. On a tensor core it makes 1024: the 32
threads hold a 16x8 and an 8x8 matrix together, and get their product added to a 16x8 matrix that they hold as
well (``mma.sync``, `intrinsics.mma`). Which thread holds which numbers is fixed by the instruction, with
g = lane / 4 and q = lane % 4::

    a (16 x 8)   a0 (g, q)   a1 (g+8, q)   a2 (g, q+4)     a3 (g+8, q+4)
    b (8 x 8)    b0 (q, g)   b1 (q+4, g)
    c (16 x 8)   c0 (g, 2q)  c1 (g, 2q+1)  c2 (g+8, 2q)    c3 (g+8, 2q+1)

Only the product of two tiles changes: a thread's TM x TN sums are pairs of columns and rows 8 apart,
TM/2 times TN/2 results of the instruction. Rows of shared memory are 8 numbers longer than the tile: the
threads of a warp then read from 32 different banks.

Tensor cores do not take float32. They take TF32, which has 10 of float32's 23 bits behind the point: each
number is rounded, to 1 part in 2048 (`tf32`). That is 8192 times as coarse as float32, so only those get it
who ask for it. With two TF32 numbers for each one, a large and a small part, there is hardly a loss::

    a = A + r,  A = tf32(a),  r = tf32(a - A)        b = B + s, likewise
    a * b = r*B + A*s + A*B  + r*s

r*s is at most one part in 4 million of a*b, and is left out. Three products instead of one are nearly as
exact as one of float32: the error is a few times as large, and the sums keep the bound that all rungs are
held to (`tf32x3`). The small products are added first.

A is a without its last 13 bits, not a rounded: then no large part is larger than its number, and A*B is
finite if a*b is. An infinite a would have no small part, as a - A would be NaN. So A is at most the largest
finite number. Then r is infinite, and r*B is what a*b would be: infinite with the right sign, or NaN if b
is 0.

A tensor core does not round what it adds: it drops the bits that do not fit. In a sum of thousands of terms
such errors all point to 0, where rounded ones cancel out. An H200 showed errors of 3 parts in 1,000 in the
longest sums. So a tensor core adds eight products only, three times, for the parts; the threads add these
to their sums.

All three directions and the products of dense layers are computed so, from compute capability 8.0 on; on
older GPUs by the rung below. The twin in `simulated` cuts its sums as a tensor core does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from ..arrays import Array
from ..geometry import Geometry
from . import weight_tiles
from .epilogue import FINISH
from .gather import Gather
from .pace import capability, cores
from .register_tiles import write_sums
from .target import ZERO, cut_to_tf32, device, divide, int32, mma, to_tf32
from .tile_product import BlockProduct, Tile, repeated

CAPABILITY = (8, 0)  # of the first GPUs with TF32
TILES = (Tile(128, 128, 8, 4, 16), Tile(64, 64, 16, 4, 8))  # for large and for small results
# For the gradient by the weights, whose threads also keep in mind where their pixels' windows begin.
WEIGHT_TILES = (Tile(128, 64, 8, 4, 8), Tile(64, 64, 8, 4, 8))
STEP = 8  # products of each sum that one instruction adds
PADDING = 8  # float32 behind every row in shared memory
LEAST_PARTS = 8  # the sums of a gradient by the weights can be cut into as many parts, for more blocks
LARGEST = np.finfo(np.float32).max


@device
def in_parts(x):
    """Return x as a large and a small TF32 number."""
    large = cut_to_tf32(min(max(x, -LARGEST), LARGEST))
    return large, to_tf32(x - large)


def _block_product(tile: Tile, split: bool) -> BlockProduct:
    """Return the product: with TF32 numbers in two parts each if `split`, else in one."""
    BM, BN, BK, TM, TN = tile
    WM, WN = 8 * TM, 4 * TN  # of a warp
    ACROSS = BN // WN  # warps
    if BK % STEP or BM % WM or BN % WN or WM % 16 or WN % 8:
        raise ValueError(f"{tile} is not made of warps of {WM}x{WN} results, {STEP} products at a time")
    ROW_A, ROW_B = BM + PADDING, BN + PADDING
    B = BK * ROW_A
    SMALL = 2 * TM  # where the small parts of a begin

    @device
    def first_a(thread):
        lane = int32(thread % 32)
        return int32(divide(divide(thread, 32), ACROSS) * WM + divide(lane, 4) + lane % 4 * ROW_A)

    @device
    def first_b(thread):
        lane = int32(thread % 32)
        return int32(B + divide(thread, 32) % ACROSS * WN + divide(lane, 4) + lane % 4 * ROW_B)

    @device
    def place_y(thread, y):
        return int32(
            divide(divide(thread, 32), ACROSS) * WM + y // 2 * 16 + y % 2 * 8 + divide(int32(thread % 32), 4)
        )

    @device
    def place_x(thread, x):
        return int32(divide(thread, 32) % ACROSS * WN + x // 2 * 8 + thread % 4 * 2 + x % 2)

    @device
    def multiply(memory, a_first, b_first, a, b, sums):
        """Add the products of eight rows of either tile."""
        for i in range(TM // 2):
            for j in range(4):
                value = memory[int32(a_first + i * 16 + j % 2 * 8 + j // 2 * 4 * ROW_A)]
                if split:
                    a[i * 4 + j], a[SMALL + i * 4 + j] = in_parts(value)
                else:
                    a[i * 4 + j] = to_tf32(value)
        for n in range(TN // 2):
            for j in range(2):
                value = memory[int32(b_first + n * 8 + j * 4 * ROW_B)]
                if split:
                    b[j], b[2 + j] = in_parts(value)
                else:
                    b[j] = to_tf32(value)
            for i in range(TM // 2):
                one, two, u, v = 2 * i * TN + 2 * n, (2 * i + 1) * TN + 2 * n, 4 * i, SMALL + 4 * i
                if split:
                    c0, c1, c2, c3 = ZERO, ZERO, ZERO, ZERO
                    c0, c1, c2, c3 = mma(c0, c1, c2, c3, a[v], a[v + 1], a[v + 2], a[v + 3], b[0], b[1])
                    c0, c1, c2, c3 = mma(c0, c1, c2, c3, a[u], a[u + 1], a[u + 2], a[u + 3], b[2], b[3])
                else:
                    c0, c1, c2, c3 = sums[one], sums[one + 1], sums[two], sums[two + 1]
                c0, c1, c2, c3 = mma(c0, c1, c2, c3, a[u], a[u + 1], a[u + 2], a[u + 3], b[0], b[1])
                if split:
                    c0, c1, c2, c3 = c0 + sums[one], c1 + sums[one + 1], c2 + sums[two], c3 + sums[two + 1]
                sums[one], sums[one + 1], sums[two], sums[two + 1] = c0, c1, c2, c3

    parts = 2 if split else 1
    return BlockProduct(
        ROW_A,
        ROW_B,
        parts * 2 * TM,
        parts * 2,
        first_a,
        first_b,
        place_y,
        place_x,
        repeated(multiply, BK // STEP, STEP * ROW_A, STEP * ROW_B),
        # Two parts of each number, and sums beside those of the tensor core, take more registers.
        min(tile.resident, 3) if split else tile.resident,
    )


@cache
def tf32x3(tile: Tile) -> BlockProduct:
    """Return the product that makes three TF32 products for each one of float32: 3xTF32."""
    return _block_product(tile, split=True)


@cache
def tf32(tile: Tile) -> BlockProduct:
    """Return the product with plain TF32: every number is rounded to 10 bits behind the point."""
    return _block_product(tile, split=False)


def write(
    product_of,
    transposed: bool,
    source: Array,
    w: Array,
    out: Array,
    geometry: Geometry,
    bias: Array | None,
    relu: bool,
) -> bool:
    """Write the output, or the gradient by the input; or return False, if the GPU has no TF32."""
    if capability() < CAPABILITY:
        return False
    gather = Gather.input(geometry) if transposed else Gather.output(geometry)
    tile = TILES[0] if math.prod(gather.work.grid(TILES[0])) >= cores() else TILES[1]
    finish = FINISH[bias is not None, relu]
    return write_sums(source, w, out, gather, transposed, tile, finish, bias, product_of=product_of)


def write_weight(product_of, x: Array, g: Array, w: Array, geometry: Geometry) -> bool:
    """Write the gradient by the weights; or return False, if the GPU has no TF32."""
    if capability() < CAPABILITY:
        return False
    work, (large, small) = weight_tiles.work_of(geometry), WEIGHT_TILES
    tile = small if math.prod(work.grid(large)) * LEAST_PARTS < cores() else large
    pieces = weight_tiles.splits(work, tile)[-1]
    return weight_tiles.write_weight(x, g, w, geometry, tile, pieces, product_of=product_of)


WRITES: dict[Callable[..., BlockProduct], dict[str, Callable[..., bool]]] = {
    product_of: {
        "output": partial(write, product_of, False),
        "input": partial(write, product_of, True),
        "weight": partial(write_weight, product_of),
    }
    for product_of in (tf32x3, tf32)
}
