"""The exercises by name."""

import difflib
from functools import lru_cache

from .exercise import Exercise


@lru_cache
def catalogue() -> dict[str, Exercise]:
    """Return the exercises by name, in the order of the lessons."""
    # Imported when they are asked for: the process of an answer needs none of them.
    from .exercises import (
        adam,
        autograd,
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
        pruning,
        softmax,
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
        dense,
        network,
        softmax,
        cross_entropy,
        update,
        adam,
        evaluation,
        differences,
        pruning,
        normalisation,
        dropout,
        transposed,
        gan,
        gradient_penalty,
    )
    return {exercise.name: exercise for family in families for exercise in family.EXERCISES}


def find_exercise(exercise: str | Exercise) -> Exercise:
    """Return the exercise of a name; an exercise is itself.

    Raises
    ------
    ValueError
        For a name that is not known: says which are near.
    """
    if isinstance(exercise, Exercise):
        return exercise
    known = catalogue()
    if exercise in known:
        return known[exercise]
    near = difflib.get_close_matches(str(exercise), known, 3, 0.4)
    meant = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"there is no exercise {exercise!r}; {meant}")
