"""k-fold cross-validation: every image is held out once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tinycnn.data import Dataset
from tinycnn.kernels.geometry import integers
from tinycnn.schema import plain


def stratified_folds(labels: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """Return the number of the fold, 0 to k-1, that each image is held out in, (N,).

    Every fold has about as many images of a class as every other one.

    Parameters
    ----------
    labels
        (N,) integers.
    k
        At least 2.
    seed
        The same seed gives the same folds.

    Raises
    ------
    ValueError
        For k below 2, and a class with fewer than k images: it would be missing in a fold.
    """
    integers(k=k)
    if k < 2:
        raise ValueError(f"k-fold cross-validation needs k of at least 2, got {k}")
    fold, rng, start = np.empty(len(labels), np.int64), np.random.default_rng(seed), 0
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < k:
            many = "1 image" if len(members) == 1 else f"{len(members)} images"
            raise ValueError(
                f"class {label} has {many}: with k={k} folds it would be missing in one; "
                f"k is at most {len(members)}"
            )
        fold[members] = (start + np.arange(len(members))) % k
        start += len(members)  # the next class begins where this one ended: folds differ by at most one image
    return fold


def folds_of(dataset: Dataset, k: int, seed: int = 0) -> Iterator[tuple[Dataset, Dataset]]:
    """Yield for every fold what to train on, and what is held out; raises as `stratified_folds`."""
    fold = stratified_folds(dataset.labels, k, seed)
    for number in range(k):
        rest, held_out = dataset.subset(fold != number), dataset.subset(fold == number)
        name = f"{plain(dataset.name)}, fold {number + 1} of {k}"
        yield replace(rest, name=f"{name}: training"), replace(held_out, name=f"{name}: held out")


def cross_validate(
    score: Callable[[Dataset, Dataset], float], dataset: Dataset, k: int = 5, seed: int = 0
) -> np.ndarray:
    """Return the k scores of a training that is repeated, each time with another fold held out.

    Parameters
    ----------
    score
        Trains on the first data set and returns how good the result is on the second.
    dataset
        The training data; the test images stay out of it.
    k, seed
        As of `stratified_folds`.

    Raises
    ------
    ValueError
        As `stratified_folds`.
    """
    return np.array([score(rest, held_out) for rest, held_out in folds_of(dataset, k, seed)])
