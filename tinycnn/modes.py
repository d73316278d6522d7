"""What the engine does while an operation runs: whether it records, and whether it looks for NaN."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Modes(threading.local):
    grad_enabled = True
    detect_anomaly = False


modes = _Modes()


@contextmanager
def set_grad_enabled(enabled: bool) -> Iterator[None]:
    """Record operations for `backward`, or do not, inside the ``with`` block."""
    before = modes.grad_enabled
    modes.grad_enabled = enabled
    try:
        yield
    finally:
        modes.grad_enabled = before


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside the ``with`` block, or the decorated function: results need no gradient."""
    with set_grad_enabled(False):
        yield


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop at the operation that first produces a NaN or an infinity, forward or backward, and name it.

    Every array saved for backward is also compared, bit by bit, with what it was when it was saved, which
    finds the changes in place that version counting cannot see (``tensor.data[...] = value``). This costs
    time: switch it on to find a fault.

    Raises
    ------
    AnomalyError
        Inside the block, from the operation or from ``backward``.
    """
    before = modes.detect_anomaly
    modes.detect_anomaly = True
    try:
        yield
    finally:
        modes.detect_anomaly = before
