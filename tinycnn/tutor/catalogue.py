"""The exercises by name."""

import difflib
import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from .exercise import Exercise


class AnswerError(ValueError):
    """There is nothing to check: a file cannot be imported, or has not what it should have."""


@lru_cache
def catalogue() -> dict[str, Exercise]:
    """Return the exercises by name, in the order of the lessons."""
    # Imported only here: the process that runs an answer needs none of them.
    from .exercises import (
        adam,
        autograd,
        binary_cross_entropy,
        certainty,
        columns,
        convolution,
        convolution_input,
        convolution_weight,
        cross_entropy,
        dense,
        differences,
        dropout,
        evaluation,
        gan,
        gradient_penalty,
        graphs,
        images,
        network,
        normalisation,
        pooling,
        pooling_max,
        pooling_mean,
        pooling_min,
        pooling_sum,
        pruning,
        similarity,
        softmax,
        squared_error,
        transposed,
        update,
    )

    families = (
        images,
        autograd,
        graphs,
        convolution,
        convolution_input,
        convolution_weight,
        columns,
        pooling,
        pooling_max,
        pooling_mean,
        pooling_min,
        pooling_sum,
        dense,
        network,
        softmax,
        cross_entropy,
        squared_error,
        binary_cross_entropy,
        update,
        adam,
        evaluation,
        similarity,
        certainty,
        differences,
        pruning,
        normalisation,
        dropout,
        transposed,
        gan,
        gradient_penalty,
    )
    return {name: exercise for family in families for name, exercise in _defined_in(family).items()}


def _defined_in(module: ModuleType) -> dict[str, Exercise]:
    return {value.name: value for value in vars(module).values() if isinstance(value, Exercise)}


def exercises_in(file: Path) -> dict[str, Exercise]:
    """Return the exercises that a teacher's file defines, by name; the file is imported.

    Raises
    ------
    AnswerError
        If there is no such file, it cannot be imported, or it defines none.
    """
    if not file.is_file():
        raise AnswerError(f"there is no file {file}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise AnswerError(f"{file} is no Python file: its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise AnswerError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    found = _defined_in(module)
    if not found:
        raise AnswerError(f"{file} defines no Exercise")
    return found


def find_exercise(exercise: str | Exercise, known: Mapping[str, Exercise] | None = None) -> Exercise:
    """Return the exercise of a name, one of `known` or of the catalogue; an exercise is itself.

    Raises
    ------
    ValueError
        For a name that is not known: says which are near.
    """
    if isinstance(exercise, Exercise):
        return exercise
    known = known or catalogue()
    if exercise in known:
        return known[exercise]
    near = difflib.get_close_matches(str(exercise), known, 3, 0.4)
    meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"there is no exercise {exercise!r}; {meant}")
