"""Ranking: ROC and precision-recall curves of scores, and the areas under them."""

from typing import Any, NamedTuple

import numpy as np

from tinycnn.host import as_numpy


class RocCurve(NamedTuple):
    """One point for each threshold, from "nothing is positive" (0, 0) to "everything is" (1, 1)."""

    fpr: np.ndarray  #: false positives / negatives
    tpr: np.ndarray  #: true positives / positives: the recall
    thresholds: np.ndarray  #: falling; the first is infinity. A score of at least this counts as positive


class PrecisionRecallCurve(NamedTuple):
    """One point for each threshold; the recall rises from 0 to 1.

    The first point is (recall 0, precision 1) by convention: without a prediction, precision is undefined.
    """

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray


def roc_curve(labels: Any, scores: Any) -> RocCurve:
    """Return the receiver operating characteristic: how many positives are found at which price.

    Labels (N,) are 1 or True for positive, 0 for negative; a larger score, (N,), means rather positive.
    Raises ValueError for others, NaN, and if all labels are the same: one of the rates is undefined then.
    """
    right, wrong, thresholds = _counts(labels, scores)
    if not right[-1] or not wrong[-1]:
        which = "positive" if wrong[-1] == 0 else "negative"
        raise ValueError(f"ROC: all N={int(right[-1] + wrong[-1])} labels are {which}; it needs both kinds")
    return RocCurve(wrong / wrong[-1], right / right[-1], thresholds)


def roc_auc(labels: Any, scores: Any) -> float:
    """Return the area under the ROC curve.

    It is the probability that a random positive has a larger score than a random negative (of equal scores
    half counts): 1 is perfect, 0.5 is chance. Arguments as of `roc_curve`. Or labels (N,) of classes 0 to K-1
    and scores (N, K): then the mean over the classes of "this class or another" (macro, one-vs-rest); a class
    that has all labels or none has no area, and is an error.
    """
    scores = as_numpy(scores)
    if scores.ndim == 2:
        labels = as_numpy(labels)
        each = [roc_auc(labels == k, scores[:, k]) for k in range(scores.shape[1])]
        return float(np.mean(each))
    curve = roc_curve(labels, scores)
    return float(np.trapezoid(curve.tpr, curve.fpr))


def precision_recall_curve(labels: Any, scores: Any) -> PrecisionRecallCurve:
    """Return precision and recall for every threshold; arguments and errors as of `roc_curve`.

    There need not be negatives, but recall is undefined without positives.
    """
    right, wrong, thresholds = _counts(labels, scores)
    if not right[-1]:
        raise ValueError(f"recall is undefined: none of the N={int(wrong[-1])} labels is positive")
    precision = np.ones(len(right))
    precision[1:] = right[1:] / (right[1:] + wrong[1:])
    return PrecisionRecallCurve(precision, right / right[-1], thresholds)


def average_precision(labels: Any, scores: Any) -> float:
    """Return the area under the precision-recall curve as a sum of rectangles.

    ::

        AP = sum_n (R_n - R_{n-1}) * P_n

    R_n and P_n are recall and precision at the n-th largest threshold. Arguments as of `roc_curve`.
    """
    curve = precision_recall_curve(labels, scores)
    return float(np.sum(np.diff(curve.recall) * curve.precision[1:]))


def _counts(labels: Any, scores: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true positives, false positives and thresholds, largest threshold first; raise ValueError."""
    labels, scores = as_numpy(labels), as_numpy(scores)
    if labels.ndim != 1 or labels.shape != scores.shape or not labels.size:
        raise ValueError(
            f"labels and scores must both be (N,), N at least 1, got {labels.shape} and {scores.shape}"
        )
    if labels.dtype.kind not in "iub" or not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 1 (positive) and 0 (negative), or True and False: labels == k")
    if scores.dtype.kind not in "iuf" or np.isnan(scores).any():
        raise ValueError("scores must be numbers, and none may be NaN")
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    scores, positive = scores[order], labels[order].astype(np.int64)
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each group of equal scores
    right = np.cumsum(positive)[last]
    wrong = last + 1 - right
    return np.append(0, right), np.append(0, wrong), np.append(np.inf, scores[last])
