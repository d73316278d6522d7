"""Matrix products by BLAS, each thread its own part of the result.

BLAS has threads of its own, but its threads and those of our kernels would fight for the same cores. So it is
held to one thread, and called by each of ours.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .. import arena
from ..arrays import Array
from .threads import split

SERIAL = 1 << 18  # multiply-adds that are done before another thread has started


def matmul(a: Array, b: Array) -> Array:
    """Return the product of two matrices, (M, K) and (K, N): (M, N)."""
    one_thread_a_product()
    (M, K), N = a.shape, b.shape[1]
    y = arena.empty((M, N), np.result_type(a, b))

    def columns(_: int, start: int, stop: int) -> None:
        np.matmul(a, b[:, start:stop], out=y[:, start:stop])

    def rows(_: int, start: int, stop: int) -> None:
        np.matmul(a[start:stop], b, out=y[start:stop])

    parts = 1 + M * N * K // SERIAL
    if M > N:
        split(rows, M, parts)
    else:
        split(columns, N, parts)
    return y


@cache
def one_thread_a_product() -> None:
    """Hold BLAS to one thread."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if library.user_api == "blas":
            library.set_num_threads(1)
