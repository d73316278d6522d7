"""Segmentation: intersection over union of the cells of every class."""

from typing import Any

import numpy as np

from tinycnn.host import as_numpy

from .classification import confusion_matrix


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
