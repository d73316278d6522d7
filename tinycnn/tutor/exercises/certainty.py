"""Exercises on judging: calibration, and McNemar's test of two classifiers."""

from math import comb

import numpy as np

from tinycnn.metrics import expected_calibration_error, mcnemar
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes


def calibration_error(confidence, right, bins):
    """Return the expected calibration error, one number.

    confidence (N,) is in (0, 1], right (N,) is 1 where the prediction is right, else 0. The bins are equally
    wide, from 0 to 1; a confidence on the edge of two bins belongs to the lower one.
    """
    total = 0.0
    for m in range(bins):
        inside = (confidence > m / bins) & (confidence <= (m + 1) / bins)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            total += inside.mean() * gap
    return total


def _calibration_cases(rng: np.random.Generator) -> list[Arguments]:
    made = [
        {"confidence": np.array([0.6, 0.9, 0.7, 0.3]), "right": np.array([1, 1, 0, 0]), "bins": 2},
        {"confidence": np.array([0.5, 0.25, 0.7, 0.9, 0.5]), "right": np.array([1, 0, 0, 1, 1]), "bins": 4},
        {"confidence": np.array([0.92, 0.96, 1.0, 0.45]), "right": np.array([1, 0, 1, 1]), "bins": 8},
    ]
    for N, bins in ((12, 3), (20, 4), (30, 8)):
        confidence = np.round(rng.uniform(0.1, 0.99, N), 2) + 0.003  # never on the edge of a bin
        right = (rng.random(N) < confidence**2).astype(int)
        made.append({"confidence": confidence, "right": right, "bins": bins})
    return made


def _engine_error(confidence, right, bins):
    """Ask the engine, about 50 classes: class 0 has the confidence, the others share the rest."""
    rest = np.repeat((1 - confidence)[:, None] / 49, 49, axis=1)
    return expected_calibration_error(1 - right, np.column_stack([confidence, rest]), bins)


CALIBRATION_ERROR = Exercise(
    calibration_error,
    _calibration_cases,
    reference=_engine_error,
    traits={
        "a confidence on an edge": lambda a: bool(((a["confidence"] * a["bins"]) % 1 == 0).any()),
        "an empty bin": lambda a: len(np.unique(np.ceil(a["confidence"] * a["bins"]))) < a["bins"],
    },
    lesson=20,
    hints=(
        "Take all answers that are about 80 % sure. Which share of them should be right?",
        "For each bin compare two means: of the confidences, and of how often the answers are right.",
        "Take the absolute difference of the two means in every bin that is not empty. Add them up, each "
        "times the share of the images that are in its bin.",
    ),
    mistakes=read_mistakes("""
    unweighted: You take the plain mean over the bins. Weigh each bin with its share of the images.
        return total ->
            where = np.searchsorted(np.arange(1, bins) / bins, confidence)
            return np.mean([abs((right - confidence)[where == m].mean()) for m in np.unique(where)])
    mean_over_all_bins: You divide the sum of the gaps by the number of bins. Weigh each gap with its share of
        the images.
        inside.mean() * gap -> gap / bins
    not_weighted_at_all: You add up the gaps as they are. Each counts with the share of the images in its bin.
        inside.mean() * gap -> gap
    not_divided_by_n: You weigh each gap with the number of images. Divide by the number of all images.
        inside.mean() * gap -> inside.sum() * gap
    signed: Your gaps have signs, so a bin that is too sure hides one that is not sure enough. Take absolute
        values.
        abs(right[inside].mean() - confidence[inside].mean()) ->
            right[inside].mean() - confidence[inside].mean()
    sign_reversed: Your gaps have signs, and you subtract the accuracy from the confidence. Take absolute
        values.
        abs(right[inside].mean() - confidence[inside].mean()) ->
            confidence[inside].mean() - right[inside].mean()
    squared: You square the gaps. Take their absolute values.
        abs(right[inside].mean() - confidence[inside].mean()) ->
            (right[inside].mean() - confidence[inside].mean()) ** 2
    largest_gap: You return the largest gap: that is the maximum calibration error. The expected one is a
        weighted mean.
        return total ->
            where = np.searchsorted(np.arange(1, bins) / bins, confidence)
            return max(abs((right - confidence)[where == m].mean()) for m in np.unique(where))
    without_bins: You compare the accuracy of all images with their mean confidence. Do so in each bin.
        return total -> return abs(right.mean() - confidence.mean())
    each_image: You compare each answer with its own confidence. Take the means over a bin first: a single
        answer is right or wrong, and never 80 % right.
        abs(right[inside].mean() - confidence[inside].mean()) ->
            np.abs(right[inside] - confidence[inside]).mean()
    middle_of_the_bin: You take the middle of the bin for its confidence. Take the mean of the confidences
        that are in it.
        abs(right[inside].mean() - confidence[inside].mean()) -> abs(right[inside].mean() - (m + 0.5) / bins)
    upper_edge: You take the upper edge of the bin for its confidence. Take the mean of those inside.
        abs(right[inside].mean() - confidence[inside].mean()) -> abs(right[inside].mean() - (m + 1) / bins)
    errors: You compare the confidence with the share of wrong answers. Compare it with the share of right
        ones.
        right[inside].mean() -> (1 - right[inside].mean())
    edges: A confidence on an edge goes to the upper bin in your answer. It belongs to the lower one.
        (confidence > m / bins) & (confidence <= (m + 1) / bins) ->
            (confidence >= m / bins) & ((confidence < (m + 1) / bins) | (m == bins - 1))
    not_a_number: You take the mean of an empty bin, which is not a number. Leave such bins out.
        if inside.any(): -> if True:
    last_bin: You leave out the last bin, where the surest answers are. Go through all of them.
        range(bins) -> range(bins - 1)
    first_bin: You leave out the first bin. Go through all of them, from 0 on.
        range(bins) -> range(1, bins)
    equally_full: Your bins hold equally many images. They should be equally wide.
        return total ->
            parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
            gaps = [len(p) * abs(right[p].mean() - confidence[p].mean()) for p in parts if len(p)]
            return sum(gaps) / len(confidence)
    """),
)


