"""Exercises on the losses of a GAN (Eq. 12, 13)."""

import numpy as np

from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import LARGE_LOGITS


def discriminator_loss(real_logits, fake_logits):
    """Return -mean(log D(x)) - mean(log(1 - D(G(z)))), one number, where D is the sigmoid of the logits.

    real_logits are of real images, fake_logits of generated ones, (N, 1) each.
    """
    # -log sigmoid(a) = log(1 + e^-a), and -log(1 - sigmoid(a)) = log(1 + e^a)
    return np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean()


def _logits(rng: np.random.Generator, N: int) -> np.ndarray:
    return np.round(rng.uniform(-2, 2, (N, 1)), 1)


def _cases_of_discriminator(rng: np.random.Generator) -> list[Arguments]:
    made = [
        {"real_logits": _logits(rng, N), "fake_logits": _logits(rng, M)}
        for N, M in ((1, 1), (2, 2), (3, 3), (4, 2))
    ]
    made.append({"real_logits": np.array([[800.0], [-900.0]]), "fake_logits": np.array([[850.0], [-1000.0]])})
    return made


def _engine_discriminator(real_logits, fake_logits):
    from tinycnn.gan.losses import discriminator_minimax  # all of tinycnn.gan takes a moment

    return engine.forward(discriminator_minimax, real_logits, fake_logits)


DISCRIMINATOR_LOSS = Exercise(
    discriminator_loss,
    _cases_of_discriminator,
    reference=_engine_discriminator,
    traits=LARGE_LOGITS,
    lesson=11,
    equation=13,
    hints=(
        "What does D want to say of a real image, and what of a generated one?",
        "The loss has two parts, one for each kind of image. log D of a real image should be near 0, and so "
        "should log(1 - D) of a generated one.",
        "With logits, -log D is log(1 + e^-logit), and -log(1 - D) is log(1 + e^logit). np.logaddexp is "
        "such a sum without an overflow. Take the mean of each part and add the two.",
    ),
    mistakes=read_mistakes("""
    labels_exchanged: You reward D for taking generated images for real ones. It should do the opposite.
        -real_logits -> real_logits; 0, fake_logits -> 0, -fake_logits
    sigmoid_twice: You apply the sigmoid twice: to the logits, and again inside of the loss.
        -real_logits -> -1 / (1 + np.exp(-real_logits));
        fake_logits).mean() -> 1 / (1 + np.exp(-fake_logits))).mean()
    logits_as_probabilities: You take logarithms of the logits. These are not probabilities: apply the sigmoid
        first.
        np.logaddexp(0, -real_logits).mean() -> -np.log(real_logits).mean();
        np.logaddexp(0, fake_logits).mean() -> -np.log(1 - fake_logits).mean()
    sum: You add the losses of all images up. Take the mean of each kind.
        .mean() -> .sum()
    halved: You take the mean of the two parts. The loss is their sum.
        return np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean() ->
            return (np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean()) / 2
        return np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean() ->
            return np.append(np.logaddexp(0, -real_logits), np.logaddexp(0, fake_logits)).mean()
    fake_forgotten: You look at the real images only. D must also learn what generated ones look like.
        + np.logaddexp(0, fake_logits).mean() ->
    real_forgotten: You look at the generated images only. D must also learn what real ones look like.
        np.logaddexp(0, -real_logits).mean() + ->
    both_real: You judge generated images as if they were real: their part of the loss has 1 - D.
        0, fake_logits -> 0, -fake_logits
    both_fake: You judge real images as if they were generated: their part of the loss has D.
        -real_logits -> real_logits
    sign: Your loss is negative: this is what D has to make large. A loss is made small, so change the sign.
        return np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean() ->
            return -np.logaddexp(0, -real_logits).mean() - np.logaddexp(0, fake_logits).mean()
    parts_subtracted: You subtract one part from the other. Both are to become small: add them.
        np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean() ->
            np.logaddexp(0, -real_logits).mean() - np.logaddexp(0, fake_logits).mean()
        np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean() ->
            np.logaddexp(0, fake_logits).mean() - np.logaddexp(0, -real_logits).mean()
    overflow: For large logits your loss is infinite or no number. Do not compute the sigmoid and then its
        logarithm: both together are one formula that does not overflow.
        np.logaddexp(0, -real_logits) -> np.log(1 + np.exp(-real_logits));
        np.logaddexp(0, fake_logits) -> np.log(1 + np.exp(fake_logits))
    log2: Your logarithms have the base 2. In the loss of D they have the base e.
        return np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean() ->
            return (np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean()) / np.log(2)
    """),
)


