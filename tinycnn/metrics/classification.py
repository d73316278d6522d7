"""Classes of images or pixels: accuracy, top-k, confusion matrix, precision, recall, F1 (Eq. 15), IoU."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from tinycnn.host import as_numpy
from tinycnn.kernels.geometry import integers
from tinycnn.schema import plain

MAX_CLASSES = 4096  # the confusion matrix of 4,096 classes has 128 MiB
MOST_NAMED = 10  # classes in a warning
AVERAGES = ("macro", "micro", "weighted")


class UndefinedMetricWarning(UserWarning):
    """A metric divides by zero: of a class that was never predicted no prediction is right or wrong."""


class Scores(NamedTuple):
    """Precision, recall and F1: one number each, or one for each class."""

    precision: Any
    recall: Any
    f1: Any


def confusion_matrix(labels: Any, predictions: Any, K: int | None = None) -> np.ndarray:
    """Return how often label i was predicted as j: (K, K) integers.

    Parameters
    ----------
    labels, predictions
        (N,) integers, 0 to K-1: lists, arrays or tensors, also of a GPU. Or both are texts, the names of the
        classes: then class 0 is the first name in the order of `sorted`.
    K
        The number of classes, at most 4,096; by default one more than the largest number seen.

    Raises
    ------
    TypeError, ValueError
        If they are no integers, differ in shape, are empty, or are out of range.
    """
    labels, predictions, _ = _numbered(labels, predictions)
    if labels.shape == predictions.shape == (0,):  # an empty list is one of floats
        raise ValueError("there are no predictions to evaluate")
    if labels.dtype.kind not in "iu" or predictions.dtype.kind not in "iu":
        raise TypeError(
            f"labels and predictions must be integers, got {labels.dtype} and {predictions.dtype}"
        )
    if labels.ndim != 1 or labels.shape != predictions.shape:
        fix = "; if each pixel has a label, ravel() both" if labels.shape == predictions.shape else ""
        raise ValueError(
            f"labels and predictions must both be (N,), got {labels.shape}, {predictions.shape}{fix}"
        )
    lowest = min(int(labels.min()), int(predictions.min()))
    highest = max(int(labels.max()), int(predictions.max()))
    K = highest + 1 if K is None else K
    if lowest < 0 or highest >= K:
        raise ValueError(f"classes go from 0 to K-1={K - 1}, got {lowest} to {highest}")
    if K > MAX_CLASSES:
        raise ValueError(f"K={K} classes would need a matrix of {K}x{K}; at most {MAX_CLASSES} classes fit")
    cells = labels.astype(np.int64) * K + predictions.astype(np.int64)
    return np.bincount(cells, minlength=K * K).reshape(K, K)


def accuracy(labels: Any, predictions: Any) -> float:
    """Return the share of predictions that are right, 0 to 1; arguments as of `confusion_matrix`."""
    matrix = confusion_matrix(labels, predictions)
    return float(np.trace(matrix) / matrix.sum())


def top_k_accuracy(labels: Any, scores: Any, k: int = 5) -> float:
    """Return the share of images whose label is among the k classes with the largest scores.

    Of equal scores the class with the lower number comes first, as in ``argmax``: k = 1 is the accuracy.

    Parameters
    ----------
    labels
        (N,) integers, 0 to K-1.
    scores
        (N, K): logits or probabilities.
    k
        1 to K.

    Raises
    ------
    TypeError, ValueError
        For labels or scores of another kind or shape, NaN, and another k.
    """
    labels, scores = check_scores(labels, scores)
    K = scores.shape[1]
    integers(k=k)
    if not 1 <= k <= K:
        raise ValueError(f"k={k}: with K={K} classes, 1 to {K} fit")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # (N, k)
    return float((best == labels[:, None]).any(axis=1).mean())


def precision_recall_f1(
    labels: Any,
    predictions: Any,
    average: str | None = "macro",
    K: int | None = None,
    zero_division: str | float = "warn",
) -> Scores:
    """Return precision, recall and their harmonic mean F1.

    For one class: precision = right / predicted as it, recall = right / labelled as it,
    F1 = 2 * precision * recall / (precision + recall) = 2 * right / (predicted + labelled).

    Parameters
    ----------
    labels, predictions, K
        As of `confusion_matrix`.
    average
        "macro": the mean over the classes that occur or were predicted. "weighted": the same, each class
        with the number of its labels as its weight. "micro": from the counts of all classes together; then
        all three equal the accuracy. None: one number for each class.
    zero_division
        What is undefined (0 / 0): the precision of a class that was never predicted, the recall of one that
        never occurs, F1 if both. "warn" counts it as 0 and says so; a number counts as that number; NaN is
        left out of the averages.

    Warns
    -----
    UndefinedMetricWarning
        Names the classes for which a number is undefined, if that changes what is returned.
    """
    matrix = confusion_matrix(labels, predictions, K)
    right, predicted, labelled = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    if average not in (None, *AVERAGES):
        raise ValueError(f"average must be {', '.join(map(repr, AVERAGES))} or None, got {average!r}")
    if average == "micro":
        share = float(right.sum() / matrix.sum())
        return Scores(share, share, share)
    seen = predicted + labelled > 0
    weights = {None: np.ones(len(matrix), int), "macro": seen, "weighted": labelled}[average]
    if zero_division == "warn":
        *_, given = _numbered(labels, predictions)
        names = np.concatenate([given, np.arange(len(given), len(matrix)).astype(str)])
        _say_undefined("precision", "were never predicted", names[(weights > 0) & (predicted == 0)])
        _say_undefined("recall", "never occur", names[(weights > 0) & (labelled == 0)])
    instead = 0.0 if zero_division == "warn" else float(zero_division)
    shares = (right, predicted), (right, labelled), (2 * right, predicted + labelled)
    each = Scores(*(_share(part, whole, instead) for part, whole in shares))
    return each if average is None else Scores(*(_mean(score, weights) for score in each))


def per_class_iou(labels: Any, predictions: Any, K: int | None = None) -> np.ndarray:
    """Return the intersection over union of each class, (K,).

    ::

        IoU_k = |labelled k and predicted k| / |labelled k or predicted k|

    Parameters
    ----------
    labels, predictions
        Integers 0 to K-1 of one shape, usually (N, H, W): the class of every cell.
    K
        The number of classes; by default one more than the largest number seen.

    Returns
    -------
    numpy.ndarray
        NaN for a class that neither occurs nor was predicted.

    Raises
    ------
    TypeError, ValueError
        As `confusion_matrix`.
    """
    labels, predictions = as_numpy(labels), as_numpy(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            f"labels and predictions must have one shape, got {labels.shape}, {predictions.shape}"
        )
    matrix = confusion_matrix(labels.ravel(), predictions.ravel(), K)
    both = np.diag(matrix)
    either = matrix.sum(axis=0) + matrix.sum(axis=1) - both
    return np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)


def mean_iou(labels: Any, predictions: Any, K: int | None = None) -> float:
    """Return the mean of `per_class_iou` over the classes that occur or were predicted."""
    return float(np.nanmean(per_class_iou(labels, predictions, K)))


def check_scores(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (N,) and scores (N, K) as arrays; raise TypeError or ValueError if they are others."""
    labels, scores = as_numpy(labels), as_numpy(scores)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise ValueError(f"labels must be (N,) and scores (N, K), got {labels.shape} and {scores.shape}")
    if not scores.size:
        raise ValueError("there are no predictions to evaluate")
    if scores.dtype.kind not in "iuf" or np.isnan(scores).any():
        raise ValueError("scores must be numbers, and none may be NaN")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"labels go from 0 to K-1={scores.shape[1] - 1}, got {labels.min()} to {labels.max()}"
        )
    return labels, scores


