"""Sums over all pixels of a channel, (N, C, H, W) -> (C,): batch norm's statistics, a bias's gradient.

A block for every channel would leave most of a GPU idle: a first layer has 32 channels, an H100 132
multiprocessors. So a channel's N*H*W cells are cut into pieces, a block sums up each, and a second launch
adds the pieces, in the same order every time. Few cells are one piece, and one launch. The second launch is
the same kernel: parts (pieces, C) are an array (N, C, 1, 1).

The threads of a block read neighbours, keep sums of their own, and add them in a tree (`halving`): after each
step half as many threads have something left to add.

Mean and variance need one reading of x (`moments`), not two. The sum of squares minus the square of the sum
would lose all digits where the mean is large. So the channel's first number is subtracted from all others,
every thread subtracts its own first one from what is left, and two counts, means and sums of squared
deviations are merged without loss (Chan, Golub & LeVeque 1983)::

    d = mean_b - mean_a,   mean = mean_a + d * b / (a + b),   M = M_a + M_b + d^2 * a * b / (a + b)
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from .. import fused
from ..arrays import Array
from .launch import LAUNCHES, Launch
from .operands import fits, ready, result
from .pace import cores
from .target import ZERO, Kernel, cuda, device, divide, int32, kernel, shared

THREADS = 256  # of a block: a power of 2
CELLS = 4  # for a thread at least, before a channel is cut into more pieces
BLOCKS = 2  # for every multiprocessor
FLOAT, ONE = np.float32, np.float32(1)


SUM, DOT, BOTH = "sum", "dot", "both"  # of x, of x * y, or of each


@cache
def sums_kernel(of: str, threads: int = THREADS) -> Kernel:
    """Make the kernel that sums x (N, C, AREA), x * y or each `of` them, in pieces.

    It writes the sums, divided by a number: parts (pieces, C), or (pieces, 2, C) of both.
    """
    shared_floats = shared(2 * threads)
    dot, two = of == DOT, of == BOTH
    SUMS = 2 if two else 1

    @kernel(threads)
    def kernel_of_channel_sums(x, y, out, C, AREA, count, piece, divisor):
        memory = shared_floats()
        thread, c = int32(cuda.threadIdx.x), int32(cuda.blockIdx.x)
        part = int32(cuda.blockIdx.y)
        first, second = ZERO, ZERO
        end = int32(min(int32((part + 1) * piece), count))
        for cell in range(int32(part * piece + thread), end, int32(threads)):
            n = divide(int32(cell), AREA)
            place = int32((n * C + c) * AREA + cell - n * AREA)
            value = x[place]
            if dot:
                value *= y[place]
            first += value
            if two:
                second += value * y[place]
        memory[thread] = first
        memory[int32(threads + thread)] = second
        cuda.syncthreads()
        left = int32(threads // 2)
        while left > 0:  # halving
            if thread < left:
                memory[thread] += memory[int32(thread + left)]
                if two:
                    memory[int32(threads + thread)] += memory[int32(threads + thread + left)]
            cuda.syncthreads()
            left = int32(left // 2)
        if thread < SUMS:
            out[int32((part * SUMS + thread) * C + c)] = memory[int32(thread * threads)] / FLOAT(divisor)

    return kernel_of_channel_sums


@device
def merge(memory, to, other, threads):
    """Add the count, mean and squared deviations at `other` to those at `to`."""
    a, b = memory[to], memory[other]
    if b > ZERO:
        both = a + b
        d = memory[int32(threads + other)] - memory[int32(threads + to)]
        share = b / both
        memory[to] = both
        memory[int32(threads + to)] += d * share
        memory[int32(2 * threads + to)] += memory[int32(2 * threads + other)] + d * d * a * share


@cache
def moments_kernel(of_parts: bool, threads: int = THREADS) -> Kernel:
    """Make the kernel that writes count, mean and squared deviations of x (N, C, AREA): parts (pieces, 3, C).

    These means are without the channel's first number. The kernel `of_parts` merges them, and writes mean and
    variance (2, C).
    """
    shared_floats = shared(3 * threads)

    @kernel(threads)
    def kernel_of_moments(x, parts, out, C, AREA, count, piece):
        memory = shared_floats()
        thread, c = int32(cuda.threadIdx.x), int32(cuda.blockIdx.x)
        part = int32(cuda.blockIdx.y)
        cells, mean, deviations = ZERO, ZERO, ZERO
        origin = x[int32(c * AREA)]
        end = int32(min(int32((part + 1) * piece), count))
        if of_parts:
            if thread < count:  # there are never more parts than threads
                place = int32(thread * 3 * C + c)
                cells, mean, deviations = parts[place], parts[int32(place + C)], parts[int32(place + 2 * C)]
        else:
            base, first, second = ZERO, ZERO, ZERO
            for cell in range(int32(part * piece + thread), end, int32(threads)):
                n = divide(int32(cell), AREA)
                value = x[int32((n * C + c) * AREA + cell - n * AREA)] - origin
                if cells == ZERO:
                    base = value
                cells += ONE
                first += value - base
                second += (value - base) * (value - base)
            if cells > ZERO:
                mean = base + first / cells
                deviations = second - first * first / cells
        memory[thread] = cells
        memory[int32(threads + thread)] = mean
        memory[int32(2 * threads + thread)] = deviations
        cuda.syncthreads()
        left = int32(threads // 2)
        while left > 0:  # halving
            if thread < left:
                merge(memory, thread, int32(thread + left), threads)
            cuda.syncthreads()
            left = int32(left // 2)
        if of_parts:
            if thread == 0:
                out[c] = origin + memory[threads]
                out[int32(C + c)] = memory[int32(2 * threads)] / memory[0]
        elif thread < 3:
            out[int32((part * 3 + thread) * C + c)] = memory[int32(thread * threads)]

    return kernel_of_moments


class Plan(NamedTuple):
    """The launches for all channels: one, or a second one that adds the parts of the first."""

    parts_shape: tuple[int, ...]
    first: Launch
    second: Launch | None


def _pieces(N: int, C: int, AREA: int, threads: int) -> tuple[int, int]:
    """Return into how many pieces a channel is cut, and how many cells each but the last has."""
    count = N * AREA
    wanted = min(threads, -(-BLOCKS * cores() // max(1, C)), -(-count // (CELLS * threads)))
    piece = -(-count // max(1, wanted))
    return max(1, -(-count // max(1, piece))), piece


@lru_cache(LAUNCHES)
def plan_sums(N: int, C: int, AREA: int, of: str, divisor: int = 1, threads: int = THREADS) -> Plan:
    """Return how to sum x, x * y or each `of` them; every sum is divided by `divisor`."""
    pieces, piece = _pieces(N, C, AREA, threads)
    block, rows = (threads,), 2 if of == BOTH else 1
    numbers = (C, AREA, N * AREA, piece, divisor if pieces == 1 else 1)
    first = sums_kernel(of, threads).prepared((C, pieces), block, "fff", numbers)
    shape = (2, C) if of == BOTH else (C,)
    if pieces == 1:
        return Plan(shape, first, None)
    of_parts = (rows * C, 1, pieces, pieces, divisor)
    add = sums_kernel(SUM, threads).prepared((rows * C, 1), block, "fff", of_parts)
    return Plan((pieces, *shape), first, add)


@lru_cache(LAUNCHES)
def plan_moments(N: int, C: int, AREA: int, threads: int = THREADS) -> Plan:
    """Return how to compute every channel's mean and variance."""
    pieces, piece = _pieces(N, C, AREA, threads)
    first = moments_kernel(False, threads).prepared(
        (C, pieces), (threads,), "fff", (C, AREA, N * AREA, piece)
    )
    merge_all = moments_kernel(True, threads).prepared((C, 1), (threads,), "fff", (C, AREA, pieces, 1))
    return Plan((pieces, 3, C), first, merge_all)


