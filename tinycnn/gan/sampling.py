"""Noise for a generator and the images it makes of it; images into the range of a GAN, [-1, 1]."""

from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.fit.evaluation import infer
from tinycnn.tensor import Tensor

from .networks import Generator


def scale(images: Tensor) -> Tensor:
    """Return 2x - 1: images from [0, 1] (else ValueError) to [-1, 1], the range of the generator's tanh."""
    low, high = _backend.numbers(images.data.min(), images.data.max())
    if not 0 <= low <= high <= 1:
        hint = ": divide them by 255" if low >= 0 and 1 < high <= 255 else ""
        raise ValueError(
            f"images {images.shape} go from {low:g} to {high:g}, but must be in [0, 1] here, to be scaled to "
            f"the generator's [-1, 1]{hint}"
        )
    return scaled(images)


def scaled(images: Tensor) -> Tensor:
    """Return the same as `scale` without the check, which a loader's images do not need."""
    return Tensor(images.data * 2 - 1, backend=images.backend)


def noise(G: Generator, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray | None]:
    """Return z (count, latent) from N(0, I), and labels 0, 1, ... K-1, 0, ... if G is conditional."""
    z = np.random.default_rng(seed).standard_normal((count, G.latent), np.float32)
    return z, np.arange(count) % G.num_classes if G.num_classes else None


def sample(G: Generator, z: Any, labels: Any = None, chunk: int = 100) -> np.ndarray:
    """Return G's images as (N, C, H, W) in [0, 1], NumPy. G is in evaluation mode meanwhile.

    Parameters
    ----------
    z
        (N, latent).
    labels
        (N,), of a conditional G.
    chunk
        How many images are made at a time.
    """
    told = () if labels is None else (labels,)
    return (infer(G, G, z, *told, chunk=chunk) + 1) / 2
