"""Parzen-window log-likelihood, the measure of 2014: how probable real images are, according to samples.

Each sample becomes a small normal distribution, and the mean of these is a density, which is computed at real
test images. The measure is known to mislead: in 784 dimensions no number of samples fills the space, the best
width blurs everything, and centres of k-means clusters score higher than real training images (Theis et al.
2016). It is here because the papers of that time give it.
"""

from dataclasses import dataclass

import numpy as np

from tinycnn.features.neighbours import CHUNK, squared_distances

WIDTHS = np.logspace(-1, 0, 10)  # the standard deviations that are tried; white minus black is 1


@dataclass(frozen=True)
class Parzen:
    """Mean log-likelihood of the test images in nats, its standard error, and the width of the windows."""

    mean: float
    error: float
    sigma: float


def log_density(x: np.ndarray, samples: np.ndarray, sigma: float) -> np.ndarray:
    """Return log(1/n sum_i N(x; sample_i, sigma^2 I)) for each row, (N,).

    ::

        log p(x) = logsumexp_i(-|x - s_i|^2 / (2 sigma^2)) - log n - D/2 log(2 pi sigma^2)

    x and the samples are (N, D) and (n, D); sigma is the standard deviation of each window. Raises ValueError
    if the shapes do not fit, or sigma is not positive.
    """
    if x.ndim != 2 or samples.ndim != 2 or x.shape[1] != samples.shape[1] or not len(samples):
        raise ValueError(
            f"log_density: x and samples must be (N, D) and (n, D), got {x.shape} and {samples.shape}"
        )
    if not sigma > 0:
        raise ValueError(f"log_density: sigma must be above 0, got {sigma}")
    n, D = samples.shape
    x, samples = x.astype(np.float64), samples.astype(np.float64)
    result = np.empty(len(x))
    for start in range(0, len(x), CHUNK):
        exponents = squared_distances(x[start : start + CHUNK], samples) / (-2 * sigma**2)  # (N, n)
        largest = exponents.max(axis=1)
        sums = np.exp(exponents - largest[:, None]).sum(axis=1)
        result[start : start + CHUNK] = largest + np.log(sums)
    return result - np.log(n) - D / 2 * np.log(2 * np.pi * sigma**2)


def parzen(samples: np.ndarray, validation: np.ndarray, test: np.ndarray) -> Parzen:
    """Return the mean log-likelihood of `test`, with the width that is best for `validation`.

    All are images (N, C, H, W) in [0, 1]. The protocol takes 10,000 samples, and validation images that are
    neither samples nor test images.

    References
    ----------
    Breuleux et al. 2011; Goodfellow et al. 2014, Generative adversarial nets, table 1: 225 on MNIST.
    """
    s, v, t = (images.reshape(len(images), -1) for images in (samples, validation, test))
    sigma = max(WIDTHS, key=lambda width: log_density(v, s, width).mean())
    values = log_density(t, s, float(sigma))
    return Parzen(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), float(sigma))
