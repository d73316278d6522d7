"""Elementwise arithmetic: equation, forward, derivative. g stands for dL/dy.

Inputs of different shapes are broadcast. Their derivatives are written in the shape of y; backward adds them
up over the copies that broadcasting made of an input (`tinycnn.autograd.broadcasting.fitted`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, as_tensor, plain

from .cards import operation
from .examples import binary, positive, unary


class Arithmetic(Function):
    """An operation on two inputs that are broadcast; one of them may be a number or a list."""

    def tensor(self, value: Any, like: Tensor | None) -> Tensor:
        return as_tensor(value, like)

    def compute(self, inputs: Sequence[Any]) -> Array:
        try:
            return super().compute(inputs)
        except ValueError:
            refuse_unequal(self.name, *inputs)
            raise


def refuse_unequal(name: str, a: Any, b: Any) -> None:
    """Raise ValueError if two shapes cannot be broadcast to each other, naming the dimension."""
    one, other = np.shape(plain(a)), np.shape(plain(b))
    for d in range(1, 1 + min(len(one), len(other))):
        if one[-d] != other[-d] and 1 not in (one[-d], other[-d]):
            raise ValueError(
                f"{name} of {one} and {other}: dimension -{d} is {one[-d]} in the first and {other[-d]} in "
                "the second. Counted from the last dimension, sizes must be equal or 1"
            )


class Add(Arithmetic):
    """y = a + b. dL/da = g, dL/db = g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, g: Tensor) -> tuple[Tensor, Tensor]:
        return g, g


@operation(Add, example=binary())
def add(a: Any, b: Any) -> Tensor:
    """Return a + b, elementwise with broadcasting."""
    return Add()(a, b)


class Sub(Arithmetic):
    """y = a - b. dL/da = g, dL/db = -g."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, g: Tensor) -> tuple[Tensor, Tensor | None]:
        return g, -g if self.needs_input_grad[1] else None


@operation(Sub, example=binary())
def sub(a: Any, b: Any) -> Tensor:
    """Return a - b, elementwise with broadcasting."""
    return Sub()(a, b)


class Mul(Arithmetic):
    """y = a * b. dL/da = g * b, dL/db = g * a."""

    keeps = "a, b"

    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def backward(self, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_a, need_b = self.needs_input_grad
        return g * b if need_a else None, g * a if need_b else None


@operation(Mul, example=binary())
def mul(a: Any, b: Any) -> Tensor:
    """Return a * b, elementwise with broadcasting."""
    return Mul()(a, b)


class Div(Arithmetic):
    """y = a / b. dL/da = g / b, dL/db = -g * a / b^2."""

    keeps = "a, b"
    floats = True

    def forward(self, a: Array, b: Array) -> Array:
        return a / b

    def backward(self, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_a, need_b = self.needs_input_grad
        return g / b if need_a else None, -g * a / (b * b) if need_b else None


@operation(Div, example=binary(second=positive))
def div(a: Any, b: Any) -> Tensor:
    """Return a / b, elementwise with broadcasting."""
    return Div()(a, b)


class Neg(Function):
    """y = -x. dL/dx = -g."""

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, g: Tensor) -> Tensor:
        return -g


@operation(Neg, example=unary())
def neg(x: Tensor) -> Tensor:
    """Return -x."""
    return Neg()(x)
