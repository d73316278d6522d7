"""What the tutor says of an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .sandbox.encoding import text_of

if TYPE_CHECKING:
    from tinycnn.explain import Step


@dataclass(frozen=True)
class Case:
    """One call with a result that is not right.

    Attributes
    ----------
    arguments
        By name.
    yours
        The result; None if there is none.
    right
        The right result.
    """

    arguments: dict[str, Any]
    yours: Any
    right: Any


@dataclass(frozen=True, repr=False)
class Verdict:
    """What the tutor says of an answer; true if the answer is right.

    Attributes
    ----------
    exercise
        Its name.
    right
        Whether the answer is.
    mistake
        The identifier of the mistake, ``"a+b"`` for two at once; None if it is right, or not known.
    message
        One or two sentences.
    case
        The smallest call that goes wrong; None if all are right.
    steps
        The step that computes the first number that differs, with the learner's number beside the engine's;
        empty if there is none.
    traceback
        If the function raised an exception: the learner's part of the traceback.
    notes
        Further sentences: that the function prints, or that it ran in this process.
    """

    exercise: str
    right: bool
    mistake: str | None
    message: str
    case: Case | None = None
    steps: tuple[Step, ...] = ()
    traceback: str = ""
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"Verdict({self.exercise}: {'right' if self.right else self.mistake or 'not right'})"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as what `json` can write; see `tinycnn.explain.document` for the steps."""
        from tinycnn.explain import Explanation, to_json

        document = json.loads(to_json(Explanation(self.exercise, {}, {}, self.steps)))
        return {
            "exercise": self.exercise,
            "right": self.right,
            "mistake": self.mistake,
            "message": self.message,
            "case": None if self.case is None else _plain(vars(self.case)),
            "steps": document["steps"],
            "traceback": self.traceback,
            "notes": list(self.notes),
        }


def _plain(value: Any) -> Any:
    """Return arrays as nested lists, and values that JSON cannot hold as text."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return text_of(value)
