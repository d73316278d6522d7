"""Cards: what there is to say about an operation, said once, directly above its function.

The gradient check, `explain`, the layers of `nn`, methods of `Tensor` and the command line read them. So a
new operation is one class and one function below it, in one file::

    class Square(Function):
        "y = x^2. dL/dx = g * 2 * x."

        keeps = "x"

        def forward(self, x):
            return x * x

        def backward(self, g, x):
            return g * 2 * x


    @operation(Square, example=unary(), elementwise=True, layer="Square", method=True)
    def square(x):
        "Return x^2."
        return Square()(x)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from tinycnn.autograd import Function
from tinycnn.tensor import Tensor

Rng = np.random.Generator
Operation = TypeVar("Operation", bound=Callable[..., Tensor])


class Example(NamedTuple):
    """A function of tensors, and float64 arrays to try it on."""

    f: Callable[..., Tensor]
    inputs: Sequence[np.ndarray]


@dataclass(frozen=True)
class Card:
    """What there is to say about one operation.

    Attributes
    ----------
    name, function
        As in `tinycnn.functional`.
    of
        The Function that it applies; its docstring has the equation and the derivative.
    make_example
        From the function and a random generator to an `Example`.
    equation
        The number in the documented equations.
    elementwise
        Whether each number of the result depends on one number of the input.
    layer
        The name of its layer in `tinycnn.nn`.
    """

    name: str
    function: Callable[..., Tensor]
    of: type[Function] | None
    make_example: Callable[[Callable[..., Tensor], Rng], Example]
    equation: int | None
    elementwise: bool
    layer: str | None

    def example(self, rng: Rng) -> Example:
        """Return random inputs of random sizes for the gradient check."""
        return self.make_example(self.function, rng)


CARDS: dict[str, Card] = {}


def operation(
    of: type[Function] | None = None,
    *,
    example: Callable[[Callable[..., Tensor], Rng], Example],
    equation: int | None = None,
    elementwise: bool = False,
    layer: str | None = None,
    method: bool = False,
) -> Callable[[Operation], Operation]:
    """Register the function below under a card; see `Card`. With `method`, `Tensor` gets it as a method.

    The function is added to ``__all__`` of its module, from where `tinycnn.functional` exports it.
    """

    def register(function: Operation) -> Operation:
        name = function.__name__
        CARDS[name] = Card(name, function, of, example, equation, elementwise, layer)
        vars(sys.modules[function.__module__]).setdefault("__all__", []).append(name)
        if method:
            setattr(Tensor, name, function)
        return function

    return register
