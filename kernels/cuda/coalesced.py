"""Rung 2: coalesced. The sums are those of rung 1, only who computes which cell has changed.

Now neighbouring threads compute neighbouring COLUMNS. The 32 threads of a warp read 32 cells side by side of
x, a transaction or two of 128 bytes instead of 32; they all want the same weight, which is sent to all of
them at once; and what they write lies side by side as well.

What is slow about it: still no number is used twice without being asked for twice. A product costs two loads,
and caches, though fast, are not as fast as arithmetic.
"""

from __future__ import annotations

from .direct import kernels_for, unravel, writes
from .target import device, divide, int32


@device
def neighbours_differ_in_d(number, B, C, D):
    """The cell (a, b, c, d) of an array (A, B, C, D) that thread `number` computes: the order in memory."""
    rest, c, d = unravel(number, C, D)
    a = divide(rest, B)
    return a, int32(rest - a * B), c, d


KERNELS = kernels_for(neighbours_differ_in_d)
WRITES = writes(KERNELS)
