"""What `intrinsics` says in LLVM's instructions, said in Python, for Numba's simulator."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

_kernel: Any = importlib.import_module("numba.cuda.simulator.kernel")
Values = tuple[Any, Any, Any, Any]


class Cuda:
    """What ``numba.cuda`` is in a kernel: threadIdx, blockIdx, syncthreads, shared.array, ...

    Numba puts it in the place of ``cuda`` in the kernel's own file only; this one works in every file.
    """

    def __getattr__(self, name: str) -> Any:
        """Return what the running kernel finds under this name."""
        return getattr(_kernel._get_kernel_context(), name)


cuda: Any = Cuda()


def device(function: Callable) -> Callable:
    """Return `function`: in the simulator a kernel calls Python."""
    return function


def shared(size: int) -> Callable[[], Any]:
    """Return a function for kernels: a block's own `size` float32. The simulator has one such a kernel."""

    def allocate() -> Any:
        return cuda.shared.array(size, np.float32)  # the simulator tells allocations apart by this line

    return allocate


def load4(p: Any, i: int) -> Values:
    """Return ``p[i], p[i+1], p[i+2], p[i+3]``."""
    if i % 4:
        raise ValueError(f"load4: index {i} is no multiple of 4, which is an error on a GPU")
    return p[i], p[i + 1], p[i + 2], p[i + 3]


def store4(p: Any, i: int, values: Values) -> None:
    """Write ``p[i], p[i+1], p[i+2], p[i+3] = values``."""
    if i % 4:
        raise ValueError(f"store4: index {i} is no multiple of 4, which is an error on a GPU")
    p[i], p[i + 1], p[i + 2], p[i + 3] = values


def divide(a: int, b: int) -> int:
    """Return ``a / b`` without remainder, towards 0."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def copy4_or_zero(p: Any, i: int, q: Any, j: int, there: int) -> None:
    """Copy a number from ``q[j]`` to ``p[i]``, at once; a 0, if `there` is 0."""
    p[i] = q[j] if there else 0


def commit_copies() -> None:
    """Do nothing: all copies have arrived."""


def all_but(groups: int) -> Callable[[], None]:
    """Return a function for kernels that does nothing."""
    return commit_copies


def to_tf32(x: Any) -> Any:
    """Return `x` rounded to TF32, to the nearest, and away from 0 from the middle."""
    number = np.float32(x)
    if not np.isfinite(number):
        return number
    bits = (int(number.view(np.uint32)) + 0x1000) & 0xFFFFE000
    return np.uint32(bits).view(np.float32)


def cut_to_tf32(x: Any) -> Any:
    """Return `x` without its last 13 bits."""
    return np.uint32(int(np.float32(x).view(np.uint32)) & 0xFFFFE000).view(np.float32)


def mma(c0, c1, c2, c3, a0, a1, a2, a3, b0, b1):
    """Return c + a @ b of a warp: every thread shows what it holds. All threads of the block must call.

    The sum is cut, not rounded, to a float32, as a tensor core does.
    """
    held = cuda.shared.array((1024, 6), np.float32)
    thread = cuda.threadIdx.x
    held[thread] = a0, a1, a2, a3, b0, b1
    cuda.syncthreads()
    lane = thread % 32
    warp, g, q = thread - lane, lane // 4, lane % 4
    sums = [float(c) for c in (c0, c1, c2, c3)]
    for i in range(4):
        row, column = g + 8 * (i // 2), 2 * q + i % 2
        for k in range(8):
            a = held[warp + row % 8 * 4 + k % 4, row // 8 + 2 * (k // 4)]
            b = held[warp + column * 4 + k % 4, 4 + k // 4]
            sums[i] += float(a) * float(b)
    cuda.syncthreads()
    return tuple(map(_cut, sums))


def _cut(number: float) -> Any:
    """Return the float32 next to `number`, on the side of 0; infinite if it is larger than any."""
    nearest = np.float32(number)
    too_far = np.isfinite(nearest) and abs(float(nearest)) > abs(number)
    return np.nextafter(nearest, np.float32(0)) if too_far else nearest
