"""How many threads compute.

One number says it: the cores this process may use, unless ``TINYCNN_THREADS`` is set or `set_num_threads` was
called. It rules the matrix products of BLAS too: each of our threads calls BLAS for a part of the work, so a
product with threads of its own would fight with them for the same cores.
"""

import os

from .geometry import at_least

_count: int | None = None  # None until the first use: then the environment variable decides


def get_num_threads() -> int:
    """Return how many threads the kernels use.

    Raises
    ------
    ValueError
        If ``TINYCNN_THREADS`` is no positive integer. It is read at the first use.
    """
    global _count
    if _count is None:
        _count = _from_environment()
    return _count


def set_num_threads(count: int) -> None:
    """Set how many threads the kernels use from here on.

    Results are the same bits for every number.

    Raises
    ------
    TypeError, ValueError
        If it is no integer, or below 1.
    """
    global _count
    at_least(1, **{"the number of threads": count})
    _count = int(count)


def _from_environment() -> int:
    text = os.environ.get("TINYCNN_THREADS")
    if not text:
        # sched_getaffinity: what this process may use, which can be less than the machine has.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"TINYCNN_THREADS must be a positive integer, got {text!r}")
    return int(text)
