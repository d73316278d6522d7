"""Passes over whole arrays, compiled: every element is read once and written once, by all cores.

NumPy goes over the memory once for each operation in a formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import arena
from ..arrays import Array, ready
from ..plain import passes
from .compiled import compiled
from .parts import in_parts
from .threads import share

SERIAL = 1 << 16  # elements: fewer are done before another thread has started


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays."""
    x = ready(x)
    y = arena.empty(x.shape, x.dtype)
    _share(_relu, x, y)
    return y


def gate(g: Array, y: Array) -> Array:
    """Return g where y > 0, else 0: the derivative of `relu`, whose result is y."""
    g, y = ready(g), ready(y, g.dtype)
    x = arena.empty(g.shape, g.dtype)
    _share(_gate, g, y, x)
    return x


def leaky_relu(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope * x."""
    return leaky_gate(x, x, slope)


def leaky_gate(g: Array, x: Array, slope: float) -> Array:
    """Return g where x > 0, else slope * g: the derivative of `leaky_relu` at x."""
    g, x = ready(g), ready(x, g.dtype)
    y = arena.empty(g.shape, g.dtype)
    _share(_leaky_gate, g, x, y, g.dtype.type(slope))
    return y


def adam(
    theta: Array, g: Array, m: Array, v: Array, lr: float, betas: tuple[float, float], eps: float, t: int
) -> None:
    """Make step `t`, from 1, of Adam in place; see `tinycnn.optim.Adam`."""
    beta1, beta2 = betas
    corrected = lr / (1 - beta1**t), 1 / math.sqrt(1 - beta2**t)
    numbers = 0.0, 0.0, 1.0, beta1, 1 - beta1, beta2, 1 - beta2, *corrected, eps
    if not adam_of_all([(theta, g, m, v)], [numbers]):
        passes.adam(theta, g, m, v, lr, betas, eps, t)


def adam_of_all(parameters: Sequence[Sequence[Array]], numbers: Sequence[Sequence[float]]) -> bool:
    """Make one step of Adam or AdamW of all parameters in place; see `tinycnn.kernels.together.adam`.

    Return whether that was done: False if there are penalties, or if arrays cannot be changed where they lie.
    """
    # Flattening an array that is not contiguous makes a copy, and the step would be written into the copy.
    unusual = [
        a
        for theta, _, m, v in parameters
        for a in (theta, m, v)
        if type(a) is not np.ndarray
        or not (a.flags.carray and a.dtype.isnative and a.dtype is theta.dtype and a.dtype.char in "fd")
    ]
    if unusual or [row for row in numbers if row[0] or row[1]]:
        return False
    constants: dict[Any, Array] = {}
    for (theta, g, m, v), row in zip(parameters, numbers, strict=True):
        key = theta.dtype, *row
        if key not in constants:
            constants[key] = np.array(row[2:], theta.dtype)
        _share(_adam, theta, ready(g, theta.dtype), m, v, constants[key])
    return True


def _share(kernel, first: Array, *others: Any) -> None:
    """Run a kernel on parts of the flat arrays; numbers are passed on."""
    args = [a.reshape(-1) if type(a) is np.ndarray else a for a in (first, *others)]
    share(kernel, args, first.size, 1 + first.size // SERIAL)


# Indices that start at 0 let the compiler see that none is negative, and use vectors.


@compiled
def _relu(x, y, work):
    _, start, stop = in_parts(work)
    x, y, zero = x[start:stop], y[start:stop], x.dtype.type(0)
    for i in range(len(y)):
        y[i] = zero if x[i] < zero else x[i]


@compiled
def _gate(g, y, x, work):
    _, start, stop = in_parts(work)
    g, y, x, zero = g[start:stop], y[start:stop], x[start:stop], x.dtype.type(0)
    for i in range(len(x)):
        x[i] = g[i] if y[i] > zero else zero


@compiled
def _leaky_gate(g, x, y, slope, work):
    _, start, stop = in_parts(work)
    g, x, y, zero = g[start:stop], x[start:stop], y[start:stop], x.dtype.type(0)
    for i in range(len(y)):
        y[i] = g[i] if x[i] > zero else slope * g[i]


@compiled
def _adam(theta, g, m, v, constants, work):
    _, start, stop = in_parts(work)
    theta, g, m, v = theta[start:stop], g[start:stop], m[start:stop], v[start:stop]
    decay, beta1, rest1, beta2, rest2, lr, scale, eps = constants
    for i in range(len(theta)):
        mean = beta1 * m[i] + rest1 * g[i]
        square = beta2 * v[i] + rest2 * g[i] * g[i]
        theta[i] = theta[i] * decay - lr * mean / (np.sqrt(square) * scale + eps)
        m[i], v[i] = mean, square
