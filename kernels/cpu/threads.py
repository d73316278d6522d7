"""Threads of compiled kernels: each takes its own part of the work."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import int64

from ..cores import get_num_threads
from .panels import LINE, workspace
from .parts import ENDED, LOCK, NEXT, everyone, native, serve, tell

Job = Callable[[int, int, int], None]


def share(
    kernel: Any,
    args: Sequence[Any],
    count: int,
    most: int | None = None,
    scratch: tuple[int, np.dtype] | None = None,
) -> None:
    """Run ``kernel(*args, (part, start, stop))`` for equal parts of ``range(count)``, one per thread.

    Parameters
    ----------
    kernel
        A compiled function that begins with `tinycnn.kernels.cpu.parts.in_parts`.
    count
        How many units of work there are.
    most
        How many parts there are at most. Small work is done before another thread has begun.
    scratch
        How many numbers of which dtype a part needs for itself. The kernel gets memory for them before its
        last argument, one row per part.
    """
    work = _work(count, most)
    if scratch is not None:
        args = *args, workspace(max(1, -work[0]), *scratch)
    kernel(*args, work)


def split(job: Job, count: int) -> None:
    """Run the Python function ``job(part, start, stop)`` for equal parts of ``range(count)``, as `share`."""
    parts, *work = _work(count, None)
    if parts == 0:
        job(0, 0, count)
        return
    errors = []

    def run(_: int, *part: int) -> int:
        try:
            job(*part)
        except BaseException as error:
            errors.append(error)
        return 0

    function = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 5)(run)
    everyone(ctypes.cast(function, ctypes.c_void_p).value, 0, -parts, *work)
    for error in errors:
        raise error


def _work(count: int, most: int | None) -> tuple[int, int, int]:
    """Return the `work` of a kernel: see `tinycnn.kernels.cpu.parts`."""
    parts = count if most is None else min(count, most)
    if parts > 1:
        parts = min(parts, get_num_threads())
    if parts <= 1 or sys.is_finalizing():  # Python is ending: a __del__ computes
        return 0, 0, count
    return -parts, count, _team.helpers(parts - 1)


# The locks of Python's own threads: they are there on every system, and to sleep on them needs no other lock.
_python = ctypes.pythonapi
_python.PyThread_allocate_lock.restype = ctypes.c_void_p
_LOCKING = [
    ctypes.cast(function, ctypes.c_void_p).value
    for function in (_python.PyThread_acquire_lock_timed, _python.PyThread_release_lock)
]


class _Helper:
    """A thread that helps another."""

    def __init__(self) -> None:
        # Lines of the cache that nobody else writes to: threads that write to one line wait for each other.
        memory = np.zeros(4 * LINE // 8, np.int64)
        self.address = -(-memory.ctypes.data // LINE) * LINE
        self.control = memory[(self.address - memory.ctypes.data) // 8 :]
        lock = _python.PyThread_allocate_lock()
        _python.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
        self.control[LOCK // 8 :][:4] = lock, *_LOCKING, native(everyone, *[int64] * 5)
        threading.Thread(target=self.help, name="tinycnn", daemon=True).start()

    def help(self) -> None:
        """Help until the thread that is helped has ended."""
        serve(self.address)
        _python.PyThread_free_lock(ctypes.c_void_p(int(self.control[LOCK // 8])))


class _Helpers(list[_Helper]):
    """Helpers, which end when this list is forgotten: Python does so when a thread has ended."""

    def __del__(self) -> None:
        if not sys.is_finalizing():
            for helper in self:
                tell(helper.address, ENDED)


class _Team(threading.local):
    """The helpers of one thread; they end with it."""

    def __init__(self) -> None:
        self.process, self.all = os.getpid(), _Helpers()

    def helpers(self, count: int) -> int:
        """Return the address of the first control block of `count` helpers."""
        if self.process != os.getpid():  # a process that was forked has none of them
            self.all.clear()
            self.process = os.getpid()
        while len(self.all) < count:
            self.all.append(_Helper())
            if len(self.all) > 1:
                self.all[-2].control[NEXT // 8] = self.all[-1].address
        return self.all[0].address


_team = _Team()
