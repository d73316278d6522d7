"""Ctrl-C between two batches instead of in the middle of an update."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol


class Stoppable(Protocol):
    """What has a reason to stop."""

    stop: str


@contextmanager
def stop_on_signals(run: Stoppable) -> Iterator[None]:
    """Let Ctrl-C (SIGINT) and SIGTERM set ``run.stop``; a second one ends at once, as usual.

    Outside the main thread, where signals cannot be taken, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        run.stop = f"interrupted by {signal.Signals(number).name}"
        for s, handler in before.items():
            signal.signal(s, handler)

    for s in before:
        signal.signal(s, stop)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
