"""What a classifier of real images says of generated ones: how sure it is, and of which classes they are."""

from dataclasses import dataclass

import numpy as np

from tinycnn import functional as F
from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.modes import no_grad
from tinycnn.nn import Sequential
from tinycnn.tensor import Tensor

CONFIDENT = 0.9


@dataclass(frozen=True)
class Opinion:
    """A classifier's features and probabilities for some images.

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


@no_grad()
def opinion(classifier: Sequential, images: np.ndarray, chunk: int = 250) -> Opinion:
    """Return what `classifier` says of images (N, C, H, W) in [0, 1]; it is in evaluation mode meanwhile."""
    features, probabilities = [], []
    with evaluation_mode(classifier):
        body, last = classifier[:-1], classifier[-1]
        for start in range(0, len(images), chunk):
            f = body(Tensor(images[start : start + chunk]))
            features.append(f.numpy())
            probabilities.append(F.softmax(last(f), 1).numpy())
    return Opinion(np.concatenate(features), np.concatenate(probabilities))
