"""The exercise on the squared error (Eq. 6)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine


def mse_loss_input(x, t):
    """Return dL/dx (N, D) of the squared error, L = the mean over all elements of (x - t)^2, for t (N, D)."""
    M = x.size
    return 2 * (x - t) / M


def _cases_of_mse(rng: np.random.Generator) -> list[Arguments]:
    sizes = ((1, 1), (1, 3), (3, 1), (2, 2), (2, 3), (4, 3))
    return [
        {"x": np.round(rng.uniform(1, 4, size), 1), "t": np.round(rng.uniform(-3, 0.5, size), 1)}
        for size in sizes
    ] + [{"x": np.array([[0.5, -2.0, 1.0]]), "t": np.array([[1.5, -0.5, 1.0]])}]


MSE_LOSS_INPUT = Exercise(
    mse_loss_input,
    _cases_of_mse,
    **engine.computes(F.mse_loss, "dL/dx"),
    lesson=17,
    equation=6,
    hints=(
        "L is a mean of squares. Which of its terms depends on one number of x?",
        "The derivative of (x - t) squared is 2 (x - t). How many terms does the mean divide by?",
        "Twice the difference of output and target, divided by the number of all elements.",
    ),
    mistakes=read_mistakes("""
    two_forgotten: Your gradient is half of the right one. The derivative of a square has a factor.
        2 * (x - t) -> (x - t)
    not_divided: You leave out the division. L is a mean: divide by the number that the mean divides by.
        / M ->
    divided_by_images: You divide by the number of images. Here the mean is over all elements, N times D of
        them.
        M = x.size -> M = len(x)
    divided_by_one_row: You divide by the length of one row. Here the mean is over all rows as well.
        M = x.size -> M = x.shape[1]
    sign: Your gradient points the other way. If x is too large, L grows with x.
        (x - t) -> (t - x)
    absolute_error: Your gradient has the same size everywhere. That is the absolute error. The gradient of a
        square grows with the difference.
        2 * (x - t) -> np.sign(x - t)
    the_loss: You return the squares themselves, the terms of L. Their derivatives are asked for.
        2 * (x - t) / M -> (x - t) ** 2 / M
        2 * (x - t) / M -> (x - t) ** 2
    target_forgotten: Your gradient does not depend on the target. It should be 0 where x and t are equal.
        (x - t) -> x
    added: You add the target to the output. Their difference says how far off x is.
        (x - t) -> (x + t)
    mean_difference: All your numbers are equal: you averaged the differences. Each element has its own.
        (x - t) -> (x - t).mean() * np.ones(x.shape)
    """),
)
