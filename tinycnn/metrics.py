"""Evaluation (Eq. 15): accuracy, confusion matrix, precision, recall, F1, computed by NumPy."""

from typing import Any, NamedTuple

import numpy as np

from tinycnn.host import as_numpy

MAX_CLASSES = 4096  # the confusion matrix of 4,096 classes has 128 MiB


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
        (N,) integers, 0 to K-1: lists, arrays or tensors, also of a GPU.
    K
        The number of classes, at most 4,096; by default one more than the largest number seen.

    Raises
    ------
    TypeError, ValueError
        If they are no integers, differ in shape, are empty, or are out of range.
    """
    labels, predictions = as_numpy(labels), as_numpy(predictions)
    if labels.dtype.kind not in "iu" or predictions.dtype.kind not in "iu":
        raise TypeError(
            f"labels and predictions must be integers, got {labels.dtype} and {predictions.dtype}"
        )
    if labels.ndim != 1 or labels.shape != predictions.shape:
        raise ValueError(f"labels and predictions must both be (N,), got {labels.shape}, {predictions.shape}")
    if not labels.size:
        raise ValueError("there are no predictions to evaluate")
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


def precision_recall_f1(
    labels: Any, predictions: Any, average: str | None = "macro", K: int | None = None
) -> Scores:
    """Return precision, recall and their harmonic mean F1.

    For one class: precision = right / predicted as it, recall = right / labelled as it,
    F1 = 2 * precision * recall / (precision + recall). If a class was never predicted, its precision is 0; if
    it never occurs, its recall is 0.

    Parameters
    ----------
    labels, predictions, K
        As of `confusion_matrix`.
    average
        "macro": the mean over the classes that occur or were predicted. "micro": from the counts of all
        classes together; then all three equal the accuracy. None: one number for each class.
    """
    matrix = confusion_matrix(labels, predictions, K)
    right, predicted, labelled = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    if average == "micro":
        share = float(right.sum() / matrix.sum())
        return Scores(share, share, share)
    precision, recall = _share(right, predicted), _share(right, labelled)
    f1 = _share(2 * right, predicted + labelled)
    if average is None:
        return Scores(precision, recall, f1)
    if average != "macro":
        raise ValueError(f"average must be 'macro', 'micro' or None, got {average!r}")
    seen = (predicted + labelled) > 0
    return Scores(*(float(score[seen].mean()) for score in (precision, recall, f1)))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
