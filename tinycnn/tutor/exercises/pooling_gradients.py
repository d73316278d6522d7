"""What the exercises on gradients of pooling share (Eq. 2)."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from tinycnn.tutor.exercise import Arguments

from .cases import POOLINGS, Pair, Sizes, cases, whole_numbers

TIES = Sizes(1, 1, 2, 4, 1, 2, 2, (2, 2))  # the geometry of a case with equal cells
EQUAL_CELLS = {"equal cells in a window": lambda a: len(np.unique(a["x"])) < a["x"].size}


def cases_with_x(
    numbers: Callable[[int], np.ndarray], ties: list[list[float]]
) -> Callable[[np.random.Generator], list[Arguments]]:
    """Return `cases` for a pooling that selects a cell: g and x.

    Parameters
    ----------
    numbers
        Takes how many cells x has. Returns that many different numbers.
    ties
        The image (2, 4) of the last case. Some cells of its windows are equal.
    """

    def case(rng: np.random.Generator, s: Sizes, x: np.ndarray) -> Arguments:
        g = whole_numbers(rng, s.N, s.C, s.OH, s.OW)
        return {"g": g, "x": x, "kernel_size": s.kernel_size, "stride": s.stride}

    def made(rng: np.random.Generator) -> list[Arguments]:
        shapes = [(s, (s.N, s.C, s.H, s.W)) for s in POOLINGS]
        found = [case(rng, s, rng.permutation(numbers(prod(n))).reshape(n)) for s, n in shapes]
        return [*found, case(rng, TIES, np.array([[ties]]))]

    return made


# For a pooling that adds up, whose gradient does not depend on what is in x.
cases_with_size = cases(POOLINGS, "g N C OH OW", "size", "kernel_size", "stride")


def with_zeros(g: np.ndarray, size: Pair, kernel_size: Pair, stride: Pair) -> tuple[Any, ...]:
    """Return the arguments of such a pooling."""
    return np.zeros((*g.shape[:2], *size)), kernel_size, stride
