"""Calibration: of the answers a network is 80 % sure of, 80 % should be right."""

from typing import Any, NamedTuple

import numpy as np

from tinycnn.kernels.geometry import at_least

from .classification import check_scores


class Reliability(NamedTuple):
    """A reliability diagram: one entry for each bin of confidence, (bins,)."""

    edges: np.ndarray  #: (bins + 1,), bin m holds confidences in (edges[m], edges[m+1]]
    confidence: np.ndarray  #: their mean in each bin; NaN if it is empty
    accuracy: np.ndarray  #: the share of right predictions, likewise
    images: np.ndarray  #: how many predictions are in each bin


def reliability(labels: Any, probabilities: Any, bins: int = 10) -> Reliability:
    """Return how often predictions of each confidence are right.

    The confidence is the largest probability, and the prediction is right if its class is the label.

    Parameters
    ----------
    labels
        (N,) integers, 0 to K-1.
    probabilities
        (N, K), each row adds up to 1.
    bins
        Of equal width, from 0 to 1.

    Raises
    ------
    TypeError, ValueError
        For labels or probabilities of another kind or shape, NaN, logits in place of probabilities, and
        fewer than one bin.

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks.
    """
    labels, p = check_scores(labels, probabilities)
    if p.min() < 0 or not np.allclose(p.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            "each row of probabilities must add up to 1; logits become so by F.softmax(logits, 1)"
        )
    at_least(1, bins=bins)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    where = np.searchsorted(edges[1:-1], confidence)  # an edge belongs to the bin below it
    count = np.bincount(where, minlength=bins)
    sums = (np.bincount(where, weights=values, minlength=bins) for values in (confidence, right))
    means = [np.divide(s, count, out=np.full(bins, np.nan), where=count > 0) for s in sums]
    return Reliability(edges, means[0], means[1], count)


def expected_calibration_error(labels: Any, probabilities: Any, bins: int = 10) -> float:
    """Return the expected calibration error, 0 to 1: how far confidence and accuracy lie apart.

    ::

        ECE = sum_m images_m / N * |accuracy_m - confidence_m|

    Arguments, errors and source as of `reliability`.
    """
    bars = reliability(labels, probabilities, bins)
    gap = np.abs(bars.accuracy - bars.confidence)
    return float(np.nansum(bars.images * gap) / bars.images.sum())
