"""The innermost part of rung 5: the product of two tiles in shared memory, with the sums in registers.

A thread adds TM x TN cells of the product. It needs TM numbers of a row of the one tile and TN of the other,
and loads four with each instruction (128 bits). The next four are not its neighbour's: they lie behind the
fours of all threads, so that the threads of a warp read side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from .target import VECTOR, ZERO, device, divide, int32, load4

RESIDENT_THREADS = 512  # of a multiprocessor: each then has up to 128 registers


class Tile(NamedTuple):
    """A block computes BM x BN results, BK products of each at a time; a thread computes TM x TN of them."""

    BM: int
    BN: int
    BK: int
    TM: int
    TN: int

    @property
    def columns(self) -> int:
        """Threads side by side along BN."""
        return self.BN // self.TN

    @property
    def rows(self) -> int:
        """Threads one below the other along BM."""
        return self.BM // self.TM

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.rows * self.columns

    @property
    def resident(self) -> int:
        """How many blocks shall fit on a multiprocessor at once: then one computes while another loads."""
        return max(1, RESIDENT_THREADS // self.threads)


class BlockProduct(NamedTuple):
    """How the threads of a block multiply two tiles in shared memory, and which cells each thread sums up.

    Sum ``y*TN + x`` of a thread is of cell (place_y(thread, y), place_x(thread, x)) of the block's result.
    """

    row_a: int  # how far apart two rows of the tile (BK, BM) lie in shared memory
    row_b: int  # and of the tile (BK, BN), which begins behind it
    registers_a: int  # for what is loaded of a row of the one tile
    registers_b: int  # and of the other
    first_a: Callable[..., int]  # thread -> where what it loads begins, in the one tile
    first_b: Callable[..., int]  # and in the other
    place_y: Callable[..., int]
    place_x: Callable[..., int]
    add_product: Callable[..., None]  # memory, first_a, first_b, registers, registers, sums
    resident: (
        int  # blocks that a multiprocessor shall run at the same time: each gets its share of the registers
    )


@cache
def register_product(tile: Tile, padding: int = 0) -> BlockProduct:
    """Return the product of rung 5: every thread multiplies on its own.

    Rows of shared memory are `padding` numbers longer than the tile.
    """
    BM, BN, BK, TM, TN = tile
    ROW_A, ROW_B = BM + padding, BN + padding
    ROWS, COLUMNS = tile.rows, tile.columns
    B = BK * ROW_A

    @device
    def first_a(thread):
        return int32(divide(thread, COLUMNS) * VECTOR)

    @device
    def first_b(thread):
        return int32(B + thread % COLUMNS * VECTOR)

    @device
    def place_y(thread, y):
        return int32(y // VECTOR * VECTOR * ROWS + divide(thread, COLUMNS) * VECTOR + y % VECTOR)

    @device
    def place_x(thread, x):
        return int32(x // VECTOR * VECTOR * COLUMNS + thread % COLUMNS * VECTOR + x % VECTOR)

    @device
    def multiply(memory, a_first, b_first, a, b, sums):
        """Add the products of one row of either tile."""
        for run in range(TM // VECTOR):
            y = run * VECTOR
            a[y], a[y + 1], a[y + 2], a[y + 3] = load4(memory, int32(a_first + y * ROWS))
        for run in range(TN // VECTOR):
            x = run * VECTOR
            b[x], b[x + 1], b[x + 2], b[x + 3] = load4(memory, int32(b_first + x * COLUMNS))
        for y in range(TM):
            for x in range(TN):
                sums[y * TN + x] += a[y] * b[x]

    # In a loop over BK the compiler would work out addresses in every turn: called one by one, in none.
    add_product = repeated(multiply, BK, ROW_A, ROW_B)
    return BlockProduct(ROW_A, ROW_B, TM, TN, first_a, first_b, place_y, place_x, add_product, tile.resident)


@cache
def padded_product(tile: Tile) -> BlockProduct:
    """Return the product of rung 5 for tiles that are turned round on their way to shared memory.

    Rows are 4 numbers longer than the tile: threads of a warp that write to eight rows at once then hit 32
    different banks.
    """
    return register_product(tile, 4)


@device
def load_or_zero(memory, to, source, cell, there):
    """Write ``source[cell]`` to shared memory; a 0, if `there` is 0 and not 1."""
    value = ZERO
    if there:
        value = source[cell]
    memory[to] = value


def writing(tile: Tile, by: BlockProduct, finish: Callable[..., float]) -> Callable[..., None]:
    """Return a function for kernels: a block writes its sums to a matrix (M, N), in row `first` of `out`.

    Each sum is written as ``finish(sum, bias, n)``.
    """
    TM, TN = tile.TM, tile.TN
    place_y, place_x = by.place_y, by.place_x

    @device
    def write(out, first, sums, bias, m0, n0, M, N, thread):
        for y in range(TM):
            m = int32(m0 + place_y(thread, y))
            for x in range(TN):
                n = int32(n0 + place_x(thread, x))
                if m < M and n < N:
                    out[int32((first + m) * N + n)] = finish(sums[y * TN + x], bias, n)

    return write


def repeated(multiply: Callable[..., None], times: int, a_step: int, b_step: int) -> Callable[..., None]:
    """Return a function that calls `multiply` `times` times; `times` is a power of 2.

    Each call begins `a_step` and `b_step` cells behind the call before.
    """
    done = 1
    while done < times:
        multiply, done = _twice(multiply, done * a_step, done * b_step), 2 * done
    return multiply


def _twice(function: Callable[..., None], a_step: int, b_step: int) -> Callable[..., None]:
    """Return a function for kernels that calls `function` here, and once more some steps further on."""

    @device
    def both(memory, a_first, b_first, a, b, sums):
        function(memory, a_first, b_first, a, b, sums)
        function(memory, int32(a_first + a_step), int32(b_first + b_step), a, b, sums)

    return both
