"""Collect the steps of one explanation, from the engine's arrays, and refuse parts that do not add up."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partialmethod
from typing import Any

import numpy as np

from tinycnn.kernels.geometry import Pair

from .cells import Cells, cell_of, choose, lettered
from .steps import Cell, Explanation, Index, Panel, Quantity, Step, Term, element_name, number

MAX_STEPS = 256  # nobody steps through more
MAX_TERMS = 50  # products that one screen holds
ORDER = ("read", "weight")  # roles of a term's factors
TITLES = {"x": "input", "y": "output", "g": "dL/dy"}  # what panels of these arrays say, unless told otherwise

Products = Iterable[tuple[tuple[str, Index], ...]]  # of elements: the array and the index of each factor
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
    titles
        What panels say of each array; ``{0}``, ``{1}`` stand for the leading indices.
    """

    def __init__(
        self,
        operation: str,
        options: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        cells: Cells | None = None,
        number: int | None = None,
        titles: Mapping[str, str] | None = None,
    ) -> None:
        self.operation, self.options, self.arrays = operation, options, dict(arrays)
        self.number = number
        gradients = {name: "gradient" for name in arrays if name.startswith("dL/")}
        self.titles = TITLES | gradients | dict(titles or {})
        self.steps: list[Step] = []
        self._cells = cells
        self._chosen: dict[str, list[Index]] = {}
        self._pending: dict[str, set[Index]] = {}

    def step_through(self, *names: str, **shapes: tuple[int, ...]) -> None:
        """Choose the elements that have a step: of these arrays or shapes, and of all gradients there are.

        Raises
        ------
        ValueError
            If they are more than `MAX_STEPS`, an array is unknown, or an index is out of range.
        """
        gradients = [name for name in self.arrays if name.startswith("dL/")]
        shapes = {name: self.arrays[name].shape for name in [*names, *gradients]} | shapes
        self._chosen = choose(self.operation, self._cells, shapes, MAX_STEPS)
        self._pending = {name: set(chosen) for name, chosen in self._chosen.items()}

    def hide(self, array: str, hidden: Iterable[Index]) -> None:
        """Let these elements be pending until the step that computes them."""
        self._pending[array] = set(hidden)

    def chosen(self, array: str) -> list[Index]:
        """Return the indices of `array` to step through."""
        return self._chosen.get(array, [])

    def asked(self, array: str) -> list[Quantity]:
        """Return the elements of `array` to step through."""
        return [self.quantity(array, index) for index in self.chosen(array)]

    def quantity(self, array: str, index: Sequence[int] = ()) -> Quantity:
        """Return one element."""
        index = tuple(map(int, index))
        return Quantity(array, index, float(self.arrays[array][index]))

    def term(self, *factors: tuple[str, Index], divisor: Quantity | None = None) -> Term:
        """Return the product of elements as a term without a letter."""
        return Term(tuple(self.quantity(*q) for q in factors), divisor)

    def terms(self, products: Products, divisor: Quantity | None = None) -> list[Term]:
        """Return a term with a letter for each product of elements."""
        return lettered([[self.quantity(*q) for q in factors] for factors in products], divisor)

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
        values, marks, index = self.arrays[array][tuple(index)], marks or {}, tuple(index)
        matrix = values.reshape(1, -1) if values.ndim < 2 else values
        later = [
            cell_of(at[len(index) :]) for at in self._pending.get(array, ()) if at[: len(index)] == index
        ]
        pending = frozenset(cell for cell in later if marks.get(cell) != "result")
        title = f"{element_name(array, index)} {title}"
        shown = {"tags": tags or {}, "frames": frames or {}, "picture": picture, "ndim": values.ndim}
        return Panel(title, array, index, matrix, padding, marks, pending=pending, **shown)

    def cell(self, q: Quantity, role: str = "result", title: str | None = None) -> Panel:
        """Return the panel that an element lies in, with its cell marked."""
        title = self.titles.get(q.array, "") if title is None else title
        return self.panel(title, q.array, q.index[:-2], {cell_of(q.index): role})

    def cells(self, read: Sequence[Quantity | Panel]) -> list[Panel]:
        """Return a panel for each element: the first is "read", the others are "used with it"."""
        roles = ["read", *["weight"] * len(read)]
        return [
            q if isinstance(q, Panel) else self.cell(q, role) for q, role in zip(read, roles, strict=False)
        ]

    def panels_of(
        self,
        terms: Sequence[Term],
        titles: Mapping[str, str] | None = None,
        marks: Mapping[Plane, Mapping[Cell, str]] | None = None,
        padding: Pair = (0, 0),
    ) -> list[Panel]:
        """Return a panel for every plane that factors of `terms` lie in, with their cells marked.

        First factors are "read", second ones "used with it"; both carry the tag of their term. Factors of
        terms without a tag (a bias) come last. `titles` stand in for the recorder's. `marks` are further
        ones, by the position of the factor, the array and the plane; `padding` is that of their arrays.
        """
        marked = {key: dict(cells) for key, cells in (marks or {}).items()}
        padded = {array for _, array, _ in marked}
        tags: dict[Plane, dict[Cell, str]] = {}
        for term in terms:
            for position, q in enumerate(term.factors):
                key = (position if term.tag else len(ORDER), q.array, q.index[:-2])
                marked.setdefault(key, {})[cell_of(q.index)] = ORDER[position] if term.tag else "weight"
                tags.setdefault(key, {}).update({cell_of(q.index): term.tag} if term.tag else {})
        titles = self.titles | dict(titles or {})
        return [
            self.panel(
                titles[array].format(*plane),
                array,
                plane,
                cells,
                tags.get((position, array, plane)),
                padding if array in padded else (0, 0),
            )
            for (position, array, plane), cells in sorted(marked.items(), key=lambda item: item[0][0])
        ]

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
        cites = cites or self.number
        if cites:
            equation += f"   (Eq. {cites})" if phase != "backward" else f"   (from Eq. {cites})"
        step = Step(phase, title, equation, numbers, sentence, tuple(panels), tuple(terms))
        self.steps.append(step)
        for panel in step.panels:
            computed = {panel.element(cell) for cell, role in panel.marks.items() if role == "result"}
            self._pending[panel.array] = self._pending.get(panel.array, set()) - computed

    forward = partialmethod(add, "forward")
    backward = partialmethod(add, "backward")
    update = partialmethod(add, "update")

    def add_value(
        self,
        result: Quantity,
        title: str,
        equation: str,
        numbers: str,
        sentence: str,
        read: Sequence[Quantity | Panel] = (),
        cites: int | None = None,
    ) -> None:
        """Append the step that computes the element `result`, a gradient's backward.

        `numbers` is the equation's right side with numbers put in; `read` are the elements that stand in it.
        """
        numbers = f"{result.name} = {numbers} = {number(result.value)}"
        panels = [*self.cells(read), self.cell(result)]
        self.add(phase_of(result), f"{result.name}: {title}", equation, numbers, sentence, panels, (), cites)

    def add_sum(
        self,
        result: Quantity,
        title: str,
        equation: str,
        terms: Sequence[Term],
        sentence: str,
        read: Sequence[Quantity | Panel] | None = None,
        cites: int | None = None,
    ) -> None:
        """Append the step that computes the element `result` as the sum of `terms`; see `sum_in_numbers`.

        Without `read`, there is a panel for every plane that factors lie in.
        """
        numbers = self.sum_in_numbers(result, terms)
        panels = [*(self.panels_of(terms) if read is None else self.cells(read)), self.cell(result)]
        title = f"{result.name}: {title}"
        self.add(phase_of(result), title, equation, numbers, sentence, panels, terms, cites)

    def sum_in_numbers(self, result: Quantity, terms: Sequence[Term]) -> str:
        """Return ``result = sum of terms = value`` in numbers.

        Raises
        ------
        ValueError
            For more than `MAX_TERMS` terms, unless `terms_up_to` allows more.
        RuntimeError
            If they do not add up to the engine's result.
        """
        if len(terms) > (most := _most_terms.get()):
            smallest = min(self._chosen, key=lambda name: len(self._chosen[name]), default="y")
            raise ValueError(
                f"{self.operation}: {result.name} is a sum of {len(terms):,} terms; the limit is "
                f"{most}, because a screen holds no more. Crop the input (fewer channels, rows and "
                f"columns), or step through another array only: cells={{{smallest!r}: [...]}}"
            )
        self.must_add_up(terms, result)
        total, value = " + ".join(term.numbers for term in terms) or "0", number(result.value)
        if len(terms) == 1 and total == f"({value})":
            total = value  # one negative number needs no parentheses
        numbers = f"{result.name} = {total}"
        return f"{numbers} = {value}" if len(terms) > 1 or (terms and total != value) else numbers

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


def phase_of(result: Quantity) -> str:
    """Return the phase that computes an element; the names of gradients begin with d."""
    return "backward" if result.array.startswith("d") else "forward"
