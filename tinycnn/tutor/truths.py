"""What is still true of an answer whose mistake is not known: one sentence that is certain."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from .exercise import Arguments, Exercise
from .results import Raised, Tried, misfit, same

Trait = Callable[[Arguments], bool]
Pair = tuple[np.ndarray, np.ndarray]  # yours and the right one


def _pair(arguments: Arguments, name: str, default: int) -> tuple[int, int]:
    value = arguments.get(name, default)
    return tuple(value) if isinstance(value, tuple) else (value, value)


def _image(arguments: Arguments) -> np.ndarray | None:
    """Return the first argument that is a batch, if there is one."""
    batches = [
        a for name, a in arguments.items() if name in "xgz" and isinstance(a, np.ndarray) and a.ndim > 1
    ]
    return batches[0] if batches else None


def _kernel(arguments: Arguments) -> tuple[int, int]:
    w = arguments.get("w")
    if isinstance(w, np.ndarray) and w.ndim == 4:
        return w.shape[2], w.shape[3]
    return _pair(arguments, "kernel_size", 1)


def _several(axis: int, ndim: int) -> Trait:
    def has(arguments: Arguments) -> bool:
        image = _image(arguments)
        return image is not None and image.ndim >= ndim and image.shape[axis] > 1

    return has


def _overlap(arguments: Arguments) -> bool:
    return any(k > s for k, s in zip(_kernel(arguments), _pair(arguments, "stride", 1), strict=True))


def _wide(arguments: Arguments) -> bool:
    image = _image(arguments)
    return image is not None and image.ndim == 4 and image.shape[2] != image.shape[3]


# Properties of a call, in words that go after "without".
TRAITS: dict[str, Trait] = {
    "a stride above 1": lambda a: max(_pair(a, "stride", 1)) > 1,
    "padding": lambda a: max(_pair(a, "padding", 0)) > 0,
    "windows that overlap": _overlap,
    "several images": _several(0, 2),
    "several channels": _several(1, 4),
    "several filters": lambda a: isinstance(a.get("w"), np.ndarray) and a["w"].ndim == 4 and len(a["w"]) > 1,
    "a kernel that is not square": lambda a: _kernel(a)[0] != _kernel(a)[1],
    "an image that is not square": _wide,
}


def still_true(exercise: Exercise, tried: Sequence[Tried]) -> str:
    """Return a sentence that is certainly true of an answer that is wrong in some calls."""
    wrong = [case for case in tried if not case.is_right]
    numbers = [case for case in wrong if not isinstance(case.yours, Raised)]
    comparable = len(numbers) == len(wrong) and all(misfit(c.yours, c.right) is None for c in wrong)
    if comparable and all(isinstance(case.right, np.ndarray | float | np.generic) for case in wrong):
        pairs = [(np.asarray(case.yours, float), np.asarray(case.right, float)) for case in wrong]
        if (sentence := of_numbers(pairs)) is not None:
            return sentence
    if (sentence := _trait(exercise, tried)) is not None:
        return sentence
    if comparable:
        return "The shape is right for every call, but the numbers are wrong."
    return f"It is right for {len(tried) - len(wrong)} of the {len(tried)} calls that I tried."


def of_numbers(pairs: Sequence[Pair]) -> str | None:
    """Return how results of the right shapes differ from the right ones, if that can be said."""
    for find in (_constant_factor, _constant_offset, _moved, _parts):
        if (sentence := find(pairs)) is not None:
            return sentence
    return None


def _trait(exercise: Exercise, tried: Sequence[Tried]) -> str | None:
    """Return a sentence on what all wrong cases have and no right case has; None if there is nothing."""
    right = [case for case in tried if case.is_right]
    wrong = [case for case in tried if not case.is_right]
    if not right:
        return None
    traits = {**TRAITS, **exercise.traits}
    telling = [
        name
        for name, has in traits.items()
        if all(has(case.arguments) for case in wrong) and not any(has(case.arguments) for case in right)
    ]
    if telling:
        return f"It is right for every call without {' or '.join(telling)}, and wrong for all others."
    needed = [name for name, has in traits.items() if all(has(case.arguments) for case in wrong)]
    if needed:
        return f"It is right for every call without {needed[0]}. Some of the others are wrong."
    return None


def _ratio(yours: np.ndarray, right: np.ndarray) -> float | None:
    largest = np.unravel_index(np.abs(right).argmax(), right.shape) if right.size else ()
    if not right.size or right[largest] == 0 or not np.isfinite(yours).all():
        return None
    factor = float(yours[largest] / right[largest])
    return factor if same(yours, right * factor) and factor != 0 else None


def _constant_factor(pairs: Sequence[Pair]) -> str | None:
    factors = [_ratio(yours, right) for yours, right in pairs if right.size > 1 or len(pairs) > 2]
    if not factors or None in factors:
        return None
    if all(same(factor, factors[0]) for factor in factors):
        if same(factors[0], -1.0):
            return "The size of every number is right, its sign is wrong."
        return f"Every number is {factors[0]:.4g} times the right one."
    if any(right.size > 1 for _, right in pairs):
        return "Within each call, all numbers are wrong by the same factor; each call has another one."
    return None


def _constant_offset(pairs: Sequence[Pair]) -> str | None:
    offsets = [yours - right for yours, right in pairs if right.size > 1]
    if offsets and all(same(d, np.full_like(d, d.flat[0])) for d in offsets):
        return "All numbers of a result are too large or too small by the same amount."
    return None


def _moved(pairs: Sequence[Pair]) -> str | None:
    """Return a sentence on how the right numbers are moved, if they stand in other places."""
    ndim = pairs[0][1].ndim
    if any(right.ndim != ndim or right.size < 2 for _, right in pairs):
        return None
    for axes in itertools.permutations(range(ndim)):
        if axes != tuple(range(ndim)) and all(same(yours, right.transpose(axes)) for yours, right in pairs):
            return f"The numbers are right, but the axes stand in the order {axes}."
    for count in range(1, ndim + 1):
        for axis in itertools.combinations(range(ndim), count):
            if all(same(yours, np.flip(right, axis)) for yours, right in pairs):
                names = ", ".join(map(str, axis))
                return f"The numbers are right, but they run backwards along axis {names}."
    if all(same(np.sort(yours, None), np.sort(right, None)) for yours, right in pairs):
        return "The numbers are right, but they stand in other places."
    return None


def _parts(pairs: Sequence[Pair]) -> str | None:
    """Return a sentence on the part of the results that is wrong."""
    if all(right.ndim == 4 and min(right.shape[2:]) > 2 for _, right in pairs):
        inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
        if all(same(yours[inside], right[inside]) for yours, right in pairs):
            return "Only the border is wrong: the rows and columns at the edge."
    several = [(yours, right) for yours, right in pairs if right.ndim > 1 and len(right) > 1]
    if several and len(several) == len(pairs) and all(same(yours[0], right[0]) for yours, right in pairs):
        return "The first image of every batch is right, the others are wrong."
    return None
