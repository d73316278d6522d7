"""Memory of large arrays, used again for the next array of that size instead of going back to the system.

A training step needs arrays of the same sizes as the step before. The C library gives large blocks back to the
system when they are freed, and touching new pages costs more than most arithmetic on them.

A block is free when no array refers to it any more: every array made of it, and every view of such an array,
holds a reference that Python counts. So an array that somebody kept is never handed out again.
"""

import math
import sys
import threading
from collections import defaultdict
from typing import Any

import numpy as np

from .arrays import Array

SMALLEST = 1 << 18  # bytes: the C library keeps smaller blocks itself
PAGE = 1 << 12
MOST_HELD = 1 << 30  # bytes of free blocks, at most

_blocks: defaultdict[int, list[np.ndarray]] = defaultdict(list)  # by size in bytes
_lock = threading.Lock()


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return a new array with any content, as ``np.empty``."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALLEST:
        return np.empty(shape, dtype)
    size = -(-size // PAGE) * PAGE
    with _lock:
        blocks = _blocks[size]
        for i in range(len(blocks)):
            if _is_free(blocks, i):
                return np.ndarray(shape, dtype, blocks[i])
        _forget(MOST_HELD - size)
        _blocks[size].append(np.empty(size, np.uint8))
        return np.ndarray(shape, dtype, _blocks[size][-1])


def held() -> int:
    """Return how many bytes are free and kept for the next array."""
    with _lock:
        return sum(
            size for size, blocks in _blocks.items() for i in range(len(blocks)) if _is_free(blocks, i)
        )


def release() -> None:
    """Give what is free back to the system."""
    with _lock:
        _forget(0)


def is_alone(array: Array) -> bool:
    """Return whether no other array shares this one's memory."""
    if array.base is None:
        return True
    if not isinstance(array.base, np.ndarray):
        return False
    referring = _references([array.base], 0) - _UNUSED  # arrays, and for a block the list of blocks
    return referring == 1 + any(array.base is block for block in _blocks.get(array.base.nbytes, ()))


def _is_free(blocks: list[np.ndarray], i: int) -> bool:
    return _references(blocks, i) == _UNUSED


def _references(blocks: list[np.ndarray], i: int) -> int:
    return sys.getrefcount(blocks[i])


_UNUSED = _references([np.empty(0)], 0)  # what is counted where only the list refers to a block


def _forget(most: int) -> None:
    """Forget free blocks until at most so many bytes of them are left."""
    left = 0
    for size, blocks in list(_blocks.items()):
        kept = []
        while blocks:
            free = _is_free(blocks, -1)
            block = blocks.pop()
            if not free or left + size <= most:
                kept.append(block)
                left += size if free else 0
        if kept:
            _blocks[size] = kept
        else:
            del _blocks[size]
