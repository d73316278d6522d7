"""How sure is a result? The bootstrap interval of a mean, and McNemar's test of two classifiers."""

from typing import Any, NamedTuple

import numpy as np

from tinycnn.host import as_numpy


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


class McNemar(NamedTuple):
    """McNemar's test of two classifiers on the same images."""

    only_a: int  #: how many images only the one classifies rightly
    only_b: int  #: and how many only the other
    p: float  #: how likely so unequal numbers are if both are equally good; below 0.05 is called significant


def bootstrap_interval(values: Any, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """Return the bootstrap confidence interval of the mean of `values`.

    Draw N of the N values with replacement, take the mean, do so `resamples` times: the interval holds the
    middle `level` of these means.

    Parameters
    ----------
    values
        (N,), N at least 2; for an accuracy ``predictions == labels``.
    level
        In (0, 1).
    resamples
        How many draws, at least 100.
    seed
        Of the draws.

    Raises
    ------
    ValueError
        For other values or shapes, NaN, and a single value: it says nothing about spread.

    References
    ----------
    Efron 1979, Bootstrap methods: another look at the jackknife.
    """
    values = as_numpy(values)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"an interval needs values (N,) with N at least 2, got {values.shape}")
    values = values.astype(np.float64)
    if np.isnan(values).any():
        raise ValueError("no value may be NaN")
    if not 0 < level < 1 or resamples < 100:
        raise ValueError(f"level must be in (0, 1) and resamples at least 100, got {level} and {resamples}")
    rng, N = np.random.default_rng(seed), len(values)
    means = [values[rng.integers(0, N, N)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def mcnemar(right_a: Any, right_b: Any) -> McNemar:
    """Return McNemar's exact test of whether two classifiers differ on the same images.

    Images that both classify rightly, or both wrongly, say nothing. Of the n = only_a + only_b others, each
    falls to a or to b like a coin if both are equally good:

    ::

        p = min(1, 2 * sum_{i <= min(only_a, only_b)} binomial(n, i) / 2^n)

    Parameters
    ----------
    right_a, right_b
        (N,) booleans, for the same images in the same order: ``predictions == labels``.

    Raises
    ------
    ValueError
        If they are no booleans or differ in shape.

    References
    ----------
    McNemar 1947. Dietterich 1998, Approximate statistical tests for comparing supervised classification
    learning algorithms.

    Examples
    --------
    >>> mcnemar([True, True, True, False], [False, False, False, False])
    McNemar(only_a=3, only_b=0, p=0.25)
    """
    a, b = as_numpy(right_a), as_numpy(right_b)
    if a.dtype != bool or b.dtype != bool or a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"both must be booleans (N,) of the same images, got {a.shape} {a.dtype} and {b.shape} {b.dtype}"
        )
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail, term = 0, 1  # whole numbers: exact for any n
    for i in range(fewer + 1):
        tail += term
        term = term * (n - i) // (i + 1)  # binomial(n, i + 1)
    return McNemar(only_a, only_b, min(1.0, 2 * tail / 2**n))
