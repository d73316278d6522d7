"""Matrix products by BLAS: each thread computes its own part of the result.

BLAS has threads of its own, which would fight with those of our kernels for the same cores. So BLAS is held
to one thread, and each of our threads calls it.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .. import arena
from ..arrays import Array
from .threads import split

BLOCK = 1 << 20  # multiply-adds in a block, at least: fewer are done before another thread has started
MOST_BLOCKS = 16  # of one product
UNIT = 16  # a block has a multiple of this many rows or columns, as BLAS computes that many at a time


def matmul(a: Array, b: Array) -> Array:
    """Return the product of two matrices, (M, K) and (K, N): (M, N). Stacks of matrices are NumPy's.

    The longer side of the result is cut into blocks, and each block is one call of BLAS. BLAS adds up in an
    order that depends on the block's shape, so the cut depends on M, N and K alone: threads only share the
    blocks out, and the result is the same bits for any number of them.
    """
    if not a.ndim == b.ndim == 2 or a.dtype != b.dtype:
        return a @ b
    one_thread_a_product()
    (M, K), N = a.shape, b.shape[1]
    y = arena.empty((M, N), np.result_type(a, b))
    longer = max(M, N)
    blocks = min(1 + M * N * K // BLOCK, MOST_BLOCKS)
    width = -(-longer // (blocks * UNIT)) * UNIT

    def job(_: int, first: int, last: int) -> None:
        for start in range(first * width, min(last * width, longer), width):
            block = slice(start, start + width)
            if M > N:
                np.matmul(a[block], b, out=y[block])
            else:
                np.matmul(a, b[:, block], out=y[:, block])

    split(job, -(-longer // width) if width else 0)
    return y


@cache
def one_thread_a_product() -> None:
    """Hold BLAS to one thread."""
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        if library.user_api == "blas":
            library.set_num_threads(1)
