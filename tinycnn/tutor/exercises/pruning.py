"""An exercise on pruning (Eq. 16)."""

import numpy as np

from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes


def prune(w, sparsity):
    """Return the arrays of the list w with the weights nearest to 0 set to 0.

    Of all weights of all arrays together, the share `sparsity` is cut: those of the smallest size |w|.
    """
    everything = np.concatenate([a.ravel() for a in w])
    pruned = []
    for a in w:
        sizes = np.sort(np.abs(everything))
        cut = round(sparsity * len(sizes))
        threshold = sizes[cut]
        pruned.append(np.where(np.abs(a) >= threshold, a, 0.0))
    return pruned


def _cases_of_prune(rng: np.random.Generator) -> list[Arguments]:
    made = []
    for shapes, sparsity in (
        (((4,),), 0.5),
        (((4,),), 0.25),
        (((2, 4),), 0.75),
        (((4,), (4,)), 0.5),
        (((2, 2), (2, 3), (6,)), 0.25),
        (((3, 2, 2), (8,)), 0.5),
        (((2, 3), (2,)), 0.0),
    ):
        count = sum(int(np.prod(shape)) for shape in shapes)
        # No two of the same size; later arrays have the smaller ones, as layers differ in scale.
        sizes = np.sort(rng.permutation(np.arange(1, 3 * count))[:count])[::-1] / 10
        signed = sizes * rng.choice([-1.0, 1.0], count)
        signed[0], signed[-1] = -abs(signed[0]), abs(signed[-1])
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        parts = [rng.permutation(part) for part in np.split(signed, ends)]
        made.append(
            {
                "w": [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)],
                "sparsity": sparsity,
            }
        )
    return made


PRUNE = Exercise(
    prune,
    _cases_of_prune,
    traits={"several arrays": lambda a: len(a["w"]) > 1, "a sparsity above 0": lambda a: a["sparsity"] > 0},
    lesson=21,
    equation=16,
    hints=(
        "Which weights change the output least when they are cut?",
        "Sort the sizes of all weights, of all arrays together. How many are cut? Then which is the "
        "smallest that stays?",
        "Put the absolute values of all arrays into one row and sort it. The one at position sparsity times "
        "count is the smallest that stays; everything nearer to 0 becomes 0.",
    ),
    mistakes=read_mistakes("""
    largest_cut: You cut the largest weights. They matter most: cut those nearest to 0.
        np.abs(a) >= threshold -> np.abs(a) <= sizes[len(sizes) - cut - 1]
    each_array_by_itself: You cut the same share of every array. Here all arrays are compared together: one
        with small weights loses more.
        np.abs(everything) -> np.abs(a.ravel())
    signed: You compare the weights with their sign, so that negative ones are cut first. It is the distance
        from 0 that counts.
        np.abs(everything) -> everything; np.abs(a) >= -> a >=
        np.abs(a) >= -> a >=
    kept_instead_of_cut: You keep the share that should be cut. The sparsity is the share of zeros in the end.
        round(sparsity * len(sizes)) -> round((1 - sparsity) * len(sizes))
    one_too_many: You cut one weight too many: the one at the threshold stays.
        >= threshold -> > threshold
    nothing_to_cut: For the sparsity 0 you cut one weight, though none should be cut. The quantile is then the
        smallest size itself: keep what is equal to it.
        >= threshold, a -> > np.quantile(sizes, sparsity), a
    one_too_few: You cut one weight too few. Count how many weights the share is, and cut all of these.
        cut = round(sparsity * len(sizes)) -> cut = max(round(sparsity * len(sizes)) - 1, 0)
    mask: You return which weights stay. Return the weights.
        np.where(np.abs(a) >= threshold, a, 0.0) -> (np.abs(a) >= threshold) * 1.0
    removed: You take the cut weights out, so the arrays lose their shape. Set them to 0.
        np.where(np.abs(a) >= threshold, a, 0.0) -> a[np.abs(a) >= threshold]
    share_of_the_largest: You cut what is smaller than a share of the largest weight. The share is of the
        number of weights.
        threshold = sizes[cut] -> threshold = sparsity * sizes[-1]
    sparsity_is_the_threshold: You cut every weight below sparsity. It is the share of the weights, not a
        size.
        threshold = sizes[cut] -> threshold = sparsity
    shrunk: You make all weights smaller by the threshold. Those that stay keep their value.
        np.where(np.abs(a) >= threshold, a, 0.0) -> np.sign(a) * np.maximum(np.abs(a) - threshold, 0)
    without_sign: Your weights lose their sign. Sizes decide what is cut; what stays, stays as it is.
        threshold, a, 0.0) -> threshold, np.abs(a), 0.0)
    """),
)
