"""How many threads compute.

One setting, ``TINYCNN_THREADS``, says it (default: the cores this process may use). It rules the matrix
products of BLAS too: they are called for a part of the work by each of our threads, so a product with threads
of its own inside would fight with them for the same cores.
"""

import os


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
