"""The two observers that always look on: `ChangedInPlace` and `OutOfMemory`. See `tinycnn.observers`."""

from __future__ import annotations

from collections.abc import Sequence

from tinycnn import gpu
from tinycnn.kernels.arrays import Array
from tinycnn.modes import register
from tinycnn.observers import Observer
from tinycnn.tensor import Tensor, last_change

from . import wrong
from .function import Function


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
                        raise wrong.changed(node, kept)


class OutOfMemory(Observer):
    """Adds to CuPy's error how much memory was asked for, and how much was free."""

    def failed(self, node: Function, phase: str, arrays: Sequence[Array], error: Exception) -> None:
        """Explain the error."""
        if isinstance(error, MemoryError):
            gpu.raise_out_of_memory(
                error, node.name if phase == "forward" else f"{node.name}.{phase}", arrays
            )


def share_memory(a: Array, b: Array) -> bool:
    """Return whether `a` is a view of `b`, or of the array that `b` is a view of."""
    return a is b or (a.base is not None and (a.base is b or a.base is b.base))


register(ChangedInPlace())
register(OutOfMemory())
