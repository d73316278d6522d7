"""What the engine does while an operation runs: whether it records, and who looks on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tinycnn.decorated import inside
from tinycnn.observers import Observer, Observers


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
