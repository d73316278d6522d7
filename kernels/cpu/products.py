"""Matrix products by the micro-kernel of the convolution: a row or a step is only a distance.

BLAS adds up in an order that depends on its number of threads, and its threads fight with ours for the cores.
It is called for narrow matrices, with one thread a call: with these, most of the time goes into memory.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from .. import arena
from ..arrays import Array, ready
from .blocks import PANEL, macro_kernel
from .compiled import compiled
from .micro_kernel import MOST_ROWS, filters_of
from .panels import aligned, pack, transpose
from .plan import CROWDED, table
from .threads import split

BLOCK = 420  # rows of a block: a multiple of the rows of every tile
SERIAL = 1 << 20  # multiply-adds that are done before another thread has started
FEW = 12  # rows, columns or products in a sum, at most: with so few, BLAS is faster (measured)
MOST_BLOCKS = 16  # of a product by BLAS
UNIT = 16  # rows or columns: a block is a multiple, as BLAS computes so many at a time


def matmul(a: Array, b: Array) -> Array:
    """Return the product of two matrices, (M, K) and (K, N): (M, N). Stacks of matrices are NumPy's.

    The result is the same bits for any number of threads.
    """
    if not a.ndim == b.ndim == 2 or a.dtype != b.dtype:
        return a @ b
    (M, K), N = a.shape, b.shape[1]
    if min(M, K, N) <= FEW and K != 1:
        return _by_blas(a, b)
    if not a.dtype.isnative:
        a, b = ready(a), ready(b)
    a_by_columns, b_by_columns = _by_columns(a), _by_columns(b)
    if b_by_columns and not a_by_columns and K * M + M * N < K * N:  # the numbers to move
        y = arena.empty((M, N), a.dtype)
        transpose(y.reshape(-1), 0, N, matmul(b.T, a.T).reshape(-1), 0, M, M, N)
        return y
    return _by_panels(a, b, a_by_columns, b_by_columns)


def _by_columns(a: Array) -> bool:
    """Return whether the columns of a matrix, not its rows, lie one after another."""
    return bool(a.flags.f_contiguous and not a.flags.c_contiguous)


def _by_panels(a: Array, b: Array, a_by_columns: bool, b_by_columns: bool) -> Array:
    """Return the product, by the micro-kernel: NR columns of b are a vector, numbers of a are broadcast."""
    (M, K), N = a.shape, b.shape[1]
    NR = filters_of(a.itemsize)
    whole, left = divmod(N, NR)
    y = arena.empty((M, N), a.dtype)
    numbers = ready(a.T if a_by_columns else a).reshape(-1)
    zeros = np.zeros(NR, a.dtype)

    def run(v: Array, panel: int, pitch: int, sums: Array, filled: int, panels: int) -> None:
        rows, steps, places = _tables(M, K, a_by_columns, sums.shape[1])
        units = panels * -(-M // BLOCK)
        args = numbers, rows, steps, v.reshape(-1), panel, pitch, sums.reshape(-1), places, zeros
        split(
            lambda _, *some: _product(*args, 2 * filled <= NR, panels, *some), units, 1 + M * N * K // SERIAL
        )

    if b_by_columns:
        packed = aligned(1, -(-N // NR) * K * NR, b.dtype)[0]
        pack(ready(b.T).reshape(-1), packed, 1, 1, N, K, NR)
        run(packed, K * NR, NR, y, NR, whole)
    elif N * a.itemsize % CROWDED:
        run(ready(b), NR, N, y, NR, whole)
    else:  # such rows would push each other out of the cache
        panels = ready(b[:, : whole * NR].reshape(K, whole, NR).transpose(1, 0, 2))
        run(panels, K * NR, NR, y, NR, whole)
    if left:
        last, sums = np.zeros((K, NR), a.dtype), np.empty((M, NR), a.dtype)
        last[:, :left] = b[:, N - left :]
        run(last, 0, NR, sums, left, 1)
        y[:, N - left :] = sums[:, :left]
    return y


@lru_cache(maxsize=256)
def _tables(M: int, K: int, by_columns: bool, pitch: int) -> tuple[Array, Array, Array]:
    """Return the distances of a's rows, of the numbers in a row, and of the rows of the product."""
    row, step = (1, M) if by_columns else (K, 1)
    return table(np.arange(M) * row), np.arange(K) * step, table(np.arange(M) * pitch)


@compiled
def _product(a, rows, steps, v, panel, pitch, y, places, zeros, narrow, panels, first, last):
    """Write the units first.. of all (block of rows, panel of columns)."""
    M, NR = len(rows) - MOST_ROWS + 1, len(zeros)
    most, a0 = PANEL // (NR * a.itemsize), first - first  # no constant, see `input_blocks`
    for unit in range(first, last):
        p, i0 = unit % panels, unit // panels * BLOCK
        i1 = min(M, i0 + BLOCK)
        for t in range(0, len(steps), most):  # `most` rows of v stay in the cache
            some, v0, fresh = steps[t : t + most], p * panel + t * pitch, t == 0
            macro_kernel(a, a0, rows, i0, i1, some, v, v0, pitch, y, p * NR, places, zeros, fresh, narrow)


def _by_blas(a: Array, b: Array) -> Array:
    """Return the product, by BLAS: the longer side is cut into blocks, by the sizes alone."""
    one_thread_a_product()
    (M, K), N = a.shape, b.shape[1]
    y = arena.empty((M, N), a.dtype)
    longer = max(M, N)
    blocks = min(1 + M * N * K // SERIAL, MOST_BLOCKS)
    width = -(-longer // (blocks * UNIT)) * UNIT

    def job(_: int, first: int, last: int) -> None:
        for start in range(first * width, min(last * width, longer), width):
            block = slice(start, start + width)
            if M > N:
                np.matmul(a[block], b, out=y[block])
            else:
                np.matmul(a, b[:, block], out=y[:, block])

    split(job, -(-longer // width) if width else 0)
    return y


@cache
def one_thread_a_product() -> None:
    """Hold BLAS to one thread."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if library.user_api == "blas":
            library.set_num_threads(1)
