"""The step of the first number that differs, with the learner's number beside the engine's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .exercise import Exercise
from .results import Tried, differs, is_number

if TYPE_CHECKING:
    from tinycnn.explain import Panel, Step

Index = tuple[int, ...]


def first_difference(yours: Any, right: Any) -> tuple[int, Index] | None:
    """Return where two results differ first: which of several results, and the index; None if equal."""
    several = isinstance(right, list | tuple)
    pairs = (
        zip(yours, right, strict=False) if several and isinstance(yours, list | tuple) else [(yours, right)]
    )
    for which, (a, b) in enumerate(pairs):
        if not is_number(a) or not is_number(b):
            return None
        a, b = np.asarray(a, float), np.asarray(b, float)
        if a.shape != b.shape:
            return None
        if (differing := differs(a, b)).any():
            flat = int(np.argmax(differing))
            return which, tuple(map(int, np.unravel_index(flat, b.shape)))
    return None


def steps_of(exercise: Exercise, tried: Tried) -> tuple[Step, ...]:
    """Return the step that computes the first number of a case that differs; empty if no number does."""
    found = first_difference(tried.yours, tried.right)
    if found is None:
        return ()
    which, index = found
    several = isinstance(tried.right, list | tuple)
    yours, right = (r[which] if several else r for r in (tried.yours, tried.right))
    panel = _panel("your result", "yours", np.asarray(yours, float), index)
    if exercise.explain is not None:
        where = (which, *index) if several else index
        step = exercise.explain(tried.arguments, where)
        if step is not None:
            mine = f"{step.numbers}; yours is {_told_apart(right, yours, index)[1]}"
            return (replace(step, numbers=mine, panels=(*step.panels, panel)),)
    return (_plain_step(exercise, which if several else None, index, yours, right, panel),)


def _told_apart(right: Any, yours: Any, index: Index) -> tuple[str, str]:
    """Return one number of each result, with as many digits as it takes to see that they differ."""
    from tinycnn.explain.steps import number

    a, b = (np.asarray(result, float)[index] for result in (right, yours))
    digits = next((n for n in range(4, 17) if number(a, n) != number(b, n)), 17)
    return number(a, digits), number(b, digits)


def _panel(title: str, name: str, values: np.ndarray, index: Index) -> Panel:
    """Return the part of an array with the element `index`, which is marked."""
    from tinycnn.explain import Panel

    leading = index[:-2]
    cell = (0, 0) if not index else (0, index[0]) if len(index) == 1 else (index[-2], index[-1])
    shown = values[leading]
    title = f"{name}[{','.join(map(str, leading))}] {title}" if leading else f"{name} {title}"
    matrix = shown.reshape(1, -1) if shown.ndim < 2 else shown
    return Panel(title, name, leading, matrix, marks={cell: "result"}, ndim=shown.ndim)


def _plain_step(
    exercise: Exercise, which: int | None, index: Index, yours: Any, right: Any, panel: Panel
) -> Step:
    """Return a step for what `tinycnn.explain` has none for: the two results side by side."""
    from tinycnn.explain import Step

    name = exercise.name if which is None else f"{exercise.name}, result {which + 1}"
    at = f"[{','.join(map(str, index))}]" if index else ""
    shown = _told_apart(right, yours, index)
    numbers = f"{name}{at} = {shown[0]}; yours is {shown[1]}"
    return Step(
        "forward",
        f"{name}: the first number that differs",
        exercise.signature,
        numbers,
        "The same call, computed by you and by the engine.",
        (_panel("the engine's result", "right", np.asarray(right, float), index), panel),
    )
