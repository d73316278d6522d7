"""Observers: they see every operation from outside, and stop it if something is wrong.

Two always look on, `tinycnn.autograd.safety` has them. `tinycnn.autograd.anomaly` has a third one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinycnn.autograd.function import Function
    from tinycnn.kernels.arrays import Array
    from tinycnn.tensor import Tensor


class Observer:
    """Is told of every operation on tensors, and may raise an error. See `tinycnn.modes.register`.

    A subclass has the methods that it needs; no others are called.
    """

    def computed(self, node: Function, inputs: Sequence[Tensor], result: Tensor) -> None:
        """Look at a result after forward."""

    def failed(self, node: Function, phase: str, arrays: Sequence[Array], error: Exception) -> None:
        """Look at an error in "forward" or "backward", with the inputs or g; the error is raised after."""

    def walking(self, order: Sequence[Function]) -> None:
        """Look at the graph, outputs first, before gradients pass through it."""

    def passing(self, node: Function, g: Tensor) -> None:
        """Look at the gradient that `node`'s backward is about to get."""

    def passed(self, node: Function, shares: Sequence[Any]) -> None:
        """Look at the gradients that `node`'s backward returned."""


class Observers:
    """Those who look on, and for each moment the methods to call: a method that does nothing is left out."""

    def __init__(self, *all_of_them: Observer) -> None:
        def methods(moment: str) -> list[Callable[..., None]]:
            nothing = getattr(Observer, moment)
            return [getattr(o, moment) for o in all_of_them if getattr(type(o), moment) is not nothing]

        self.all = all_of_them
        self.computed, self.failed = methods("computed"), methods("failed")
        self.walking, self.passing, self.passed = methods("walking"), methods("passing"), methods("passed")
