"""The user's choice: where new arrays live, and which kernels compute."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from tinycnn import backend as _backend
from tinycnn import dispatch
from tinycnn.kernels import table
from tinycnn.kernels.contract import Kernels

AUTO = "auto"
VARIABLE, OLD_VARIABLE = "TINYCNN_KERNELS", "TINYCNN_CONV"


def use(backend: str | None = None, *, kernels: str | Kernels | None = None) -> None:
    """Choose where new arrays live, or which kernels compute, from here on.

    Parameters
    ----------
    backend
        "numpy" or "cupy". Before the first call, the environment variable ``TINYCNN_BACKEND`` decides.
    kernels
        "plain" for the readable ones, "auto" for the fastest that are worth it for each array (the default),
        another name in `tinycnn.kernels.table`, or a `Kernels` of your own. They serve every operation.
        Before the first call, the environment variable ``TINYCNN_KERNELS`` decides.

    Raises
    ------
    ValueError
        For an unknown name, or kernels that cannot be used here. The message lists which there are, and why
        others are missing. Nothing was changed then.
    BackendError
        If CuPy cannot be used. The message says what is missing: package, libraries, driver or GPU.
    """
    if backend is None and kernels is None:
        raise TypeError("use() needs a backend, kernels=, or both")
    chosen = None if kernels is None else find(kernels)
    if backend is not None:
        _backend.use(backend)
    if kernels is not None:
        dispatch.choose(chosen)


@contextmanager
def using(backend: str | None = None, *, kernels: str | Kernels | None = None) -> Iterator[None]:
    """Use `backend` and `kernels` inside the ``with`` block; see `use`."""
    before = dispatch._chosen, dispatch._decided
    with _backend.using(backend or _backend.current()):
        use(backend, kernels=kernels)
        try:
            yield
        finally:
            dispatch.choose(*before)


def find(kernels: str | Kernels) -> Kernels | None:
    """Return the set of kernels of this name, None for "auto".

    Raises
    ------
    ValueError
        For an unknown name, or kernels that cannot be used here; see `use`.
    """
    if isinstance(kernels, Kernels):
        return kernels
    if kernels == AUTO:
        return None
    if not isinstance(kernels, str) or kernels not in table.SETS:
        raise ValueError(f"unknown kernels {kernels!r}; there are {_listed()}")
    if reason := why_not(kernels):
        raise ValueError(f"the kernels {kernels!r} cannot be used here: {reason}; there are {_listed()}")
    return table.SETS[kernels]()


def why_not(kernels: str) -> str | None:
    """Return the reason that the set of this name cannot be used here, or None if it can."""
    if kernels == "cpu":
        return table.why_not_compiled()
    if kernels == "fused":
        return _backend.why_not("cupy")
    on_gpu = "cuda", "capturable", *table.RUNGS, *table.TENSOR_CORES
    return table.why_no_cuda() if kernels in on_gpu else None


def _listed() -> str:
    """Return the names of the sets there are, and why each other set is missing."""
    reasons = {name: why_not(name) for name in table.SETS}
    there = ", ".join(map(repr, (AUTO, *(name for name in reasons if reasons[name] is None))))
    missing: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        if reason is not None:
            missing.setdefault(reason, []).append(repr(name))
    return there + "".join(f"; not {', '.join(names)}, as {reason}" for reason, names in missing.items())


def _read_environment() -> None:
    """Let the environment variable choose."""
    variable = VARIABLE
    name = os.environ.get(VARIABLE)
    if not name and (name := os.environ.get(OLD_VARIABLE)):
        variable = OLD_VARIABLE
        name = {"fused": "cuda"}.get(name, name)  # the ladder's top rung
    try:
        dispatch.choose(find(name) if name else None)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None
    if variable == OLD_VARIABLE:
        warnings.warn(
            f"the environment variable {OLD_VARIABLE} is now called {VARIABLE}, as it chooses all kernels; "
            f"{OLD_VARIABLE}={name} was understood as {VARIABLE}={name}",
            FutureWarning,
            stacklevel=4,
        )


dispatch.read_environment = _read_environment
