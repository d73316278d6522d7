"""An exercise on comparing feature vectors (Eq. 14)."""

import numpy as np

from tinycnn.features import Index
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from .cases import whole_numbers


def cosine_distances(a, b):
    """Return 1 - cosine of every row of a (N, D) with every row of b (M, D): (N, M).

    A row of zeros has no direction: its distance to every row is 1.
    """
    lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
    lengths = np.where(lengths == 0, 1, lengths)
    return 1 - a @ b.T / lengths


def _cases(rng: np.random.Generator) -> list[Arguments]:
    sizes = ((1, 2, 2), (2, 3, 2), (3, 2, 4), (2, 4, 5), (4, 3, 3))
    made = [{"a": whole_numbers(rng, N, D), "b": whole_numbers(rng, M, D)} for N, M, D in sizes]
    made[-2]["a"][1] = 0
    made[-1]["b"][0] = 0
    return made


def _engine_distances(a, b):
    found = Index(b, "cosine").search(a, k=len(b))
    distances = np.empty(found.distance.shape)
    np.put_along_axis(distances, found.index, found.distance, axis=1)
    return distances


COSINE_DISTANCES = Exercise(
    cosine_distances,
    _cases,
    reference=_engine_distances,
    traits={"a row of zeros": lambda x: not (x["a"].any(axis=1).all() and x["b"].any(axis=1).all())},
    lesson=19,
    equation=14,
    hints=(
        "The cosine compares directions. If a vector becomes twice as long, what must happen to its distance "
        "to another one?",
        "All inner products at once are one matrix product, (N, D) times (D, M). The lengths of the rows of "
        "a and of b are vectors of N and of M numbers.",
        "Divide each inner product by both lengths, and subtract the result from 1. Where a length is 0, let "
        "the cosine be 0.",
    ),
    mistakes=read_mistakes("""
    similarity: You return the cosine, which is large for similar vectors. A distance is small for them:
        subtract it from 1.
        1 - a @ b.T / lengths -> a @ b.T / lengths
    sign: You add the cosine to 1. Two equal directions must have the distance 0: subtract it.
        1 - a @ b.T / lengths -> 1 + a @ b.T / lengths
    not_divided: You do not divide the inner products by the lengths, so that long vectors seem similar to
        all. Divide by both lengths.
        1 - a @ b.T / lengths -> 1 - a @ b.T
    one_length: You divide by the length of one of the two vectors. Divide by the other one, too.
        [:, None] * np.linalg.norm(b, axis=1) -> [:, None] * np.ones(len(b))
        np.linalg.norm(a, axis=1)[:, None] -> np.ones(len(a))[:, None]
    squared_lengths: You divide by the squares of the lengths. A length is the root of the sum of squares.
        1 - a @ b.T / lengths -> 1 - a @ b.T / lengths**2
    root_of_lengths: You divide by the root of the product of the lengths. Divide by the product itself.
        1 - a @ b.T / lengths -> 1 - a @ b.T / np.sqrt(lengths)
    absolute_length: Your length is the sum of the absolute values. The cosine needs the Euclidean length.
        axis=1) -> axis=1, ord=1)
    largest_number: Your length is the largest number of a vector. The cosine takes the root of the sum of
        squares.
        axis=1) -> axis=1, ord=np.inf)
    length_of_all: You divide by the length of a whole matrix. Each row has a length of its own.
        np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1) ->
            np.linalg.norm(a) * np.linalg.norm(b) * np.ones((len(a), len(b)))
    centred: You subtract the mean of every vector first: that is a correlation. Take them as they are.
        lengths == 0 -> lengths < 1e-9;
        lengths = np.linalg ->
            a, b = a - a.mean(1)[:, None], b - b.mean(1)[:, None]
            lengths = np.linalg
    euclidean: You return the Euclidean distance, which depends on the lengths of the vectors. Compare their
        directions.
        1 - a @ b.T / lengths -> np.linalg.norm(a[:, None] - b, axis=2)
        1 - a @ b.T / lengths -> ((a[:, None] - b) ** 2).sum(2)
    euclidean_of_directions: You return the Euclidean distance of the vectors scaled to length 1. The cosine
        distance is half of its square.
        1 - a @ b.T / lengths -> np.sqrt(np.maximum(2 - 2 * a @ b.T / lengths, 0))
    doubled: You return the squared distance of the vectors scaled to length 1. The cosine distance is half of
        that.
        1 - a @ b.T / lengths -> 2 - 2 * a @ b.T / lengths
    angle: You return the angle. One minus its cosine is asked for.
        1 - a @ b.T / lengths -> np.arccos(np.clip(a @ b.T / lengths, -1, 1))
    absolute_cosine: You take the cosine without its sign. Opposite directions are as far apart as possible:
        keep the sign.
        1 - a @ b.T / lengths -> 1 - np.abs(a @ b.T) / lengths
    not_a_number: You divide by 0 for a row of zeros. Such a row has no direction: its distance is 1.
        lengths = np.where(lengths == 0, 1, lengths) ->
    zeros_are_near: A row of zeros has the distance 0 in your answer, as if it had every direction. It has
        none: its distance is 1.
        return 1 - a @ b.T / lengths ->
            return np.where((a == 0).all(1)[:, None] | (b == 0).all(1), 0, 1 - a @ b.T / lengths)
    transposed: Your result is (M, N). Each row of the result belongs to a row of a.
        return 1 - a @ b.T / lengths -> return (1 - a @ b.T / lengths).T
    """),
)
