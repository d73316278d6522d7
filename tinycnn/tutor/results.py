"""What came out of one call, and whether it is the same as something else."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .exercise import Arguments
from .sandbox.encoding import Other

TOLERANCE = 1e-5  # of the largest number: a sum in another order, or in float32, is the same answer


@dataclass(frozen=True)
class Raised:
    """Stands for the result of a call that ended with an exception."""

    type: str


class Tried(NamedTuple):
    """One case: its number, the arguments, what is right, what the learner's function returned.

    `seen` is what matters of that; see `Exercise.view`.
    """

    at: int
    arguments: Arguments
    right: Any
    yours: Any
    seen: Any = None
    is_right: bool = False


def same(a: Any, b: Any, tolerance: float = TOLERANCE) -> bool:
    """Return whether two results are equal, except for rounding: shapes, numbers, NaN and infinities."""
    if isinstance(b, list | tuple):
        return isinstance(a, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, dict):
        return isinstance(a, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in b)
    if not is_number(a) or not is_number(b):
        return type(a) is type(b) and bool(a == b)
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and not differs(a, b, tolerance).any()


def differs(a: np.ndarray, b: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return where two arrays of one shape differ by more than a share of the largest number in `b`."""
    a, b = (array.astype(np.result_type(array, float)) for array in (a, b))  # complex numbers stay complex
    scale = float(np.abs(b[np.isfinite(b)]).max(initial=0)) or 1.0
    with np.errstate(invalid="ignore"):
        return ~((np.abs(a - b) <= tolerance * scale) | (a == b) | (np.isnan(a) & np.isnan(b)))


def is_number(value: Any) -> bool:
    """Return whether a result is one number, or an array of numbers."""
    return isinstance(value, np.ndarray | np.generic | int | float)


def misfit(yours: Any, right: Any) -> str | None:
    """Return a sentence if a result has another type or shape than the right one; else None."""
    if yours is None:
        return (
            "Your function returns nothing for these arguments. Does every path through it end with a return?"
        )
    if isinstance(right, list | tuple):
        return _misfit_of_several(yours, right)
    wanted = np.asarray(right)
    if isinstance(yours, list | tuple):
        return f"Your function returns a {type(yours).__name__}. It should return {_named(wanted)}."
    if not is_number(yours):
        what = yours.type if isinstance(yours, Other) else type(yours).__name__
        return f"Your function returns something of the type {what}. It should return {_named(wanted)}."
    got = np.asarray(yours)
    if got.shape != wanted.shape:
        said = f"The result has the shape {got.shape}; for these arguments it should be {wanted.shape}."
        return f"{said}{about_shapes(got.shape, wanted.shape)}"
    return _misfit_of_dtype(got, wanted)


def about_shapes(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return a sentence on how two shapes differ; empty if there is nothing to say."""
    if 0 in got and 0 not in wanted:
        return " A size is 0: a slice from p to -p is empty if p is 0."
    if sorted(got) == sorted(wanted):
        return " The sizes are right, but they come in another order."
    if [n for n in got if n != 1] == [n for n in wanted if n != 1]:
        return " They differ in axes of length 1 only."
    return ""


def _misfit_of_several(yours: Any, right: Any) -> str | None:
    if not isinstance(yours, list | tuple):
        return f"Your function returns one value. It should return {len(right)}, as a {type(right).__name__}."
    if not any(map(is_number, right)):
        return None  # a list of objects: how long it is, is what the exercise is about
    if len(yours) != len(right):
        return f"Your function returns {len(yours)} values. It should return {len(right)}."
    for at, (one, wanted) in enumerate(zip(yours, right, strict=True), 1):
        if (sentence := misfit(one, wanted)) is not None:
            return f"Of the {len(right)} results, look at number {at}. {sentence}"
    return None


def _misfit_of_dtype(got: np.ndarray, wanted: np.ndarray) -> str | None:
    if wanted.dtype == np.uint8 and got.dtype != np.uint8:
        return f"The result is {got.dtype}. An image is stored as uint8, one byte for every number."
    if wanted.dtype.kind == "f" and wanted.ndim and got.dtype.kind in "biu":
        return (
            f"The result is {got.dtype}, so everything behind the decimal point is lost. Make the array with "
            "the dtype of the input, or as float."
        )
    if wanted.dtype.kind != got.dtype.kind and "c" in (wanted.dtype.kind, got.dtype.kind):
        return "The result has complex numbers. Nothing here needs them."
    return None


def _named(wanted: np.ndarray) -> str:
    return f"a NumPy array of shape {wanted.shape}" if wanted.ndim else "one number"
