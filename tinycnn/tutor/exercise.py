"""What an exercise is made of: a right implementation, cases to try, and the mistakes that one makes there.

The wrong functions are made from the right one. Two mistakes at once are made by both changes of its text.
"""

import copy
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .mistake import Change, Mistake, changed

Arguments = dict[str, Any]  # of one call, by name, in the order of the signature


class Wrong(NamedTuple):
    """A wrong function, and the mistakes that are in it."""

    mistakes: tuple[Mistake, ...]
    function: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Exercise:
    """One function to write.

    Attributes
    ----------
    model
        A right implementation. Its name, signature and docstring are those of the exercise.
    cases
        Returns the calls to try, as dictionaries of arguments, the simplest first. Gets a random generator.
    mistakes
        The mistakes that the tutor knows.
    hints
        From a question to nearly the answer.
    lesson, equation
        The numbers of the lesson and the equation that it belongs to, or None.
    reference
        The engine's own function, whose results are the right ones; by default `model`.
    models
        Other right implementations. Mistakes change their texts, too.
    view
        Takes a result and the arguments, and returns the part of the result that matters. An exercise with
        several right results needs one.
    traits
        Properties of a call by name ("padding"): functions that take its arguments and return whether it has
        the property. They serve to say what is still true of a wrong answer.
    explain
        Takes the arguments and an index of the result, and returns the step of `tinycnn.explain` for this
        element.
    """

    model: Callable[..., Any]
    cases: Callable[[np.random.Generator], Sequence[Arguments]]
    mistakes: Sequence[Mistake] = ()
    hints: Sequence[str] = ()
    lesson: int | None = None
    equation: int | None = None
    reference: Callable[..., Any] | None = None
    models: Sequence[Callable[..., Any]] = ()
    view: Callable[[Any, Arguments], Any] | None = None
    traits: Mapping[str, Callable[[Arguments], bool]] = field(default_factory=dict)
    explain: Callable[[Arguments, tuple[int, ...]], Any] | None = None

    def __post_init__(self) -> None:
        names = [mistake.name for mistake in self.mistakes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{self.name}: there are two mistakes with the name {', '.join(twice)}")
        for mistake in self.mistakes:
            for way in mistake.ways:
                if not callable(way) and not any(self._changed(way)):
                    raise ValueError(
                        f"{self.name}: the mistake {mistake.name!r} changes {way[0][0]!r}, which does not "
                        "stand in the right implementation"
                    )

    @property
    def name(self) -> str:
        """The name of the function to write."""
        return self.model.__name__

    @property
    def parameters(self) -> list[str]:
        """The names of its arguments."""
        return list(inspect.signature(self.model).parameters)

    @property
    def signature(self) -> str:
        """As it is called: ``conv2d_bias(g)``."""
        return f"{self.name}({', '.join(self.parameters)})"

    @property
    def all_models(self) -> tuple[Callable[..., Any], ...]:
        """All right implementations, `model` first."""
        return (self.model, *self.models)

    @property
    def stub(self) -> str:
        """The function to fill in, as text."""
        doc = textwrap.indent(inspect.getdoc(self.model) or "", "    ").strip()
        closing = '\n    """' if "\n" in doc else '"""'
        return f'def {self.signature}:\n    """{doc}{closing}\n    return None  # your code\n'

    def right(self, arguments: Arguments) -> Any:
        """Return the right result."""
        return (self.reference or self.model)(**fresh(arguments))

    def viewed(self, result: Any, arguments: Arguments) -> Any:
        """Return the part of a result that matters; see `view`."""
        return result if self.view is None else self.view(result, arguments)

    @lru_cache  # noqa: B019 (exercises live as long as the program)
    def with_one_mistake(self) -> Sequence[Wrong]:
        """Return the wrong functions with one mistake."""
        found = []
        for mistake in self.mistakes:
            for way in mistake.ways:
                made = [way] if callable(way) else self._changed(way)
                found += [Wrong((mistake,), function) for function in made]
        return found

    @lru_cache  # noqa: B019
    def with_two_mistakes(self) -> Sequence[Wrong]:
        """Return the wrong functions with two mistakes at once, of those that are changes."""
        found = []
        for first, second in itertools.combinations(self.mistakes, 2):
            for one, other in itertools.product(first.ways, second.ways):
                if not callable(one) and not callable(other):
                    made = self._changed(one + other, other + one)
                    found += [Wrong((first, second), function) for function in made]
        return found

    def _changed(self, *ways: tuple[Change, ...]) -> Iterator[Callable[..., Any]]:
        """Yield each right implementation with the first of these changes that can be made in its text."""
        for model in self.all_models:
            made = (changed(model, way) for way in ways)
            yield from itertools.islice(filter(None, made), 1)


def fresh(value: Any) -> Any:
    """Return arguments whose arrays and generators are copies, so that a call cannot change them."""
    if isinstance(value, dict):
        return {name: fresh(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(fresh, value))
    return copy.deepcopy(value) if isinstance(value, np.ndarray | np.random.Generator) else value
