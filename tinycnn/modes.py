"""What the engine does while an operation runs: whether it records, and who looks on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tinycnn.decorated import inside

if TYPE_CHECKING:
    from tinycnn.autograd.function import Function
    from tinycnn.kernels.arrays import Array
    from tinycnn.tensor import Tensor


class Observer:
    """Is told of every operation on tensors, and may raise an error. See `register`.

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


class Modes:
    """The two switches of one thread or asynchronous task. A new object replaces it to change one."""

    __slots__ = ("grad_enabled", "observers")

    def __init__(self, grad_enabled: bool, observers: Observers) -> None:
        self.grad_enabled, self.observers = grad_enabled, observers


_default = Modes(True, Observers())
_modes: ContextVar[Modes] = ContextVar("modes", default=_default)
modes = _modes.get  # returns the Modes of this thread


def register(observer: Observer) -> None:
    """Let an observer look on in every thread that starts from here on."""
    _default.observers = Observers(*_default.observers.all, observer)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Let one more observer look on inside the ``with`` block."""
    before = modes().observers
    _modes.set(Modes(modes().grad_enabled, Observers(*before.all, observer)))
    try:
        yield
    finally:
        _modes.set(Modes(modes().grad_enabled, before))


class set_grad_enabled:  # noqa: N801 (a ``with`` block, and PyTorch's name)
    """Record operations for `backward`, or do not, inside the ``with`` block or the decorated function."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self._before: list[bool] = []

    def __enter__(self) -> None:
        mode = modes()
        self._before.append(mode.grad_enabled)
        _modes.set(Modes(self.enabled, mode.observers))

    def __exit__(self, *_: object) -> None:
        _modes.set(Modes(self._before.pop(), modes().observers))

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function: its body, or each step of a generator, runs inside the ``with`` block."""
        return inside(lambda: set_grad_enabled(self.enabled), function)


def no_grad(function: Callable[..., Any] | None = None) -> Any:
    """Record nothing inside ``with no_grad():``, or in a function decorated with it.

    Results need no gradient there. Both ``@no_grad()`` and ``@no_grad`` decorate.
    """
    switch = set_grad_enabled(False)
    return switch if function is None else switch(function)
