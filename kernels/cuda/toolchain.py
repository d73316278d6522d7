"""Numba's CUDA target, imported with what it needs, and the one question whether it works here."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from numba import config

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

cuda: Any = numba_cuda  # its names appear while Numba runs: nothing for a type checker


@cache
def why_not() -> str | None:
    """Return the reason that no kernel can run here, or None if one can.

    The first call compiles a kernel of one line and loads it onto the GPU: some combinations of versions are
    found out by nothing less.
    """
    if SIMULATED:
        return None
    try:
        version = metadata.version("numba-cuda")
    except metadata.PackageNotFoundError:
        return "numba-cuda is not installed; it comes with 'tinycnn[cuda12]' and 'tinycnn[cuda13]'"
    try:
        if not numba_cuda.cudadrv.driver.driver.is_available:
            return f"numba-cuda finds no GPU: {_first_line(numba_cuda.cuda_error())}"
    except Exception as error:  # it raises different ones from version to version
        return f"numba-cuda finds no GPU: {_first_line(error)}"
    if not numba_cuda.cudadrv.nvvm.is_available():
        return (
            f"numba-cuda {version} finds no libnvvm, NVIDIA's compiler: it comes with 'tinycnn[cuda12]' and "
            "'tinycnn[cuda13]', or with a CUDA toolkit that CUDA_HOME names"
        )
    try:
        from .launch import probe

        probe.load(("f",))
    except Exception as error:  # whatever the reason is, there are other kernels that work
        return (
            f"numba-cuda {version} with NumPy {np.__version__} cannot compile a kernel for this GPU: "
            f"{type(error).__name__}: {_first_line(error)}"
        )
    return None


def _first_line(said: Any) -> str:
    """Return the first line that says something."""
    lines = [line.strip() for line in str(said or "").splitlines() if line.strip()]
    return lines[0] if lines else "it does not say why"
