"""Matrix products by the micro-kernel of the convolution: a row or a step is only a distance.

BLAS adds up in an order that depends on its number of threads, and its threads fight with ours for the cores.
It is called for narrow matrices, with one thread a call. If they are also long, the time goes into memory,
and the micro-kernel goes over it once.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from .. import arena
from ..arrays import Array, ready
from .compiled import compiled
from .micro_kernel import MOST_ROWS, NARROW_ROWS, ROWS, filters_of, narrow_tile, wide_tile
from .panels import packed, transpose
from .parts import in_parts
from .plan import CROWDED, table
from .threads import share, split

SERIAL = 1 << 20  # multiply-adds that are done before another thread has started
FEW = 12  # rows, columns or products in a sum, at most: with so few, BLAS is faster (measured)
MOST_BLOCKS = 16  # of a product by BLAS
MIDDLE = 64  # rows and columns of a matrix that is large, at least
UNITS = 4  # parts that threads share, at least, if a product has enough panels or rows
LEAST_ROWS = 60  # of a part: a multiple of the rows of every tile of the micro-kernel
WRITTEN = 16  # multiply-adds that take as long as to write a number
UNIT = 16  # rows or columns: a block is a multiple, as BLAS computes so many at a time
LARGE = 1 << 20  # elements: BLAS goes over larger matrices twice, as it makes a copy or zeros (measured)


class Tile(NamedTuple):
    """The largest part of a product that is computed before the next: its part of b stays in the cache."""

    panels: int  # of b
    terms: int  # of each sum
    rows: int  # of a: a multiple of `LEAST_ROWS`


# Measured. Few rows, columns or terms leave all time to memory, which is read and written in long pieces.
USUAL = Tile(4, 128, 420)
LONG = Tile(64, 16, 420)  # for few rows or terms
NARROW = Tile(1, 2048, 120)  # for few columns


def matmul(a: Array, b: Array) -> Array:
    """Return the product of two matrices, (M, K) and (K, N): (M, N). Stacks of matrices are NumPy's.

    The result is the same bits for any number of threads.
    """
    if not a.ndim == b.ndim == 2 or a.dtype != b.dtype:
        return a @ b
    (M, K), N = a.shape, b.shape[1]
    few = min(M, K, N) <= FEW
    if few and K != 1 and not _is_large(M, K, N):
        one_thread_a_product()
        return a @ b if M * N * K < SERIAL else _by_blas(a, b)
    if not a.dtype.isnative:
        a, b = ready(a), ready(b)
    a_by_columns, b_by_columns = _by_columns(a), _by_columns(b)
    if b_by_columns and not a_by_columns and K * M + M * N < K * N:  # the numbers to move
        y = arena.empty((M, N), a.dtype)
        transpose(y.reshape(-1), 0, N, matmul(b.T, a.T).reshape(-1), 0, M, M, N)
        return y
    tile = USUAL if not few else NARROW if N <= FEW else LONG
    return _by_panels(a, b, a_by_columns, b_by_columns, tile)


def _is_large(M: int, K: int, N: int) -> bool:
    """Return whether one of the three matrices is large, and none is a vector."""
    if M <= 1 or N <= 1:
        return False
    least, middle, most = sorted((M, K, N))
    return least > 0 and middle >= MIDDLE and middle * most >= LARGE


def _by_columns(a: Array) -> bool:
    """Return whether the columns of a matrix, not its rows, lie one after another."""
    return bool(a.flags.f_contiguous and not a.flags.c_contiguous)


def _by_panels(a: Array, b: Array, a_by_columns: bool, b_by_columns: bool, tile: Tile) -> Array:
    """Return the product, by the micro-kernel: NR columns of b are a vector, numbers of a are broadcast."""
    (M, K), N = a.shape, b.shape[1]
    NR = filters_of(a.itemsize)
    y = arena.empty((M, N), a.dtype)
    numbers = ready(a.T if a_by_columns else a).reshape(-1)
    zeros = np.zeros(NR, a.dtype)

    def run(v: Array, v0: int, panel: int, pitch: int, sums: Array, s0: int, panels: int) -> None:
        rows, steps, places = _tables(M, K, a_by_columns, sums.shape[1])
        arrays = numbers, rows, steps, v.reshape(-1), v0, panel, pitch, sums.reshape(-1), s0, places, zeros
        together = max(1, min(tile.panels, panels // UNITS))
        groups, block = -(-panels // together), tile.rows
        if groups < UNITS:
            block = min(block, max(1, M // (UNITS * LEAST_ROWS)) * LEAST_ROWS)
        args = *arrays, 2 * N <= NR, panels, (together, tile.terms, block)
        units = -(-M // block) * groups
        share(_product, args, units, 1 + M * N * (K + WRITTEN) // SERIAL)

    if N < NR:
        padded, sums = np.zeros((K, NR), a.dtype), arena.empty((M, NR), a.dtype)
        padded[:, :N] = b
        run(padded, 0, 0, NR, sums, 0, 1)
        y[...] = sums[:, :N]
        return y
    # The last panel ends with the matrix. The columns that it shares with the one before are written twice.
    for first, panels in ((0, N // NR), (N - NR, int(N % NR > 0))):
        columns = b[:, first : first + panels * NR]
        if panels and b_by_columns:
            weights, _ = packed(ready(columns.T), None, 1, 1, panels * NR, K, NR)
            run(weights, 0, K * NR, NR, y, first, panels)
        elif panels and N * a.itemsize % CROWDED == 0 and tile is USUAL:
            # Such rows would push each other out of the cache.
            run(ready(columns.reshape(K, panels, NR).transpose(1, 0, 2)), 0, K * NR, NR, y, first, panels)
        elif panels:
            run(ready(b), first, NR, N, y, first, panels)
    return y


@lru_cache(maxsize=256)
def _tables(M: int, K: int, by_columns: bool, pitch: int) -> tuple[Array, Array, Array]:
    """Return the distances of a's rows, of the numbers in a row, and of the rows of the product."""
    row, step = (1, M) if by_columns else (K, 1)
    return table(np.arange(M) * row), np.arange(K) * step, table(np.arange(M) * pitch)


