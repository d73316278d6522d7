"""Threads of compiled kernels: each takes its own part of the work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np

from ..cores import thread_count
from .spin import spin, turn

Job = Callable[[int, int, int], None]
SPINS = 200_000  # looks at a counter, some 0.1 ms: about as long as the Python code between two kernels takes


def split(job: Job, count: int, most: int | None = None) -> None:
    """Run ``job(part, start, stop)`` for equal parts of ``range(count)``, one a thread, and wait for all.

    Parameters
    ----------
    job
        Compiled code that does not hold Python's lock, for the most part.
    count
        How many units of work there are.
    most
        As many parts at most: small work is done sooner than a thread is told of it.
    """
    parts = min(thread_count(), count, count if most is None else most)
    if parts <= 1:
        job(0, 0, count)
        return
    bounds = [count * part // parts for part in range(parts + 1)]
    helpers = _helpers(parts - 1, os.getpid(), threading.get_ident())
    for part, helper in enumerate(helpers, 1):
        helper.jobs.put((job, part, bounds[part], bounds[part + 1]))
    try:
        job(0, 0, bounds[1])
    finally:
        errors = [helper.results.get() for helper in helpers]
    for error in errors:
        if error is not None:
            raise error


class Mailbox:
    """A queue whose reader looks at a counter for a moment before it sleeps.

    To wake a sleeping thread takes longer than many kernels run.
    """

    def __init__(self) -> None:
        self.queue: SimpleQueue[Any] = SimpleQueue()
        self.count = np.zeros(1, np.int64)
        self.seen = 0

    def put(self, item: Any) -> None:
        """Send something."""
        self.queue.put(item)
        turn(self.count)

    def get(self) -> Any:
        """Wait for the next."""
        spin(self.count, self.seen, SPINS)
        self.seen += 1
        return self.queue.get()


class Helper:
    """A thread that runs what it finds in `jobs`, and puts None or the error into `results`."""

    def __init__(self) -> None:
        self.jobs, self.results = Mailbox(), Mailbox()
        threading.Thread(target=self._run, name="tinycnn", daemon=True).start()

    def _run(self) -> None:
        while True:
            job, *part = self.jobs.get()
            try:
                job(*part)
            except BaseException as error:
                self.results.put(error)
            else:
                self.results.put(None)
            del job


@cache
def _helpers(count: int, process: int, thread: int) -> list[Helper]:
    """Return the helpers of one thread of one process: a process that was forked has none of them."""
    return [Helper() for _ in range(count)]