def _numbered(labels: Any, predictions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both as arrays, names of classes as their numbers in sorted order; and the names, if any."""
    labels, predictions = as_numpy(labels), as_numpy(predictions)
    if not (_are_texts(labels) and _are_texts(predictions)):
        return labels, predictions, np.empty(0, str)
    together = np.concatenate([labels.ravel(), predictions.ravel()]).astype(str)
    names, numbers = np.unique(together, return_inverse=True)
    first, second = np.split(numbers, [labels.size])
    return first.reshape(labels.shape), second.reshape(predictions.shape), names


def _are_texts(array: np.ndarray) -> bool:
    return array.dtype.kind == "U" or (
        array.dtype.kind == "O" and all(isinstance(entry, str) for entry in array.ravel())
    )


def _say_undefined(what: str, why: str, classes: np.ndarray) -> None:
    """Warn that `what` is undefined for the classes of these names."""
    if len(classes):
        listed = ", ".join(plain(name, 50) for name in classes[:MOST_NAMED])
        listed += ", …" * (len(classes) > MOST_NAMED)
        warnings.warn(
            f"{what} is undefined for classes that {why} ({listed}) and counts as 0; zero_division=0 does "
            "the same without this warning, zero_division=nan leaves it out of the averages",
            UndefinedMetricWarning,
            stacklevel=3,
        )


def _share(part: np.ndarray, whole: np.ndarray, undefined: float) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(part), undefined), where=whole > 0)


def _mean(score: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted mean of the scores that are not NaN; NaN if there is none."""
    weights = weights * ~np.isnan(score)
    return float(np.nansum(score * weights) / weights.sum()) if weights.sum() else float("nan")
