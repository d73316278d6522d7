"""Numbers z for a generator: noise, and walks through the space of z; and the images made of them."""

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


def slerp(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """Return `steps` points from `a` to `b`, both included, along the arc between them.

    ::

        z(t) = sin((1 - t) w) / sin(w) * a + sin(t w) / sin(w) * b,   cos(w) = <a, b> / (|a| |b|)

    In 100 dimensions nearly all points of N(0, I) are at a distance of about 10 from the origin. A straight
    line leaves this shell, and the generator was never trained inside it; the arc stays in it.

    Parameters
    ----------
    a, b
        (latent,).

    Raises
    ------
    ValueError
        For fewer than two steps, points of different shapes, and a point at the origin.

    References
    ----------
    White 2016, Sampling generative networks.

    Examples
    --------
    >>> slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 3).round(3)
    array([[1.   , 0.   ],
           [0.707, 0.707],
           [0.   , 1.   ]])
    """
    if steps < 2:
        raise ValueError(f"a strip needs at least 2 steps, got {steps}")
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"slerp: both points must be (latent,), got shapes {a.shape} and {b.shape}")
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    if lengths == 0:
        raise ValueError("slerp: the origin has no direction")
    t = np.linspace(0, 1, steps, dtype=a.dtype)[:, None]  # (steps, 1)
    w = np.arccos(np.clip(a @ b / lengths, -1, 1))
    if np.sin(w) < 1e-6:  # the same direction, or opposite ones, which have no arc of their own
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * w) * a + np.sin(t * w) * b) / np.sin(w)


def strips(rows: int, steps: int, latent: int, seed: int = 0) -> np.ndarray:
    """Return z (rows * steps, latent): each row is a walk from one random point to another."""
    ends = np.random.default_rng(seed).standard_normal((rows, 2, latent), np.float32)
    return np.concatenate([slerp(a, b, steps) for a, b in ends])


def class_by_style(
    num_classes: int, styles: int, latent: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return z (styles * K, latent) and labels of a grid: each row has one z, each column one class."""
    z = np.random.default_rng(seed).standard_normal((styles, latent), np.float32)
    return np.repeat(z, num_classes, axis=0), np.tile(np.arange(num_classes), styles)


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
