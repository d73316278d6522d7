"""How CuPy loads and starts kernels that Numba compiled, for the stand-in: real launch code, no GPU.

What CUDA refuses is refused here: a grid or block that is too large, more shared memory than a block gets, an
array that is not where a kernel could read it; and, while a stream captures, loading a module. Every start is
noted, with its kernel, its sizes and what it was given. What a kernel would compute is not computed, unless
`simulated` says so: then Numba's simulator computes it, at every start, those of a replayed graph included.
"""

import gc
import sys
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tests.helpers import strict_cupy, strict_graphs

THREADS = 1024  # of a block
BLOCKS = (2**31 - 1, 65535, 65535)  # of a grid
SHARED = 48 << 10  # bytes of dynamic shared memory, without asking for more
ON_GPU = "__cuda_array_interface__"


class Start(NamedTuple):
    """One start of a kernel."""

    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    arguments: tuple[Any, ...]


started: list[Start] = []  # outside of graphs, and by a replay
loaded: list[str] = []  # kernels, once for every kind of arguments
simulated = [False]


class Module:
    """A cubin on the GPU."""

    def load(self, cubin):
        strict_graphs.refuse("loading a module")
        self.cubin = cubin

    def get_function(self, name):
        loaded.append(name)

        def function(grid, block, arguments, shared=0):
            _check(name, grid, block, arguments, shared)
            strict_graphs.start(_start, Start(name, grid, block, shared, arguments), self.cubin)

        return function


def _start(start, cubin):
    started.append(start)
    if simulated[0]:
        kernel, kinds = cubin
        arrays = [a.host for a in start.arguments if isinstance(a, strict_cupy.ndarray)]
        numbers = [int(n) for n in start.arguments[len(arrays) :]]
        given = [
            numbers.pop(0) if k is None else tuple(numbers.pop(0) for _ in range(k))
            for k in kinds[len(arrays) :]
        ]
        kernel.simulate(start.grid, start.block, start.shared, (*arrays, *given))


def _check(name, grid, block, arguments, shared):
    assert all(0 < n <= most for n, most in zip(grid, BLOCKS, strict=False)), (name, grid)
    assert 0 < np.prod(block) <= THREADS, (name, block)
    assert shared <= SHARED, (name, shared)
    for a in arguments:
        if isinstance(a, strict_cupy.ndarray):
            assert a.host.flags.c_contiguous, f"{name} reads an array whose cells do not lie in a row"
        else:
            assert isinstance(a, np.ndarray), f"{name} is given a {type(a).__name__}"
            assert (a.shape, a.dtype) == ((), np.int32), f"{name}: numbers are int32, passed by value"


def install(monkeypatch):
    """Let the stand-in load and start kernels, until the test ends; `forget` before and after."""
    cuda, function = ModuleType("cupy.cuda"), ModuleType("cupy.cuda.function")
    vars(cuda).update(vars(strict_cupy.cuda), function=function)
    function.Module = Module
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)
    monkeypatch.setitem(sys.modules, "cupy.cuda.function", function)
    address = property(lambda array: {"data": (array.data.ptr, False), "shape": array.shape})
    monkeypatch.setattr(strict_cupy.ndarray, ON_GPU, address, raising=False)
    # What a kernel would write is not there: zeros, as what lies in fresh memory may be anything.
    monkeypatch.setattr(strict_cupy, "empty", _zeros, False)
    started.clear()
    loaded.clear()


def _zeros(shape, dtype=float):
    zeros = np.zeros(shape, dtype)
    strict_graphs.allocated_for([zeros])
    return strict_cupy.ndarray(zeros)


def forget():
    """Forget what was planned, loaded and asked with another driver."""
    from tinycnn.kernels.cuda import (
        async_tiles,
        channel_sums,
        launch,
        pace,
        products,
        register_tiles,
        weight_tiles,
    )

    of_channels = channel_sums.plan_sums, channel_sums.plan_moments
    plans = (module.plan for module in (async_tiles, products, register_tiles, weight_tiles))
    for kept in (launch._launch, *plans, *of_channels):
        kept.cache_clear()
    for asked in (pace.cores, pace._capability):
        asked.cache_clear()
    for one in gc.get_objects():
        if type(one) is launch.Kernel:  # not isinstance(): objects of other libraries may warn
            one._loaded.clear()
