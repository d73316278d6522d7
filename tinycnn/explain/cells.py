"""Elements of arrays: which are chosen, where they stand in their panels, and the letters on them."""

import math
import string
from collections.abc import Mapping
from typing import Any

import numpy as np

from .steps import Cell, Index, factor, number

Cells = Mapping[str, Any]  # which elements of which arrays; see `Recorder`


def tag(i: int) -> str:
    """Return the i-th tag: a, b, ..., z, aa, ab, ..., zz, aaa, ..."""
    rest, last = divmod(i, 26)
    return (tag(rest - 1) if rest else "") + string.ascii_lowercase[last]


def difference(a: float, b: float) -> str:
    """Return ``a - b`` in numbers."""
    return f"{number(a)} - {factor(b)}"


def largest(array: np.ndarray) -> Index:
    """Return where the number of the largest size is; () of nothing."""
    return tuple(map(int, np.unravel_index(np.abs(array).argmax(), array.shape))) if array.size else ()


def cell_of(index: Index) -> Cell:
    """Return where the element stands in its panel: the last two indices; a vector is a row."""
    return (0, 0) if not index else (0, index[0]) if len(index) == 1 else (index[-2], index[-1])


def indices(operation: str, array: str, chosen: Any, shape: tuple[int, ...]) -> list[Index]:
    """Return the indices that `chosen` means, each complete and from 0."""
    grid = np.arange(math.prod(shape)).reshape(shape)
    try:
        if isinstance(chosen, list):
            flat = [int(i) for index in chosen for i in np.ravel(grid[index])]
        else:
            flat = grid[chosen].ravel().tolist()
    except (IndexError, TypeError, ValueError):
        raise ValueError(
            f"{operation}: cells={{{array!r}: {chosen!r}}}: {array} has shape {shape}; give indices of its "
            "elements, or of a part with slices, as numpy.s_[0, 0, :2, :2]"
        ) from None
    return [tuple(map(int, np.unravel_index(i, shape))) for i in flat]
