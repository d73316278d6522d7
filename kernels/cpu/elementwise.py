"""Passes over whole arrays, compiled: every element is read once and written once, by all cores.

NumPy goes over the memory once for each operation in a formula.
"""

from __future__ import annotations

import math

import numpy as np

from .. import arena
from ..arrays import Array
from .compiled import compiled
from .rows import sum_row
from .threads import split

SERIAL = 1 << 14  # elements that are done before another thread has started


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays."""
    x = np.require(x, None, ["C", "W"])
    y = arena.empty(x.shape, x.dtype)
    _split(_relu, x, y)
    return y


def gate(g: Array, y: Array) -> Array:
    """Return g where y > 0, else 0: the derivative of `relu`, whose result is y."""
    g, y = np.require(g, None, ["C", "W"]), np.require(y, g.dtype, ["C", "W"])
    x = arena.empty(g.shape, g.dtype)
    _split(_gate, g, y, x)
    return x


def channel_sums(x: Array) -> Array:
    """Return the sum of every channel of x (N, C, H, W) over the batch and the plane, (C,)."""
    N, C, H, W = x.shape
    x = np.require(x, None, ["C", "W"]).reshape(N, C, H * W)
    sums = np.empty(C, x.dtype)
    split(lambda _, start, stop: _channel_sums(x, sums, start, stop), C, 1 + x.size // SERIAL)
    return sums


def adam(
    theta: Array, g: Array, m: Array, v: Array, lr: float, betas: tuple[float, float], eps: float, t: int
) -> None:
    """Make step `t`, from 1, of Adam in place; see `tinycnn.optim.Adam`."""
    beta1, beta2 = betas
    numbers = (
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        lr / (1 - beta1**t),
        1 / math.sqrt(1 - beta2**t),
        eps,
    )
    constants = np.array(numbers, theta.dtype)
    _split(_adam, theta, np.require(g, theta.dtype, ["C", "W"]), m, v, constants)


def _split(kernel, first: Array, *others: Array) -> None:
    """Run a kernel on parts of the flat arrays."""
    arrays = [a.reshape(-1) for a in (first, *others)]
    split(lambda _, start, stop: kernel(*arrays, start, stop), first.size, 1 + first.size // SERIAL)


# Indices that start at 0 let the compiler see that none is negative, and use vectors.


@compiled
def _relu(x, y, start, stop):
    x, y, zero = x[start:stop], y[start:stop], x.dtype.type(0)
    for i in range(len(y)):
        y[i] = zero if x[i] < zero else x[i]


@compiled
def _gate(g, y, x, start, stop):
    g, y, x, zero = g[start:stop], y[start:stop], x[start:stop], x.dtype.type(0)
    for i in range(len(x)):
        x[i] = g[i] if y[i] > zero else zero


@compiled
def _channel_sums(x, sums, start, stop):
    N, C, cells = x.shape
    flat = x.ravel()
    for c in range(start, stop):
        total = 0.0  # float64: of every plane's sum only a few bits are lost
        for n in range(N):
            total += sum_row(flat, (n * C + c) * cells, cells)
        sums[c] = total


@compiled
def _adam(theta, g, m, v, constants, start, stop):
    theta, g, m, v = theta[start:stop], g[start:stop], m[start:stop], v[start:stop]
    beta1, rest1, beta2, rest2, lr, scale, eps = constants
    for i in range(len(theta)):
        mean = beta1 * m[i] + rest1 * g[i]
        square = beta2 * v[i] + rest2 * g[i] * g[i]
        theta[i] -= lr * mean / (np.sqrt(square) * scale + eps)
        m[i], v[i] = mean, square
