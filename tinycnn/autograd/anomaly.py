"""`detect_anomaly`: which operation made the first NaN, and what changed behind the graph's back."""

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

from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import modes, observed
from tinycnn.observers import Observer
from tinycnn.tensor import Tensor, plain

from . import wrong
from .function import Function

_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"  # a script tinycnn_demo.py beside it is not inside


class AnomalyError(FloatingPointError):
    """An operation produced a NaN or an infinity."""

    def __init__(self, what: str, line: str) -> None:
        super().__init__(what + line)
        self.what = what


class Seen(NamedTuple):
    """Facts about a recorded operation: the user's line, and checksums of the arrays that it keeps."""

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
                        raise wrong.changed(node, kept)

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
    return any(isinstance(observer, Anomaly) for observer in modes().observers.all)


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
