"""`check` says whether a learner's function is right, and if not, what the mistake is."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .catalogue import AnswerError, find_exercise
from .exercise import Exercise
from .judge import judge
from .sandbox.calls import does_not_take
from .sandbox.here import run_here
from .sandbox.packing import CannotSendError, pack
from .sandbox.process import SECONDS, Execution, run
from .search import trial
from .show import show
from .verdict import Verdict

_told: list[str] = []  # not empty: the note that functions run in this process was shown


def check(
    exercise: str | Exercise,
    function: Callable[..., Any],
    hints: bool = True,
    seed: int = 0,
    seconds: float = SECONDS,
    quiet: bool = False,
) -> Verdict:
    """Return, and show, the verdict on `function`: whether it is right, else which mistake is in it.

    The function runs in a process of its own, on copies of small arguments, from the simplest to the general
    case. If one mistake that the exercise knows, or two of them at once, gives the same numbers in every
    call, the verdict names it. Else the verdict says what is still true of the answer.

    Parameters
    ----------
    exercise
        Its name (`catalogue` lists them), or one of your own.
    function
        The answer.
    hints
        Whether to say more than right or wrong. Without hints it is an exam.
    seed
        The seed of the random numbers in the arguments.
    seconds
        How long all calls together may take.
    quiet
        Show nothing.

    Raises
    ------
    ValueError
        For an exercise that is not known: says which names are near.
    TypeError
        For something that is no function, or takes other arguments: says which.
    """
    exercise = find_exercise(exercise)
    if not callable(function):
        raise TypeError(
            f"check takes the function {exercise.name} itself, got {type(function).__name__}: "
            f"{function!r:.60}"
        )
    if (signature := does_not_take(function, exercise.parameters)) is not None:
        raise TypeError(_other_signature(exercise, signature))
    tries = trial(exercise, seed)
    try:
        packed = pack(function, home=getattr(function, "__module__", None))
        result = run(exercise, tries.cases, packed, seconds=seconds)
        reason = result.said.get("unsendable")
    except CannotSendError as error:
        result, reason = Execution(), str(error)
    if reason is not None:
        result = run_here(function, tries.cases, seconds)
    verdict = judge(tries, result, seconds)
    if reason is not None and not _told:
        _told.append(reason)
        note = f"Your function ran in this process, because it cannot be sent to another one: {reason}."
        verdict = dataclasses.replace(verdict, notes=(*verdict.notes, note))
    return _given(verdict, hints, quiet)


def check_file(
    exercise: str | Exercise,
    file: Path,
    hints: bool = True,
    seed: int = 0,
    seconds: float = SECONDS,
    quiet: bool = False,
) -> Verdict:
    """Return, and show, the verdict on the function of the exercise's name in a file.

    Only a new process imports the file.

    Raises
    ------
    AnswerError
        If the file cannot be imported, has no such function, or one that takes other arguments.
    """
    exercise = find_exercise(exercise)
    result = run(exercise, trial(exercise, seed).cases, file=file, seconds=seconds)
    return _given(judged_file(exercise, file, result, seed, seconds), hints, quiet)


def judged_file(
    exercise: Exercise, file: Path, result: Execution, seed: int, seconds: float = SECONDS
) -> Verdict:
    """Return the verdict on an answer of a file that was run; raises as `check_file`."""
    said = result.said
    if "no_import" in said and not said.get("refused"):
        raised = said["no_import"]
        raise AnswerError(
            f"{file.name} cannot be imported: {raised['type']}: {raised['text']}{_line(raised)}"
        )
    if "no_function" in said:
        raise AnswerError(f"{file.name}: {exercise.name} is no function, but {said['no_function']}")
    if "signature" in said:
        raise AnswerError(f"{file.name}: {_other_signature(exercise, said['signature'])}")
    return judge(trial(exercise, seed), result, seconds)


def without_hints(verdict: Verdict) -> Verdict:
    """Return a verdict that says right or wrong, and nothing else."""
    message = "Right." if verdict.right else "Not right."
    return Verdict(verdict.exercise, verdict.right, None, message)


def _given(verdict: Verdict, hints: bool, quiet: bool) -> Verdict:
    """Show the verdict and return it."""
    verdict = verdict if hints else without_hints(verdict)
    if not quiet:
        show(verdict)
    return verdict


def _other_signature(exercise: Exercise, signature: str) -> str:
    count = len(exercise.parameters)
    return f"{exercise.name} takes {count} arguments, {exercise.signature}; yours is {signature}"


def _line(raised: dict[str, Any]) -> str:
    return f", line {raised['frames'][-1][1]}" if raised["frames"] else ""
