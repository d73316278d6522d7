"""Which kernels serve an array, and the user's choice of them: see `tinycnn.kernels.table` for the sets."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from tinycnn import backend as _backend
from tinycnn.kernels import table
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.kernels.table import Kernels

AUTO = "auto"
COMPILED_FROM = 1 << 9  # elements: smaller arrays are not worth compiling for
VARIABLE, OLD_VARIABLE = "TINYCNN_KERNELS", "TINYCNN_CONV"

_listeners: list[Callable[[Kernels | None], None]] = []
_chosen: Kernels | None = None  # by the user; None: the fastest that is worth it
_decided = False  # until the first use: then the environment variable decides


def kernels_for(array: Array, *others: Array) -> Kernels:
    """Return the kernels that serve these arrays: the ones that were chosen, else the fastest there are.

    By default, NumPy arrays of float32 and float64 are served by `cpu`, if Numba is installed and one array
    has at least `COMPILED_FROM` elements; other NumPy arrays by `im2col`. CuPy arrays are served by `cuda`,
    if numba-cuda is installed, else by `fused`.

    Raises
    ------
    ValueError
        If the chosen kernels do not take such arrays, or the environment names unknown ones.
    """
    if not _decided:
        _read_environment()
    if _chosen is None:
        return _fastest(array, others)
    if _chosen.takes is not None and not _chosen.serves(array):
        library, characters = _chosen.takes
        dtypes = " and ".join(str(np.dtype(character)) for character in characters)
        raise ValueError(
            f"the kernels {_chosen.name!r}, which were chosen, take {dtypes} arrays of {library}, not "
            f"{array.dtype} of {_backend.backend_of(array)}, shape {array.shape}; "
            f"tinycnn.use(kernels={AUTO!r}) chooses for each array"
        )
    return _chosen


def _fastest(array: Array, others: tuple[Array, ...]) -> Kernels:
    if array_module(array) is not np:
        fastest = table.fused() if table.why_no_cuda() else table.cuda()
        return fastest if fastest.serves(array) else table.IM2COL
    size = array.size
    for other in others:
        size = max(size, other.size)
    if size >= COMPILED_FROM and array.dtype.char in "fd" and table.why_not_compiled() is None:
        return table.cpu()
    return table.IM2COL


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
    chosen = _chosen if kernels is None else find(kernels)
    if backend is not None:
        _backend.use(backend)
    if kernels is not None:
        _choose(chosen)


def chosen() -> Kernels | None:
    """Return the set of kernels that was chosen, None for "auto"."""
    if not _decided:
        _read_environment()
    return _chosen


@contextmanager
def using(backend: str | None = None, *, kernels: str | Kernels | None = None) -> Iterator[None]:
    """Use `backend` and `kernels` inside the ``with`` block; see `use`."""
    before = _chosen, _decided
    with _backend.using(backend or _backend.current()):
        use(backend, kernels=kernels)
        try:
            yield
        finally:
            _choose(*before)


def _choose(chosen: Kernels | None, decided: bool = True) -> None:
    global _chosen, _decided
    _chosen, _decided = chosen, decided
    for listener in _listeners:
        listener(chosen)


def tell(listener: Callable[[Kernels | None], None]) -> None:
    """Call `listener` with the chosen set, None for "auto": now, and whenever another one is chosen."""
    _listeners.append(listener)
    listener(_chosen)


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
        _choose(find(name) if name else None)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from None
    if variable == OLD_VARIABLE:
        warnings.warn(
            f"the environment variable {OLD_VARIABLE} is now called {VARIABLE}, as it chooses all kernels; "
            f"{OLD_VARIABLE}={name} was understood as {VARIABLE}={name}",
            FutureWarning,
            stacklevel=4,
        )
