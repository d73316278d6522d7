"""Observers: what looks on from outside while operations run, and stops them when something is wrong.

Two look on always: `ChangedInPlace` and `OutOfMemory`. `detect_anomaly` lets a third one in.
"""

from __future__ import annotations

import os
import traceback
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from tinycnn import gpu
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import modes, observed, register
from tinycnn.tensor import Tensor, last_change, plain

from .function import Function

_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"  # a script tinycnn_demo.py beside it is not inside


class Observer:
    """Is told of every operation on tensors, and may raise an error. See `tinycnn.modes.register`."""

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
        """Compare times; the usual case, no change since the first recording, takes one comparison."""
        if order and last_change[0] > order[-1].recorded_at:
            for node in order:
                for kept in node._kept or ():
                    if kept._changed_at[0] > node.recorded_at:
                        raise _changed(node, kept)


class OutOfMemory(Observer):
    """Says of CuPy's error what was asked for, and what was free."""

    def failed(self, node: Function, phase: str, arrays: Sequence[Array], error: Exception) -> None:
        """Explain the error."""
        if isinstance(error, MemoryError):
            gpu.explain(error, node.name if phase == "forward" else f"{node.name}.{phase}", arrays)


class AnomalyError(FloatingPointError):
    """An operation produced a NaN or an infinity."""

    def __init__(self, what: str, line: str) -> None:
        super().__init__(what + line)
        self.what = what


class Seen(NamedTuple):
    """What is remembered of a recorded operation: the user's line, and checksums of what is kept."""

    line: str
    fingerprints: list[int]


class Anomaly(Observer):
    """Finds the first NaN or infinity, and every change of what is kept, bit by bit."""

    seen: ClassVar[WeakKeyDictionary[Function, Seen]] = WeakKeyDictionary()

    def computed(self, node: Function, inputs: Sequence[Tensor], result: Tensor) -> None:
        """Raise if the result has a NaN or an infinity, saying whether an input already had one."""
        line = _user_line()
        self.seen[node] = Seen(line, _fingerprints(node))
        if (what := _not_finite(result.data)) is None:
            return
        call = f"{node.name}({', '.join(str(x.shape) for x in inputs)})"
        for i, x in enumerate(inputs):
            if (before := _not_finite(x.data)) is not None:
                raise AnomalyError(f"input {i} of {call} already holds {before}", line)
        raise AnomalyError(f"{call} produced {what} from finite inputs", line)

    def walking(self, order: Sequence[Function]) -> None:
        """Compare the checksums of all that is kept."""
        for node in order:
            if node in self.seen and node._kept is not None:
                before = self.seen[node].fingerprints
                for kept, now, then in zip(node._kept, _fingerprints(node), before, strict=True):
                    if now != then:
                        raise _changed(node, kept)

    def passing(self, node: Function, g: Tensor) -> None:
        """Raise if the gradient from above has a NaN or an infinity."""
        if (before := _not_finite(g.data)) is not None:
            raise AnomalyError(
                f"the gradient given to {node.name}.backward already holds {before}", self._line(node)
            )

    def failed(self, node: Function, phase: str, arrays: Sequence[Array], error: Exception) -> None:
        """Name the operation whose backward called the one that raised."""
        if phase == "backward" and isinstance(error, AnomalyError):
            raise AnomalyError(f"{node.name}.backward: {error.what}", self._line(node)) from None

    def passed(self, node: Function, shares: Sequence[Any]) -> None:
        """Raise if a gradient has a NaN or an infinity."""
        for share in shares:
            if share is not None and (what := _not_finite(plain(share))) is not None:
                raise AnomalyError(
                    f"{node.name}.backward produced {what} from a finite gradient", self._line(node)
                )

    def _line(self, node: Function) -> str:
        return self.seen[node].line if node in self.seen else ""


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop at the operation that first produces a NaN or an infinity, forward or backward, and name it.

    Every array kept for backward is also compared, bit by bit, with what it was when it was kept, which
    finds the changes in place that version counting cannot see (``tensor.data[...] = value``). This costs
    time: switch it on to find a fault.

    Raises
    ------
    AnomalyError
        Inside the block, from the operation or from ``backward``.
    """
    with observed(Anomaly()):
        yield


def detecting_anomaly() -> bool:
    """Return whether this is inside `detect_anomaly`."""
    return any(isinstance(observer, Anomaly) for observer in modes().observers)


def _changed(node: Function, kept: Tensor) -> RuntimeError:
    return RuntimeError(
        f"{node.name} saved an array of shape {kept.shape} for backward, and it was changed in place since: "
        "the gradient would be wrong. Make a new tensor instead (x = x + 1), or change it after backward()"
    )


def share_memory(a: Array, b: Array) -> bool:
    """Return whether `a` is a view of `b`, or of the array that `b` is a view of."""
    return a is b or (a.base is not None and (a.base is b or a.base is b.base))


def _not_finite(array: Array) -> str | None:
    if array.dtype.kind != "f":
        return None
    xp = array_module(array)
    bad = ~xp.isfinite(array)
    count = int(bad.sum())
    if not count:
        return None
    first = tuple(int(i) for i in np.unravel_index(int(bad.ravel().argmax()), array.shape))
    value = array[first].item()
    return f"{count} of {array.size} values that are not finite, the first {value} at {first}"


def _fingerprints(node: Function) -> list[int]:
    """Return checksums of the bytes of everything that is kept."""
    return [zlib.crc32(kept.numpy().tobytes()) for kept in node._kept or ()]


def _user_line() -> str:
    """Return the innermost line outside this package that led here, ready to be appended to a message."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_PACKAGE):
            return f"\n  called at {frame.filename}:{frame.lineno}: {frame.line}"
    return ""


register(ChangedInPlace())
register(OutOfMemory())
