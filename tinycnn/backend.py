"""The backend switch: which array library new arrays live in, and which kernels serve an array.

An operation runs where its inputs live. Nothing is copied from one library to the other silently:
`to_backend` (``Tensor.to``) is the one call that moves an array.
"""

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np

from tinycnn import gpu
from tinycnn.kernels.arrays import Array, array_module

BACKENDS = ("numpy", "cupy")
COMPILING = {"numba": (0, 62), "threadpoolctl": (3, 0)}  # what compiled kernels need, and since when
RUNGS = ("direct", "coalesced", "shared", "gemm", "registers", "fused")  # of `tinycnn.kernels.cuda`
KERNELS = ("cpu", "im2col", "loops", *RUNGS)
COMPILED_FROM = 1 << 9  # elements: for less nobody shall have to wait while something is compiled

_usable: ModuleType | None = None  # CuPy, once it was seen to work
_current: str | None = None  # None until the first use: then the environment variable decides
_generators: dict[str, Any] = {}
_seed: int | Sequence[int] | None = None


class BackendError(RuntimeError):
    """A backend that cannot be used here, or arrays of two backends in one operation."""


def use(backend: str) -> None:
    """Let new arrays live in `backend`, "numpy" or "cupy", from here on.

    The environment variable ``TINYCNN_BACKEND`` sets the one to begin with.

    Raises
    ------
    ValueError
        For an unknown name.
    BackendError
        Where CuPy cannot be used: says what is missing, the package, its libraries, the driver or the GPU.
    """
    global _current
    library(backend)
    _current = backend


@contextmanager
def using(backend: str) -> Iterator[None]:
    """As `use`, for the ``with`` block only."""
    global _current
    before = current()
    use(backend)
    try:
        yield
    finally:
        _current = before


def current() -> str:
    """Return the name of the backend new arrays live in."""
    if _current is None:
        use(os.environ.get("TINYCNN_BACKEND") or "numpy")
    assert _current is not None
    return _current


def library(backend: str) -> ModuleType:
    """Return the array library of `backend`, after checking that it works here.

    Raises
    ------
    ValueError, BackendError
        As `use`.
    """
    if backend == "numpy":
        return np
    if backend != "cupy":
        raise ValueError(f"unknown backend {backend!r}; there are {', '.join(map(repr, BACKENDS))}")
    global _usable
    if _usable is None or sys.modules.get("cupy") is not _usable:
        try:
            _usable = gpu.load()
        except gpu.Unusable as error:
            raise BackendError(str(error)) from error
    return _usable


def why_not(backend: str) -> str | None:
    """Return the reason that `backend` cannot be used here, or None where it can."""
    try:
        library(backend)
    except BackendError as error:
        return str(error)
    return None


def backend_of(array: Array) -> str:
    """Return the name of the backend that `array` lives in."""
    return array_module(array).__name__


def to_backend(array: Array, backend: str) -> Array:
    """Return `array` in `backend`: a copy where it lives elsewhere, else `array` itself."""
    xp = library(backend)
    if backend_of(array) == backend:
        return array
    if backend == "numpy":
        return array_module(array).asnumpy(array)
    with gpu.explained("a copy", array):
        return xp.asarray(array)


def numbers(*values: Any) -> list[float]:
    """Return numbers, or arrays of one element, as Python's: those on the GPU in one transfer.

    Each transfer waits until all work before it is done.
    """
    there = [i for i, value in enumerate(values) if type(value).__module__.partition(".")[0] == "cupy"]
    result = [value if i in there else float(value) for i, value in enumerate(values)]
    if there:
        xp = array_module(values[there[0]])
        together = xp.stack([values[i].reshape(()).astype(np.float64) for i in there])
        for i, number in zip(there, xp.asnumpy(together).tolist(), strict=True):
            result[i] = number
    return result


