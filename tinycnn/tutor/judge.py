"""Make the verdict from what happened when the answer ran; this says which trouble is named first."""

import copy
import linecache
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .mistake import Mistake
from .results import Raised, Tried, misfit
from .sandbox.encoding import Other, decode
from .sandbox.process import Execution
from .search import Trial
from .steps import steps_of
from .trouble import hint_for, traceback_of
from .truths import still_true
from .verdict import Case, Verdict

MANY = 10_000  # characters: an answer that prints more probably prints in a loop


def judge(trial: Trial, execution: Execution, seconds: float) -> Verdict:
    """Return the verdict on a function that was run on the cases of `trial`."""
    exercise, cases, notes = trial.exercise, trial.cases, _printed(execution)

    def verdict(message: str, case: Tried | None = None, mistake: str | None = None, **more: Any) -> Verdict:
        shown = (
            None if case is None else Case(*copy.deepcopy((case.arguments, _shown(case.yours), case.right)))
        )
        return Verdict(exercise.name, False, mistake, message, shown, notes=notes, **more)

    at = len(execution.outcomes)
    next_case = Tried(at, cases[at], trial.rights[at], None) if at < len(cases) else None
    if execution.said.get("refused"):
        return verdict(
            f"Your code tries to {execution.said['refused']}. An answer needs only its arguments: "
            "remove that line."
        )
    if execution.ended == "time":
        return verdict(_stuck(execution, seconds), next_case)
    if execution.ended == "crash":
        return verdict(
            "The process of your function ended in the middle of a call. That happens if it uses far too "
            "much memory, or calls os._exit. Look at the sizes of the arrays that you make.",
            next_case,
        )
    tried = [trial.tried(at, _result(outcome)) for at, outcome in enumerate(execution.outcomes)]
    for case, outcome in zip(tried, execution.outcomes, strict=True):
        if "exit" in outcome:
            return verdict(
                "Your function calls sys.exit, which would end the whole program. Let it return its result.",
                case,
            )
    if all(outcome.get("value", 0) is None for outcome in execution.outcomes):
        return verdict("Not answered yet: your function returns nothing.")
    for case, outcome in zip(tried, execution.outcomes, strict=True):
        if outcome["changed"]:
            arguments = "argument" if len(outcome["changed"]) == 1 else "arguments"
            return verdict(
                f"Your function changes its {arguments} {' and '.join(outcome['changed'])} in place, so "
                "whoever calls it loses their numbers. Work on a copy, or make a new array.",
                case,
            )
        if outcome.get("random"):
            return verdict(
                "Called twice with the same arguments, your function returns different results. The result "
                "must depend on the arguments only.",
                case,
            )
    wrong = sorted((case for case in tried if not case.is_right), key=_size)
    if not wrong:
        return Verdict(exercise.name, True, None, "Right.", notes=(*notes, *_shared(execution, tried)))
    return _wrong(trial, tried, wrong[0], execution, verdict)


def _wrong(
    trial: Trial, tried: Sequence[Tried], first: Tried, execution: Execution, verdict: Callable[..., Verdict]
) -> Verdict:
    """Return the verdict on results that are wrong, of which `first` is the smallest."""
    exercise, found = trial.exercise, trial.find(tried)
    if found:
        message, certain = _named(found)
        identifier = "+".join(mistake.name for mistake in certain) or None
        return verdict(message, first, identifier, steps=steps_of(exercise, first))
    raised = [case for case in tried if isinstance(case.yours, Raised)]
    if raised:
        said = execution.outcomes[raised[0].at]["raised"]
        text = said["text"].strip().removesuffix(".").rstrip() or "without a text"
        message = f"Your function stops with {said['type']}: {text}."
        hint = hint_for(said, [name for name, value in raised[0].arguments.items() if value is None])
        return verdict(f"{message}{hint}", raised[0], traceback=traceback_of(said))
    if (sentence := misfit(first.yours, first.right)) is not None:
        return verdict(sentence, first)
    if _has_nan(first.yours) and not _has_nan(first.right):
        return verdict(
            "The result contains NaN, which is no number. It comes from 0/0, from inf - inf, or from the "
            "logarithm or root of a number below 0: print what goes into these.",
            first,
            steps=steps_of(exercise, first),
        )
    message = f"I do not know this mistake. {still_true(exercise, tried)}"
    return verdict(message, first, steps=steps_of(exercise, first))


def _named(found: Sequence[tuple[Mistake, ...]]) -> tuple[str, tuple[Mistake, ...]]:
    """Return the sentences about the mistakes that fit, and the mistakes that are certain."""
    if len(found) == 1:
        sentences = [mistake.sentence for mistake in found[0]]
        return (sentences[0] if len(sentences) == 1 else f"Two things. {' '.join(sentences)}"), found[0]
    certain = tuple(mistake for mistake in found[0] if all(mistake in others for others in found))
    if certain:
        more = "Something else is wrong, too: correct this first, and check again."
        return f"{' '.join(mistake.sentence for mistake in certain)} {more}", certain
    each = [" ".join(mistake.sentence for mistake in mistakes) for mistakes in found[:2]]
    return f"More than one mistake gives these numbers. Either: {each[0]} Or: {each[1]}", ()


def _result(outcome: dict[str, Any]) -> Any:
    return Raised(outcome["raised"]["type"]) if "raised" in outcome else decode(outcome.get("value"))


def _size(case: Tried) -> int:
    """Return how many numbers a reader has to look at."""

    def count(value: Any) -> int:
        return sum(map(count, value)) if isinstance(value, list | tuple) else int(np.size(value))

    return count([case.right, *case.arguments.values()])


def _has_nan(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_nan, value))
    return isinstance(value, np.ndarray | float) and bool(np.isnan(np.asarray(value, float)).any())


def _shown(yours: Any) -> Any:
    return Other(yours.type, f"stops with {yours.type}") if isinstance(yours, Raised) else yours


def _stuck(execution: Execution, seconds: float) -> str:
    message = (
        f"Your function did not end within {seconds:g} seconds. Is there a loop whose condition stays true?"
    )
    if execution.stuck is None:
        return message
    file, line = execution.stuck
    text = linecache.getline(file, line).strip()
    return f"{message} When the time was up, it was at line {line}{f': {text}' if text else ''}"


def _printed(execution: Execution) -> tuple[str, ...]:
    """Return a note on what the function printed, if it did."""
    counts = [outcome["printed"] for outcome in execution.outcomes if "printed" in outcome]
    if not counts:
        return ()
    text, count = counts[0]
    if sum(n for _, n in counts) > MANY:
        return (f"Your function prints a lot, {count:,} characters in one call; it was not shown here.",)
    return (f"In the first call your function printed: {text.strip()}",)


def _shared(execution: Execution, tried: Sequence[Tried]) -> tuple[str, ...]:
    """Return a note if a result is a view of an argument, and the engine's is not."""
    for outcome, case in zip(execution.outcomes, tried, strict=True):
        for name in outcome["shared"]:
            argument = case.arguments[name]
            right = case.right if isinstance(case.right, list | tuple) else [case.right]
            if not any(isinstance(r, np.ndarray) and np.may_share_memory(r, argument) for r in right):
                return (
                    f"The result shares its memory with {name}: if one is changed, the other changes, too. "
                    "Return a copy if that may happen.",
                )
    return ()
