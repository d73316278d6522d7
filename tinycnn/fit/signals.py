"""Ctrl-C between two batches instead of in the middle of an update."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

# Ctrl-C, `kill`, and a terminal that is closed (which Windows does not have).
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stoppable(Protocol):
    """What has a reason to stop."""

    stop: str


@contextmanager
def stop_on_signals(training: Stoppable) -> Iterator[None]:
    """Let the signals that end a program set ``training.stop``; a second one ends it at once, as usual.

    A signal that the program ignores (SIGHUP under ``nohup``) stays ignored. Outside the main thread, where
    Python takes no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {s: signal.getsignal(s) for s in STOPPING}
    before = {s: handler for s, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}

    def stop(number: int, frame: FrameType | None) -> None:
        training.stop = f"interrupted by {signal.Signals(number).name}"
        for s, handler in before.items():
            signal.signal(s, handler)

    for s in before:
        signal.signal(s, stop)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
