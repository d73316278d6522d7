"""What an explanation is made of: steps, each an equation with its numbers and arrays with cells marked.

Nothing here knows a screen: `terminal`, `figure` and `document` draw the same steps.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn.kernels.geometry import Pair

Index = tuple[int, ...]
Cell = tuple[int, int]  # row and column of a panel; negative, or beyond the array, in the padding

# What a marked cell is in its step. Renderers tell them apart without colour, too.
ROLES = {
    "asked": "asked about",
    "read": "read",
    "weight": "used with it",
    "winner": "the winner",
    "result": "computed here",
}


def number(value: float, digits: int = 4) -> str:
    """Return `value` to so many significant digits; NaN and infinities by name."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return f"{value + 0.0:.{digits}g}"  # + 0.0: no "-0"


def factor(value: float) -> str:
    """Return `value` as a factor or a subtrahend: in parentheses if it has a sign."""
    text = number(value)
    return f"({text})" if text.startswith("-") else text


def element_name(array: str, index: Index) -> str:
    """Return an element's name as in the equation: ``x[0,0,2,1]``."""
    return f"{array}[{','.join(map(str, index))}]" if index else array


@dataclass(frozen=True)
class Quantity:
    """One element of one of the explanation's arrays."""

    array: str
    index: Index
    value: float

    @property
    def name(self) -> str:
        """As in the equation: ``x[0,0,2,1]``."""
        return element_name(self.array, self.index)


@dataclass(frozen=True)
class Term:
    """One summand: the product of its factors, divided by the divisor. Its tag is on the factors' cells."""

    factors: tuple[Quantity, ...]
    divisor: Quantity | None = None
    tag: str = ""

    @property
    def value(self) -> float:
        """The product, in double precision."""
        return math.prod(q.value for q in self.factors) / (self.divisor.value if self.divisor else 1)

    @property
    def symbols(self) -> str:
        """Names of what is multiplied."""
        return "·".join(q.name for q in self.factors) + (f"/{self.divisor.name}" if self.divisor else "")

    @property
    def numbers(self) -> str:
        """Values of what is multiplied."""
        divisor = f"/{number(self.divisor.value)}" if self.divisor else ""
        return "·".join(factor(q.value) for q in self.factors) + divisor


@dataclass(frozen=True)
class Panel:
    """A matrix with cells marked.

    Attributes
    ----------
    title
        What it is.
    array, index
        It shows ``explanation.arrays[array][index]``; a vector as one row, a number as one cell.
    ndim
        How many dimensions the part has that it shows: 2 for a matrix, 1 for a vector, 0 for a number.
    values
        (rows, columns).
    padding
        Rows and columns of zeros around it.
    marks
        The role (see `ROLES`) of each marked cell.
    tags
        A letter for a cell: the same letter stands on the cells that are multiplied with each other.
    frames
        Windows to outline: a tag, the first and the last cell.
    pending
        Cells that are computed in a later step.
    picture
        Whether its cells are to be seen as grey values, not read as numbers.
    """

    title: str
    array: str
    index: Index
    values: np.ndarray
    padding: Pair = (0, 0)
    marks: Mapping[Cell, str] = field(default_factory=dict)
    tags: Mapping[Cell, str] = field(default_factory=dict)
    frames: Mapping[str, tuple[Cell, Cell]] = field(default_factory=dict)
    pending: Collection[Cell] = frozenset()
    picture: bool = False
    ndim: int = 2

    @property
    def rows(self) -> range:
        """The rows with the padding's, which are negative or beyond the array."""
        return range(-self.padding[0], self.values.shape[0] + self.padding[0])

    @property
    def columns(self) -> range:
        """The columns with the padding's."""
        return range(-self.padding[1], self.values.shape[1] + self.padding[1])

    def is_padding(self, i: int, j: int) -> bool:
        """Return whether the cell lies outside the array."""
        return not (0 <= i < self.values.shape[0] and 0 <= j < self.values.shape[1])

    def text(self, i: int, j: int) -> str:
        """Return what stands in the cell: its number, 0 in the padding, ? before it is computed."""
        if (i, j) in self.pending:
            return "?"
        return "0" if self.is_padding(i, j) else number(self.values[i, j], 3)

    def element(self, cell: Cell) -> Index:
        """Return which element of its array stands in the cell."""
        return (*self.index, *cell[2 - self.ndim :])

    def window(self, rows: int, columns: int) -> tuple[range, range]:
        """Return the part of at most so many rows and columns that shows the marked cells."""
        return (
            _part(self.rows, rows, [i for i, _ in self.marks]),
            _part(self.columns, columns, [j for _, j in self.marks]),
        )


def _part(whole: range, count: int, marked: list[int]) -> range:
    if len(whole) <= count:
        return whole
    middle = (min(marked) + max(marked)) // 2 if marked else whole.start
    start = min(max(middle - count // 2, whole.start), whole.stop - count)
    return range(start, start + count)


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes
    ----------
    phase
        "forward", "backward" or "update".
    title
        What is computed.
    equation
        In symbols.
    numbers
        The same with this step's numbers put in.
    sentence
        What happens, in words.
    panels
        The arrays.
    terms
        The summands, if the step is a sum.
    """

    phase: str
    title: str
    equation: str
    numbers: str
    sentence: str
    panels: tuple[Panel, ...]
    terms: tuple[Term, ...] = ()

    @property
    def results(self) -> list[tuple[str, Index]]:
        """The elements that it computes: the array and the index."""
        return [
            (panel.array, panel.element(cell))
            for panel in self.panels
            for cell, role in panel.marks.items()
            if role == "result"
        ]

    def legend(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return what the kinds of its cells mean: roles, "padding" and "pending", of which `texts` tell."""
        used = {role for panel in self.panels for role in panel.marks.values()}
        used |= {"padding" for panel in self.panels if panel.padding != (0, 0)}
        used |= {"pending" for panel in self.panels if panel.pending}
        return {kind: text for kind, text in {**ROLES, **texts}.items() if kind in used}


@dataclass(frozen=True, repr=False)
class Explanation:
    """The steps of one operation, and the engine's arrays that they show.

    Attributes
    ----------
    operation
        Its name.
    options
        Stride, padding, ...
    arrays
        Inputs, results and gradients by the names that equations use: ``x``, ``w``, ``y``, ``g``, ``dL/dx``.
    steps
        In order.
    output
        Which array is the result.
    """

    operation: str
    options: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    steps: tuple[Step, ...]
    output: str = "y"

    @property
    def result(self) -> np.ndarray:
        """What the engine computed."""
        return self.arrays[self.output]

    def steps_of(self, array: str) -> tuple[Step, ...]:
        """Return the steps that compute an element of `array`, e.g. ``dL/dx``."""
        return tuple(step for step in self if array in dict(step.results))

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, i: int) -> Step:
        return self.steps[i]

    def __repr__(self) -> str:
        return f"Explanation({self.operation}, {len(self)} steps, arrays: {', '.join(self.arrays)})"
