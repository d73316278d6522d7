"""`compare` says whether a number or an array is right, such as one that was worked out with a pencil."""

from typing import Any

import numpy as np

from .results import TOLERANCE, about_shapes, misfit, same
from .show import show
from .truths import of_numbers
from .verdict import Verdict


def compare(answer: Any, expected: Any, tolerance: float = TOLERANCE, quiet: bool = False) -> Verdict:
    """Return, and show, the verdict on `answer`: whether it is equal to `expected`.

    Parameters
    ----------
    answer
        A number or an array, or a list of numbers; None is no answer yet.
    expected
        The right one.
    tolerance
        The difference that is allowed, as a share of the largest number.
    quiet
        Show nothing.

    Examples
    --------
    >>> from tinycnn.tutor import compare
    >>> verdict = compare([2.0, 4.0], [1.0, 2.0])
    answer: Not right. Every number is 2 times the right one.
    """
    message = _message(answer, expected, tolerance)
    verdict = Verdict("answer", message == "Right.", None, message)
    if not quiet:
        show(verdict)
    return verdict


def _message(answer: Any, expected: Any, tolerance: float) -> str:
    if answer is None:
        return "Not answered yet."
    right = np.asarray(expected, float)
    yours = np.asarray(answer) if isinstance(answer, list | tuple) else answer
    if not isinstance(yours, np.ndarray | np.generic | int | float):
        return misfit(yours, right) or ""
    yours = np.asarray(yours, float)
    if yours.shape != right.shape:
        said = f"Not right. The answer has the shape {yours.shape}, it should be {right.shape}."
        return f"{said}{about_shapes(yours.shape, right.shape)}"
    if same(yours, right, tolerance):
        return "Right."
    if yours.size == 1:
        return _of_one_number(float(yours.item()), float(right.item()))
    worst = float(np.abs(yours - right).max())
    return f"Not right. {of_numbers([(yours, right)]) or f'The largest difference is {worst:.3g}.'}"


def _of_one_number(yours: float, right: float) -> str:
    if np.isnan(yours):
        return "Not right. NaN is no number: something was divided by 0, or a root has no value."
    if same(-yours, right):
        return "Not right. The size of the number is right, its sign is wrong."
    return f"Not right. Your number is too {'large' if yours > right else 'small'}."
