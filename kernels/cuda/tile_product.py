"""The heart of rung 5: the product of two tiles in shared memory, with the sums in registers.

A thread adds TM x TN cells of the product. It needs TM numbers of a row of the one tile and TN of the other,
and loads four with each instruction (128 bits). The next four are not its neighbour's: they lie behind the
fours of all threads, so that the threads of a warp read side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .target import VECTOR, device, int32, load4

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


def product(tile: Tile, row_a: int, row_b: int) -> Callable[..., None]:
    """Return a function for kernels that adds the product of the tiles (BK, BM) and (BK, BN) to the sums.

    `row_a` and `row_b` say how far apart two of their rows lie in shared memory.
    """
    BM, BN, BK, TM, TN = tile
    ROWS, COLUMNS = tile.rows, tile.columns
    RUNS_M, RUNS_N = TM // VECTOR, TN // VECTOR

    @device
    def multiply(memory, a_first, b_first, a, b, sums):
        """Add the products of one row of either tile."""
        for run in range(RUNS_M):
            y = run * VECTOR
            a[y], a[y + 1], a[y + 2], a[y + 3] = load4(memory, int32(a_first + y * ROWS))
        for run in range(RUNS_N):
            x = run * VECTOR
            b[x], b[x + 1], b[x + 2], b[x + 3] = load4(memory, int32(b_first + x * COLUMNS))
        for y in range(TM):
            for x in range(TN):
                sums[y * TN + x] += a[y] * b[x]

    # In a loop over BK the compiler would work out addresses in every turn: called one by one, in none.
    multiply_all, done = multiply, 1
    while done < BK:
        multiply_all, done = _twice(multiply_all, done * row_a, done * row_b), 2 * done
    return multiply_all


def _twice(function: Callable[..., None], a_step: int, b_step: int) -> Callable[..., None]:
    """Return a function for kernels that calls `function` here, and once more some steps further on."""

    @device
    def both(memory, a_first, b_first, a, b, sums):
        function(memory, a_first, b_first, a, b, sums)
        function(memory, int32(a_first + a_step), int32(b_first + b_step), a, b, sums)

    return both
