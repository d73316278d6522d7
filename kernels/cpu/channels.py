"""Passes over the channels of x (N, C, H, W), compiled.

Threads share the channels out: a channel's sum is the same whatever their number.
"""

from __future__ import annotations

import numpy as np

from .. import arena
from ..arrays import Array, ready
from .compiled import compiled, in_any_order, inner
from .parts import in_parts
from .rows import dot_rows, sum_row
from .threads import share

SERIAL = 1 << 16  # elements: fewer are done before another thread has started


def channel_sum(x: Array) -> Array:
    """Return sum_{n,h,w} x[n,c,h,w], (C,)."""
    (x,) = _planes(x)
    sums = np.empty(x.shape[1], x.dtype)
    _share(_sum, x, sums)
    return sums


def channel_dot(a: Array, b: Array) -> Array:
    """Return sum_{n,h,w} a[n,c,h,w] * b[n,c,h,w], (C,)."""
    a, b = _planes(a, b)
    sums = np.empty(a.shape[1], a.dtype)
    _share(_dot, a, b, sums)
    return sums


def channel_affine(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return weight[c] * x[n,c,h,w] + bias[c]."""
    y = arena.empty(x.shape, x.dtype)
    weight = ready(weight, x.dtype)
    bias = np.zeros_like(weight) if bias is None else ready(bias, x.dtype)
    _share(_affine, *_planes(x, y), weight, bias)
    return y


def normalise(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y = (x - mean) / sqrt(variance + eps), and mean and variance of every channel, (C,)."""
    y = arena.empty(x.shape, x.dtype)
    mean, variance = np.empty((2, x.shape[1]), y.dtype)
    _share(_normalise, *_planes(x, y), mean, variance, float(eps))
    return y, mean, variance


def normalise_input(g: Array, y: Array, variance: Array, eps: float) -> Array:
    """Return (g - mean(g) - y * mean(g * y)) / sqrt(variance + eps), the means those of the channel."""
    x = arena.empty(g.shape, g.dtype)
    _share(_normalise_input, *_planes(g, y, x), np.sqrt(variance + variance.dtype.type(eps)))
    return x


def normalise_epilogue(
    x: Array, weight: Array, bias: Array, eps: float, slope: float
) -> tuple[Array, Array, Array, Array]:
    """Return `normalise`'s y; weight[c] * y + bias[c], activated; and mean and variance of every channel.

    Activated means: z stays where it is not negative, else it becomes slope * z. A slope of 0 is ReLU, one of
    1 no activation.
    """
    y, z = arena.empty(x.shape, x.dtype), arena.empty(x.shape, x.dtype)
    mean, variance = np.empty((2, x.shape[1]), y.dtype)
    channel = ready(weight, y.dtype), ready(bias, y.dtype), mean, variance
    _share(_normalise_epilogue, *_planes(x, y, z), *channel, float(eps), y.dtype.type(slope))
    return y, z, mean, variance


def normalise_epilogue_input(
    g: Array, y: Array, z: Array, weight: Array, variance: Array, eps: float, slope: float
) -> tuple[Array, Array, Array]:
    """Return the derivatives of <g, z> by x, weight and bias; y and z are `normalise_epilogue`'s results.

    One pass computes the gradient before the activation and both sums of it, another the gradient by x.
    """
    x = arena.empty(g.shape, g.dtype)
    by_weight, by_bias = np.empty_like(variance), np.empty_like(variance)
    factor = ready(weight, g.dtype) / np.sqrt(variance + variance.dtype.type(eps))
    channel = factor, g.dtype.type(slope), by_weight, by_bias
    _share(_normalise_epilogue_input, *_planes(g, y, z, x), *channel)
    return x, by_weight, by_bias


def _planes(*arrays: Array) -> list[Array]:
    """Return contiguous (N, C, H*W) of (N, C, H, W)."""
    dtype = arrays[0].dtype
    return [ready(a, dtype).reshape(*a.shape[:2], a.shape[2] * a.shape[3]) for a in arrays]


def _share(kernel, x: Array, *others: Array) -> None:
    share(kernel, (x, *others), x.shape[1], 1 + x.size // SERIAL)


# The sum of one plane has the dtype of the plane. Sums over planes are kept in float64: no bits are lost,
# however large the batch is.


@compiled
def _sum(x, sums, work):
    _, start, stop = in_parts(work)
    for c in range(start, stop):
        total = 0.0
        for n in range(len(x)):
            total += sum_row(x[n, c])
        sums[c] = total


@compiled
def _dot(a, b, sums, work):
    _, start, stop = in_parts(work)
    for c in range(start, stop):
        total = 0.0
        for n in range(len(a)):
            total += dot_rows(a[n, c], b[n, c])
        sums[c] = total


@compiled
def _affine(x, y, weight, bias, work):
    _, start, stop = in_parts(work)
    N, _, cells = x.shape
    for n in range(N):
        for c in range(start, stop):
            one, other, factor, addend = x[n, c], y[n, c], weight[c], bias[c]
            for i in range(cells):
                other[i] = factor * one[i] + addend


@in_any_order
def _squares(cells, mean):
    """Return the sum of (cell - mean)^2."""
    total = cells.dtype.type(0)
    for i in range(len(cells)):
        total += (cells[i] - mean) * (cells[i] - mean)
    return total


@in_any_order
def _sum_and_dot(a, b):
    """Return sum_i a[i], and sum_i a[i] * b[i]."""
    total = product = a.dtype.type(0)
    for i in range(len(a)):
        total += a[i]
        product += a[i] * b[i]
    return total, product


@inner
def _moments(x, c):
    """Return mean and variance of a channel."""
    N, _, cells = x.shape
    total = 0.0
    for n in range(N):
        total += sum_row(x[n, c])
    mean = x.dtype.type(total / (N * cells))
    total = 0.0
    for n in range(N):
        total += _squares(x[n, c], mean)
    return mean, x.dtype.type(total / (N * cells))


@inner
def _gradient(g, y, x, c, sum_g, sum_gy, factor):
    """Write the gradient by a channel of x: (g - mean(g) - y * mean(g * y)) * factor."""
    N, _, cells = g.shape
    mean_g, mean_gy = g.dtype.type(sum_g / (N * cells)), g.dtype.type(sum_gy / (N * cells))
    for n in range(N):
        one, other, result = g[n, c], y[n, c], x[n, c]
        for i in range(cells):
            result[i] = (one[i] - mean_g - other[i] * mean_gy) * factor


@compiled
def _normalise(x, y, mean, variance, eps, work):
    _, start, stop = in_parts(work)
    N, _, cells = x.shape
    for c in range(start, stop):
        mean[c], variance[c] = _moments(x, c)
        m, factor = mean[c], x.dtype.type(1 / np.sqrt(variance[c] + eps))
        for n in range(N):
            one, normal = x[n, c], y[n, c]
            for i in range(cells):
                normal[i] = (one[i] - m) * factor


@compiled
def _normalise_input(g, y, x, s, work):
    _, start, stop = in_parts(work)
    for c in range(start, stop):
        sum_g = sum_gy = 0.0
        for n in range(len(g)):
            one, other = _sum_and_dot(g[n, c], y[n, c])
            sum_g += one
            sum_gy += other
        _gradient(g, y, x, c, sum_g, sum_gy, 1 / s[c])


@compiled
def _normalise_epilogue(x, y, z, weight, bias, mean, variance, eps, slope, work):
    _, start, stop = in_parts(work)
    N, _, cells = x.shape
    zero = x.dtype.type(0)
    for c in range(start, stop):
        mean[c], variance[c] = _moments(x, c)
        m, w, b = mean[c], weight[c], bias[c]
        factor = x.dtype.type(1 / np.sqrt(variance[c] + eps))
        for n in range(N):
            one, normal, result = x[n, c], y[n, c], z[n, c]
            for i in range(cells):
                normal[i] = (one[i] - m) * factor
                value = w * normal[i] + b
                below = zero if slope == zero else slope * value  # ReLU lets minus infinity become 0
                result[i] = below if value < zero else value


@compiled
def _normalise_epilogue_input(g, y, z, x, factor, slope, by_weight, by_bias, work):
    _, start, stop = in_parts(work)
    N, _, cells = g.shape
    zero = g.dtype.type(0)
    for c in range(start, stop):
        total = product = 0.0
        for n in range(N):
            above, result, passed = g[n, c], z[n, c], x[n, c]
            for i in range(cells):
                below = zero if slope == zero else slope * above[i]
                passed[i] = above[i] if result[i] > zero else below
            one, other = _sum_and_dot(passed, y[n, c])
            total += one
            product += other
        by_weight[c], by_bias[c] = product, total
        _gradient(x, y, x, c, total, product, factor[c])
