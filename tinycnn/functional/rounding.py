"""Rounding, and division with a remainder. g stands for dL/dy."""

import operator
from typing import Any

from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from .arithmetic import Arithmetic
from .elementwise import compare, constant


def floor_divide(a: Tensor, b: Any) -> Tensor:
    """Return a / b, rounded down; no gradient."""
    return compare(operator.floordiv, a, b)


class Remainder(Arithmetic):
    """y = a - floor(a / b) * b. dL/da = g, dL/db = -g * floor(a / b)."""

    keeps = "a, b"

    def forward(self, a: Array, b: Array) -> Array:
        return a % b

    def backward(self, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return g, -g * floor_divide(a, b)


def remainder(a: Any, b: Any) -> Tensor:
    """Return a - floor(a / b) * b, which has the sign of b; either may be a number."""
    return Remainder()(a, b)


def round(x: Tensor) -> Tensor:
    """Return the nearest whole numbers; halves become the even neighbour, 2.5 becomes 2. No gradient."""
    return constant(lambda a: array_module(a).round(a), x)


def floor(x: Tensor) -> Tensor:
    """Return the largest whole numbers that are not above x; no gradient."""
    return constant(lambda a: array_module(a).floor(a), x)
