"""Collect the steps of one explanation, from the engine's arrays, and refuse parts that do not add up."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinycnn.kernels.geometry import Pair

from .cells import Cells, cell_of, indices
from .steps import Cell, Explanation, Index, Panel, Quantity, Step, Term, number

MAX_STEPS = 256  # nobody steps through more
MAX_TERMS = 50  # products that one screen holds
ORDER = ("read", "weight")  # roles of a term's factors

Plane = tuple[int, str, Index]  # the position of a factor in its term, the array, the leading indices

_most_terms = ContextVar("most_terms", default=MAX_TERMS)


@contextmanager
def terms_up_to(count: int) -> Iterator[None]:
    """Allow sums of so many terms inside the ``with`` block, for a page that scrolls."""
    token = _most_terms.set(count)
    try:
        yield
    finally:
        _most_terms.reset(token)


class Recorder:
    """The steps so far of one explanation.

    Parameters
    ----------
    operation, options
        As in `Explanation`.
    arrays
        The engine's, by name.
    cells
        Which elements of which arrays to step through: a list of indices, or one index with slices
        (``numpy.s_``); None for all. Of arrays that are not named, none.
    number
        The number of the documented equation, which every step cites.
    """

    def __init__(
        self,
        operation: str,
        options: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        cells: Cells | None = None,
        number: int | None = None,
    ) -> None:
        self.operation, self.options, self.arrays = operation, options, dict(arrays)
        self.number = number
        self.steps: list[Step] = []
        self._cells = cells
        self._asked: dict[str, list[Index]] = {}
        self._pending: dict[str, set[Index]] = {}

    def step_through_arrays(self, *names: str) -> None:
        """Choose the elements of these arrays, and of all gradients there are, that have a step."""
        gradients = [name for name in self.arrays if name.startswith("dL/")]
        self.step_through({name: self.arrays[name].shape for name in [*names, *gradients]})

    def step_through(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Choose the elements of arrays of these shapes that have a step.

        Raises
        ------
        ValueError
            If they are more than `MAX_STEPS`, an array is unknown, or an index is out of range.
        """
        unknown = [name for name in self._cells or () if name not in shapes]
        if unknown:
            raise ValueError(
                f"{self.operation}: cells= names {', '.join(map(repr, unknown))}; "
                f"there are steps for {', '.join(map(repr, shapes))}"
            )
        for name, shape in shapes.items():
            if self._cells is None:
                count = math.prod(shape)
                self._asked[name] = list(np.ndindex(*shape)) if count <= MAX_STEPS else []
            else:
                self._asked[name] = indices(self.operation, name, self._cells.get(name, []), shape)
        if self._cells is None:
            total = sum(math.prod(shape) for shape in shapes.values())
        else:
            total = sum(map(len, self._asked.values()))
        if total > MAX_STEPS:
            each = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())
            first = next(iter(shapes))
            corner = ", ".join("0" if d < len(shapes[first]) - 2 else ":2" for d in range(len(shapes[first])))
            raise ValueError(
                f"{self.operation}: one step for every element of {each} would be {total:,} steps; the "
                f"limit is {MAX_STEPS}, because nobody steps through more. Choose a part with cells, as in "
                f"cells={{{first!r}: numpy.s_[{corner}]}}, or crop the input"
            )
        self._pending = {name: set(asked) for name, asked in self._asked.items()}

    def hide(self, array: str, hidden: Iterable[Index]) -> None:
        """Let these elements be pending until the step that computes them."""
        self._pending[array] = set(hidden)

    def asked(self, array: str) -> list[Index]:
        """Return the indices to step through."""
        return self._asked.get(array, [])

    def quantity(self, array: str, index: Index = ()) -> Quantity:
        """Return one element."""
        return Quantity(array, tuple(map(int, index)), float(self.arrays[array][tuple(index)]))

    def panel(
        self,
        title: str,
        array: str,
        index: Index = (),
        marks: Mapping[Cell, str] | None = None,
        tags: Mapping[Cell, str] | None = None,
        padding: Pair = (0, 0),
        picture: bool = False,
        frames: Mapping[str, tuple[Cell, Cell]] | None = None,
    ) -> Panel:
        """Return ``arrays[array][index]`` as a panel; what has its step later is pending."""
        values = self.arrays[array][tuple(index)]
        values = values.reshape(1, -1) if values.ndim < 2 else values
        pending = frozenset(
            cell_of(later) for later in self._pending.get(array, ()) if later[: len(index)] == tuple(index)
        )
        pending -= {cell for cell, role in (marks or {}).items() if role == "result"}
        title = f"{array}[{','.join(map(str, index))}] {title}" if index else f"{array} {title}"
        return Panel(
            title,
            array,
            tuple(index),
            values,
            padding,
            marks or {},
            tags or {},
            frames or {},
            pending,
            picture,
        )

    def panels_of(
        self,
        terms: Sequence[Term],
        titles: Mapping[str, str],
        marks: Mapping[Plane, Mapping[Cell, str]] | None = None,
        padding: Mapping[str, Pair] | None = None,
    ) -> list[Panel]:
        """Return a panel for every plane that factors of `terms` lie in, with their cells marked.

        First factors are "read", second ones "used with it"; both carry the tag of their term. Factors of
        terms without a tag (a bias) come last.

        Parameters
        ----------
        terms
            Of a sum.
        titles
            Of each array's panels; ``{0}``, ``{1}`` stand for the leading indices.
        marks
            Further marks, by the position of the factor, the array and the plane.
        padding
            Of each array.
        """
        marked = {key: dict(cells) for key, cells in (marks or {}).items()}
        tags: dict[Plane, dict[Cell, str]] = {}
        for term in terms:
            for position, q in enumerate(term.factors):
                key = (position if term.tag else len(ORDER), q.array, q.index[:-2])
                marked.setdefault(key, {})[cell_of(q.index)] = ORDER[position] if term.tag else "weight"
                tags.setdefault(key, {}).update({cell_of(q.index): term.tag} if term.tag else {})
        return [
            self.panel(
                titles[array].format(*plane),
                array,
                plane,
                cells,
                tags.get((position, array, plane), {}),
                (padding or {}).get(array, (0, 0)),
            )
            for (position, array, plane), cells in sorted(marked.items(), key=lambda item: item[0][0])
        ]

    def cell(self, title: str, array: str, index: Index, role: str = "result") -> Panel:
        """Return the panel that the element `index` lies in, with its cell marked."""
        return self.panel(title, array, index[:-2], {cell_of(index): role})

    def add(
        self,
        phase: str,
        title: str,
        equation: str,
        numbers: str,
        sentence: str,
        panels: Iterable[Panel],
        terms: Sequence[Term] = (),
        cites: int | None = None,
    ) -> None:
        """Append a step that cites Eq. `cites`. What it computes is known from now on, not pending."""
        panels, cites = tuple(panels), cites or self.number
        if cites:
            equation += f"   (Eq. {cites})" if phase != "backward" else f"   (from Eq. {cites})"
        self.steps.append(Step(phase, title, equation, numbers, sentence, panels, tuple(terms)))
        for panel in panels:
            results = {cell for cell, role in panel.marks.items() if role == "result"}
            self._pending[panel.array] = {
                index
                for index in self._pending.get(panel.array, ())
                if index[: len(panel.index)] != panel.index or cell_of(index) not in results
            }

    def add_sum(
        self,
        phase: str,
        title: str,
        equation: str,
        result: Quantity,
        terms: Sequence[Term],
        sentence: str,
        panels: Iterable[Panel],
        cites: int | None = None,
    ) -> None:
        """Append a step whose result is the sum of `terms`.

        Raises
        ------
        ValueError
            For more than `MAX_TERMS` terms, unless `terms_up_to` allows more.
        RuntimeError
            If they do not add up to the engine's result.
        """
        if len(terms) > (most := _most_terms.get()):
            raise ValueError(
                f"{self.operation}: {result.name} is a sum of {len(terms):,} terms; the limit is "
                f"{most}, because a screen holds no more. Crop the input (fewer channels, rows and "
                f"columns), or step through another array only: cells={{{self._smallest()!r}: [...]}}"
            )
        self.must_add_up(terms, result)
        total, value = " + ".join(term.numbers for term in terms) or "0", number(result.value)
        if len(terms) == 1 and total == f"({value})":
            total = value  # one negative number needs no parentheses
        numbers = f"{result.name} = {total}"
        if len(terms) > 1 or (terms and total != value):
            numbers += f" = {value}"
        self.add(phase, title, equation, numbers, sentence, panels, terms, cites)

    def must_add_up(
        self, terms: Sequence[Term], result: Quantity, tolerance: float = 1, scale: float = 0
    ) -> None:
        """Raise RuntimeError if the sum of `terms` differs from the engine's result by more than rounding.

        A result whose inputs were rounded before, at the size `scale`, may have a larger `tolerance`.
        """
        parts = [term.value for term in terms]
        total, scale = sum(parts), sum(map(abs, parts)) + scale
        eps = float(np.finfo(self.arrays[result.array].dtype).eps)
        if not math.isfinite(result.value):
            return
        if not abs(total - result.value) <= tolerance * (len(parts) + 8) * eps * scale + 1e-30:
            raise RuntimeError(
                f"{self.operation}: the parts of {result.name} add up to {total!r}, "
                f"but the engine computed {result.value!r}"
            )

    def explanation(self, output: str = "y") -> Explanation:
        """Return what was collected."""
        return Explanation(self.operation, self.options, self.arrays, tuple(self.steps), output)

    def _smallest(self) -> str:
        return min(self._asked, key=lambda name: len(self._asked[name]), default="y")
