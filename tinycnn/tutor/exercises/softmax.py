"""Exercises on softmax (Eq. 4) and cross-entropy (Eq. 6)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import LARGE_LOGITS


def softmax(z):
    """Return the softmax of each row of z (N, K): y[n, k] = e^z[n, k] / sum_j e^z[n, j]."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _logits(rng: np.random.Generator, N: int, K: int) -> np.ndarray:
    return np.round(rng.uniform(-2, 2, (N, K)), 1)


def _cases(rng: np.random.Generator) -> list[Arguments]:
    made = [_logits(rng, N, K) for N, K in ((1, 2), (1, 3), (2, 3), (3, 3), (4, 2), (2, 5))]
    made.append(np.array([[1000.0, 1001.0, 999.0]]) + _logits(rng, 1, 3))
    made.append(np.array([[0.0], [-900.0]]) + _logits(rng, 2, 3))
    return [{"z": z} for z in made]


SOFTMAX = Exercise(
    softmax,
    _cases,
    **engine.computes(F.softmax, "p", lambda z: (z, 1)),
    traits=LARGE_LOGITS,
    lesson=4,
    equation=4,
    hints=(
        "The results of one image are shares: what do they add up to?",
        "e^1000 is more than a computer can hold. What happens to the shares if you take the same number "
        "off all logits?",
        "Subtract the largest logit of each row from that row, take the exponential, and divide each row by "
        "its own sum.",
    ),
    mistakes=read_mistakes("""
    over_the_batch: Your columns add up to 1: you compare images with each other. Compare the classes of one
        image.
        max(axis=1 -> max(axis=0; sum(axis=1 -> sum(axis=0
        e.sum(axis=1 -> e.sum(axis=0
    over_everything: All your numbers together add up to 1. Each row should, by itself.
        e.sum(axis=1, keepdims=True) -> e.sum()
        z.max(axis=1, keepdims=True) -> z.max(); e.sum(axis=1, keepdims=True) -> e.sum()
    without_the_shift: For large logits your exponentials overflow, or all vanish. Subtract the largest logit
        of the row first; the shares stay the same.
        - z.max(axis=1, keepdims=True) ->
    one_shift_for_all: You subtract one number from the logits of all images. A row that lies far below it
        vanishes altogether: subtract each row's own maximum.
        z.max(axis=1, keepdims=True) -> z.max()
        z.max(axis=1, keepdims=True) -> z.max(axis=0)
    not_divided: Your rows do not add up to 1. Divide each row by its own sum.
        e / e.sum(axis=1, keepdims=True) -> e
        z - z.max(axis=1, keepdims=True) -> z; e / e.sum(axis=1, keepdims=True) -> e
    without_exponential: You divide the logits themselves by their sum. Shares come from their exponentials.
        np.exp(z - z.max(axis=1, keepdims=True)) -> z
    base_two: You take powers of 2. Softmax takes powers of e.
        np.exp( -> np.exp2(
    sign: The smallest logit gets the largest share: there is one minus sign too many.
        np.exp(z - z.max(axis=1, keepdims=True)) -> np.exp(z.min(axis=1, keepdims=True) - z)
        np.exp(z - z.max(axis=1, keepdims=True)) -> np.exp(-z)
    sigmoid: You apply the sigmoid to each logit by itself. The shares of all classes must add up to 1: divide
        by the sum over the classes.
        return e / e.sum(axis=1, keepdims=True) ->
            return np.where(z > 0, 1 / (1 + np.exp(-np.abs(z))), 1 - 1 / (1 + np.exp(-np.abs(z))))
    logarithm: You return the logarithms of the shares. Here the shares themselves are asked for.
        return e / e.sum(axis=1, keepdims=True) ->
            return z - z.max(axis=1, keepdims=True) - np.log(e.sum(axis=1, keepdims=True))
    """),
)


def softmax_input(g, z):
    """Return dL/dz (N, K) of softmax, for g = dL/dy (N, K) and the logits z (N, K)."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)
    return y * (g - (g * y).sum(axis=1, keepdims=True))


def _cases_of_input(rng: np.random.Generator) -> list[Arguments]:
    return [{"g": np.round(rng.uniform(-3, 3, case["z"].shape), 1), **case} for case in _cases(rng)]


SOFTMAX_INPUT = Exercise(
    softmax_input,
    _cases_of_input,
    **engine.computes(F.softmax, "dL/dz", lambda g, z: (z, 1)),
    traits=LARGE_LOGITS,
    lesson=4,
    equation=4,
    hints=(
        "If one logit grows, its share grows. What happens to the other shares?",
        "dy_j/dz_k is y_k (1 - y_k) for j = k, and -y_j y_k otherwise. Put it into sum_j g_j "
        "dy_j/dz_k, and factor out y_k.",
        "Take the mean of all g of the row, weighted by the shares. Each logit gets its share"
        " y times the difference of its own g and this mean.",
    ),
    mistakes=read_mistakes("""
    diagonal_only: You let each logit act on its own share only. It takes something from all other shares,
        too.
        y * (g - (g * y).sum(axis=1, keepdims=True)) -> g * y * (1 - y)
    others_forgotten: You multiply g with the shares and stop. A logit also changes the other shares of its
        row: that part is missing.
        y * (g - (g * y).sum(axis=1, keepdims=True)) -> y * g
    share_forgotten: You subtract the weighted mean of the row's g, and stop there. Each logit's gradient has
        its share as a factor, too.
        y * (g - -> (g -
    sign: Your gradient points the wrong way: every sign is the opposite.
        return y * -> return -y *
    added: You add the weighted mean of the row's g. Subtract it.
        (g - (g -> (g + (g
    over_the_batch: You weigh and add over the images. The classes of one image belong together.
        (g * y).sum(axis=1 -> (g * y).sum(axis=0
    plain_mean: You subtract the plain sum or mean of g. Weigh each g with its share.
        (g * y).sum( -> g.mean(
        (g * y).sum( -> g.sum(
    mean_of_products: You take the mean of g times share. It is their sum: the shares are weights already.
        (g * y).sum( -> (g * y).mean(
    of_the_logarithm: This is the gradient of the logarithm of softmax. Here g belongs to the shares
        themselves.
        y * (g - (g * y).sum(axis=1, keepdims=True)) -> g - y * g.sum(axis=1, keepdims=True)
    logits_for_shares: You put the logits where the shares belong. Run softmax forward first.
        return y * (g - (g * y) -> return z * (g - (g * z)
    softmax_over_the_batch: Your shares add up to 1 over the images. They must do so over the classes.
        e.sum(axis=1 -> e.sum(axis=0
    without_the_shift: Your exponentials overflow or vanish where logits are large. Subtract the largest of
        each row first.
        - z.max(axis=1, keepdims=True) ->
    """),
)