def generator_loss(fake_logits):
    """Return the generator's non-saturating loss, -mean(log D(G(z))), one number.

    D is the sigmoid of the logits, which are (N, 1).
    """
    return np.logaddexp(0, -fake_logits).mean()


def _cases_of_generator(rng: np.random.Generator) -> list[Arguments]:
    made = [{"fake_logits": _logits(rng, N)} for N in (1, 2, 3, 5)]
    made.append({"fake_logits": np.array([[850.0], [-1000.0]])})
    return made


def _engine_generator(fake_logits):
    from tinycnn.gan.losses import generator_non_saturating

    return engine.forward(generator_non_saturating, fake_logits)


GENERATOR_LOSS = Exercise(
    generator_loss,
    _cases_of_generator,
    reference=_engine_generator,
    traits=LARGE_LOGITS,
    lesson=18,
    equation=12,
    hints=(
        "What does G want D to say of its images?",
        "At first D is sure that G's images are generated. Which of log(1 - D) and -log D has a slope there?",
        "-log D is log(1 + e^-logit). Take its mean over the batch.",
    ),
    mistakes=read_mistakes("""
    saturating: This is log(1 - D), the form that saturates: if D recognises the images of G, it is flat, and
        G learns nothing. Use -log D.
        np.logaddexp(0, -fake_logits).mean() -> -np.logaddexp(0, fake_logits).mean()
    discriminators_goal: You reward G if D recognises its images: this is D's part of the loss.
        -fake_logits -> fake_logits
    sign: Your loss is log D. It becomes small if G fails: change the sign.
        return np -> return -np
    sigmoid_twice: You apply the sigmoid to something that went through it already. Apply it to the logits,
        once.
        -fake_logits -> -1 / (1 + np.exp(-fake_logits))
    probability: You average D's answers themselves. The loss is about their logarithm.
        np.logaddexp(0, -fake_logits).mean() -> -(1 / (1 + np.exp(-fake_logits))).mean()
        np.logaddexp(0, -fake_logits).mean() -> 1 - (1 / (1 + np.exp(-fake_logits))).mean()
    logits: You average the logits. That is the loss of a Wasserstein GAN; here they go through the sigmoid
        first.
        np.logaddexp(0, -fake_logits).mean() -> -fake_logits.mean()
    logits_as_probabilities: You take the logarithm of the logits. They may be negative: they become
        probabilities by the sigmoid.
        np.logaddexp(0, -fake_logits).mean() -> -np.log(fake_logits).mean()
    sum: You add up the losses of the batch. Take their mean.
        .mean() -> .sum()
    every_image: You return a loss for every image. One number is asked for.
        .mean() ->
    logarithm_of_the_mean: You take the logarithm of the mean answer. Take it of each answer, then the mean.
        np.logaddexp(0, -fake_logits).mean() -> -np.log((1 / (1 + np.exp(-fake_logits))).mean())
    overflow: For large logits your loss is infinite. Sigmoid and logarithm belong into one formula, so that
        nothing overflows.
        np.logaddexp(0, -fake_logits) -> np.log(1 + np.exp(-fake_logits))
    log2: Your logarithm has the base 2. In the loss of G it has the base e.
        np.logaddexp(0, -fake_logits).mean() -> np.logaddexp(0, -fake_logits).mean() / np.log(2)
    """),
)