def kernels(array: Array) -> ModuleType:
    """Return the module of `tinycnn.kernels` that serves `array` with convolution and pooling.

    NumPy arrays of some size are served by the compiled `tinycnn.kernels.cpu`, where Numba is installed;
    small ones, not worth compiling anything, by `tinycnn.kernels.im2col`. CuPy arrays are served by
    `tinycnn.kernels.cuda`, where numba-cuda is installed, else by `tinycnn.kernels.im2col` as well.
    ``TINYCNN_CONV=loops`` (or ``im2col``, ``cpu``, or a rung of `tinycnn.kernels.cuda`: ``direct``,
    ``coalesced``, ``shared``, ``gemm``, ``registers``, ``fused``) chooses one for all.

    Raises
    ------
    ValueError
        For a name in ``TINYCNN_CONV`` that is unknown, or that does not serve this array.
    """
    name = os.environ.get("TINYCNN_CONV")
    if not name:
        return _module(_best(array))
    if name not in KERNELS:
        raise ValueError(f"unknown kernels TINYCNN_CONV={name!r}; there are {', '.join(KERNELS)}")
    if name == "cpu" and not _on_cpu(array):
        raise ValueError(
            f"TINYCNN_CONV=cpu serves float32 and float64 arrays of NumPy, not {array.dtype} of "
            f"{backend_of(array)}, shape {array.shape}"
        )
    if name in RUNGS:
        if reason := why_no_cuda():
            raise ValueError(f"TINYCNN_CONV={name} is a CUDA kernel: {reason}")
        return _module("cuda")
    return _module(name)


def _best(array: Array) -> str:
    if isinstance(array, np.ndarray):
        return "cpu" if compiles(array) else "im2col"
    return "im2col" if why_no_cuda() else "cuda"


@cache
def why_no_cuda() -> str | None:
    """Return the reason that CUDA kernels of our own cannot run here, or None where they can."""
    try:
        return importlib.import_module("tinycnn.kernels.cuda.target").why_not()
    except ImportError as error:  # numba-cuda raises one of these too, where it finds no driver
        return f"numba-cuda cannot be used: {error}"


def elementwise(array: Array) -> ModuleType:
    """Return what passes over all elements of `array`: `tinycnn.kernels.elementwise`, or faster ones."""
    return _plain_or_faster("elementwise", array)


def channels(array: Array) -> ModuleType:
    """Return what passes over the channels of `array`: `tinycnn.kernels.channels`, or faster ones."""
    return _plain_or_faster("channels", array)


def rows(array: Array) -> ModuleType:
    """Return what passes over the rows of `array`: `tinycnn.kernels.rows`, or for CuPy `fused`."""
    return _module("fused" if fuses(array) else "rows")


def _plain_or_faster(name: str, array: Array) -> ModuleType:
    """Return the compiled module under the conditions of `kernels`, `fused` for CuPy, else the plain one."""
    if fuses(array):
        return _module("fused")
    wanted = os.environ.get("TINYCNN_CONV") in (None, "", "cpu") and os.environ.get("TINYCNN_FUSE") != "0"
    return _module(f"cpu.{name}" if wanted and compiles(array) else name)


def fuses(array: Array) -> bool:
    """Return whether `tinycnn.kernels.fused` serves `array`: CuPy's, unless ``TINYCNN_FUSE=0`` is set."""
    return (
        not isinstance(array, np.ndarray)
        and array.dtype.char in "fd"
        and os.environ.get("TINYCNN_FUSE") != "0"
    )


def matmul(a: Array, b: Array) -> Array:
    """Return a @ b; of large matrices on the CPU every thread computes a part."""
    if a.ndim == b.ndim == 2 and a.dtype == b.dtype and (compiles(a) or compiles(b)):
        return _module("cpu.products").matmul(a, b)
    return a @ b


def compiles(array: Array) -> bool:
    """Return whether compiled code shall serve `array`."""
    return array.size >= COMPILED_FROM and _on_cpu(array) and why_not_compiled() is None


def _on_cpu(array: Array) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.char in "fd"


@cache
def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tinycnn.kernels.{name}")


@cache
def why_not_compiled() -> str | None:
    """Return the reason that nothing can be compiled here, or None where it can."""
    for package, least in COMPILING.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            return f"{package} is not installed"
        if tuple(map(int, re.findall(r"\d+", version)[:2])) < least:
            wanted = ".".join(map(str, least))
            return f"{package} {version} is too old, {wanted} or newer is needed"
    return None


def manual_seed(seed: int | Sequence[int]) -> None:
    """Seed the random numbers (initial weights, dropout) of every backend, by one integer or several."""
    global _seed
    _seed = seed
    _generators.clear()


def generator(backend: str | None = None) -> Any:
    """Return the random generator of `backend` (the current one by default)."""
    backend = backend or current()
    if backend not in _generators:
        random = library(backend).random
        if backend == "numpy":
            _generators[backend] = random.default_rng(_seed)
        else:
            # CuPy's own default computes where each of its streams starts: far too long for one a batch.
            _generators[backend] = random.Generator(random.Philox4x3210(_seed))
    return _generators[backend]
