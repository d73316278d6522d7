"""Threads of compiled kernels: each takes its own part of the work."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np

from ..cores import get_num_threads
from .spin import hand_over, spin, turn, turn_and_spin

Job = Callable[[int, int, int], None]
SPINS = 200_000  # looks at a counter, about 0.1 ms: as long as the Python code between two kernels takes
# A thread that wants Python's lock while another has it sleeps, and wakes long after the lock is free. So a
# helper gets the lock first: until it has taken its job, and for as long as it takes to begin with it.
TAKING, BEGINNING = 30_000, 16_000  # looks


def split(job: Job, count: int, most: int | None = None) -> None:
    """Run ``job(part, start, stop)`` for equal parts of ``range(count)``, one per thread; wait for all.

    Parameters
    ----------
    job
        Mostly compiled code, which does not hold Python's lock.
    count
        How many units of work there are.
    most
        How many parts there are at most. Small work is done before a thread has been told of it.
    """
    parts = count if most is None else min(count, most)
    if parts > 1:
        parts = min(parts, get_num_threads())
    if parts <= 1 or sys.is_finalizing():  # Python is ending, and with it the helpers: a __del__ computes
        job(0, 0, count)
        return
    bounds = [count * part // parts for part in range(parts + 1)]
    # Each call has mailboxes of its own for the answers. If Ctrl-C ends a call before its answers have come,
    # nobody reads them. The next call would take them for its own, if calls shared a mailbox.
    results = [Mailbox() for _ in range(parts - 1)]
    for part, (helper, result) in enumerate(zip(_team.helpers(parts - 1), results, strict=True), 1):
        helper.hand_over((job, part, bounds[part], bounds[part + 1], result), result)
    try:
        job(0, 0, bounds[1])
    finally:
        errors = [result.answer() for result in results]
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

    def hand_over(self, item: Any, result: Mailbox) -> None:
        """Send a job, and wait until the helper turns the counter of `result`, unless it is asleep."""
        self.queue.put(item)
        hand_over(self.count, result.count, TAKING, BEGINNING)

    def answer(self) -> Any:
        """Wait for the answer to a job, and return it. The counter turns for the job, then for the answer."""
        if self.queue.empty():
            spin(self.count, 1, SPINS)
        return self.queue.get()


def _run(jobs: Mailbox) -> None:
    """Run each job that arrives, and send None or its error to the mailbox that came with it."""
    while (item := jobs.queue.get()) is not None:
        job, *part, result = item
        turn(result.count)
        try:
            job(*part)
        except BaseException as error:
            result.queue.put(error)
        else:
            result.queue.put(None)
        answered = result.count
        del item, job, result  # and the arrays that the job refers to
        seen = int(jobs.count[0])
        turn_and_spin(answered, jobs.count, seen, SPINS if jobs.queue.empty() else 0)


def _helper() -> Mailbox:
    """Start a thread, and return the mailbox that it takes its jobs from."""
    jobs = Mailbox()
    threading.Thread(target=_run, args=(jobs,), name="tinycnn", daemon=True).start()
    return jobs


class _Team(threading.local):
    """The helpers of one thread; they end with it."""

    def __init__(self) -> None:
        self.process, self.mailboxes = os.getpid(), _Mailboxes()

    def helpers(self, count: int) -> list[Mailbox]:
        """Return the mailboxes of `count` helpers."""
        if self.process != os.getpid():  # a process that was forked has none of them
            self.mailboxes.clear()
            self.process = os.getpid()
        while len(self.mailboxes) < count:
            self.mailboxes.append(_helper())
        return self.mailboxes[:count]


class _Mailboxes(list[Mailbox]):
    """Mailboxes of helpers, which end when this list is forgotten: Python does so when a thread has ended."""

    def __del__(self) -> None:
        for mailbox in self:
            mailbox.queue.put(None)


_team = _Team()
