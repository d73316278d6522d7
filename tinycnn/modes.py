"""What the engine does while an operation runs: whether it records, and who looks on.

Observers see every operation from outside, and stop it if something is wrong. Two of them always look on:
`ChangedInPlace` and `OutOfMemory`. `tinycnn.autograd.anomaly` has a third one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tinycnn import gpu
from tinycnn.decorated import inside
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, last_change

if TYPE_CHECKING:
    from tinycnn.autograd.function import Function


class Observer:
    """Is told of every operation on tensors, and may raise an error. See `register`."""

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


class Modes:
    """The two switches of one thread or asynchronous task. A new object replaces it to change one."""

    __slots__ = ("grad_enabled", "observers")

    def __init__(self, grad_enabled: bool, observers: tuple[Observer, ...]) -> None:
        self.grad_enabled, self.observers = grad_enabled, observers


_default = Modes(True, ())
_modes: ContextVar[Modes] = ContextVar("modes", default=_default)
modes = _modes.get  # returns the Modes of this thread


def register(observer: Observer) -> None:
    """Let an observer look on in every thread that starts from here on."""
    _default.observers += (observer,)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Let one more observer look on inside the ``with`` block."""
    before = modes().observers
    _modes.set(Modes(modes().grad_enabled, (*before, observer)))
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


class ChangedInPlace(Observer):
    """Refuses a walk through a graph that kept an array which was changed since: the gradient would be wrong.

    It sees what tensors know of: ``t[...] = value``, ``t.data = array``, ``t.data -= step``, `mark_dirty`,
    and the same on every view that an operation made of the array.
    """

    def computed(self, node: Function, inputs: Sequence[Tensor], result: Tensor) -> None:
        """Let a view and the array it is a view of share the time of their last change."""
        if share_memory(result.data, inputs[0].data):
            result._changed_at = inputs[0]._changed_at

    def walking(self, order: Sequence[Function]) -> None:
        """Compare times. If nothing changed since the first recording, as usual, that is one comparison."""
        if order and last_change[0] > order[-1].recorded_at:
            for node in order:
                for kept in node._kept or ():
                    if kept._changed_at[0] > node.recorded_at:
                        raise changed(node, kept)


class OutOfMemory(Observer):
    """Adds to CuPy's error how much memory was asked for, and how much was free."""

    def failed(self, node: Function, phase: str, arrays: Sequence[Array], error: Exception) -> None:
        """Explain the error."""
        if isinstance(error, MemoryError):
            gpu.raise_out_of_memory(
                error, node.name if phase == "forward" else f"{node.name}.{phase}", arrays
            )


def changed(node: Function, kept: Tensor) -> RuntimeError:
    """Return the error that says what was changed."""
    return RuntimeError(
        f"{node.name} saved an array of shape {kept.shape} for backward, and it was changed in place since: "
        "the gradient would be wrong. Make a new tensor instead (x = x + 1), or change it after backward()"
    )


def share_memory(a: Array, b: Array) -> bool:
    """Return whether `a` is a view of `b`, or of the array that `b` is a view of."""
    return a is b or (a.base is not None and (a.base is b or a.base is b.base))


register(ChangedInPlace())
register(OutOfMemory())
