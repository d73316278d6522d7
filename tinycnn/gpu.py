"""Whether CuPy can use a GPU here, which GPU it is, and what to say if its memory does not suffice."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType
from typing import Any

from tinycnn.wrong import BackendError

PACKAGES = ("cupy-cuda12x", "cupy-cuda13x", "cupy-cuda11x", "cupy")  # at most one of them may be installed
LIBRARIES = {"NVRTC": "nvrtc", "cuBLAS": "cublas"}  # compiler and matrix products: wheels come without
GIB = 1 << 30
BUSY = {  # CUDA's errors for a GPU that works, but that this process cannot have
    "cudaErrorDevicesUnavailable": "the GPU is busy, another process has it for itself",
    "cudaErrorDeviceUnavailable": "the GPU is busy, another process has it for itself",
    "cudaErrorMemoryAllocation": "the GPU's memory is full, not even a context fits",
}


class OutOfMemoryError(MemoryError):
    """The GPU's memory does not suffice: the operation was not done, everything else is as before."""


_usable: ModuleType | None = None  # CuPy, after a check that it works here


def load() -> ModuleType:
    """Return CuPy, if it can compute here.

    Raises
    ------
    BackendError
        If there is no package, or more than one; if it does not fit the driver, or lacks its libraries; if
        there is no driver, or no GPU. The message says what to install.
    """
    global _usable
    if _usable is None or sys.modules.get("cupy") is not _usable:
        _usable = _checked()
    return _usable


def _checked() -> ModuleType:
    """Return CuPy, after a check of everything that can be missing."""
    installed = [name for name in PACKAGES if _version(name)]
    if len(installed) > 1:
        listed = " and ".join(f"{name} {_version(name)}" for name in installed)
        raise BackendError(
            f"{listed} are installed, and overwrite each other's files: remove all with "
            f"`pip uninstall {' '.join(installed)}`, then install 'tinycnn[cuda12]' for an NVIDIA driver of "
            "CUDA 12, or 'tinycnn[cuda13]' of CUDA 13"
        )
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            raise BackendError(
                f"the backend 'cupy' needs the CuPy package ({error}); with an NVIDIA driver for CUDA 12 "
                "install 'tinycnn[cuda12]', for CUDA 13 'tinycnn[cuda13]' (never both)"
            ) from error
        reason = str(error).strip().partition("\n")[0]
        raise BackendError(f"CuPy is installed, but it cannot be imported: {reason}") from error
    if (gone := _no_device(cupy)) is not None:
        raise BackendError(
            f"CuPy {cupy.__version__} is installed, but {gone}; tinycnn.use('numpy') is the CPU"
        )
    if missing := [name for name, module in LIBRARIES.items() if not _loads(cupy, module)]:
        package = installed[0] if installed else "cupy-cuda12x"
        raise BackendError(
            f"CuPy {cupy.__version__} is installed without CUDA's libraries, {', '.join(missing)} cannot be "
            f"loaded: `pip install '{package}[ctk]'` brings them, as NVIDIA's CUDA toolkit would"
        )
    return cupy


def _no_device(cupy: ModuleType) -> str | None:
    """Return why no GPU answers, or None if one does."""
    runtime = cupy.cuda.runtime
    try:
        if runtime.getDeviceCount() > 0:  # is_available() would keep the reason to itself
            runtime.memGetInfo()  # creates a context: only this fails on a busy or full GPU
            return None
        reason = "cudaErrorNoDevice"
    except RuntimeError as error:
        reason = str(error)
    driver = _quietly(runtime.driverGetVersion, 0)
    if not driver:
        return "there is no NVIDIA driver: `nvidia-smi` must list a GPU"
    if "cudaErrorInsufficientDriver" in reason:
        needed = runtime.runtimeGetVersion()
        major = driver // 1000
        fitting = f", or install 'tinycnn[cuda{major}]'" if 12 <= major < needed // 1000 else ""
        return (
            f"the NVIDIA driver is too old: it is for CUDA {_dotted(driver)}, CuPy for CUDA "
            f"{_dotted(needed)}; update the driver{fitting}"
        )
    if "cudaErrorNoDevice" in reason:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        seen = "" if hidden is None else f", and CUDA_VISIBLE_DEVICES={hidden!r} may hide some"
        return f"it finds no NVIDIA GPU: `nvidia-smi` must list one{seen}"
    for name, meaning in BUSY.items():
        if name in reason:
            return f"{meaning}: `nvidia-smi` lists who uses it ({name})"
    return f"the GPU does not answer: {reason}"


def _loads(cupy: ModuleType, library: str) -> bool:
    """Return whether a library of CUDA's is there; CuPy looks for each when it is first used."""
    try:
        module = getattr(cupy.cuda, library)
        if library == "nvrtc":
            module.getVersion()
    except (ImportError, RuntimeError, OSError):
        return False
    return True


def describe(cupy: ModuleType) -> dict[str, Any]:
    """Return what the current GPU is, for `tinycnn info`.

    Returns
    -------
    dict
        name; compute_capability, such as "9.0"; driver and runtime, the CUDA versions they are of;
        memory_free and memory_total, in bytes.
    """
    runtime, device = cupy.cuda.runtime, cupy.cuda.Device()
    free, total = runtime.memGetInfo()
    capability = device.compute_capability  # "90", "120"
    return {
        "name": runtime.getDeviceProperties(device.id)["name"].decode(),
        "compute_capability": f"{capability[:-1]}.{capability[-1]}",
        "driver": _dotted(runtime.driverGetVersion()),
        "runtime": _dotted(cupy.cuda.get_local_runtime_version()),
        "memory_free": free,
        "memory_total": total,
    }


def raise_out_of_memory(error: MemoryError, what: str, arrays: Sequence[Any] = ()) -> None:
    """Raise `OutOfMemoryError` for an error of CuPy's: what was asked for, and what was free.

    What CuPy keeps for later arrays is given back to the GPU first.

    Parameters
    ----------
    error
        What was raised; one that is not CuPy's says enough itself, and nothing happens.
    what, arrays
        What was done, to what.
    """
    if type(error).__module__.partition(".")[0] != "cupy":
        return
    cupy = importlib.import_module("cupy")
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    free, total = cupy.cuda.runtime.memGetInfo()
    asked = getattr(error, "_size", None)
    amount = "memory" if asked is None else _amount(asked)
    shapes = f" of {', '.join(str(tuple(a.shape)) for a in arrays)}" if arrays else ""
    raise OutOfMemoryError(
        f"{what}{shapes}: the GPU has no {amount} for it, {_amount(free)} of {_amount(total)} are free, and "
        f"{_amount(pool.used_bytes())} are in use by arrays of this process. A smaller batch needs less; "
        "tinycnn.no_grad() keeps nothing for backward"
    ) from error


@contextmanager
def saying(what: str, *arrays: Any) -> Iterator[None]:
    """Say what was done, `what` to `arrays`, if memory runs out inside the ``with`` block."""
    try:
        yield
    except MemoryError as error:
        raise_out_of_memory(error, what, arrays)
        raise


def _amount(size: int) -> str:
    return f"{size / GIB:.2f} GiB" if size >= GIB // 10 else f"{size:,} bytes"


def _dotted(version: int) -> str:
    """Return CUDA's 12090 as "12.9"."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _quietly(ask: Callable[[], int], otherwise: int) -> int:
    try:
        return ask()
    except RuntimeError:
        return otherwise


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
