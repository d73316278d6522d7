"""Find the mistake: the wrong function that gives the learner's results on every case."""

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .exercise import Arguments, Exercise, fresh
from .mistake import Mistake
from .results import Raised, Tried, misfit, same


class Trial:
    """An exercise with the cases of one seed, their right results, and the results of wrong functions.

    Attributes
    ----------
    exercise
        The exercise.
    cases
        The calls to try.
    rights
        The right result of each.
    """

    def __init__(self, exercise: Exercise, seed: int) -> None:
        self.exercise = exercise
        self.cases = exercise.cases(np.random.default_rng(seed))
        self.rights = [exercise.right(case) for case in self.cases]
        self._known: dict[tuple[Callable[..., Any], int], Any] = {}
        self._rights_seen = [self._seen(right, at) for at, right in enumerate(self.rights)]

    def tried(self, at: int, yours: Any) -> Tried:
        """Return case `at` with a learner's result."""
        right, seen = self.rights[at], self._seen(yours, at)
        fits = not isinstance(yours, Raised) and misfit(yours, right) is None
        return Tried(at, self.cases[at], right, yours, seen, fits and same(seen, self._rights_seen[at]))

    def find(self, tried: Sequence[Tried]) -> list[tuple[Mistake, ...]]:
        """Return the mistakes, alone or in pairs, that give the learner's result on every case.

        There are several if they give the same results in every case. Pairs are tried if no single one fits.
        """
        # The wrong results first, because most suspects differ there.
        order = sorted(tried, key=lambda case: (case.is_right, isinstance(case.yours, Raised)))
        if not _is_evidence(order[0].yours):
            return []
        for suspects in (self.exercise.with_one_mistake, self.exercise.with_two_mistakes):
            found = [wrong.mistakes for wrong in suspects() if self._explains(wrong.function, order)]
            if found:
                return list(dict.fromkeys(found))
        return []

    def _explains(self, function: Callable[..., Any], order: Sequence[Tried]) -> bool:
        return all(_agree(self.result(function, case.at), case.seen) for case in order)

    def result(self, function: Callable[..., Any], at: int) -> Any:
        """Return the part that matters of a wrong function's result for case `at`."""
        if (function, at) not in self._known:
            self._known[function, at] = self._seen(attempt(function, self.cases[at]), at)
        return self._known[function, at]

    def _seen(self, result: Any, at: int) -> Any:
        """Return the part that matters of a result, which may be anything."""
        if isinstance(result, Raised):
            return result
        try:
            return self.exercise.viewed(result, self.cases[at])
        except Exception:  # a view expects more of a result than a wrong one may have
            return object()


@lru_cache(maxsize=64)
def trial(exercise: Exercise, seed: int) -> Trial:
    """Return the trial of an exercise and a seed; it is made once, so that a class is checked faster."""
    return Trial(exercise, seed)


def attempt(function: Callable[..., Any], arguments: Arguments) -> Any:
    """Return the result of one of the tutor's own functions; `Raised` if it raises."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return function(**fresh(arguments))
        except Exception as error:
            return Raised(type(error).__name__)


def _is_evidence(result: Any) -> bool:
    """Return whether a result shows which mistake was made; most exceptions do not: any code may raise."""
    return not isinstance(result, Raised) or result.type == "RecursionError"


def _agree(one: Any, other: Any) -> bool:
    if isinstance(one, Raised) or isinstance(other, Raised):
        return type(one) is type(other) and _is_evidence(one) == _is_evidence(other)
    return same(one, other)
