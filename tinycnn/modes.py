"""What the engine does while an operation runs: whether it records, and whether it looks for NaN."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Modes:
    """Both switches. They are not turned, but replaced: every thread, and asynchronous task, has its own."""

    __slots__ = ("detect_anomaly", "grad_enabled")

    def __init__(self, grad_enabled: bool, detect_anomaly: bool) -> None:
        self.grad_enabled, self.detect_anomaly = grad_enabled, detect_anomaly


_modes = ContextVar("modes", default=Modes(grad_enabled=True, detect_anomaly=False))  # noqa: B039
modes = _modes.get  # how they stand


@contextmanager
def set_grad_enabled(enabled: bool) -> Iterator[None]:
    """Record operations for `backward`, or do not, inside the ``with`` block."""
    before = modes()
    _modes.set(Modes(enabled, before.detect_anomaly))
    try:
        yield
    finally:
        _modes.set(Modes(before.grad_enabled, modes().detect_anomaly))


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
    before = modes()
    _modes.set(Modes(before.grad_enabled, detect_anomaly=True))
    try:
        yield
    finally:
        _modes.set(Modes(modes().grad_enabled, before.detect_anomaly))
