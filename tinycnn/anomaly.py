"""What `detect_anomaly` looks for: the first NaN or infinity, and arrays changed behind the graph's back."""

import os
import traceback
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tinycnn.kernels.arrays import Array, array_module

_PACKAGE = f"{Path(__file__).parent}{os.sep}"  # a script tinycnn_demo.py beside it is not inside


class AnomalyError(FloatingPointError):
    """An operation produced a NaN or an infinity."""

    def __init__(self, what: str, line: str) -> None:
        super().__init__(what + line)
        self.what = what


def check_forward(name: str, line: str, inputs: Sequence[Array], result: Array) -> None:
    """Raise if `result` has a NaN or an infinity, saying whether an input already had one."""
    if (what := _not_finite(result)) is None:
        return
    shapes = ", ".join(str(tuple(x.shape)) for x in inputs)
    for i, x in enumerate(inputs):
        if (before := _not_finite(x)) is not None:
            raise AnomalyError(f"input {i} of {name}({shapes}) already holds {before}", line)
    raise AnomalyError(f"{name}({shapes}) produced {what} from finite inputs", line)


@contextmanager
def check_backward(name: str, line: str, g: Array) -> Iterator[None]:
    """Say of a NaN or an infinity in `g`, or made inside the block, which operation's backward it is."""
    if (before := _not_finite(g)) is not None:
        raise AnomalyError(f"the gradient given to {name}.backward already holds {before}", line)
    try:
        yield
    except AnomalyError as error:
        raise AnomalyError(f"{name}.backward: {error.what}", line) from None


def check_gradients(name: str, line: str, gradients: Sequence[Array]) -> None:
    """Raise if a gradient has a NaN or an infinity."""
    for gradient in gradients:
        if (what := _not_finite(gradient)) is not None:
            raise AnomalyError(f"{name}.backward produced {what} from a finite gradient", line)


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


def fingerprint(array: Array) -> int:
    """Return a checksum of the array's bytes."""
    xp = array_module(array)
    host = array if xp.__name__ == "numpy" else xp.asnumpy(array)
    return zlib.crc32(host.tobytes())


def user_line() -> str:
    """Return the innermost line outside this package that led here, ready to be appended to a message."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(_PACKAGE):
            return f"\n  called at {frame.filename}:{frame.lineno}: {frame.line}"
    return ""
