"""The sum of a result's parts (split-K): what blocks that shared one long sum have written.

They are added in the same order every time: unlike with atomic additions, which come in the order in which
blocks happen to finish, the same inputs give the same bits. If a result is small and its parts are many, one
thread a cell would wait for one part after the other: so several threads share a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from ..arrays import Array
from .launch import Launch
from .operands import result
from .target import ZERO, Kernel, cuda, device, divide, int32, kernel, shared

CELLS, SHARES = 32, 8  # of a block: so many cells of the result, and threads for each


@device
def no_change(value, bias, m):
    """What is done to a sum before it is written: nothing."""
    return value


@cache
def adding_kernel(finish=no_change) -> Kernel:
    """Make the kernel that adds parts (pieces, size); a sum is written as ``finish(sum, bias, channel)``."""
    shared_floats = shared(CELLS * SHARES)

    @kernel(CELLS * SHARES)
    def kernel_of_sums(parts, bias, out, pieces, size, CHANNELS, AREA):
        memory = shared_floats()
        thread = int32(cuda.threadIdx.x)
        share, lane = divide(thread, CELLS), int32(thread % CELLS)
        cell = int32(cuda.blockIdx.x * CELLS + lane)
        total = ZERO
        if cell < size:
            for part in range(share, pieces, int32(SHARES)):
                total += parts[int32(part * size + cell)]
        memory[thread] = total
        cuda.syncthreads()
        if share == 0 and cell < size:
            for other in range(1, SHARES):
                total += memory[int32(other * CELLS + lane)]
            out[cell] = finish(total, bias, int32(divide(cell, AREA) % CHANNELS))

    return kernel_of_sums


class Sums(NamedTuple):
    """The launches that compute a result, which only lack the arrays: at once, or in parts that are added."""

    multiply: Launch  # the sources, and the result or its parts
    parts_shape: tuple[int, ...] = ()
    add: Launch | None = None  # parts, bias, result

    @classmethod
    def of(cls, multiply: Launch, pieces: int, shape: tuple[int, ...], finish=no_change) -> Sums:
        """Return the launches for a result of `shape` (N, C, H, W) whose sums are cut into `pieces`."""
        if pieces == 1:
            return cls(multiply)
        N, C, H, W = shape
        size = N * C * H * W
        grid, numbers = (-(-size // CELLS),), (pieces, size, C, H * W)
        add = adding_kernel(finish).prepared(grid, (CELLS * SHARES,), "fff", numbers)
        return cls(multiply, (pieces, *shape), add)

    def write(self, sources: Sequence[Array], bias: Array, out: Array) -> None:
        """Write the result; where parts are added, their sum is finished with `bias`."""
        if self.add is None:
            self.multiply(*sources, out)
        else:
            parts = result(out, self.parts_shape)
            self.multiply(*sources, parts)
            self.add(parts, bias, out)