@compiled
def _product(a, rows, steps, v, v0, panel, pitch, y, s0, places, zeros, narrow, panels, tile, work):
    """Write a share of all units (block of rows, group of panels)."""
    _, first, last = in_parts(work)
    M, NR = len(rows) - MOST_ROWS + 1, len(zeros)
    group, terms, block = tile
    a0, groups = first - first, -(-panels // group)  # no constant, see `input_blocks`
    for unit in range(first, last):
        p0, i0 = unit % groups * group, unit // groups * block
        p1, i1 = min(panels, p0 + group), min(M, i0 + block)
        for t in range(0, len(steps), terms):
            some, at, fresh = steps[t : t + terms], v0 + t * pitch, t == 0
            if narrow:  # then there is one panel
                for i in range(i0, i1, NARROW_ROWS):
                    narrow_tile(a, a0, rows, i, some, v, at, pitch, y, s0, places, zeros, fresh)
            else:
                for i in range(i0, i1, ROWS):
                    for p in range(p0, p1):
                        v_at, to = at + p * panel, s0 + p * NR
                        wide_tile(a, a0, rows, i, some, v, v_at, pitch, y, to, places, zeros, fresh)


def _by_blas(a: Array, b: Array) -> Array:
    """Return the product, by BLAS: the longer side is cut into blocks, by the sizes alone."""
    (M, K), N = a.shape, b.shape[1]
    y = arena.empty((M, N), a.dtype)
    longer = max(M, N)
    blocks = min(1 + M * N * K // SERIAL, MOST_BLOCKS)
    width = max(1, -(-longer // (blocks * UNIT))) * UNIT

    def job(_: int, first: int, last: int) -> None:
        for start in range(first * width, min(last * width, longer), width):
            block = slice(start, start + width)
            if M > N:
                np.matmul(a[block], b, out=y[block])
            else:
                np.matmul(a, b[:, block], out=y[:, block])

    split(job, -(-longer // width))
    return y


@cache
def one_thread_a_product() -> None:
    """Hold BLAS to one thread."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if library.user_api == "blas":
            library.set_num_threads(1)
