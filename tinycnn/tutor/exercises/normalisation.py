"""Exercises on batch normalisation, which stands between the layers of a network (Eq. 5)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import whole_numbers


def batch_norm(x, gamma, beta, eps):
    """Return gamma * (x - mean) / sqrt(variance + eps) + beta for x (N, C, H, W), channel by channel.

    gamma and beta are (C,). In training mean and variance are those of the batch; the variance is divided by
    the number of values.
    """
    mean = x.mean(axis=(0, 2, 3), keepdims=True)
    variance = x.var(axis=(0, 2, 3), keepdims=True)
    y = (x - mean) / np.sqrt(variance + eps)
    return gamma[:, None, None] * y + beta[:, None, None]


def _cases(rng: np.random.Generator) -> list[Arguments]:
    shapes = (
        (1, 1, 1, 2),
        (2, 1, 1, 2),
        (1, 2, 2, 2),
        (2, 2, 2, 2),
        (3, 2, 2, 3),
        (4, 3, 3, 2),
        (2, 4, 2, 4),
    )
    return [
        {
            "x": _varied(rng, *shape),
            "gamma": whole_numbers(rng, shape[1]),
            "beta": whole_numbers(rng, shape[1]),
            "eps": (0.5, 1.0, 0.1, 0.5)[at % 4],  # large: the result shows where it is added
        }
        for at, shape in enumerate(shapes)
    ]


def _varied(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return whole numbers, in every channel of every image spread in another way."""
    x = rng.integers(-4, 5, shape) + rng.integers(1, 4, shape[:2])[..., None, None]
    x[..., 0, 0] += 5
    return x.astype(float)


BATCH_NORM = Exercise(
    batch_norm,
    _cases,
    reference=lambda x, gamma, beta, eps: engine.forward(
        F.batch_norm, x, None, None, gamma, beta, True, 0.1, eps
    ),
    lesson=14,
    equation=5,
    hints=(
        "Whose mean is it? A channel has a mean over everything that is in it: which axes are that?",
        "Subtract the mean and divide by the standard deviation; eps keeps the root above 0. Then every "
        "channel is stretched by its gamma and shifted by its beta.",
        "Mean and variance over images, rows and columns. eps is added to the variance, under the root. "
        "gamma and beta need two more axes to meet the channels.",
    ),
    mistakes=read_mistakes("""
    unbiased_variance: Your variance divides by one less than the number of values. Batch norm divides by the
        number itself.
        x.var(axis=(0, 2, 3), keepdims=True) -> x.var(axis=(0, 2, 3), keepdims=True, ddof=1)
    eps_outside_the_root: You add eps to the standard deviation. Add it to the variance, before you take the
        root.
        np.sqrt(variance + eps) -> (np.sqrt(variance) + eps)
    eps_forgotten: You leave out eps. Without it a channel whose values are all equal is divided by 0.
        variance + eps -> variance
    statistics_of_each_image: You normalise every image by itself. In batch norm all images of the batch share
        mean and variance.
        mean(axis=(0, 2, 3) -> mean(axis=(2, 3); var(axis=(0, 2, 3) -> var(axis=(2, 3)
    statistics_of_each_cell: You normalise every cell over the batch. The cells of a channel belong together:
        rows and columns count, too.
        mean(axis=(0, 2, 3) -> mean(axis=0; var(axis=(0, 2, 3) -> var(axis=0
    statistics_of_everything: You take one mean and variance for all channels. Each channel has its own.
        mean(axis=(0, 2, 3) -> mean(axis=(0, 1, 2, 3); var(axis=(0, 2, 3) -> var(axis=(0, 1, 2, 3)
    layer_norm: You normalise each image over all its channels: that is layer norm. Keep the channels apart
        and the images together.
        mean(axis=(0, 2, 3) -> mean(axis=(1, 2, 3); var(axis=(0, 2, 3) -> var(axis=(1, 2, 3)
    no_root: You divide by the variance. Divide by its root, so that the result has the variance 1.
        np.sqrt(variance + eps) -> (variance + eps)
    mean_not_taken_off: You scale, but the mean stays. Subtract it first.
        (x - mean) -> x
    gamma_forgotten: You leave out gamma: every channel is stretched by it at the end.
        gamma[:, None, None] * ->
    beta_forgotten: You leave out beta: every channel is shifted by it at the end.
        + beta[:, None, None] ->
    gamma_and_beta_exchanged: You stretch by beta and shift by gamma. It is the other way round: gamma is the
        factor.
        gamma[: -> delta[:; beta[: -> gamma[:; delta[: -> beta[:
    shifted_before_stretched: You stretch beta as well. Stretch first, then shift.
        gamma[:, None, None] * y + beta[:, None, None] -> gamma[:, None, None] * (y + beta[:, None, None])
    gamma_along_the_columns: gamma and beta go along the columns of your image. They belong to the channels.
        gamma[:, None, None] -> gamma; beta[:, None, None] -> beta
    """),
)


