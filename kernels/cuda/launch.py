"""How a kernel gets onto the GPU: Numba compiles it, CuPy loads and starts it.

Numba could start it as well, but takes 1.6 to 2 us of Python for every number among the arguments, and a
geometry has sixteen. CuPy takes one or two for all of them, if they were packed before. So everything that
is the same in the next step of a training (grid, block, numbers) is put together once, as a `Launch`, and
kept; a launch then hands over the arrays' addresses and nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest import mock

import numpy as np
from numba import types

from .cubins import kept_or_built
from .toolchain import SIMULATED, cuda

Kind = str | int | None  # of an argument: an array's dtype, how many numbers a tuple has, None for a number
Kinds = tuple[Kind, ...]
Size = tuple[int, ...]  # of a grid or block
Capability = tuple[int, int]  # a GPU's compute capability, (9, 0) for one
LAUNCHES = 4096  # prepared launches that are kept: ten layers have a few launches each


class Kernel:
    """A function that runs on the GPU; compiled once for every kind of arguments, when first launched.

    Its arguments are arrays first, then numbers or tuples of numbers.
    """

    def __init__(self, function: Callable[..., None], threads: int, blocks: int = 1) -> None:
        self.function, self.threads, self.blocks = function, threads, blocks
        self._simulated: Any = None
        self._loaded: dict[tuple[Kinds, int], Any] = {}

    def launch(self, grid: Size, block: Size, *arguments: Any, shared: int = 0) -> None:
        """Run `grid` blocks of `block` threads, each block with `shared` bytes of dynamic shared memory."""
        arrays = tuple(a for a in arguments if not isinstance(a, int | tuple))
        dtypes = "".join([a.dtype.char for a in arrays])
        self.prepared(grid, block, dtypes, arguments[len(arrays) :], shared)(*arrays)

    def prepared(
        self, grid: Size, block: Size, dtypes: str, numbers: tuple[Any, ...], shared: int = 0
    ) -> Launch:
        """Return a launch that only lacks its arrays, of these `dtypes`; the same one for the same sizes."""
        return _launch(self, grid, block, dtypes, numbers, shared)

    def load(self, kinds: Kinds) -> Callable[..., None]:
        """Return the kernel as CuPy's function, compiled for the current GPU and loaded onto it."""
        from cupy.cuda import Device
        from cupy.cuda.function import Module

        device = Device()
        key = kinds, device.id
        if key not in self._loaded:
            capability = device.compute_capability  # "90", "120"
            name, cubin = self.cubin(kinds, (int(capability[:-1]), int(capability[-1])))
            module = Module()
            module.load(cubin)
            self._loaded[key] = module.get_function(name)
        return self._loaded[key]

    def cubin(self, kinds: Kinds, capability: Capability) -> tuple[str, bytes]:
        """Return the kernel's name, and the machine code for a GPU of `capability`; needs no GPU.

        It is what `load` loads: from Numba's intermediate code, optimised once more when it is linked, if
        the linker is there. What was built once, by any process, is kept on the disk (`cubins`).
        """
        how = kinds, self.bounds, capability
        return kept_or_built(self.function, how, lambda: self._built(kinds, capability))

    def _built(self, kinds: Kinds, capability: Capability) -> tuple[str, bytes]:
        from numba.cuda import dispatcher

        driver: Any = importlib.import_module("numba.cuda.cudadrv.driver")
        with _as_on(capability):
            built = dispatcher._Kernel(
                self.function,
                tuple(map(type_of, kinds)),
                lto=driver._have_nvjitlink(),
                launch_bounds=self.bounds,
            )
            return built.entry_name, built.library.get_cubin().code

    def ptx(self, kinds: Kinds, capability: Capability) -> str:
        """Return the assembly text for a GPU of `capability`; needs no GPU."""
        with _as_on(capability):
            signature = tuple(map(type_of, kinds))
            return cuda.compile_ptx(self.function, signature, cc=capability, launch_bounds=self.bounds)[0]

    @property
    def bounds(self) -> tuple[int, int]:
        """How many threads a block has, and how many blocks shall share a core: this limits the registers."""
        return self.threads, self.blocks

    def simulate(self, grid: Size, block: Size, shared: int, arguments: tuple[Any, ...]) -> None:
        """Run in Numba's simulator, on NumPy arrays."""
        if self._simulated is None:
            self._simulated = cuda.jit(self.function)
        flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arguments]
        self._simulated[grid, block, 0, shared](*flat)


