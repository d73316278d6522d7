"""``tinycnn info``: what is installed, and where it can compute."""

import argparse
import os
import platform
from importlib import metadata
from typing import Any

import numpy as np

from tinycnn import __version__, gpu
from tinycnn import backend as _backend
from tinycnn.choice import why_not
from tinycnn.dispatch import COMPILED_FROM, kernels_for

from .common import Say

HELP = "show versions, backends (and why one is missing), kernels and threads"
EXAMPLE = "tinycnn info"

PACKAGES = (
    "numpy",
    "numba",
    "matplotlib",
    "pillow",
    "pooch",
    "safetensors",
    "tqdm",
    "rich",
    "cupy-cuda12x",
    "cupy-cuda13x",
    "numba-cuda",
)
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing."""


def run(args: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Print it all."""
    from tinycnn.kernels.cores import get_num_threads

    versions = {name: _version(name) for name in PACKAGES}
    backends = {name: _backend.why_not(name) for name in _backend.BACKENDS}
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    large = np.empty(COMPILED_FROM, np.float32)
    kernels = kernels_for(large).name
    threads = get_num_threads()
    compiled = _compiled()
    graphics = _gpu() if backends["cupy"] is None else None
    limits = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}

    say(f"tinycnn {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name, version in versions.items():
        say(f"  {name:<14} {version or 'not installed'}")
    for name, reason in backends.items():
        say(f"backend {name}: {'available' if reason is None else reason}")
    if graphics is not None:
        say(
            f"  {graphics['name']}, compute capability {graphics['compute_capability']}; driver for CUDA "
            f"{graphics['driver']}, CUDA runtime {graphics['runtime']}; "
            f"{graphics['memory_free'] / gpu.GIB:.1f} of {graphics['memory_total'] / gpu.GIB:.1f} GiB free"
        )
        say(f"  kernels for CuPy arrays: {graphics['kernels']} (TINYCNN_KERNELS chooses others)")
        if graphics["why_no_cuda"]:
            say(f"  none of our own: {graphics['why_no_cuda']}")
    say(f"current backend: {_backend.current()}")
    say(f"kernels for NumPy arrays: {kernels} (TINYCNN_KERNELS chooses others)")
    if reason := why_not("cpu"):
        say(f"  nothing is compiled: {reason}")
    for line in compiled:
        say(f"  {line}")
    set_limits = ", ".join(f"{name}={value}" for name, value in limits.items()) or "no limit set"
    say(f"threads of compiled kernels: {threads} (TINYCNN_THREADS)")
    say(f"matrix products outside them: {blas['name']} {blas['version']}; {set_limits}")
    return {
        "tinycnn": __version__,
        "python": platform.python_version(),
        "versions": versions,
        "backends": {name: {"available": why is None, "reason": why} for name, why in backends.items()},
        "backend": _backend.current(),
        "gpu": graphics,
        "kernels": kernels,
        "why_not_compiled": why_not("cpu"),
        "compiled": list(compiled),
        "threads": threads,
        "blas": {"name": blas["name"], "version": blas["version"]},
        "thread_limits": limits,
    }


def _compiled() -> tuple[str, ...]:
    """Return what the compiled kernels are on this processor, and which sizes each serves."""
    if why_not("cpu"):
        return ()
    from tinycnn.kernels import cpu

    return cpu.describe()


def _gpu() -> dict[str, Any]:
    """Return what the GPU is, and which kernels serve it."""
    cupy = _backend.library("cupy")
    some = cupy.empty(COMPILED_FROM, np.float32)
    return {
        **gpu.describe(cupy),
        "kernels": kernels_for(some).name,
        "why_no_cuda": why_not("cuda"),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
