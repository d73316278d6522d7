"""Exercises on the loss (Eq. 6)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import LARGE_LOGITS


def cross_entropy(z, labels):
    """Return the cross-entropy, one number: the mean over the images of -log softmax(z[n])[labels[n]].

    z (N, K) are logits, labels (N,) whole numbers from 0 to K-1.
    """
    N = len(z)
    shifted = z - z.max(axis=1, keepdims=True)
    log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_y[np.arange(N), labels].mean()


def _cases(rng: np.random.Generator) -> list[Arguments]:
    sizes = ((1, 2), (1, 3), (2, 3), (3, 3), (4, 2), (3, 5))
    made = [{"z": np.round(rng.uniform(-2, 2, (N, K)), 1), "labels": rng.integers(0, K, N)} for N, K in sizes]
    # Labels 0 and K - 1 surely occur; the last images are far from each other, and sure of the wrong class.
    made.append({"z": np.round(rng.uniform(-2, 2, (4, 4)), 1), "labels": np.array([0, 3, 1, 2])})
    made.append({"z": np.array([[1000.0, 0.0, 1.0], [-1000.0, -999.0, -1001.0]]), "labels": np.array([1, 2])})
    return made


CROSS_ENTROPY = Exercise(
    cross_entropy,
    _cases,
    reference=lambda z, labels: engine.forward(F.cross_entropy, z, labels),
    traits=LARGE_LOGITS,
    lesson=4,
    equation=6,
    hints=(
        "How surprised is the network by the right answer? It gave it a share between 0 and 1.",
        "The loss of an image is minus the logarithm of the share of its own class. Compute the logarithm "
        "directly: a share that is rounded to 0 has none.",
        "Subtract the row's largest logit; log softmax is then what is left, minus the logarithm of the sum "
        "of its exponentials. Choose the label's entry of each row, change the sign, take the mean.",
    ),
    mistakes=read_mistakes(
        """
    sum: You add up the losses of the images. Take their mean.
        .mean() -> .sum()
    mean_over_classes: You divide by the number of classes as well. It is the mean over the images.
        ].mean() -> ].sum() / z.size
    log10: You use the logarithm to base 10. The loss has the natural one.
        -log_y[np.arange(N), labels].mean() -> -log_y[np.arange(N), labels].mean() / np.log(10)
    log2: You use the logarithm to base 2. The loss has the natural one.
        -log_y[np.arange(N), labels].mean() -> -log_y[np.arange(N), labels].mean() / np.log(2)
    sign: Your loss is negative. The logarithm of a share is below 0: change its sign.
        return -log_y -> return log_y
    no_logarithm: You average the shares themselves. The loss is about their logarithms.
        return -log_y[np.arange(N), labels].mean() -> return -np.exp(log_y[np.arange(N), labels]).mean()
        return -log_y[np.arange(N), labels].mean() -> return 1 - np.exp(log_y[np.arange(N), labels]).mean()
        return -log_y[np.arange(N), labels].mean() -> return np.exp(log_y[np.arange(N), labels]).mean()
    logarithm_of_the_mean: You average the shares and take the logarithm at the end. Take it for each image,
        then average.
        return -log_y[np.arange(N), labels].mean() ->
            return -np.log(np.exp(log_y[np.arange(N), labels]).mean())
    labels_from_one: You count the labels from 1. They begin with 0.
        labels] -> labels - 1]
    largest_instead_of_label: You take the class that the network likes best. The loss asks for the right one.
        labels] -> z.argmax(axis=1)]
    over_the_batch: Your shares compare the images with each other. Softmax is over the classes of one image.
        max(axis=1 -> max(axis=0; sum(axis=1 -> sum(axis=0
        sum(axis=1 -> sum(axis=0
    overflow: For large logits your loss is infinite or no number. Do not take the logarithm of softmax: work
        with the logits, after subtracting the largest.
        shifted = z - z.max(axis=1, keepdims=True) -> shifted = z
        log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)) ->
            e = np.exp(shifted)
            log_y = np.log(e / e.sum(axis=1, keepdims=True))
    guarded_with_a_small_number: You add a small number inside the logarithm so that it never sees 0. That
        makes the loss wrong where it is large: compute log softmax from the logits instead.
    softmax_twice: You apply softmax to something that is softmax already. Once is enough.
        log_y = shifted ->
            shifted = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
            log_y = shifted
    every_image: You return the loss of every image. One number is asked for, their mean.
        .mean() ->
    all_classes: You average the logarithms of all shares. Only the share of the right class counts.
        [np.arange(N), labels] ->
    logit_of_the_label: You take the label's logit as it is. A logit alone says nothing: compare it with the
        other logits of its row.
        return -log_y[np.arange(N), labels] -> return -z[np.arange(N), labels]
        """,
        guarded_with_a_small_number=[
            ("log_y[np.arange(N), labels]", f"np.log({share})")
            for small in ("1e-7", "1e-8", "1e-9", "1e-10", "1e-12", "1e-15")
            for share in (
                f"np.exp(log_y[np.arange(N), labels]) + {small}",
                f"np.maximum(np.exp(log_y[np.arange(N), labels]), {small})",
            )
        ],
    ),
)


def cross_entropy_input(z, labels):
    """Return dL/dz (N, K) of the cross-entropy, the mean over the images, for z (N, K) and labels (N,)."""
    N = len(z)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)
    y[np.arange(N), labels] -= 1
    return y / N


CROSS_ENTROPY_INPUT = Exercise(
    cross_entropy_input,
    _cases,
    **engine.computes(F.cross_entropy, "dL/dz"),
    traits=LARGE_LOGITS,
    lesson=4,
    equation=6,
    hints=(
        "If the network is sure and right, what should the gradient be? And if it is sure and wrong?",
        "The loss of one image is log sum_j e^z_j - z_label. Take the derivative of both parts by z_k.",
        "It is the output minus the truth: softmax, minus 1 at the label. And the loss is a mean over the "
        "images.",
    ),
    mistakes=read_mistakes("""
    truth_forgotten: Your gradient is softmax itself. Subtract the truth: it is 1 for the right class.
        y[np.arange(N), labels] -= 1 ->
    not_divided: Your gradient is that of the sum. The loss is the mean over the images.
        y / N -> y
    divided_twice: You divide by the number of images twice. The loss is a mean once.
        y / N -> y / N / N
    divided_by_classes: You divide by the number of classes. The mean is over the images.
        y / N -> y / z.shape[1]
    divided_by_everything: You divide by the number of all logits. The mean is over the images alone.
        y / N -> y / z.size
    sign: Your gradient has the opposite sign: it is output minus truth, not truth minus output.
        return y / N -> return -y / N
    truth_added: You add the truth to the output. Subtract it.
        -= 1 -> += 1
    labels_from_one: You subtract 1 at the class before the right one. Labels count from 0.
        labels] -= -> labels - 1] -=
    label_alone: Only the right class gets a gradient from you. The others have one, too, because their shares
        must become smaller.
        return y / N ->
            only = np.zeros_like(y)
            only[np.arange(N), labels] = y[np.arange(N), labels]
            return only / N
    label_is_left_out: At the right class your gradient is 0, or -1. It is its share minus 1.
        labels] -= 1 -> labels] = 0
        labels] -= 1 -> labels] = -1
    largest_instead_of_label: You use the class with the largest logit as the truth. The truth is the label.
        labels] -= -> z.argmax(axis=1)] -=
    every_image_gets_all_labels: You subtract 1 at the labels of all images, in every row. Each image has one
        label.
        y[np.arange(N), labels] -= 1 -> y[:, labels] -= 1
    over_the_batch: Your softmax adds up to 1 over the images. It must do so over the classes.
        e.sum(axis=1 -> e.sum(axis=0
    overflow: For large logits your gradient is not a number, because e to that power is infinite. Subtract
        the largest logit of each row first.
        - z.max(axis=1, keepdims=True) ->
    logits_minus_truth: You subtract the truth from the logits. Turn them into shares first.
        y = e / e.sum(axis=1, keepdims=True) -> y = z.copy()
    softmax_jacobian: You multiply with the derivative of softmax once more. Output minus truth is the whole
        derivative already.
        y[np.arange(N), labels] -= 1 ->
            d = y.copy()
            d[np.arange(N), labels] -= 1
            y *= d - (d * y).sum(axis=1, keepdims=True)
    """),
)
