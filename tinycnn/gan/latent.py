"""Walks through the space of z, and how far samples are from the training images."""

from dataclasses import dataclass
from typing import Any

import numpy as np

CHUNK = 1000  # rows of a distance matrix that are computed at a time


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


@dataclass(frozen=True)
class Nearest:
    """For each of some images, the nearest of others.

    Attributes
    ----------
    index
        (N,), which image it is.
    distance
        (N,), the Euclidean distance of the pixels.
    """

    index: np.ndarray
    distance: np.ndarray


def nearest(images: np.ndarray, among: np.ndarray, leave_out_self: bool = False) -> Nearest:
    """Return the nearest image in `among` to each of `images`.

    Parameters
    ----------
    images, among
        (N, ...) and (M, ...), equal from the second dimension on.
    leave_out_self
        For images and themselves: an image is not its own neighbour.

    Raises
    ------
    ValueError
        If the shapes differ, or `among` has nothing to choose from.
    """
    if images.shape[1:] != among.shape[1:]:
        raise ValueError(f"images of shapes {images.shape} and {among.shape} cannot be compared")
    if len(among) <= leave_out_self:
        raise ValueError(f"{len(among)} images leave none to be nearest to another")
    x, y = _rows(images), _rows(among)
    index, squares = np.empty(len(x), np.int64), np.empty(len(x))
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        d2 = squared_distances(part, y)  # (n, M)
        if leave_out_self:
            rows = np.arange(len(part))
            d2[rows, start + rows] = np.inf
        best = d2.argmin(axis=1)
        index[start : start + CHUNK] = best
        # |x|^2 - 2 x y + |y|^2 has rounding errors if x is y: the smallest distance is computed again.
        squares[start : start + CHUNK] = ((part - y[best]) ** 2).sum(axis=1)
    return Nearest(index, np.sqrt(squares))


def diversity(images: np.ndarray, real: np.ndarray) -> float:
    """Return how far an image is from its nearest neighbour on average, divided by that of real images.

    Parameters
    ----------
    images, real
        The same number of each: the more images there are, the smaller the distances. The result is 0 if all
        `images` are the same.
    """
    own, others = (nearest(x, x, leave_out_self=True).distance.mean() for x in (images, real))
    return float(own / others) if others else 1.0


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return ``|x_n - y_m|^2``, (N, M), for rows x (N, D) and y (M, D); rounding can make it negative."""
    return (x**2).sum(1)[:, None] - 2 * (x @ y.T) + (y**2).sum(1)


def _rows(images: Any) -> np.ndarray:
    return np.asarray(images, np.float32).reshape(len(images), -1)  # (N, C*H*W)
