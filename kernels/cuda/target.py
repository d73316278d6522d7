"""Everything that comes from `numba.cuda`, in one place, so that the toolchain can be changed here.

``kernel``
    makes a `Kernel` of a function: compiled for the GPU at its first launch
``device``
    marks a function that kernels call
``cuda``
    the names that mean something in a kernel: threadIdx, blockIdx, syncthreads, local.array, ...
``shared``, ``load4``, ``store4``, ``divide``
    what Numba has no name for, built from its `intrinsic`

A kernel sees every array as a pointer to its first element: a launch then passes one address an array instead
of seven numbers, and ``x[i]`` has none of Python's rules for a negative i. All other arguments are int32,
or a tuple of int32: a geometry.

With ``NUMBA_ENABLE_CUDASIM=1`` set before Numba is imported the kernels run in Numba's simulator, a Python
thread for every thread of the GPU, on NumPy arrays: slow, and as open to a debugger as any Python.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numba import config, types

SIMULATED = bool(getattr(config, "ENABLE_CUDASIM", False))


@contextmanager
def _numpy_as_numba_cuda_knows_it() -> Iterator[None]:
    """Lend NumPy the name ``row_stack``, which NumPy 2.5 removed and numba-cuda 0.30 asks for.

    NumPy's warning about timedelta64 without a unit is silenced too: numba-cuda causes it, and its users
    cannot mend it.
    """
    lent = {} if hasattr(np, "row_stack") else {"row_stack": np.vstack}
    for name, function in lent.items():
        setattr(np, name, function)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for name in lent:
            delattr(np, name)


with _numpy_as_numba_cuda_knows_it():
    from numba import cuda as numba_cuda

    if not SIMULATED:
        with suppress(ImportError):  # not there if numba-cuda is not installed: see `why_not`
            importlib.import_module("numba.cuda.np.arrayobj")  # or the first compilation would import it
            # A small convolution is a launch of few blocks, and nothing its caller should be warned of.
            _settings: Any = importlib.import_module("numba.cuda.core.config")
            _settings.CUDA_LOW_OCCUPANCY_WARNINGS = 0

cuda: Any = numba_cuda  # its names appear while Numba runs: nothing for a type checker
VECTOR = 4  # float32 in one load of 128 bits
SHARED_BYTES = 48 << 10  # what a block gets on every GPU without asking for more
MOST_BLOCKS = 65535  # along y and z of a grid
ZERO = np.float32(0)  # the literal 0.0 is a float64, and so would be every sum that begins with it

int32: Any = int if SIMULATED else types.int32  # a conversion
INT32: Any = np.dtype("int32") if SIMULATED else types.int32  # what an array holds
FLOAT32: Any = np.dtype("float32") if SIMULATED else types.float32

Kind = str | int | None  # of an argument: an array's dtype, how many numbers a tuple has, None for a number
Kinds = tuple[Kind, ...]


def why_not() -> str | None:
    """Return the reason that no kernel can run here, or None where one can."""
    if SIMULATED:
        return None
    try:
        metadata.version("numba-cuda")
    except metadata.PackageNotFoundError:
        return "numba-cuda is not installed; it comes with 'tinycnn[cuda12]' and 'tinycnn[cuda13]'"
    if cuda.is_available():
        return None
    reason = str(cuda.cuda_error() or "none is there").strip().splitlines()[0]
    return f"numba-cuda finds no GPU: {reason}"


class _GPU(NamedTuple):
    compute_capability: tuple[int, int]


class Kernel:
    """A function that runs on the GPU; compiled once for every kind of arguments, when first launched."""

    def __init__(self, function: Callable[..., None], threads: int, blocks: int = 1) -> None:
        self.function, self.threads, self.blocks = function, threads, blocks
        self._compiled: dict[Kinds, Any] = {}

    def launch(self, grid: tuple[int, ...], block: tuple[int, ...], *arguments: Any, shared: int = 0) -> None:
        """Run `grid` blocks of `block` threads, each block with `shared` bytes of dynamic shared memory."""
        if 0 in grid:
            return  # an empty result: nothing to write
        if SIMULATED:
            flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arguments]
            self._for(())[grid, block, 0, shared](*flat)
            return
        plain = [a if isinstance(a, int | tuple) else a.data.ptr for a in arguments]
        self._for(tuple(map(_kind, arguments)))[grid, block, _current_stream(), shared](*plain)

    def ptx(self, kinds: Kinds, capability: tuple[int, int]) -> str:
        """Return the assembly text for a GPU of compute `capability`, (8, 0) for one; needs no GPU."""
        from numba.cuda import dispatcher

        # To compile functions that a kernel calls, Numba asks the GPU of this machine for its capability.
        with mock.patch.object(dispatcher, "get_current_device", return_value=_GPU(capability)):
            return cuda.compile_ptx(
                self.function, tuple(map(_type, kinds)), cc=capability, launch_bounds=self._bounds
            )[0]

    @property
    def _bounds(self) -> tuple[int, int]:
        """How many threads a block has, and how many blocks shall share a core: this limits the registers."""
        return self.threads, self.blocks

    def _for(self, kinds: Kinds) -> Any:
        if kinds not in self._compiled:
            signature = types.void(*map(_type, kinds))
            declared = cuda.jit if SIMULATED else cuda.jit(signature, launch_bounds=self._bounds)
            self._compiled[kinds] = declared(self.function)
        return self._compiled[kinds]


def _kind(argument: Any) -> Kind:
    if isinstance(argument, tuple):
        return len(argument)
    return None if isinstance(argument, int) else argument.dtype.char


def _type(kind: Kind) -> Any:
    if kind is None:
        return types.int32
    if isinstance(kind, int):
        return types.UniTuple(types.int32, kind)
    return types.CPointer({"f": types.float32, "l": types.int64, "q": types.int64}[kind])


def kernel(threads: int, blocks: int = 1) -> Callable[[Callable[..., None]], Kernel]:
    """Return a decorator that makes a `Kernel` of a function.

    Parameters
    ----------
    threads
        A block has at most so many.
    blocks
        The compiler uses so few registers that this many blocks fit on a multiprocessor at once.
    """
    return lambda function: Kernel(function, threads, blocks)


def _current_stream() -> Any:
    """Return CuPy's current stream: a kernel then waits for the arrays it reads, and nobody waits for it."""
    import cupy

    return _numba_stream(cupy.cuda.get_current_stream().ptr)


@cache
def _numba_stream(pointer: int) -> Any:
    return cuda.external_stream(pointer) if pointer else 0


_words: Any = importlib.import_module(".simulated" if SIMULATED else ".intrinsics", __package__)
device, shared, load4, store4, divide = (
    getattr(_words, name) for name in ("device", "shared", "load4", "store4", "divide")
)

__all__ = [
    "FLOAT32",
    "INT32",
    "MOST_BLOCKS",
    "SHARED_BYTES",
    "SIMULATED",
    "VECTOR",
    "ZERO",
    "Kernel",
    "cuda",
    "device",
    "divide",
    "int32",
    "kernel",
    "load4",
    "shared",
    "store4",
    "why_not",
]
