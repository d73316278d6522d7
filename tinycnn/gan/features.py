"""What the discriminator has learned without labels: its features, for a classifier with few labels.

A linear classifier on D's features is compared with two others that see the same few labels: the same layers,
trained with these labels alone, and a linear classifier on the pixels (Radford et al. 2015, section 5).
"""

from dataclasses import dataclass

import numpy as np

import tinycnn
from tinycnn import functional as F
from tinycnn import optim
from tinycnn.data import DataLoader, Dataset
from tinycnn.features import few_of_each, linear_error
from tinycnn.features.extract import pooled
from tinycnn.fit import Training, evaluate, fit
from tinycnn.fit.evaluation import CHUNK, infer

from .networks import Discriminator
from .sampling import scale

GRID = 4  # every map is max-pooled to 4x4
SUPERVISED_STEPS = 1500


@dataclass(frozen=True)
class FewLabels:
    """Test errors, fractions, of three classifiers that saw the same few labels."""

    labels: int
    features: float
    supervised: float
    pixels: float


def pooled_features(D: Discriminator, images: np.ndarray, chunk: int = CHUNK) -> np.ndarray:
    """Return the outputs of all of D's convolutions, max-pooled to 4x4, as one row per image (N, features).

    The images are (N, C, H, W) in [0, 1]. Raises ValueError for a conditional D, which asks for the labels.
    """
    if D.num_classes:
        raise ValueError("the discriminator is conditional: it takes the labels that are to be predicted")
    return infer(
        D, lambda x: F.concatenate([pooled(m, GRID) for m in D.maps(scale(x))], 1), images, chunk=chunk
    )


def supervised_error(D: Discriminator, few: Dataset, test: Dataset, seed: int = 0) -> float:
    """Return the test error of a network like D with K outputs that is trained on the few labels alone."""
    tinycnn.manual_seed(seed)
    network = Discriminator(D.image_shape, D.width, 0, D.norm, D.convolutions, outputs=len(few.classes))
    loader = DataLoader(few, min(50, len(few)), shuffle=True, seed=seed)
    epochs = -(-SUPERVISED_STEPS // len(loader))
    optimizer = optim.Adam(network.parameters(), 1e-3)
    fit(Training(network, loader, optimizer, epochs))
    return 1 - evaluate(network, DataLoader(test, 250)).accuracy


def compare(D: Discriminator, train: Dataset, test: Dataset, count: int, seed: int = 0) -> FewLabels:
    """Return the three test errors with `count` labelled training images; raises as `few_of_each` does."""
    few, K = few_of_each(train, count, seed), len(train.classes)
    x, test_x = few.scaled(slice(None)), test.scaled(slice(None))
    pixels = linear_error(x.reshape(len(x), -1), few.labels, test_x.reshape(len(test_x), -1), test.labels, K)
    features = linear_error(pooled_features(D, x), few.labels, pooled_features(D, test_x), test.labels, K)
    return FewLabels(len(few), features, supervised_error(D, few, test, seed), pixels)
