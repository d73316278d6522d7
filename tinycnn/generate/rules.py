"""Rules that make images (Eq. 10): x_ij = f(i, j), a gallery.

A rule takes row and column numbers i and j as whole arrays, and returns brightness in [0, 1]: (H, W) for
grey, (H, W, 3) for RGB. Whatever else a rule needs is an option with a default.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray


def gradients(i: Array, j: Array) -> Array:
    """Red grows downwards, green to the right, blue towards the upper left."""
    v, u = i / max(i.max(), 1), j / max(j.max(), 1)  # 0 to 1
    return np.stack([v, u, 1 - (u + v) / 2], axis=-1)


def rings(i: Array, j: Array, period: float = 16.0) -> Array:
    """Circles around the middle: (1 + cos(2 pi r / period)) / 2."""
    r = np.hypot(i - i.max() / 2, j - j.max() / 2)
    return (1 + np.cos(2 * np.pi * r / period)) / 2


def checkerboard(i: Array, j: Array, side: int = 16) -> Array:
    """(floor(i / side) + floor(j / side)) mod 2."""
    return (i // side + j // side) % 2


def moire(i: Array, j: Array, k: float = 0.004) -> Array:
    """(1 + cos(k (y^2 + x^2) 2 pi)) / 2: rings that get finer until the pixels make rings of their own."""
    y, x = i - i.max() / 2, j - j.max() / 2
    return (1 + np.cos(2 * np.pi * k * (y**2 + x**2))) / 2


def plasma(i: Array, j: Array, period: float = 64.0) -> Array:
    """Waves along three directions and around a point, added; three phases of the sum are the colours."""
    y, x = 2 * np.pi * i / period, 2 * np.pi * j / period
    waves = np.sin(x) + np.sin(y) + np.sin((x + y) / 2) + np.sin(np.hypot(x - 4, y - 6))
    return (1 + np.stack([np.sin(waves * 1.5 + phase) for phase in (0, 2, 4)], axis=-1)) / 2


def mandelbrot(i: Array, j: Array, iterations: int = 60) -> Array:
    """How soon z <- z^2 + c leaves the circle of radius 2, from z = 0; c is the pixel, the set is black."""
    side = max(min(i.max(), j.max()), 1)
    c = (j - j.max() / 2) / side * 2.6 - 0.6 + 1j * (i - i.max() / 2) / side * 2.6
    z, t = np.zeros_like(c), np.zeros(c.shape)
    for n in range(1, iterations + 1):
        inside = np.abs(z) <= 2
        z[inside] = z[inside] ** 2 + c[inside]
        t[inside & (np.abs(z) > 2)] = (n / iterations) ** 0.4
    return np.stack([t**3, t**1.5, t**0.6], axis=-1)  # a later cell is brighter


def value_noise(i: Array, j: Array, cell: int = 32, octaves: int = 4, seed: int = 0) -> Array:
    """Random numbers at the corners of cells, blended smoothly in between; then finer cells, fainter."""
    rng, total, weight = np.random.default_rng(seed), 0.0, 0.0
    for octave in range(octaves):
        size = max(cell >> octave, 1)
        corners = rng.random((int(i.max()) // size + 2, int(j.max()) // size + 2))
        (a, v), (b, u) = np.divmod(i, size), np.divmod(j, size)
        v, u = (t * t * (3 - 2 * t) for t in (v / size, u / size))  # no creases at the cells' edges
        a, b = a.astype(int), b.astype(int)
        top = corners[a, b] * (1 - u) + corners[a, b + 1] * u
        bottom = corners[a + 1, b] * (1 - u) + corners[a + 1, b + 1] * u
        total, weight = total + (top * (1 - v) + bottom * v) / 2**octave, weight + 1 / 2**octave
    return np.asarray(total / weight)


def cellular_automaton(i: Array, j: Array, number: int = 30) -> Array:
    """Wolfram's elementary automaton: a row is made from the row above, by a table of eight bits."""
    H, W = int(i.max()) + 1, int(j.max()) + 1
    table = number >> np.arange(8) & 1  # the new cell for the neighbourhood 0 .. 7
    # What lies outside the picture lives too: H more cells on either side, as far as news travel.
    row = np.zeros(W + 2 * H, int)
    row[H + W // 2] = 1
    cells = np.empty((H, W))
    for n in range(H):
        cells[n] = row[H : H + W]
        row = table[4 * np.roll(row, 1) + 2 * row + np.roll(row, -1)]
    return cells[i.astype(int), j.astype(int)]


def weave(i: Array, j: Array, side: int = 16) -> Array:
    """Bands over and under each other, each bright along its middle."""
    over = i // side % 2 == j // side % 2
    return np.sin(np.pi * (np.where(over, i, j) % side + 0.5) / side)


_RULES = gradients, rings, checkerboard, moire, plasma, mandelbrot, value_noise, cellular_automaton, weave
RULES: dict[str, Callable[..., Any]] = {rule.__name__.replace("_", "-"): rule for rule in _RULES}
