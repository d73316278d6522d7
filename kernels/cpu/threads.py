"""Threads of compiled kernels: each takes its own part of the work and calls a product that stays on it.

One setting, ``TINYCNN_THREADS``, says how many (default: the cores this process may use). A matrix product
with threads of its own inside would fight with these for the same cores, so BLAS is held to one as soon as
a compiled kernel runs.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def thread_count() -> int:
    """Return how many threads the kernels use.

    Raises
    ------
    ValueError
        Where ``TINYCNN_THREADS`` is no positive integer.
    """
    text = os.environ.get("TINYCNN_THREADS")
    if not text:
        # sched_getaffinity: what this process may use, which can be less than the machine has.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"TINYCNN_THREADS must be a positive integer, got {text!r}")
    return int(text)


def split(job: Callable[[int, int, int], None], count: int) -> None:
    """Run ``job(part, start, stop)`` for equal parts of ``range(count)``, one a thread, and wait for all.

    Which part has which range depends on the number of threads alone, so results are the same bits from run
    to run.
    """
    parts = min(thread_count(), count)
    if parts <= 1:
        job(0, 0, count)
        return
    bounds = [count * part // parts for part in range(parts + 1)]
    rest = [_pool(parts).submit(job, part, bounds[part], bounds[part + 1]) for part in range(1, parts)]
    job(0, 0, bounds[1])
    for future in rest:
        future.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="tinycnn")


@cache
def one_thread_a_product() -> None:
    """Hold every BLAS library to one thread: SciPy's, which Numba's products run in, and NumPy's.

    NumPy's would not run at the same time, but its threads go on spinning for a while after a product.
    """
    import scipy.linalg.cython_blas  # noqa: F401  (loads the library)
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if library.user_api == "blas":
            library.set_num_threads(1)
