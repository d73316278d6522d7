"""What a classifier of real images makes of generated ones: sure, of all classes, and different."""

from dataclasses import dataclass

import numpy as np

from tinycnn import functional as F
from tinycnn.modes import no_grad
from tinycnn.nn import Sequential
from tinycnn.tensor import Tensor

CONFIDENT = 0.9


@dataclass(frozen=True)
class Opinion:
    """A classifier's features and probabilities of some images.

    Attributes
    ----------
    features
        (N, features): the input of its last layer.
    probabilities
        (N, K).
    """

    features: np.ndarray
    probabilities: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """The likeliest class, (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def confident(self) -> float:
        """The share of images with a class of p > 0.9."""
        return float((self.probabilities.max(axis=1) > CONFIDENT).mean())

    @property
    def coverage(self) -> np.ndarray:
        """The share of images whose likeliest class each is, (K,)."""
        K = self.probabilities.shape[1]
        return np.bincount(self.predictions, minlength=K) / len(self.probabilities)

    @property
    def score(self) -> float:
        """exp(E KL(p(y|x) || p(y))), from 1 to K: sure of each image, and every class as often.

        Called so and not Inception score: its features are another network's, so the numbers do not compare.

        References
        ----------
        Salimans et al. 2016, Improved techniques for training GANs.
        """
        p = np.maximum(self.probabilities, 1e-12)
        return float(np.exp((p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1).mean()))


@no_grad()
def opinion(classifier: Sequential, images: np.ndarray, chunk: int = 250) -> Opinion:
    """Return what `classifier`, in evaluation mode, makes of images (N, C, H, W) in [0, 1]."""
    body, last = classifier.eval()[:-1], classifier[-1]  # type: ignore[index]
    features, probabilities = [], []
    for start in range(0, len(images), chunk):
        f = body(Tensor(images[start : start + chunk]))
        features.append(f.numpy())
        probabilities.append(F.softmax(last(f), 1).numpy())
    return Opinion(np.concatenate(features), np.concatenate(probabilities))