def mcnemar_p(right_a, right_b):
    """Return McNemar's exact p of two classifiers on the same images, a number from 0 to 1.

    right_a and right_b (N,) are True where a classifier is right. Count the n images on which only one of the
    two is right. If both are equally good, each of these is like a fair coin: it falls to a or to b.
    """
    a, b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n, fewer = a + b, min(a, b)
    tail = sum(comb(n, i) for i in range(fewer + 1))
    return min(1.0, 2 * tail / 2**n)


def _mcnemar_cases(rng: np.random.Generator) -> list[Arguments]:
    """Make cases with counts of images: both right, only a, only b, both wrong; then mix the images."""
    made = []
    for counts in ((2, 3, 0, 1), (3, 4, 1, 2), (1, 2, 2, 3), (4, 1, 6, 2), (0, 3, 8, 2), (5, 7, 2, 4)):
        pairs = np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], counts, axis=1).astype(bool)
        pairs = pairs[:, rng.permutation(pairs.shape[1])]
        made.append({"right_a": pairs[0], "right_b": pairs[1]})
    return made


MCNEMAR = Exercise(
    mcnemar_p,
    _mcnemar_cases,
    reference=lambda right_a, right_b: mcnemar(right_a, right_b).p,
    traits={"equal counts": lambda x: bool(x["right_a"].sum() == x["right_b"].sum())},
    lesson=20,
    hints=(
        "Which images say nothing about which of the two classifiers is better?",
        "Count the images on which only a is right, and those on which only b is right. Throw"
        " a fair coin n times, for all of these n images. How likely is it that one side "
        "comes as rarely as the smaller count, or more rarely?",
        "Add up the binomial coefficients from 0 to the smaller count, divide by 2 to the power of n, double "
        "it for both sides, and let it be at most 1.",
    ),
    mistakes=read_mistakes("""
    one_sided: You count one side of the distribution. A difference in either direction counts: double it.
        2 * tail / 2**n -> tail / 2**n
    above_one: Your p can be above 1: the middle is counted on both sides. Let it be at most 1.
        min(1.0, 2 * tail / 2**n) -> 2 * tail / 2**n
    smaller_count_left_out: Your sum ends below the smaller count. The smaller count itself belongs to the
        sum, too.
        range(fewer + 1) -> range(fewer)
    one_term: You take the probability of exactly this count. Add those of all smaller counts.
        sum(comb(n, i) for i in range(fewer + 1)) -> comb(n, fewer)
    starts_at_one: Your sum begins at 1. It is also possible that the coin never shows one side: begin at 0.
        range(fewer + 1) -> range(1, fewer + 1)
    larger_count: Your sum goes up to the larger count. The tail ends at the smaller one.
        min(a, b) -> max(a, b)
    all_images: You throw a coin for every image. Only those count on which exactly one of the two is right.
        n, fewer = a + b, -> n, fewer = len(right_a),
    both_wrong_count: You count images that both get wrong. They say nothing about which classifier is better.
        n, fewer = a + b, -> n, fewer = int((~(right_a & right_b)).sum()),
    both_right_count: You count images that both get right. They say nothing about which classifier is better.
        a, b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum()) ->
            a, b = int(right_a.sum()), int(right_b.sum())
    difference: You return how different the accuracies are. How likely is that by chance? Return p.
        min(1.0, 2 * tail / 2**n) -> abs(a - b) / len(right_a)
    statistic: You return the statistic of the approximate test. Return the p of the exact one.
        min(1.0, 2 * tail / 2**n) -> (a - b) ** 2 / n
        min(1.0, 2 * tail / 2**n) -> (abs(a - b) - 1) ** 2 / n
    one_minus_p: You return 1 - p. A small p says that so large a difference is unlikely by chance.
        min(1.0, 2 * tail / 2**n) -> 1 - min(1.0, 2 * tail / 2**n)
    """),
)
