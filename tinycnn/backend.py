"""The backend switch: which array library new arrays live in.

An operation runs where its inputs live. Nothing is copied from one library to the other silently:
`to_backend` (``Tensor.to``) is the one call that moves an array.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from tinycnn import gpu, wrong
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.wrong import BackendError

BACKENDS = ("numpy", "cupy")
PYTORCHS = {"cpu": "numpy", "cuda": "cupy"}  # what PyTorch calls the devices they compute on
LISTED = "'numpy' (PyTorch's 'cpu') and 'cupy' (PyTorch's 'cuda')"

_current: str | None = None  # None until the first use: then the environment variable decides
_generators: dict[str, Any] = {}
_seed: int | Sequence[int] | None = None


def use(backend: str) -> None:
    """Let new arrays live in `backend`, "numpy" or "cupy", from here on.

    Before the first call, the environment variable ``TINYCNN_BACKEND`` decides; by default it is "numpy".

    Raises
    ------
    ValueError
        For an unknown name.
    BackendError
        If CuPy cannot be used. The message says what is missing: package, libraries, driver or GPU.
    """
    global _current
    library(backend)
    _current = backend


@contextmanager
def using(backend: str) -> Iterator[None]:
    """Use `backend` inside the ``with`` block."""
    global _current
    before = current()
    use(backend)
    try:
        yield
    finally:
        _current = before


def current() -> str:
    """Return the name of the backend new arrays live in."""
    global _current
    if _current is None:
        backend = os.environ.get("TINYCNN_BACKEND") or "numpy"
        library(backend)
        _current = backend
    return _current


def library(backend: str) -> ModuleType:
    """Return the array library of `backend`; raise ValueError or BackendError if it cannot be used here."""
    if backend == "numpy":
        return np
    if backend != "cupy":
        raise ValueError(f"unknown backend {backend!r}; there are {LISTED}")
    return gpu.load()


def why_not(backend: str) -> str | None:
    """Return the reason that `backend` cannot be used here, or None if it can."""
    try:
        library(backend)
    except BackendError as error:
        return str(error)
    return None


def backend_of(array: Array) -> str:
    """Return the name of the backend that `array` lives in."""
    return array_module(array).__name__


def to_backend(array: Array, backend: str) -> Array:
    """Return `array` in `backend`: `array` itself if it lives there, else a copy."""
    return array if backend_of(array) == backend else _copied(array, backend)


def _copied(array: Array, backend: str) -> Array:
    """Return a copy in `backend` of an array that lives elsewhere."""
    xp = library(backend)
    if backend == "numpy":
        return array_module(array).asnumpy(array)
    with gpu.saying("a copy", array):
        return xp.asarray(array)


def new_array(data: Any, dtype: Any = None, backend: str | None = None) -> Array:
    """Return `data` as an array of `dtype` in `backend`; see `tinycnn.Tensor`.

    Raises TypeError for data that are not real numbers or booleans.
    """
    if not is_array(data):
        data = _of_numbers(data)
    elif type(data) is not np.ndarray or not data.dtype.isnative:
        data = ordinary(data)
    if data.dtype.kind not in "fiub":
        raise wrong.no_real_numbers(data)
    if backend is None:
        backend = current() if isinstance(data, np.ndarray) else backend_of(data)
    array = to_backend(data, backend)
    return array if dtype is None else array.astype(dtype, copy=False)


def _of_numbers(data: Any) -> np.ndarray:
    """Return a number or nested lists of numbers as an array; Python's floats become float32."""
    if isinstance(data, list | tuple) and any(hasattr(x, "creator") for x in data):
        raise wrong.list_of_tensors()
    given = np.asarray(data)
    return given.astype(np.float32) if given.dtype.kind == "f" and not hasattr(data, "dtype") else given


def ordinary(array: Array) -> Array:
    """Return an array as one of NumPy's or CuPy's own class, in the byte order of this machine.

    A subclass has rules of its own: `numpy.matrix` multiplies as matrices do. Raises TypeError for a masked
    array: what is masked would count.
    """
    if isinstance(array, np.ndarray) and type(array) is not np.ndarray:
        if hasattr(array, "mask"):
            raise wrong.masked(array.shape)
        array = np.asarray(array)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def is_array(value: Any) -> bool:
    """Return whether `value` is an array of NumPy or CuPy."""
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def as_array(value: Any) -> Array:
    """Return `value` as an array: NumPy's operations on arrays without dimensions return numbers."""
    return value if is_array(value) else np.asarray(value)


def numbers(*values: Any) -> list[float]:
    """Return numbers, or arrays of one element, as Python's numbers."""
    there = [value for value in values if type(value).__module__.partition(".")[0] == "cupy"]
    found = iter(_in_one_transfer(there) if there else ())
    return [next(found) if any(value is x for x in there) else float(value) for value in values]


def _in_one_transfer(arrays: Sequence[Array]) -> list[float]:
    """Return numbers from the GPU: each transfer waits until all work before it is done."""
    xp = array_module(arrays[0])
    return xp.asnumpy(xp.stack([a.reshape(()).astype(np.float64) for a in arrays])).tolist()


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
        # CuPy's default generator first works out where each stream starts: too slow for every batch.
        philox = backend == "cupy" and random.Generator(random.Philox4x3210(_seed))
        _generators[backend] = philox or random.default_rng(_seed)
    return _generators[backend]
