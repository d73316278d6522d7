"""Memory of large arrays, used again for the next array of about that size, not given back to the system.

A training step needs arrays of the same sizes as the step before. The C library gives large blocks back to
the system when they are freed, and touching new pages costs more than most arithmetic on them.

A block is free when no array refers to it any more: every array made of it, and every view of such an array,
holds a reference that Python counts. So an array that somebody kept is never handed out again.

There is no lock: a signal handler or a ``__del__`` may ask for an array while another call is under way in
the same thread, and would wait for ever. Instead a block is taken out of the list of blocks, which Python
does in one step, before it is used. Nobody else can take what is not in the list.
"""

import math
import sys
from collections import defaultdict
from typing import Any

import numpy as np

from .arrays import Array

SMALLEST = 1 << 18  # bytes: the C library keeps smaller blocks itself
PAGE = 1 << 12
MOST_HELD = 1 << 30  # bytes of free blocks, at most

_blocks: defaultdict[int, list[np.ndarray]] = defaultdict(list)  # by size in bytes


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a new array with any content, as ``np.empty``; always in the byte order of this machine."""
    dtype = np.dtype(dtype)
    if not dtype.isnative:
        dtype = dtype.newbyteorder("=")
    size = math.prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return np.empty(shape, dtype)
    size = -(-size // PAGE) * PAGE
    taken = _take(size) or _take_larger(size)
    if not taken:
        _forget(MOST_HELD - size)
        taken.append(np.empty(size, np.uint8))
    array = np.ndarray(shape, dtype, taken[0])
    _blocks[taken[0].nbytes].append(taken.pop())
    return array


def held() -> int:
    """Return how many bytes are free and kept for the next array."""
    return sum(
        size for size, blocks in list(_blocks.items()) for i in range(len(blocks)) if _is_free(blocks, i)
    )


def release() -> None:
    """Give what is free back to the system."""
    _forget(0)


def is_alone(array: Array) -> bool:
    """Return whether no other array shares this one's memory."""
    if array.base is None:
        return True
    if not isinstance(array.base, np.ndarray):
        return False
    base = [array.base]
    referring = sys.getrefcount(base[0]) - _UNUSED  # arrays, and for a block the list of blocks
    return referring == 1 + any(array.base is block for block in _blocks.get(array.base.nbytes, ()))


def _take(size: int) -> list[np.ndarray]:
    """Take a free block of this size out of the list; return it as a list, an empty one if there is none."""
    blocks = _blocks[size]
    for i in range(len(blocks)):
        if _is_free(blocks, i):
            taken = _pop(blocks, i)
            if taken and _is_free(taken, 0):  # and not another block, or one that somebody just took
                return taken
            blocks.extend(taken)
    return []


def _take_larger(size: int) -> list[np.ndarray]:
    """Take the smallest free block of more than `size`, but at most twice that many, bytes."""
    for larger in sorted(other for other in list(_blocks) if size < other <= 2 * size):
        if taken := _take(larger):
            return taken
    return []


def _pop(blocks: list[np.ndarray], i: int) -> list[np.ndarray]:
    """Take block `i` out of the list, if the list still is that long."""
    try:
        return [blocks.pop(i)]
    except IndexError:
        return []


def _is_free(blocks: list[np.ndarray], i: int) -> bool:
    """Return whether only the list refers to its block `i`."""
    try:
        return sys.getrefcount(blocks[i]) == _UNUSED
    except IndexError:  # somebody took one meanwhile
        return False


_block = [np.empty(0)]
_UNUSED = sys.getrefcount(_block[0])  # what is counted if only a list refers to a block


def _forget(most: int) -> None:
    """Forget free blocks until at most `most` bytes of them are left."""
    left = 0
    for size, blocks in list(_blocks.items()):
        for _ in range(len(blocks)):
            taken = _pop(blocks, 0)
            if not taken:
                break
            free = _is_free(taken, 0)
            if not free or left + size <= most:
                left += size if free else 0
                blocks.append(taken.pop())
        if not blocks:
            _blocks.pop(size, None)
