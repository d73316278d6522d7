"""What features are worth: a linear classifier on them, with few labels."""

from __future__ import annotations

import numpy as np

from tinycnn import functional as F
from tinycnn import optim
from tinycnn.data import Dataset
from tinycnn.kernels.geometry import integers
from tinycnn.modes import no_grad
from tinycnn.nn import Linear
from tinycnn.tensor import Tensor

L2 = (1e-3, 1e-2, 1e-1)  # of the linear classifiers, to choose from; their inputs have variance 1
STEPS = 400


def linear_error(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, K: int) -> float:
    """Return the test error of a linear classifier: softmax regression with an L2 penalty, all rows a step.

    Which penalty, the labelled rows say: every other one is left out, and predicted from the rest.

    Parameters
    ----------
    x, test_x
        (N, features) and (M, features); both are brought to mean 0 and variance 1 of `x`.
    y, test_y
        (N,) and (M,), labels 0 .. K-1.
    K
        How many classes.

    Raises
    ------
    ValueError
        For NaN or infinity in the features.
    """
    if not (np.isfinite(x).all() and np.isfinite(test_x).all()):
        raise ValueError("features have NaN or infinity in them")
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation < 1e-6] = 1  # a pixel that is black in all few images says nothing
    x, test_x = (((rows - mean) / deviation).astype(np.float32) for rows in (x, test_x))
    held_out = np.arange(len(x)) // K % 2 == 1  # `few_of_each` goes round the classes, K rows a round
    errors = [
        _error(_linear(x[~held_out], y[~held_out], K, penalty), x[held_out], y[held_out]) for penalty in L2
    ]
    return _error(_linear(x, y, K, L2[int(np.argmin(errors))]), test_x, test_y)


def _linear(x: np.ndarray, y: np.ndarray, K: int, penalty: float) -> Linear:
    """Return a linear classifier fitted to x (N, features) and the labels y (N,)."""
    model = Linear(x.shape[1], K)
    for parameter in model.parameters():
        parameter.data[...] = 0
    optimizer = optim.Adam(model.parameters(), 0.03, weight_decay=penalty)
    schedule = optim.CosineAnnealingLR(optimizer, STEPS)
    inputs, labels = Tensor(x), Tensor(y)
    for _ in range(STEPS):
        loss = F.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


@no_grad()
def _error(model: Linear, x: np.ndarray, y: np.ndarray) -> float:
    """Return the share of rows that `model` gets wrong; of no rows none."""
    predictions = model(Tensor(x)).numpy().argmax(axis=1)
    return float((predictions != y).mean()) if len(y) else 0.0


def few_of_each(dataset: Dataset, count: int, seed: int = 0) -> Dataset:
    """Return `count` images, as many of every class as possible.

    Raises ValueError for fewer than one of each class, or more than there are.
    """
    K = len(dataset.classes)
    integers(count=count)
    if count < K or count > len(dataset):
        raise ValueError(
            f"{count} labels: {dataset.name!r} has K={K} classes and {len(dataset)} images, "
            f"so {K} to {len(dataset)} fit"
        )
    order = np.random.default_rng(seed).permutation(len(dataset))
    # The first image of every class in that order, then the second of every class, and so on.
    rank = np.empty(len(order), int)
    for k in range(K):
        members = dataset.labels[order] == k
        rank[members] = np.arange(members.sum())
    return dataset.subset(order[np.argsort(rank, kind="stable")[:count]])
