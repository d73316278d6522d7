"""An exception of the learner's function: its traceback, cut at their code, and a hint if there is one."""

import linecache
import re
from collections.abc import Sequence
from typing import Any

Raised = dict[str, Any]  # see `calls.described`


def traceback_of(raised: Raised) -> str:
    """Return the traceback as Python prints it, with the learner's lines only."""
    lines = ["Traceback (most recent call last):"]
    for file, line, function in raised["frames"]:
        lines.append(f'  File "{file}", line {line}, in {function}')
        text = linecache.getline(file, line).strip()
        if text:
            lines.append(f"    {text}")
    return "\n".join([*lines, f"{raised['type']}: {raised['text']}"])


def hint_for(raised: Raised, none: Sequence[str] = ()) -> str:
    """Return a sentence that helps, with the shapes of the arrays in the line; empty if there is none.

    `none` are the arguments that are None in this call.
    """
    if none and raised["type"] == "TypeError" and "NoneType" in raised["text"]:
        return f" In this call {' and '.join(none)} is None: read in the docstring what that means."
    for type_, pattern, hint in HINTS:
        if raised["type"] == type_ and re.search(pattern, raised["text"]):
            return f" {hint}{_shapes(raised)}"
    shapes = _shapes(raised)
    return shapes if raised["type"] in ("ValueError", "IndexError") else ""


HINTS = (
    (
        "ValueError",
        r"matmul.*mismatch|not aligned",
        "In a matrix product, the last axis of the first array must be as long as the last but one axis "
        "of the second.",
    ),
    (
        "ValueError",
        r"could not be broadcast|could not broadcast|non-broadcastable",
        "Two arrays can be broadcast if their sizes, compared from the last axis on, are equal or 1. An "
        "index None puts in an axis of size 1.",
    ),
    (
        "ValueError",
        r"cannot reshape",
        "A reshape keeps the number of elements: multiply the sizes you ask for.",
    ),
    (
        "ValueError",
        r"unpack",
        "There must be as many names on the left of = as values on the right. Does the array have as many "
        "axes as you think?",
    ),
    (
        "IndexError",
        r"out of bounds",
        "An index counts from 0 to the size minus 1. Does your loop run over the size of this axis?",
    ),
    (
        "AxisError",
        r"out of bounds",
        "The array has fewer axes than that. A sum or a mean over an axis takes the axis away.",
    ),
    ("IndexError", r"too many indices", "The array has fewer axes than you give indices."),
    (
        "RecursionError",
        r"",
        "A function may call itself about a thousand times. Keep a list of what is left to do instead.",
    ),
    (
        "NameError",
        r"",
        "That name has no value here. An answer file must import what it uses: import numpy as np.",
    ),
    ("MemoryError", r"", "An array is far larger than this exercise needs."),
    ("ZeroDivisionError", r"", "Something is divided by zero: print the divisor."),
    ("TypeError", r"NoneType", "A value is None: a function without a return returns None."),
    ("EOFError", r"", "This process has no keyboard: remove input()."),
)


def _shapes(raised: Raised) -> str:
    """Return the shapes of the arrays that the failing line names."""
    if not raised["frames"]:
        return ""
    file, line, _ = raised["frames"][-1]
    words = set(re.findall(r"\w+", linecache.getline(file, line)))
    shapes = {name: tuple(shape) for name, shape in raised["shapes"].items() if not words or name in words}
    if not shapes:
        return ""
    return f" In that line {' and '.join(f'{name} is {shape}' for name, shape in list(shapes.items())[:4])}."
