"""An exercise on dropout, which stands between the layers of a network (Eq. 5)."""

import numpy as np

from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from .cases import whole_numbers


def dropout(x, mask, p):
    """Return dropout's output, of x's shape; what is kept is scaled so that the mean stays.

    mask is 1 where a value is kept and 0 where it is dropped, which happens with the probability p. In
    evaluation mask is None, and nothing is dropped.
    """
    if mask is None:
        return x.copy()
    return x * mask / (1 - p)


def _cases_of_dropout(rng: np.random.Generator) -> list[Arguments]:
    made = []
    for shape, p in (((4,), 0.5), ((2, 4), 0.25), ((2, 3, 2, 2), 0.2)):
        mask = (rng.random(shape) >= p).astype(float)
        mask.flat[0], mask.flat[1] = 1, 0  # both occur
        made.append({"x": whole_numbers(rng, *shape), "mask": mask, "p": p})
    evaluation = [
        {"x": whole_numbers(rng, *shape), "mask": None, "p": p} for shape, p in (((3,), 0.25), ((2, 2), 0.4))
    ]
    return [*made[:1], *evaluation[:1], *made[1:], *evaluation[1:]]


DROPOUT = Exercise(
    dropout,
    _cases_of_dropout,
    traits={"training": lambda a: a["mask"] is not None, "evaluation": lambda a: a["mask"] is None},
    lesson=14,
    equation=5,
    hints=(
        "If a quarter of the values is dropped, by how much is their mean too small?",
        "What is kept makes up for what is dropped, in training already. Then evaluation needs no change at "
        "all.",
        "In training: x times mask, divided by the probability of being kept. In evaluation: x as it is.",
    ),
    mistakes=read_mistakes("""
    not_scaled: You drop values, and the rest stays as it is. Then the mean is too small in training: scale
        what is kept.
        / (1 - p) ->
    divided_by_p: You divide by the probability of being dropped. Divide by that of being kept.
        / (1 - p) -> / p
    multiplied: You make what is kept smaller. It must become larger, to make up for what is dropped.
        / (1 - p) -> * (1 - p)
    scaled_in_evaluation: You scale in evaluation, too. There nothing is dropped, so there is nothing to make
        up for.
        return x.copy() -> return x * (1 - p)
        return x.copy() -> return x / (1 - p)
    scaled_in_evaluation_only: You scale in evaluation instead of training. That is the older form of dropout;
        here training does the scaling.
        return x.copy() -> return x * (1 - p); / (1 - p) ->
    mask_inverted: You drop what should be kept, and keep what should be dropped. A 1 in the mask means keep.
        * mask -> * (1 - mask)
    mask_ignored: You scale everything and drop nothing. Where the mask is 0, the result is 0.
        * mask ->
    nothing_in_evaluation: In evaluation you return zeros. Everything is kept there.
        return x.copy() -> return np.zeros_like(x)
    scaled_by_what_was_kept: You divide by the share that this mask happens to keep. Divide by the
        probability, which is the same for every mask.
        / (1 - p) -> / mask.mean()
    """),
)
