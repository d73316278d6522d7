"""Measures of a generator: Frechet distance, what a classifier says, and the 1-nearest-neighbour test."""

from dataclasses import dataclass

import numpy as np

from tinycnn import functional as F
from tinycnn.features import nearest
from tinycnn.fit.evaluation import CHUNK, infer
from tinycnn.nn import Sequential

CONFIDENT = 0.9


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, m and C the means and covariances of x and y.

    The trace of the root is the sum of the roots of the eigenvalues of C1 C2, which are those of the
    symmetric C1^(1/2) C2 C1^(1/2). x (N, features) and y (M, features) are treated as samples of normal
    distributions. The fewer images, the larger it is: compare it only for equal numbers of images. Raises
    ValueError for other shapes, fewer than two rows, and for NaN or infinity.

    References
    ----------
    Dowson & Landau 1982; Heusel et al. 2017, GANs trained by a two time-scale update rule (with
    features of Inception: distances of features of different networks cannot be compared).
    """
    for name, rows in (("x", x), ("y", y)):
        if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] != y.shape[-1]:
            raise ValueError(
                f"frechet_distance: x and y must be (N, features) with N > 1 and the same features, got "
                f"{x.shape} and {y.shape}"
            )
        if not np.isfinite(rows).all():
            raise ValueError(f"frechet_distance: {name} of shape {rows.shape} has NaN or infinite values")
    means = [rows.mean(axis=0, dtype=np.float64) for rows in (x, y)]
    C1, C2 = (np.atleast_2d(np.cov(rows.astype(np.float64), rowvar=False)) for rows in (x, y))
    values, vectors = np.linalg.eigh(C1)
    values = np.maximum(values, 0)  # rounding makes some of them negative
    root = (vectors * np.sqrt(values)) @ vectors.T  # C1^(1/2)
    of_product = np.maximum(np.linalg.eigvalsh(root @ C2 @ root), 0)
    distance = ((means[0] - means[1]) ** 2).sum() + np.trace(C1 + C2) - 2 * np.sqrt(of_product).sum()
    return float(max(distance, 0.0))


@dataclass(frozen=True)
class Opinion:
    """A classifier's `features` (N, D) of images, its last layer's input, and `probabilities` (N, K)."""

    features: np.ndarray
    probabilities: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """The likeliest class, (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confident(self) -> float:
        """The share of images that have a class with p > 0.9."""
        return float((self.probabilities.max(axis=1) > CONFIDENT).mean())

    @property
    def coverage(self) -> np.ndarray:
        """For each class, the share of images whose likeliest class it is, (K,)."""
        K = self.probabilities.shape[1]
        return np.bincount(self.predictions, minlength=K) / len(self.probabilities)

    @property
    def score(self) -> float:
        """exp(E KL(p(y|x) || p(y))): K if it is sure of each image and all K classes are equally frequent.

        It is not called Inception score because the network is another one: the numbers cannot be compared.

        References
        ----------
        Salimans et al. 2016, Improved techniques for training GANs.
        """
        p = np.maximum(self.probabilities, 1e-12)
        return float(np.exp((p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1).mean()))


def opinion(classifier: Sequential, images: np.ndarray, chunk: int = CHUNK) -> Opinion:
    """Return the opinion of `classifier` on images (N, C, H, W) in [0, 1]; it runs in evaluation mode."""
    body, last = classifier[:-1], classifier[-1]
    features = infer(classifier, body, images, chunk=chunk)
    return Opinion(features, infer(classifier, lambda f: F.softmax(last(f), 1), features, chunk=chunk))


def nearest_neighbour_error(
    images: np.ndarray, labels: np.ndarray, test_images: np.ndarray, test_labels: np.ndarray
) -> float:
    """Return the share of test images whose nearest one in `images` has another label.

    Images are (N, C, H, W) and labels (N,): the test images, real ones, are classified by the others alone.

    References
    ----------
    Radford et al. 2015, section 8.1 and table 3.
    """
    found = nearest(test_images, images).index
    return float((labels[found] != test_labels).mean())
