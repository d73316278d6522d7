"""Run a function in this process, with a time limit: for those that cannot be sent to another one."""

import contextlib
import ctypes
import sys
import threading
from collections.abc import Sequence
from typing import Any

from tinycnn.tutor.exercise import Arguments

from .calls import TimeIsUp, call_twice
from .process import SECONDS, Execution


def run_here(function: Any, cases: Sequence[Arguments], seconds: float = SECONDS) -> Execution:
    """Run `function` on `cases`, as `process.run` does, in a thread of this process.

    A loop in Python is ended when the time is up. A call into C that does not return cannot be ended: the
    thread is left alone, and dies with this process.
    """
    outcomes: list[dict[str, Any]] = []

    def work() -> None:
        with contextlib.suppress(TimeIsUp):
            for arguments in cases:
                outcomes.append(call_twice(function, arguments))

    screen = sys.stdout, sys.stderr
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return Execution(outcomes)
    ended = Execution(list(outcomes), "time", _line_of(thread, function))
    _raise_in(thread)
    thread.join(1)
    sys.stdout, sys.stderr = screen
    return ended


def _line_of(thread: threading.Thread, function: Any) -> tuple[str, int] | None:
    """Return where in the function's file the thread is."""
    frame = sys._current_frames().get(thread.ident or 0)
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    while frame is not None and frame.f_code.co_filename != file:
        frame = frame.f_back
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def _raise_in(thread: threading.Thread) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeIsUp))
