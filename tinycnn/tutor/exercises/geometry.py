"""Sizes for exercises with windows, from one window to everything at once, with numbers to look at."""

from typing import NamedTuple

import numpy as np

Pair = tuple[int, int]


class Sizes(NamedTuple):
    """The sizes of one case: a convolution or a pooling, in the notation of the equations."""

    N: int
    C: int
    H: int
    W: int
    K: int
    KH: int
    KW: int
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    @property
    def out(self) -> Pair:
        """(OH, OW)."""
        (SH, SW), (PH, PW) = self.stride, self.padding
        return (self.H + 2 * PH - self.KH) // SH + 1, (self.W + 2 * PW - self.KW) // SW + 1


GEOMETRIES = (
    Sizes(1, 1, 3, 3, 1, 2, 2),
    Sizes(1, 1, 4, 4, 1, 2, 2, (2, 2)),
    Sizes(1, 1, 5, 5, 1, 3, 3, (2, 2)),  # one step that overlaps
    Sizes(1, 1, 3, 3, 1, 3, 3, (1, 1), (1, 1)),
    Sizes(1, 1, 3, 4, 1, 2, 3),
    Sizes(1, 2, 3, 3, 1, 2, 2),
    Sizes(1, 1, 3, 3, 2, 2, 2),
    Sizes(2, 1, 3, 3, 1, 2, 2),
    Sizes(2, 2, 5, 5, 2, 3, 3, (2, 2), (1, 1)),  # what can be exchanged without an error
    Sizes(2, 3, 5, 6, 2, 2, 3, (1, 2), (1, 0)),
    Sizes(3, 2, 6, 7, 3, 3, 2, (2, 1), (0, 1)),  # stride 2 leaves a row over
)


POOLINGS = (
    Sizes(1, 1, 2, 2, 1, 2, 2, (2, 2)),
    Sizes(1, 1, 4, 4, 1, 2, 2, (2, 2)),
    Sizes(1, 1, 3, 3, 1, 2, 2, (1, 1)),
    Sizes(1, 1, 5, 5, 1, 3, 3, (2, 2)),
    Sizes(1, 1, 4, 6, 1, 2, 3, (2, 3)),
    Sizes(1, 2, 4, 4, 1, 2, 2, (2, 2)),
    Sizes(2, 1, 4, 4, 1, 2, 2, (2, 2)),
    Sizes(2, 2, 5, 5, 1, 2, 2, (3, 3)),  # windows that leave cells out
    Sizes(2, 3, 5, 7, 1, 3, 2, (1, 2)),
    Sizes(3, 2, 7, 5, 1, 2, 3, (3, 1)),
)


def whole_numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return floats from -5 to 5 without 0, easy to follow with a pencil."""
    return rng.integers(1, 6, shape) * rng.choice([-1.0, 1.0], shape)
