"""The sum of a result's parts (split-K): what blocks that shared one long sum have written.

They are added in the same order every time: unlike with atomic additions, which come in the order in which
blocks happen to finish, the same inputs give the same bits. If a result is small and its parts are many, one
thread a cell would wait for one part after the other: so several threads share a cell.
"""

from __future__ import annotations

from functools import cache

from .launch import Launch
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


def adding(pieces: int, shape: tuple[int, ...], finish=no_change) -> Launch:
    """Return the launch that adds parts (pieces, *shape) into a result of `shape` (N, C, H, W)."""
    N, C, H, W = shape
    size = N * C * H * W
    return adding_kernel(finish).prepared(
        (-(-size // CELLS),), (CELLS * SHARES,), "fff", (pieces, size, C, H * W)
    )
