"""The engine as functions of NumPy arrays: its results, and the step that computes one number of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import Tensor, grad

if TYPE_CHECKING:
    from tinycnn.explain import Step


def forward(operation: Callable[..., Tensor], *arguments: Any) -> Any:
    """Return the engine's result as an array."""
    return operation(*map(_tensor, arguments)).numpy()[()]


def gradients(
    operation: Callable[..., Tensor], arguments: Iterable[Any], g: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Return the engine's dL/da of every array `a` of floats, for `g` = dL/dy; without one, y is L."""
    given = list(map(_tensor, arguments))
    leaves = [a for a in given if isinstance(a, Tensor)]
    return tuple(a.numpy() for a in grad(operation(*given), leaves, g) if a is not None)


def _tensor(value: Any) -> Any:
    is_array = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return Tensor(value, requires_grad=True, backend="numpy") if is_array else value


def step(operation: str, array: str, index: tuple[int, ...], *arguments: Any, **options: Any) -> Step | None:
    """Return the step of `tinycnn.explain` for one element of `array`; None if it has too many terms."""
    from tinycnn.explain import explain

    try:
        steps = explain(operation, *arguments, cells={array: [index]}, **options)
    except ValueError:
        return None
    return steps[len(steps) - 1]


def _all_but_g(g: Any = None, **others: Any) -> tuple[Any, ...]:
    return tuple(others.values())


def computes(
    operation: Callable[..., Tensor],
    array: str,
    arguments: Callable[..., tuple[Any, ...]] = _all_but_g,
    which: int = 0,
) -> dict[str, Any]:
    """Return `reference` and `explain` of an exercise about an operation of the engine, or its gradient.

    Parameters
    ----------
    operation
        One that `tinycnn.explain` knows.
    array
        The result, by the name that `tinycnn.explain` gives it: ``"y"``, or ``"dL/dx"`` for a gradient.
    arguments
        Takes those of the exercise, by name, and returns those of the operation: the same, by default.
    which
        The number of the operation's array whose gradient is meant.
    """
    backward = array.startswith("dL/")

    def reference(**a: Any) -> Any:
        given = arguments(**a)
        return gradients(operation, given, a.get("g"))[which] if backward else forward(operation, *given)

    def explain(a: dict[str, Any], index: tuple[int, ...]) -> Step | None:
        options = {"backward": backward, "gradient": a.get("g")} if backward else {}
        return step(operation.__name__, array, index, *arguments(**a), **options)

    return {"reference": reference, "explain": explain}
