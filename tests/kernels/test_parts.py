"""Kernels share their work with other threads, which need not Python's lock."""

import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.helpers import HANGS
from tinycnn.kernels.cpu.compiled import compiled
from tinycnn.kernels.cpu.parts import in_parts
from tinycnn.kernels.cpu.threads import share, split


@compiled
def number(x, y, sizes, factor, negative, done, rows, work):
    """Write x * factor + size, with the other sign if `negative`; which part it was; and how often."""
    part, start, stop = in_parts(work)
    for i in range(start, stop):
        y[i, 0], y[i, 1] = x[i] * factor + sizes[1], part
        if negative:
            y[i, 0] = -y[i, 0]
        done[i] += 1
        rows[part, 0] += 1


@compiled
def fail_at(i, x, work):
    """Set x to 1, and raise an error at one place."""
    _, start, stop = in_parts(work)
    for at in range(start, stop):
        if at == i:
            raise ValueError("here")
        x[at] = 1


def check(count, parts):
    """Call the kernel `number` for an array of this size, and check every element that it writes."""
    x = np.arange(2.0 * count)[::2]  # not contiguous
    y, done, rows = np.zeros((count, 2)), np.zeros(count, np.int64), np.zeros((max(1, parts), 4), np.int64)
    share(number, (x, y, (7, 5), 3.0, True, done, rows), count, parts)
    assert_array_equal(done, 1)
    assert_array_equal(y[:, 0], -(x * 3 + 5))
    bounds = [count * part // parts for part in range(parts + 1)]
    assert_array_equal(y[:, 1], np.repeat(np.arange(parts), np.diff(bounds)))
    assert_array_equal(rows[:, 0], np.diff(bounds))


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_each_part_is_done_once_with_all_kinds_of_arguments(set_threads, parts):
    set_threads(parts)
    for count in (parts, 17, 1000):
        check(count, parts)


def test_scratch_has_a_row_for_each_part(set_threads):
    set_threads(3)
    x, y, done = np.ones(3), np.zeros((3, 2)), np.zeros(3, np.int64)
    for dtype in (np.float32, np.float64):
        share(number, (x, y, (0, 0), 1.0, False, done), 3, scratch=(100_000, np.dtype(dtype)))
    assert_array_equal(done, 2)


def test_no_units_are_no_work(set_threads):
    set_threads(3)
    share(fail_at, (0, np.zeros(0)), 0)


@pytest.mark.parametrize("at", [0, 5, 9])
def test_a_kernel_that_fails_in_any_part_fails(set_threads, at):
    x = np.zeros(10)
    set_threads(1)
    with pytest.raises(ValueError, match="here"):
        share(fail_at, (at, x), 10)
    set_threads(3)
    for _ in range(20):
        with pytest.raises(RuntimeError, match="failed in one of several threads"):
            share(fail_at, (at, x), 10)
        x[...] = 0
        time.sleep(1e-3)  # helpers begin to sleep: most of them do not compute the next parts
        share(fail_at, (-1, x), 10)  # nothing is left of the failure
        assert_array_equal(x, 1)


def test_pauses_of_any_length_between_kernels(set_threads, rng):
    """Helpers look for work, begin to sleep, sleep or wake when the next kernel comes."""
    set_threads(3)
    for pause in rng.uniform(0, 6e-4, 500):
        check(30, 3)
        time.sleep(pause)


def test_a_kernel_does_not_wait_for_helpers_that_do_something_else(set_threads):
    """A signal handler may call a kernel while another kernel of the same thread uses the helper."""
    set_threads(2)
    begun, computed, ended = threading.Event(), threading.Event(), threading.Event()

    def job(part, start, stop):
        if part == 1:
            begun.set()
            assert computed.wait(HANGS)
            time.sleep(0.01)  # `split` waits for this part, whatever its helper was offered meanwhile
            ended.set()
        else:
            assert begun.wait(HANGS)
            check(10, 2)
            computed.set()

    split(job, 2)
    assert ended.is_set()


def test_threads_that_compute_at_the_same_time(set_threads):
    set_threads(3)
    errors = []

    def work():
        try:
            for count in range(3, 300):
                check(count, 3)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGS)
    assert not errors
