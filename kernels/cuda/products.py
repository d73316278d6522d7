"""Matrix products on the tile product of rung 5: what a dense layer computes, forward and backward.

Eq. 3 and its two gradients are one product each, with one matrix or the other turned round::

    y = x @ W.T + b    (N, in) (in, out) -> (N, out)
    dx = g @ W         (N, out) (out, in) -> (N, in)
    dW = g.T @ x       (out, N) (N, in) -> (out, in)

A turned matrix is a view: nothing is copied, the kernel walks along it in the other direction. Threads that
read side by side must find neighbours in memory. If the sum's index k is innermost there (x and W of y), the
threads of a warp take neighbouring k; if it is not (g and x of dW), they take neighbouring rows or columns.
That makes four kernels from one function.

A dense layer often has few results and a long sum: 32 images of 10 classes are one tile, where a GPU has room
for hundreds. So a long sum is cut into pieces, as in `weight_tiles`, and `parts` adds them in a fixed order.

NVIDIA's cuBLAS is made for such products, and serves the large ones. For small ones one launch with the bias
in it is as fast, and Python calls once instead of twice. CuPy refuses to call cuBLAS while a CUDA graph is
recorded: there these kernels do all. The rung ``registers`` uses them everywhere.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

from ..arrays import Array
from . import tensor_cores
from .epilogue import FINISH
from .launch import LAUNCHES
from .operands import fits, ready, result, too_large
from .pace import Pace, Work, capability, cores
from .parts import Sums, no_change
from .target import FLOAT32, MOST_BLOCKS, ZERO, Kernel, cuda, device, divide, int32, kernel, shared
from .tile_product import Tile, load_or_zero, padded_product, writing

# Fitted, as those of the convolutions, to what an H200 took for the seven dense layers of the session.
TILES = {
    Tile(128, 128, 8, 8, 8): Pace(2, 1.03, 1.24, 1.5),
    Tile(64, 64, 8, 8, 4): Pace(4, 0.509, 0.344, 0.4),
    Tile(32, 32, 16, 4, 4): Pace(8, 0.548, 0.197, 0.6),
}
ADDING_START = 4.0  # us: of the second launch, Python's share included
LEAST_STEPS = 8  # of a piece of rung 8: to add a piece costs more than fewer steps
MOST_PIECES = 64
SMALL = (
    1 << 26
)  # multiplications: up to here Python takes longer to start a product than the GPU to compute it


def loading(tile: Tile, LENGTH: int, along_k: bool, BEGIN: int, ROW: int):
    """Return a function for kernels: the threads of a block load a tile (BK, LENGTH) into shared memory.

    It begins at BEGIN, and its rows are ROW apart. `along_k` says whether neighbours in memory differ in k.
    Threads that are neighbours load neighbours: LINE of them lie along a row.
    """
    BK, THREADS = tile.BK, tile.threads
    LOADS, LINE = BK * LENGTH // THREADS, BK if along_k else LENGTH
    if THREADS % LINE:
        raise ValueError(f"{tile} has {THREADS} threads, no multiple of {LINE}")
    STEP = THREADS // LINE  # rows that all threads load at once

    @device
    def load(memory, matrix, start, size, first, end, row_length, thread):
        """Load rows or columns from `start` on, k from `first` on; 0 behind `size`, and from `end` on."""
        lane, row = int32(thread % LINE), divide(thread, LINE)
        for step in range(LOADS):
            if along_k:
                k, m = lane, int32(row + step * STEP)
                cell = int32((start + m) * row_length + first + k)
            else:
                k, m = int32(row + step * STEP), lane
                cell = int32((first + k) * row_length + start + m)
            there = int32(first + k < end and start + m < size)
            load_or_zero(memory, int32(BEGIN + k * ROW + m), matrix, cell, there)

    return load


@cache
def product_kernel(
    tile: Tile, a_along_k: bool, b_along_k: bool, finish=no_change, product_of=padded_product
) -> Kernel:
    """Make the kernel that writes a (M, K) @ b (K, N), or its parts (pieces, M, N).

    `a_along_k` and `b_along_k` say whether neighbours in memory differ in k. A_ROW and B_ROW are how far
    apart two neighbours of the other index lie there; otherwise how far apart two neighbours in k lie. Each
    sum is written as ``finish(sum, bias, n)``. `product_of` says how a block multiplies two tiles.
    """
    BM, BN, BK, TM, TN = tile
    by = product_of(tile)
    REGISTERS_A, REGISTERS_B, SUMS = by.registers_a, by.registers_b, TM * TN
    first_a, first_b, add_product = by.first_a, by.first_b, by.add_product
    B = BK * by.row_a  # where the tile of b (BK, BN) begins in shared memory, behind that of a (BK, BM)
    shared_floats, write = shared(BK * (by.row_a + by.row_b)), writing(tile, by, finish)
    load_a = loading(tile, BM, a_along_k, 0, by.row_a)
    load_b = loading(tile, BN, b_along_k, B, by.row_b)

    @kernel(tile.threads, by.resident)
    def kernel_of_product(a, b, bias, out, M, N, K, A_ROW, B_ROW, piece):
        memory = shared_floats()
        sums = cuda.local.array(SUMS, FLOAT32)
        of_a = cuda.local.array(REGISTERS_A, FLOAT32)
        of_b = cuda.local.array(REGISTERS_B, FLOAT32)
        for i in range(SUMS):
            sums[i] = ZERO
        thread = int32(cuda.threadIdx.x)
        m0, n0, part = int32(cuda.blockIdx.y * BM), int32(cuda.blockIdx.x * BN), int32(cuda.blockIdx.z)
        a_first, b_first = first_a(thread), first_b(thread)

        end = int32(min(int32((part + 1) * piece), K))
        for first in range(int32(part * piece), end, int32(BK)):
            load_a(memory, a, m0, M, first, end, A_ROW, thread)
            load_b(memory, b, n0, N, first, end, B_ROW, thread)
            cuda.syncthreads()
            add_product(memory, a_first, b_first, of_a, of_b, sums)
            cuda.syncthreads()

        write(out, int32(part * M), sums, bias, m0, n0, M, N, thread)

    return kernel_of_product


@lru_cache(LAUNCHES)
def plan(
    sizes: tuple[int, int, int],
    a_turned: bool = False,
    b_turned: bool = False,
    finish=no_change,
    tile: Tile | None = None,
    pieces: int | None = None,
    product_of=padded_product,
) -> Sums | None:
    """Return how to compute a (M, K) @ b (K, N), of which a or b may lie in memory turned round.

    `product_of` is that of rung 5 or 8. None if the result, or the parts, are more than int32 counts or a
    grid holds.
    """
    M, N, K = sizes
    work = Work(M, N, K)
    if tile is None:
        tile, pieces = fastest(work) if product_of is padded_product else of_tensor_cores(work)
    across, down, _ = work.grid(tile)
    pieces = pieces or 1
    if max(down, pieces) > MOST_BLOCKS or too_large((pieces, M, N)):
        return None
    piece = max(1, -(-K // (pieces * tile.BK))) * tile.BK  # of the sum: whole tiles
    finish_here = finish if pieces == 1 else no_change
    chosen = product_kernel(tile, not a_turned, b_turned, finish_here, product_of)
    a_row, b_row = (M if a_turned else K), (K if b_turned else N)
    numbers = (M, N, K, a_row, b_row, piece)
    multiply = chosen.prepared((across, down, pieces), (tile.threads,), "ffff", numbers)
    return Sums.of(multiply, pieces, (M, N, 1, 1), finish)


def fastest(work: Work) -> tuple[Tile, int]:
    """Return the tile of rung 5 that is estimated to be the fastest, and how many pieces of the sums."""
    return work.choices(TILES, splits, ADDING_START)[0]


def splits(work: Work, tile: Tile) -> set[int]:
    """Return into how many pieces the sums may be cut: powers of 2, if none is empty."""
    return {work.full(tile, 1 << i) for i in range(MOST_PIECES.bit_length())}


def of_tensor_cores(work: Work) -> tuple[Tile, int]:
    """Return the tile of rung 8, and into how many pieces sums are cut: all multiprocessors have work."""
    large, small = tensor_cores.TILES
    tile = large if math.prod(work.grid(large)) >= cores() else small
    steps, blocks = -(-work.terms // tile.BK), max(1, math.prod(work.grid(tile)))
    return tile, work.full(tile, min(MOST_PIECES, steps // LEAST_STEPS, cores() // blocks))


def matmul(a: Array, b: Array, product_of=padded_product) -> Array:
    """Return a (M, K) @ b (K, N), float32, by our own kernel; anything else by CuPy (or NumPy)."""
    return dense(a, b.T, None, product_of) if a.ndim == b.ndim == 2 else a @ b


def dense(
    x: Array, w: Array, bias: Array | None = None, product_of=padded_product, most: int | None = None
) -> Array:
    """Return x @ w.T + bias in one launch, or two if its sums are cut; anything but float32 by CuPy.

    More than `most` multiplications are left to CuPy as well: cuBLAS is faster at them.
    """
    large = most is not None and x.size * w.shape[0] > most
    if large or not fits(x, w, bias) or too_large((x.shape[0], w.shape[0])):
        return x @ w.T if bias is None else x @ w.T + bias
    if capability() < tensor_cores.CAPABILITY:
        product_of = padded_product  # the GPU has no tensor cores for TF32
    return linear(x, w, bias, product_of=product_of)


def linear(
    x: Array,
    w: Array,
    bias: Array | None = None,
    tile: Tile | None = None,
    pieces: int | None = None,
    product_of=padded_product,
) -> Array:
    """Return x @ w.T + bias, of x (N, in), w (out, in) and bias (out,): Eq. 3.

    `x` and `w` may be turned views: ``linear(g, w.T)`` is g @ w, ``linear(g.T, x.T)`` is g.T @ x.

    Raises
    ------
    TypeError
        If an array is not float32, or not where kernels can read it.
    ValueError
        If the sizes do not fit each other.
    """
    if not x.ndim == w.ndim == 2 or x.shape[1] != w.shape[1]:
        raise ValueError(f"linear needs x (N, in) and w (out, in), got {x.shape} and {w.shape}")
    (M, K), N = x.shape, w.shape[0]
    a_turned, b_turned = _turned(x), not _turned(w)  # b is w.T
    (a,) = ready(x.T if a_turned else x)
    (b,) = ready(w if b_turned else w.T)
    y = result(a, (M, N))
    if bias is not None:
        (bias,) = ready(bias)
        if bias.shape != (N,):
            raise ValueError(f"the bias must have the shape {(N,)}, got {bias.shape}")
    planned = plan((M, N, K), a_turned, b_turned, FINISH[bias is not None, False], tile, pieces, product_of)
    if planned is None:
        return x @ w.T if bias is None else x @ w.T + bias
    something = y if bias is None else bias  # if there is no bias, `finish` reads none
    planned.write((a, b, something), something, y)
    return y


def _turned(a: Array) -> bool:
    """Return whether the columns of a matrix, not its rows, lie one after another in memory."""
    return bool(a.flags.f_contiguous and not a.flags.c_contiguous)
