"""The engine as a function of NumPy arrays: forward, and the gradients that a learner derives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import Tensor, grad

if TYPE_CHECKING:
    from tinycnn.explain import Step


def forward(operation: Callable[..., Tensor], *arrays: np.ndarray, **options: Any) -> np.ndarray:
    """Return what the engine computes."""
    return operation(*(Tensor(a, backend="numpy") for a in arrays), **options).numpy()


def gradients(
    operation: Callable[..., Tensor], arrays: Sequence[np.ndarray], g: Any = None, **options: Any
) -> tuple[np.ndarray, ...]:
    """Return the engine's dL/da of every array `a`, for `g` = dL/dy; without one, y is L."""
    leaves = [Tensor(a, requires_grad=True, backend="numpy") for a in arrays]
    found = grad(operation(*leaves, **options), leaves, g)
    return tuple(a.numpy() for a in found if a is not None)


def step(operation: str, array: str, index: tuple[int, ...], *arguments: Any, **options: Any) -> Step | None:
    """Return the step of `tinycnn.explain` for one element of `array`; None where it has too many terms."""
    from tinycnn.explain import explain

    try:
        steps = explain(operation, *arguments, cells={array: [index]}, **options)
    except ValueError:
        return None
    return steps[len(steps) - 1]
