"""What the exercises on gradients of pooling share (Eq. 2): cases, the engine's answer, and its steps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.tutor.exercise import Arguments

from . import engine
from .geometry import POOLINGS, Pair, Sizes, whole_numbers

TIES = Sizes(1, 1, 2, 4, 1, 2, 2, (2, 2))  # the geometry of a case with equal cells


def cases_with_x(
    rng: np.random.Generator, numbers: Callable[[int], np.ndarray], ties: list[list[float]]
) -> list[Arguments]:
    """Return cases for a pooling that selects a cell: g and x.

    Parameters
    ----------
    rng
        Draws g, and the order of the numbers in x.
    numbers
        Takes how many cells x has. Returns that many different numbers.
    ties
        The image (2, 4) of the last case. Some cells of its windows are equal.
    """
    made = []
    for s in POOLINGS:
        shape = s.N, s.C, s.H, s.W
        x = rng.permutation(numbers(int(np.prod(shape)))).reshape(shape)
        made.append(_case(rng, s, x=x))
    made.append(_case(rng, TIES, x=np.array([[ties]])))
    return made


def cases_with_size(rng: np.random.Generator) -> list[Arguments]:
    """Return cases for a pooling that adds up: g and the size (H, W) of the image."""
    return [_case(rng, s, size=(s.H, s.W)) for s in POOLINGS]


def _case(rng: np.random.Generator, s: Sizes, **image: Any) -> Arguments:
    g = whole_numbers(rng, s.N, s.C, *s.out)
    return {"g": g, **image, "kernel_size": (s.KH, s.KW), "stride": s.stride}


def gradient_with_x(
    operation: Callable[..., Any], g: np.ndarray, x: np.ndarray, kernel_size: Pair, stride: Pair
) -> np.ndarray:
    """Return the engine's dL/dx of a pooling."""
    return engine.gradients(operation, [x], g, kernel_size=kernel_size, stride=stride)[0]


def gradient_with_size(
    operation: Callable[..., Any], g: np.ndarray, size: Pair, kernel_size: Pair, stride: Pair
) -> np.ndarray:
    """Return the engine's dL/dx of a pooling that does not ask what is in x."""
    return gradient_with_x(operation, g, np.zeros((*g.shape[:2], *size)), kernel_size, stride)


def step(name: str, a: Arguments, index: tuple[int, ...]) -> Any:
    """Return the step of the pooling `name` that computes dL/dx[index] of a case."""
    x = a["x"] if "x" in a else np.zeros((*a["g"].shape[:2], *a["size"]))
    return engine.step(name, "dL/dx", index, x, a["kernel_size"], a["stride"], backward=True, gradient=a["g"])
