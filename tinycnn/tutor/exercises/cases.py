"""Cases of exercises: sizes, from one window to everything at once, and numbers to look at."""

from collections.abc import Callable, Iterable
from math import prod
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from tinycnn.tutor.exercise import Arguments

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
    def size(self) -> Pair:
        """(H, W)."""
        return self.H, self.W

    @property
    def kernel_size(self) -> Pair:
        """(KH, KW)."""
        return self.KH, self.KW

    @property
    def OH(self) -> int:  # noqa: N802 (the equations' name)
        """The number of rows of the output."""
        return (self.H + 2 * self.padding[0] - self.KH) // self.stride[0] + 1

    @property
    def OW(self) -> int:  # noqa: N802
        """The number of columns of the output."""
        return (self.W + 2 * self.padding[1] - self.KW) // self.stride[1] + 1


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


def sizes(names: str, *rows: tuple[int, ...]) -> list[SimpleNamespace]:
    """Return the sizes of cases by name: ``sizes("N D", (1, 2), (3, 4))``."""
    return [SimpleNamespace(**dict(zip(names.split(), row, strict=True))) for row in rows]


def cases(every: Iterable[Any], *arguments: str) -> Callable[[np.random.Generator], list[Arguments]]:
    """Return `cases` of an exercise: one call for each of the sizes.

    Of the arguments, ``"stride"`` is the size of this name, and ``"w K C*H*W"`` an array w of whole numbers
    with the shape (K, C*H*W).
    """

    def made(rng: np.random.Generator) -> list[Arguments]:
        return [dict(_argument(rng, of, *text.split()) for text in arguments) for of in every]

    return made


def _argument(rng: np.random.Generator, of: Any, name: str, *axes: str) -> tuple[str, Any]:
    """Return the name of an argument, and a size or an array with such axes."""
    if not axes:
        return name, getattr(of, name)
    return name, whole_numbers(rng, *(prod(getattr(of, size) for size in axis.split("*")) for axis in axes))


def _large(a: Arguments) -> bool:
    return any(np.abs(a[name]).max() > 500 for name in ("z", "fake_logits") if name in a)


LARGE_LOGITS = {"logits above 500, or below -500": _large}
