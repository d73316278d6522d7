"""Call a learner's function once, and write down all that happened. Runs in the child process."""

import copy
import inspect
import io
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from types import FrameType
from typing import Any

import numpy as np

from .encoding import encode

KEPT = 400  # characters of what a function prints


class TimeIsUp(BaseException):
    """Raised in a function that does not end; ``except Exception`` does not catch it."""


class Printed(io.TextIOBase):
    """Keeps the first characters of what is printed, and counts the rest."""

    def __init__(self) -> None:
        self.kept, self.count = "", 0

    def write(self, text: str) -> int:
        """Take `text`."""
        self.kept += text[: KEPT - len(self.kept)]
        self.count += len(text)
        return len(text)


def does_not_take(function: Any, parameters: Sequence[str]) -> str | None:
    """Return the signature of a function that cannot be called with so many arguments; None if it can."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*parameters)
    except TypeError:
        return str(signature)
    return None


def call_twice(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what one call did, as JSON can hold it; the call is made twice, to see whether it is random."""
    outcome = call(function, arguments)
    if "value" in outcome:
        outcome["random"] = call(function, arguments).get("value") != outcome["value"]
    return outcome


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Call `function` with a copy of the arguments.

    Returns
    -------
    dict
        ``value`` (encoded), or ``raised`` (type, text, frames), or ``exit`` (the code of sys.exit); with the
        names of arguments that were ``changed`` in place or are ``shared`` with the result; and what was
        ``printed``: the beginning, and how many characters.
    """
    given, printed = copy.deepcopy(arguments), Printed()
    outcome: dict[str, Any] = {}
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            value = function(*given.values())
        outcome["value"] = encode(value)
        outcome["shared"] = [name for name, before in given.items() if _share_memory(value, before)]
    except TimeIsUp:
        raise
    except SystemExit as error:
        outcome["exit"] = str(error.code)
    except BaseException as error:  # KeyboardInterrupt, too: nothing may end this process early
        outcome["raised"] = described(error, function)
    outcome["changed"] = [name for name in given if not _equal(given[name], arguments[name])]
    if printed.count:
        outcome["printed"] = [printed.kept, printed.count]
    return outcome


def described(error: BaseException, function: Any = None) -> dict[str, Any]:
    """Return an exception's type and text, and where in the learner's code it was raised.

    The frames are [file, line, function], from the first to the last one of the learner's code.
    The shapes are those of the arrays in the last frame, by name.
    """
    file = (
        getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)
        if function
        else None
    )
    walked = list(traceback.walk_tb(error.__traceback__))
    own = [i for i, (frame, _) in enumerate(walked) if file is None or frame.f_code.co_filename == file]
    kept = walked[own[0] : own[-1] + 1] if own else []
    shapes = _shapes(kept[-1][0]) if kept else {}
    return {
        "type": type(error).__name__,
        "text": str(error)[:1000],
        "frames": [[frame.f_code.co_filename, line, frame.f_code.co_name] for frame, line in kept[-20:]],
        "shapes": shapes,
    }


def _shapes(frame: FrameType) -> dict[str, list[int]]:
    return {name: list(v.shape) for name, v in frame.f_locals.items() if isinstance(v, np.ndarray) and v.ndim}


def _arrays(value: Any) -> list[np.ndarray]:
    """Return the arrays in a value: itself, or those in a list."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, list | tuple):
        return [array for item in value for array in _arrays(item)]
    return []


def _share_memory(value: Any, argument: Any) -> bool:
    return any(np.may_share_memory(a, b) for a in _arrays(value) for b in _arrays(argument))


def _equal(after: Any, before: Any) -> bool:
    """Return whether the arrays of an argument are unchanged, bit for bit."""
    pairs = list(zip(_arrays(after), _arrays(before), strict=False))
    same_count = len(_arrays(after)) == len(_arrays(before))
    return same_count and all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)
