"""What the discriminator has learned without labels: its features, for a classifier with few labels.

D has looked at thousands of images without labels. Do its convolutions help if there are labels for only a
hundred images? A linear classifier on D's features is compared with two others that see the same labels: the
same layers, trained with these labels alone, and a linear classifier on the pixels.

References
----------
Radford et al. 2015, section 5: max-pooled features of all layers, and a linear classifier on them.
"""

from dataclasses import dataclass

import numpy as np

import tinycnn
from tinycnn import functional as F
from tinycnn import optim
from tinycnn.data import DataLoader, Dataset
from tinycnn.fit import Training, evaluate, evaluation_mode, fit
from tinycnn.modes import no_grad
from tinycnn.nn import Linear
from tinycnn.tensor import Tensor

from .networks import Discriminator
from .sampling import scale

GRID = 4  # every map is max-pooled to 4x4
L2 = (1e-3, 1e-2, 1e-1)  # penalties of a linear classifier, to choose from; its inputs have variance 1
STEPS = 400
SUPERVISED_STEPS = 1500


@dataclass(frozen=True)
class FewLabels:
    """Test errors, fractions, of three classifiers that saw the same few labels."""

    labels: int
    features: float
    supervised: float
    pixels: float


@no_grad()
def pooled_features(D: Discriminator, images: np.ndarray, chunk: int = 250) -> np.ndarray:
    """Return the outputs of all of D's convolutions, max-pooled to 4x4, as one row per image (N, features).

    Parameters
    ----------
    D
        It must not be conditional: it would ask for the labels.
    images
        (N, C, H, W) in [0, 1].

    Raises
    ------
    ValueError
        For a conditional D.
    """
    if D.num_classes:
        raise ValueError("the discriminator is conditional: it takes the labels that are to be predicted")
    parts = []
    with evaluation_mode(D):
        for start in range(0, len(images), chunk):
            maps = D.maps(scale(Tensor(images[start : start + chunk])))
            parts.append(np.concatenate([_pooled(m).numpy() for m in maps], axis=1))
    return np.concatenate(parts)


def _pooled(m: Tensor) -> Tensor:
    """Return (N, K, H, W) max-pooled to (N, K*4*4); the windows overlap if 4 does not divide H.

    Smaller maps are only flattened.
    """
    H = m.shape[2]
    if H <= GRID:
        return F.flatten(m, 1)
    stride = H // GRID
    kernel = H - stride * (GRID - 1)
    return F.flatten(F.max_pool2d(m, kernel, stride), 1)


def linear_error(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, K: int) -> float:
    """Return the test error of a linear classifier: softmax regression with an L2 penalty.

    The penalty is the one that does best on the labelled rows: half of them are predicted from the others.

    Parameters
    ----------
    x, test_x
        (N, features) and (M, features); both are scaled as `x` must be to get mean 0 and variance 1.
    y, test_y
        (N,) and (M,), labels 0 .. K-1.
    K
        How many classes.
    """
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation < 1e-6] = 1  # a pixel that is black in all of these few images
    x, test_x = (((rows - mean) / deviation).astype(np.float32) for rows in (x, test_x))
    held_out = np.arange(len(x)) // K % 2 == 1  # `few_of_each` takes one row of each class in turn
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
    """Return the share of rows that `model` gets wrong; 0 if there are no rows."""
    predictions = model(Tensor(x)).numpy().argmax(axis=1)
    return float((predictions != y).mean()) if len(y) else 0.0


def supervised_error(D: Discriminator, few: Dataset, test: Dataset, seed: int = 0) -> float:
    """Return the test error of a network like D with K outputs that is trained on the few labels alone."""
    tinycnn.manual_seed(seed)
    network = Discriminator(D.image_shape, D.width, 0, D.norm, D.convolutions, outputs=len(few.classes))
    loader = DataLoader(few, min(50, len(few)), shuffle=True, seed=seed)
    epochs = -(-SUPERVISED_STEPS // len(loader))
    optimizer = optim.Adam(network.parameters(), 1e-3)
    fit(Training(network, loader, optimizer, epochs))
    return 1 - evaluate(network, DataLoader(test, 250)).accuracy


def few_of_each(dataset: Dataset, count: int, seed: int = 0) -> Dataset:
    """Return `count` images, spread over the classes as evenly as possible.

    Raises
    ------
    ValueError
        For fewer than one of each class, or more than there are.
    """
    K = len(dataset.classes)
    if count < K or count > len(dataset):
        raise ValueError(f"{count} labels: {dataset.name!r} has K={K} classes and {len(dataset)} images")
    order = np.random.default_rng(seed).permutation(len(dataset))
    # The first image of every class in that order, then the second of every class, and so on.
    rank = np.empty(len(order), int)
    for k in range(K):
        members = dataset.labels[order] == k
        rank[members] = np.arange(members.sum())
    return dataset.subset(order[np.argsort(rank, kind="stable")[:count]])


def compare(D: Discriminator, train: Dataset, test: Dataset, count: int, seed: int = 0) -> FewLabels:
    """Return the three test errors with `count` labelled training images; raises as `few_of_each` does."""
    few, K = few_of_each(train, count, seed), len(train.classes)
    x, test_x = few.scaled(np.arange(len(few))), test.scaled(np.arange(len(test)))
    pixels = linear_error(x.reshape(len(x), -1), few.labels, test_x.reshape(len(test_x), -1), test.labels, K)
    features = linear_error(pooled_features(D, x), few.labels, pooled_features(D, test_x), test.labels, K)
    return FewLabels(len(few), features, supervised_error(D, few, test, seed), pixels)