def batch_norm_input(g, x, gamma, eps):
    """Return dL/dx (N, C, H, W) of batch norm in training, for g = dL/dy and x (N, C, H, W), gamma (C,)."""
    axes = (0, 2, 3)
    s = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    y = (x - x.mean(axis=axes, keepdims=True)) / s
    h = gamma[:, None, None] * g  # what arrives at y
    from_mean = h.mean(axis=axes, keepdims=True)
    from_variance = y * (h * y).mean(axis=axes, keepdims=True)
    return (h - from_mean - from_variance) / s


def _cases_of_input(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"g": whole_numbers(rng, *a["x"].shape), "x": a["x"], "gamma": a["gamma"], "eps": a["eps"]}
        for a in _cases(rng)
    ]


BATCH_NORM_INPUT = Exercise(
    batch_norm_input,
    _cases_of_input,
    reference=lambda g, x, gamma, eps: engine.gradients(
        F.batch_norm, [x, None, None, gamma, None, True, 0.1, eps], g
    )[0],
    lesson=14,
    equation=5,
    hints=(
        "If one value of x grows, three things change: the value itself, the mean of its channel, and the "
        "spread.",
        "The normalised numbers always have the mean 0 and the variance 1. So the parts of g "
        "that would only change their mean or their spread have no effect: remove these "
        "parts.",
        "Multiply g by gamma. Subtract its mean, subtract the normalised x times the mean of their product, "
        "and divide by the root. Means are over images, rows and columns.",
    ),
    mistakes=read_mistakes("""
    mean_and_variance_constant: You treat mean and variance as fixed numbers. Both change when x changes, and
        each has a part in the gradient.
        (h - from_mean - from_variance) -> h
    mean_constant: You treat the mean as a fixed number. It moves with x, and that part is missing.
        h - from_mean - from -> h - from
    variance_constant: You treat the variance as a fixed number. It changes with x, and that part is missing.
        - from_variance) -> )
    sums_for_means: You subtract sums. What is subtracted are means over the values of a channel.
        h.mean( -> h.sum(; (h * y).mean( -> (h * y).sum(
    parts_added: You add the parts of mean and variance. Subtract them.
        h - from_mean - from_variance -> h + from_mean + from_variance
    gamma_forgotten: You leave out gamma: g passes through it on its way back.
        gamma[:, None, None] * g -> g
    not_divided: One division is missing: the forward pass divided by the root of the variance, so the
        gradient does, too.
        from_variance) / s -> from_variance)
    divided_by_the_variance: You divide by the variance. Divide by its root.
        from_variance) / s -> from_variance) / s**2
    eps_outside_the_root: You add eps to the root. In the forward pass it was under the root, so it is there
        in the gradient, too.
        np.sqrt(x.var(axis=axes, keepdims=True) + eps) -> np.sqrt(x.var(axis=axes, keepdims=True)) + eps
    eps_forgotten: Your root is without eps. Use the one of the forward pass.
        + eps ->
    unbiased_variance: You divide the variance by one less than the number of values. The forward pass did
        not.
        x.var(axis=axes, keepdims=True) -> x.var(axis=axes, keepdims=True, ddof=1)
    statistics_of_each_image: Your means are those of each image. They are those of the batch.
        axes = (0, 2, 3) -> axes = (2, 3)
    statistics_of_each_cell: Your means are over the batch alone. Rows and columns belong to the channel, too.
        axes = (0, 2, 3) -> axes = (0,)
    statistics_of_everything: Your means mix the channels. Each channel is by itself.
        axes = (0, 2, 3) -> axes = (0, 1, 2, 3)
    x_for_normalised: In the part of the variance you use x as it came in. Use the normalised x.
        from_variance = y * (h * y) -> from_variance = x * (h * x)
        from_variance = y * (h * y) -> from_variance = y * (h * x)
    """),
)
