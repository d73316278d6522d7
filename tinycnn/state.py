"""Copy arrays by name into those of a network or an optimizer: all of them, or none."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.schema import plain
from tinycnn.tensor import Tensor

MOST_PROBLEMS = 20  # that a message lists


def copy_by_name(
    what: str, own: Mapping[str, Array], given: Mapping[str, Any], problems: Iterable[str] = ()
) -> None:
    """Copy the values in `given` into the arrays with the same names in `own`, in the dtype of these.

    Parameters
    ----------
    what
        The beginning of the message: "these weights do not fit Linear".
    own
        Arrays that can be written to.
    given
        Arrays of NumPy or CuPy, tensors, or anything that NumPy can read, as PyTorch's tensors on the CPU.
    problems
        Further problems, which the caller found.

    Raises
    ------
    ValueError
        Names what is missing, unexpected, misshapen, not made of real numbers, or would be rounded to
        integers; then nothing was copied.

    Warns
    -----
    RuntimeWarning
        If values are NaN. They are copied.
    """
    problems = list(problems)
    arrays: dict[str, Array] = {}
    for name, value in given.items():
        try:
            arrays[name] = _array(value)
        except Exception as error:  # another library's tensor says why in its own kind of error
            problems.append(f"{plain(name)} cannot be read as an array ({plain(error)})")
    problems += [f"missing {plain(name)} {a.shape}" for name, a in own.items() if name not in given]
    problems += [f"unexpected {plain(name)} {a.shape}" for name, a in arrays.items() if name not in own]
    for name in (name for name in own if name in arrays):
        problems += [f"{plain(name)} {problem}" for problem in _misfits(own[name], arrays[name])]
    if problems:
        shown = problems[:MOST_PROBLEMS]
        if len(problems) > len(shown):
            shown.append(f"and {len(problems) - len(shown)} more")
        raise ValueError(f"{what}: {'; '.join(shown)}{_prefix_hint(own, given)}")
    moved = {name: _backend.to_backend(arrays[name], _backend.backend_of(a)) for name, a in own.items()}
    for name, array in own.items():
        array[...] = moved[name]
    _warn_of_nan(own)


def _warn_of_nan(arrays: Mapping[str, Array]) -> None:
    bad = [name for name, a in arrays.items() if a.dtype.kind == "f" and array_module(a).isnan(a).any()]
    if bad:
        a, more = arrays[bad[0]], f", and {len(bad) - 1} more arrays have some" if bad[1:] else ""
        count = int(array_module(a).isnan(a).sum())
        warnings.warn(
            f"{count:,} of the {a.size:,} values of {plain(bad[0])} are NaN{more}: they were copied as they "
            "are, and whatever is computed from them is NaN. They were saved after a training had diverged, "
            "or are damaged",
            RuntimeWarning,
            stacklevel=4,
        )


def _array(value: Any) -> Array:
    if isinstance(value, Tensor):
        return value.data
    return value if type(value).__module__.partition(".")[0] == "cupy" else np.asarray(value)


def _misfits(own: Array, given: Array) -> list[str]:
    """Return why `given` cannot be copied into `own`."""
    if given.shape != own.shape:
        return [f"must have shape {own.shape}, got {given.shape}"]
    if given.dtype.kind not in "fiub":
        return [f"must hold real numbers, got {given.dtype}"]
    if own.dtype.kind in "iu" and given.dtype.kind == "f" and (given != given.round()).any():
        return [f"must hold integers, got {given.dtype} with fractions"]
    if isinstance(own, np.ndarray) and not own.flags.writeable:
        return ["is read-only and cannot be loaded into"]
    return []


def _prefix_hint(own: Mapping[str, Array], given: Mapping[str, Any]) -> str:
    """Return what to write if all names in `given` have the same words in front, as "module."."""
    first = next(iter(given), "")
    for name in own:
        prefix = first.removesuffix(name)
        if prefix != first and prefix and {prefix + key for key in own} == set(given):
            strip = f"{{name.removeprefix({prefix!r}): value for name, value in state.items()}}"
            return f". All names begin with {prefix!r}, as DataParallel writes them: load {strip}"
    return ""
