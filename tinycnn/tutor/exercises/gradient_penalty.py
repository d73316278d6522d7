"""An exercise on the gradient penalty, which keeps a discriminator from being steep (Eq. 13)."""

import numpy as np

from tinycnn import Tensor
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from .cases import whole_numbers


def gradient_penalty(grad_x):
    """Return the mean over the images of (|gradient| - 1)^2, for the critic's gradients grad_x (N, C, H, W).

    |gradient| is the length of all C*H*W numbers of an image.
    """
    length = np.sqrt((grad_x**2).sum(axis=(1, 2, 3)))
    return ((length - 1) ** 2).mean()


def _cases_of_penalty(rng: np.random.Generator) -> list[Arguments]:
    shapes = ((1, 1, 1, 2), (1, 1, 2, 2), (2, 1, 1, 2), (2, 2, 1, 2), (3, 2, 2, 2), (4, 1, 3, 2))
    made = [{"grad_x": whole_numbers(rng, *shape)} for shape in shapes]
    made.append({"grad_x": np.round(rng.uniform(-0.2, 0.2, (3, 1, 2, 2)), 2) + 0.01})  # shorter than 1
    return made


def _engine_penalty(grad_x):
    from tinycnn.gan.losses import gradient_penalty as engine_penalty  # all of tinycnn.gan takes a moment

    # The critic <grad_x, x> has the gradient grad_x wherever one is.
    slope = Tensor(grad_x, backend="numpy")
    zeros, mix = (
        Tensor(np.zeros_like(grad_x), backend="numpy"),
        Tensor(np.ones((len(grad_x), 1, 1, 1)), backend="numpy"),
    )
    return engine_penalty(lambda x: (x * slope).sum((1, 2, 3)), zeros, zeros, mix).numpy()[()]


GRADIENT_PENALTY = Exercise(
    gradient_penalty,
    _cases_of_penalty,
    reference=_engine_penalty,
    lesson=23,
    equation=13,
    hints=(
        "How steep should the critic be, and what is punished?",
        "Each image has one gradient, a vector of C*H*W numbers. Its length should be 1.",
        "Square, sum over all axes but the first, take the root; then how far it is from 1, squared; then "
        "the mean.",
    ),
    mistakes=read_mistakes("""
    no_root: You compare the squared length with 1. Take the root first.
        np.sqrt((grad_x**2).sum(axis=(1, 2, 3))) -> (grad_x**2).sum(axis=(1, 2, 3))
    without_minus_one: You punish every slope. A slope of 1 is what is wanted: punish the distance from it.
        (length - 1) -> length
    of_the_whole_batch: You take one length for the whole batch. Each image has its own.
        (grad_x**2).sum(axis=(1, 2, 3)) -> (grad_x**2).sum()
    of_each_channel: You take a length for each channel, or each cell. An image has one length.
        axis=(1, 2, 3) -> axis=(2, 3)
        axis=(1, 2, 3) -> axis=1
    mean_of_squares: You average the squares of an image. The length has their sum.
        (grad_x**2).sum( -> (grad_x**2).mean(
    sum_over_images: You add up the penalties of the images. Take the mean.
        ((length - 1) ** 2).mean() -> ((length - 1) ** 2).sum()
    not_squared: You take the distance from 1 as it is, so that steep and flat make up for each other. Square
        it.
        ((length - 1) ** 2).mean() -> (length - 1).mean()
    absolute_value: You take the size of the distance from 1. Its square is asked for.
        ((length - 1) ** 2).mean() -> np.abs(length - 1).mean()
    one_sided: You punish slopes above 1 only. Slopes below 1 are punished, too.
        (length - 1) -> np.maximum(length - 1, 0)
    sum_of_sizes: You add up absolute values. The length is the root of the sum of squares.
        np.sqrt((grad_x**2).sum(axis=(1, 2, 3))) -> np.abs(grad_x).sum(axis=(1, 2, 3))
    square_of_the_mean: You average first and square then. Square the distance of each image, then average.
        ((length - 1) ** 2).mean() -> (length - 1).mean() ** 2
    with_lambda: You multiply with lambda, which is 10 as a rule. Here the penalty alone is asked for.
        ((length - 1) ** 2).mean() -> 10 * ((length - 1) ** 2).mean()
    every_image: You return the penalty of every image. Their mean is asked for.
        ((length - 1) ** 2).mean() -> (length - 1) ** 2
    """),
)
