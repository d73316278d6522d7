"""Exercises on the loss of yes-or-no answers, binary cross-entropy (Eq. 6)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import LARGE_LOGITS

SMALL = (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)  # that learners add inside a logarithm


def binary_cross_entropy(z, t):
    """Return the mean of -t log p - (1 - t) log(1 - p), one number, where p = sigmoid(z).

    z (N,) are logits, t (N,) probabilities from 0 to 1.
    """
    each = t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z)
    return each.mean()


def _guarded(small):
    """Return the loss with a small number in each logarithm."""

    def loss(z, t):
        p = 1 / (1 + np.exp(-z))
        return (-t * np.log(p + small) - (1 - t) * np.log(1 - p + small)).mean()

    return loss


def _clipped(small):
    """Return the loss with probabilities that keep away from 0 and 1."""

    def loss(z, t):
        p = np.clip(1 / (1 + np.exp(-z)), small, 1 - small)
        return (-t * np.log(p) - (1 - t) * np.log(1 - p)).mean()

    return loss


def _answers(rng: np.random.Generator, N: int) -> Arguments:
    """Return logits between 0.3 and 3 or their negatives, and truths of which one is neither 0 nor 1."""
    z = np.round(rng.uniform(0.3, 3, N), 1) * rng.choice([-1.0, 1.0], N)
    t = rng.integers(0, 2, N).astype(float)
    t[0] = rng.choice([0.2, 0.3, 0.7])
    return {"z": z, "t": t}


def _cases_of_answers(rng: np.random.Generator) -> list[Arguments]:
    made = [{"z": np.array([1.5]), "t": np.array([1.0])}, {"z": np.array([1.5]), "t": np.array([0.0])}]
    made += [_answers(rng, N) for N in (1, 2, 3, 5)]
    return [*made, {"z": np.array([1000.0, -1000.0, 900.0]), "t": np.array([0.0, 1.0, 1.0])}]


BINARY_CROSS_ENTROPY = Exercise(
    binary_cross_entropy,
    _cases_of_answers,
    reference=lambda z, t: engine.forward(F.binary_cross_entropy_with_logits, z, t),
    traits=LARGE_LOGITS,
    lesson=17,
    equation=6,
    hints=(
        "There are two answers, yes and no. How probable are they, if the logit is z?",
        "log sigmoid(z) is -log(1 + e^-z), and log(1 - sigmoid(z)) is -log(1 + e^z). Which NumPy function "
        "computes log(e^a + e^b) without overflow?",
        "np.logaddexp(0, -z) is log(1 + e^-z). Weigh it with t, and the other one with 1 - t.",
    ),
    mistakes=read_mistakes(
        """
    sum: You add the losses of all answers up. The mean is asked for.
        each.mean() -> each.sum()
    every_answer: You return one loss per answer. Return their mean, a single number.
        each.mean() -> each
    sign: Your loss is below 0. Logarithms of probabilities are negative: this loss has a minus before both.
        return each -> return -each
    log2: You compute in bits: your logarithms have the base 2. Use the natural logarithm.
        return each.mean() -> return each.mean() / np.log(2)
    truth_exchanged: You punish the right answer. For t = 1 the loss has to be small if the logit is large.
        t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z) ->
            t * np.logaddexp(0, z) + (1 - t) * np.logaddexp(0, -z)
    no_forgotten: Your loss is 0 for t = 0, whatever the answer is. A wrong yes must cost something, too.
        + (1 - t) * np.logaddexp(0, z) ->
    yes_forgotten: Your loss is 0 for t = 1, whatever the answer is. A wrong no must cost something, too.
        t * np.logaddexp(0, -z) + ->
    sigmoid_twice: You apply the sigmoid to the logits, and then a formula that contains it already. Apply it
        once.
        -z) -> -1 / (1 + np.exp(-z))); 0, z) -> 0, 1 / (1 + np.exp(-z)))
    squared_error: You take the squared error of the probabilities. This loss takes their logarithms.
        t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z) -> (1 / (1 + np.exp(-z)) - t) ** 2
    no_logarithm: Your loss is the probability of the wrong answer. Take minus the logarithm of the
        probability of the right one.
        t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z) ->
            t / (1 + np.exp(z)) + (1 - t) / (1 + np.exp(-z))
    logits_as_probabilities: You take logarithms of the logits themselves. They become probabilities by the
        sigmoid.
        t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z) -> -t * np.log(z) - (1 - t) * np.log(1 - z)
    guarded_with_a_small_number: You keep the logarithm from 0 with a small number. For large logits that
        makes the loss far too small: put sigmoid and logarithm into one formula.
    overflow: For large logits your loss is infinite or NaN: the probability is rounded to 0 or 1. Put sigmoid
        and logarithm into one formula.
        np.logaddexp(0, -z) -> np.log(1 + np.exp(-z)); np.logaddexp(0, z) -> np.log(1 + np.exp(z))
        """,
        guarded_with_a_small_number=[made(small) for made in (_guarded, _clipped) for small in SMALL],
    ),
)


def binary_cross_entropy_input(z, t):
    """Return dL/dz (N,) of the mean of -t log p - (1 - t) log(1 - p), where p = sigmoid(z).

    z (N,) are logits, t (N,) probabilities from 0 to 1.
    """
    p = 0.5 * (1 + np.tanh(0.5 * z))
    return (p - t) / len(z)


BINARY_CROSS_ENTROPY_INPUT = Exercise(
    binary_cross_entropy_input,
    _cases_of_answers,
    **engine.computes(F.binary_cross_entropy_with_logits, "dL/dz"),
    traits=LARGE_LOGITS,
    lesson=17,
    equation=6,
    hints=(
        "Write the loss with log(1 + e^-z) and log(1 + e^z). What are their derivatives?",
        "The derivative of log(1 + e^z) is sigmoid(z), that of log(1 + e^-z) is sigmoid(z) - 1. Collect the "
        "terms with t.",
        "The probability minus the truth, divided by the number of answers.",
    ),
    mistakes=read_mistakes("""
    sign: You return the truth minus the answer. Descent subtracts the gradient, so it is the other way round.
        (p - t) -> (t - p)
    not_divided: You forget that L is a mean over the answers. So each derivative is divided by their number.
        / len(z) ->
    no_sigmoid: You compare the logit with the truth. Make it a probability first.
        (p - t) -> (z - t)
    by_the_probability: This is the derivative by p, not by z. Multiply by the derivative of the sigmoid: a
        factor cancels.
        (p - t) -> (p - t) / (p * (1 - p))
    as_squared_error: You have a factor p (1 - p), as the squared error of a probability has. Here it cancels.
        (p - t) -> (p - t) * p * (1 - p)
        (p - t) -> 2 * (p - t) * p * (1 - p)
    answer_rounded: You round the answer to yes or no. The gradient needs the probability itself.
        (p - t) -> ((z > 0) - t)
    truth_exchanged: You pull towards the wrong answer: you took the probability of no for that of yes.
        (p - t) -> (p - (1 - t))
    truth_forgotten: Your gradient does not know the truth. It must be negative where t is larger than the
        probability.
        (p - t) -> p
    doubled: Your gradient is twice the right one. There is no square in this loss, so there is no factor 2.
        (p - t) -> 2 * (p - t)
    overflow: For large logits your gradient is NaN: infinity is divided by infinity. Compute the sigmoid from
        powers that stay finite.
        0.5 * (1 + np.tanh(0.5 * z)) -> np.exp(z) / (1 + np.exp(z))
    """),
)