class Launch:
    """One kernel with everything but its arrays: called with them, it starts."""

    def __init__(
        self, kernel: Kernel, grid: Size, block: Size, dtypes: str, numbers: tuple[Any, ...], shared: int
    ) -> None:
        self.kernel, self.grid, self.block, self.numbers, self.shared = kernel, grid, block, numbers, shared
        self.kinds = (*dtypes, *(len(n) if isinstance(n, tuple) else None for n in numbers))
        self.empty = 0 in grid  # an empty result: nothing to write
        self._starts: dict[int, Callable[..., None]] = {}  # on each GPU
        self._current_gpu: Callable[[], int] | None = None

    def __call__(self, *arrays: Any) -> None:
        """Start the kernel in CuPy's current stream: it waits for the arrays, and nobody waits for it."""
        if self.empty:
            return
        if SIMULATED:
            self.kernel.simulate(self.grid, self.block, self.shared, (*arrays, *self.numbers))
            return
        if self._current_gpu is None:
            from cupy.cuda import runtime

            self._current_gpu = runtime.getDevice
        gpu = self._current_gpu()
        for array in arrays:
            if array.data.device_id != gpu:
                raise _elsewhere(arrays, gpu)
        start = self._starts.get(gpu)
        if start is None:
            start = self._starts[gpu] = self._start()
        start(*arrays)

    def _start(self) -> Callable[..., None]:
        """Return what starts the kernel on the current GPU."""
        from cupy.cuda import function as cupy_function

        try:
            function = self.kernel.load(self.kinds)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise RuntimeError(
                f"the kernel {self.kernel.function.__name__} cannot be loaded: {reason}. If a stream "
                "captures, none can be: start it once before, as tinycnn.graphed does in its first calls"
            ) from error
        grid, block, shared = self.grid, self.block, self.shared
        flat = (n for number in self.numbers for n in (number if isinstance(number, tuple) else (number,)))
        # An array of one element is passed by value. CuPy would wrap each in every launch: here it is once.
        wrap = getattr(cupy_function, "CNumpyArray", lambda array: array)
        packed = tuple(wrap(np.array(n, np.int32)) for n in flat)

        def start(*arrays: Any) -> None:
            function(grid, block, arrays + packed, shared)

        return start


_launch = lru_cache(LAUNCHES)(Launch)


def _elsewhere(arrays: tuple[Any, ...], gpu: int) -> ValueError:
    """Return the error that says which arrays are not on the current GPU, where a kernel would start."""
    where = ", ".join(f"{tuple(a.shape)} on GPU {a.data.device_id}" for a in arrays)
    (other, *_) = (a.data.device_id for a in arrays if a.data.device_id != gpu)
    return ValueError(
        f"a CUDA kernel starts on the current GPU, {gpu}, and reads arrays of that one only; got {where}. "
        f"Compute inside `with cupy.cuda.Device({other}):`, with all arrays on GPU {other}"
    )


@contextmanager
def _as_on(capability: Capability) -> Iterator[None]:
    """Let Numba compile for a GPU of `capability`, whichever this machine has, or none.

    Numba asks the GPU for it in two places. From 9.0 on, code for exactly this one ("a") is asked for.
    """
    from numba.cuda import codegen, dispatcher

    device = mock.Mock(compute_capability=capability)
    exact = (*capability, "a" if capability >= (9, 0) else "")
    with (
        mock.patch.object(dispatcher, "get_current_device", return_value=device),
        mock.patch.object(codegen.CUDACodeLibrary, "_ensure_cc", lambda self, cc: cc or exact),
    ):
        yield


def type_of(kind: Kind) -> Any:
    """Return Numba's type of an argument."""
    if kind is None:
        return types.int32
    if isinstance(kind, int):
        return types.UniTuple(types.int32, kind)
    return types.CPointer({"f": types.float32, "i": types.int32, "l": types.int64, "q": types.int64}[kind])


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


@kernel(1)
def probe(numbers):
    """Write one number: the smallest kernel, to see whether any compiles."""
    numbers[0] = np.float32(1)
