"""Walks through the space of z, and how far samples are from the training images."""

import numpy as np

from tinycnn.features import nearest


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


def diversity(images: np.ndarray, real: np.ndarray) -> float:
    """Return how far an image is from its nearest neighbour on average, divided by that of real images.

    Give the same number of each: the more images there are, the smaller the distances. It is 0 if all images
    are the same.
    """
    own, others = (nearest(x, x, leave_out_self=True).distance.mean() for x in (images, real))
    return float(own / others) if others else 1.0
