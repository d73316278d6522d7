"""Which kernels serve an array: see `tinycnn.kernels.table` for the sets, `tinycnn.choice` for the choice."""

from collections.abc import Callable

import numpy as np

from tinycnn import wrong
from tinycnn.kernels import table
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.kernels.contract import Kernels

COMPILED_FROM = 1 << 9  # elements: smaller arrays are not worth compiling for

_chosen: Kernels | None = None  # by the user; None: the fastest that is worth it
_decided = False  # until the first use: then the environment variable decides
_listeners: list[Callable[[Kernels | None], None]] = []


def kernels_for(array: Array, *others: Array) -> Kernels:
    """Return the kernels that serve these arrays: the ones that were chosen, else the fastest there are.

    Raises ValueError if the chosen ones take no such arrays.
    """
    if not _decided:
        read_environment()
    if _chosen is None:
        return _fastest(array, others)
    if _chosen.takes is not None and not _chosen.serves(array):
        raise wrong.not_served(array, _chosen.name, *_chosen.takes)
    return _chosen


def _fastest(array: Array, others: tuple[Array, ...]) -> Kernels:
    """Return the fastest kernels for these arrays.

    NumPy arrays of float32 and float64 are served by `cpu`, if Numba is installed and one array has at least
    `COMPILED_FROM` elements; other NumPy arrays by `im2col`. CuPy arrays are served by `cuda`, if numba-cuda
    is installed, else by `fused`.
    """
    if array_module(array) is not np:
        fastest = table.fused() if table.why_no_cuda() else table.cuda()
        return fastest if fastest.serves(array) else table.IM2COL
    size = array.size
    for other in others:
        size = max(size, other.size)
    if size >= COMPILED_FROM and array.dtype.char in "fd" and table.why_not_compiled() is None:
        return table.cpu()
    return table.IM2COL


def read_environment() -> None:
    """Let the environment variable choose; `tinycnn.choice` puts the function in this place that does so."""


def chosen() -> Kernels | None:
    """Return the set of kernels that was chosen, None for "auto"."""
    if not _decided:
        read_environment()
    return _chosen


def choose(chosen: Kernels | None, decided: bool = True) -> None:
    """Let this set serve everything from here on, the fastest for None; tell those who asked."""
    global _chosen, _decided
    _chosen, _decided = chosen, decided
    for listener in _listeners:
        listener(chosen)


def tell(listener: Callable[[Kernels | None], None]) -> None:
    """Call `listener` with the chosen set, None for "auto": now, and whenever another one is chosen."""
    _listeners.append(listener)
    listener(_chosen)
