"""Retrieval: the vectors that are nearest to others, by Euclidean distance or by angle."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.host import as_numpy
from tinycnn.kernels.geometry import integers

CHUNK = 1000  # rows of a distance matrix at a time
METRICS = ("euclidean", "cosine")


@dataclass(frozen=True)
class Nearest:
    """The nearest of some images to each of others."""

    index: np.ndarray  #: (N,), which image; (N, k) from `Index.search`, the nearest first
    distance: np.ndarray  #: the same shape


class Index:
    """Vectors that can be searched for those nearest to others.

    ::

        euclidean:  d(a, b) = |a - b|                     from |a|^2 - 2 <a, b> + |b|^2, one matrix product
        cosine:     d(a, b) = 1 - <a, b> / (|a| |b|)      0 to 2: the same direction, the opposite one

    Parameters
    ----------
    vectors
        (M, D), or (M, ...), which is flattened.
    metric
        "euclidean" or "cosine". By cosine, a vector of zeros has no direction: its distance to all is 1.

    Raises
    ------
    ValueError
        For another metric, no vectors, and NaN or infinity in them.

    Examples
    --------
    >>> Index([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]).search([[3.0, 3.0]], k=2)
    Nearest(index=array([[1, 0]]), distance=array([[1.        , 4.24264069]]))
    """

    def __init__(self, vectors: Any, metric: str = "euclidean") -> None:
        if metric not in METRICS:
            raise ValueError(f"metric must be {' or '.join(map(repr, METRICS))}, got {metric!r}")
        self.metric = metric
        self.vectors = self._rows(vectors)
        if not len(self.vectors):
            raise ValueError("there are no vectors to search in")

    def search(self, queries: Any, k: int = 1, leave_out_self: bool = False) -> Nearest:
        """Return the k nearest vectors to each query, the nearest first: both results are (N, k).

        Parameters
        ----------
        queries
            (N, D), or (N, ...), the same from the second dimension on.
        k
            1 to M.
        leave_out_self
            The queries are the vectors themselves, and the distance of each to itself does not count.

        Raises
        ------
        ValueError
            For queries of another size, NaN or infinity in them, or a k that is too large.
        """
        x, y = self._rows(queries), self.vectors
        if x.shape[1] != y.shape[1]:
            raise ValueError(f"queries have {x.shape[1]} numbers each, the vectors {y.shape[1]}")
        integers(k=k)
        if not 1 <= k <= len(y) - leave_out_self:
            raise ValueError(f"k={k}: {len(y)} vectors leave {len(y) - leave_out_self} to be nearest")
        index = np.empty((len(x), k), np.int64)
        for start in range(0, len(x), CHUNK):
            part = x[start : start + CHUNK]
            d = squared_distances(part, y) if self.metric == "euclidean" else -part @ y.T  # (n, M)
            if leave_out_self:
                rows = np.arange(len(part))
                d[rows, start + rows] = np.inf
            index[start : start + CHUNK] = _smallest(d, k)
        return Nearest(index, self._exact(x, index))

    def _exact(self, x: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Return the distances of those found, (N, k), without the rounding errors of the expanded square."""
        found = (self.vectors[column] for column in index.T)  # one (N, D) at a time
        if self.metric == "euclidean":
            return np.sqrt(np.stack([((x - y) ** 2).sum(axis=1, dtype=np.float64) for y in found], axis=1))
        return np.stack([1 - (x * y).sum(axis=1, dtype=np.float64) for y in found], axis=1)

    def _rows(self, vectors: Any) -> np.ndarray:
        """Return vectors as rows; by cosine each is divided by its length."""
        array = np.asarray(as_numpy(vectors))
        array = array.reshape(len(array), int(np.prod(array.shape[1:])))
        rows = array.astype(np.result_type(array.dtype, np.float32), copy=False)
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise ValueError(f"vector {bad} has NaN or infinity in it: such features cannot be compared")
        if self.metric == "cosine":
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
        return rows


def nearest(images: np.ndarray, among: np.ndarray, leave_out_self: bool = False) -> Nearest:
    """Return the nearest image in `among` to each of `images`, by Euclidean distance: both results are (N,).

    Parameters
    ----------
    images, among
        (N, ...) and (M, ...), the same from the second dimension on.
    leave_out_self
        Both are the same images, and the distance of each to itself does not count.

    Raises
    ------
    ValueError
        If the shapes differ or `among` has nothing to choose from.
    """
    if images.shape[1:] != among.shape[1:]:
        raise ValueError(f"images of shapes {images.shape} and {among.shape} cannot be compared")
    if len(among) <= leave_out_self:
        raise ValueError(f"{len(among)} images leave none to be nearest to another")
    found = Index(np.asarray(among, np.float32)).search(np.asarray(images, np.float32), 1, leave_out_self)
    return Nearest(found.index[:, 0], found.distance[:, 0])


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return ``|x_n - y_m|^2``, (N, M), of rows x (N, D) and y (M, D); rounding can make it negative."""
    return (x**2).sum(1)[:, None] - 2 * (x @ y.T) + (y**2).sum(1)


def _smallest(d: np.ndarray, k: int) -> np.ndarray:
    """Return where the k smallest numbers of each row are, the smallest first, (n, k)."""
    if k == 1:  # of equal ones the first
        return d.argmin(axis=1)[:, None]
    some = np.argpartition(d, k - 1, axis=1)[:, :k]
    order = np.argsort(np.take_along_axis(d, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)
