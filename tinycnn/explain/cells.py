"""Elements of arrays: which are chosen, where they stand in their panels, and the letters on them."""

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .steps import Cell, Index, Quantity, Term, factor, number

Cells = Mapping[str, Any]  # which elements of which arrays; see `Recorder`


def tag(i: int) -> str:
    """Return the i-th tag: a, b, ..., z, aa, ab, ..., zz, aaa, ..."""
    rest, last = divmod(i, 26)
    return (tag(rest - 1) if rest else "") + string.ascii_lowercase[last]


def lettered(products: Sequence[Sequence[Quantity]], divisor: Quantity | None = None) -> list[Term]:
    """Return a term with a letter for each product."""
    return [Term(tuple(factors), divisor, tag(t)) for t, factors in enumerate(products)]


def difference(a: float, b: float) -> str:
    """Return ``a - b`` in numbers."""
    return f"{number(a)} - {factor(b)}"


def largest(array: np.ndarray) -> Index:
    """Return where the number of the largest size is; () of nothing."""
    return tuple(map(int, np.unravel_index(np.abs(array).argmax(), array.shape))) if array.size else ()


def norm(array: np.ndarray) -> str:
    """Return the length of an array as a vector."""
    return number(math.sqrt(float((array.astype(np.float64) ** 2).sum())))


def flat(index: Index, shape: tuple[int, ...]) -> int:
    """Return where an element stands if all are counted in a row."""
    return int(np.ravel_multi_index(index, shape)) if index else 0


def cell_of(index: Index) -> Cell:
    """Return where the element stands in its panel: the last two indices; a vector is a row."""
    return (0, 0) if not index else (0, index[0]) if len(index) == 1 else (index[-2], index[-1])


def choose(
    operation: str, cells: Cells | None, shapes: Mapping[str, tuple[int, ...]], limit: int
) -> dict[str, list[Index]]:
    """Return the indices that `cells` chooses of arrays of these shapes; see `Recorder.step_through`."""
    unknown = [name for name in cells or () if name not in shapes]
    if unknown:
        raise ValueError(
            f"{operation}: cells= names {', '.join(map(repr, unknown))}; "
            f"there are steps for {', '.join(map(repr, shapes))}"
        )
    if cells is not None:
        chosen = {
            name: _indices(operation, name, cells.get(name, []), shape) for name, shape in shapes.items()
        }
        total = sum(map(len, chosen.values()))
    elif (total := sum(map(math.prod, shapes.values()))) <= limit:
        chosen = {name: list(np.ndindex(*shape)) for name, shape in shapes.items()}
    if total > limit:
        each = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())
        first, shape = next(iter(shapes.items()))
        corner = ", ".join(["0"] * (len(shape) - 2) + [":2"] * min(len(shape), 2))
        raise ValueError(
            f"{operation}: one step for every element of {each} would be {total:,} steps; the "
            f"limit is {limit}, because nobody steps through more. Choose a part with cells, as in "
            f"cells={{{first!r}: numpy.s_[{corner}]}}, or crop the input"
        )
    return chosen


def _indices(operation: str, array: str, chosen: Any, shape: tuple[int, ...]) -> list[Index]:
    """Return the indices that `chosen` means, each complete and from 0."""
    grid = np.arange(math.prod(shape)).reshape(shape)
    try:
        parts = [grid[index] for index in chosen] if isinstance(chosen, list) else [grid[chosen]]
        return [tuple(map(int, np.unravel_index(i, shape))) for part in parts for i in np.ravel(part)]
    except (IndexError, TypeError, ValueError):
        raise ValueError(
            f"{operation}: cells={{{array!r}: {chosen!r}}}: {array} has shape {shape}; give indices of its "
            "elements, or of a part with slices, as numpy.s_[0, 0, :2, :2]"
        ) from None