def _sizes(x: Array) -> tuple[int, int, int]:
    N, C, H, W = x.shape
    return N, C, H * W


def sums(of: str, x: Array, y: Array, divisor: int = 1, threads: int = THREADS) -> Array:
    """Return the sums `of` x (N, C, H, W), x * y or each over all but C, divided: (C,), or (2, C) of both."""
    planned = plan_sums(*_sizes(x), of, divisor, threads)
    x, y = ready(x, y)
    parts = result(x, planned.parts_shape)
    planned.first(x, y, parts)
    if planned.second is None:
        return parts
    out = result(x, planned.parts_shape[1:])
    planned.second(parts, parts, out)
    return out


def moments(x: Array, threads: int = THREADS) -> tuple[Array, Array]:
    """Return mean and variance of every channel of x (N, C, H, W), both (C,)."""
    planned = plan_moments(*_sizes(x), threads)
    (x,) = ready(x)
    parts, out = result(x, planned.parts_shape), result(x, (2, x.shape[1]))
    planned.first(x, x, parts)
    assert planned.second is not None
    planned.second(x, parts, out)
    return out[0], out[1]


def _ours(*arrays: Array) -> bool:
    return fits(*arrays) and arrays[0].ndim == 4 and arrays[0].size > 0


def channel_sum(x: Array) -> Array:
    """Return sum_{n,h,w} x[n,c,h,w], (C,)."""
    return sums(SUM, x, x) if _ours(x) else fused.channel_sum(x)


def channel_dot(a: Array, b: Array) -> Array:
    """Return sum_{n,h,w} a[n,c,h,w] * b[n,c,h,w], (C,)."""
    return sums(DOT, a, b) if _ours(a, b) else fused.channel_dot(a, b)


def normalise(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y = (x - mean) / sqrt(variance + eps), and mean and variance of every channel, (C,)."""
    if not _ours(x):
        return fused.normalise(x, eps)
    mean, variance = moments(x)
    return fused.normalised(x, mean, variance, eps), mean, variance


def normalise_input(g: Array, y: Array, variance: Array, eps: float) -> Array:
    """Return (g - mean(g) - y * mean(g * y)) / sqrt(variance + eps), the means those of the channel."""
    if not _ours(g, y):
        return fused.normalise_input(g, y, variance, eps)
    mean_g, mean_gy = sums(BOTH, g, y, g.size // g.shape[1])
    return fused.normalised_input(g, y, mean_g, mean_gy, variance, eps)
