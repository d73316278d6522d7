"""Vectors in two dimensions: principal components; t-SNE and UMAP, which other packages compute."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.host import as_numpy
from tinycnn.kernels.geometry import integers


@dataclass(frozen=True)
class PCA:
    """The directions in which vectors spread most; `fit` finds them."""

    mean: np.ndarray  #: (D,), of the vectors that it was fitted to
    components: np.ndarray  #: (k, D), orthonormal rows, the direction of the largest variance first
    variance_share: np.ndarray  #: (k,), the part of the whole variance that lies in each direction

    @classmethod
    def fit(cls, vectors: Any, k: int = 2) -> PCA:
        """Return the first k principal components of vectors (N, D).

        They are the first right singular vectors of the centred matrix X = U S V^T, because
        X^T X = V S^2 V^T is N times the covariance. Of each direction and its opposite the one is taken
        whose largest entry is positive. Raises ValueError for NaN, fewer than two vectors, vectors that are
        all the same, and a k above min(N, D).
        """
        x = _vectors(vectors)
        integers(k=k)
        if len(x) < 2 or not 1 <= k <= min(x.shape):
            fits = f"1 to {min(x.shape)} fit, and N at least 2"
            raise ValueError(f"k={k} components of vectors {x.shape}: {fits}")
        mean = x.mean(axis=0)
        _, s, v = np.linalg.svd(x - mean, full_matrices=False)
        if not s[0]:
            raise ValueError("all vectors are the same: they spread in no direction")
        v = v[:k]
        largest = np.take_along_axis(v, np.abs(v).argmax(axis=1, keepdims=True), axis=1)
        return cls(mean, v * np.sign(largest), s[:k] ** 2 / (s**2).sum())

    def transform(self, vectors: Any) -> np.ndarray:
        """Return vectors (N, D) as their coordinates (N, k) in these directions."""
        return (_vectors(vectors) - self.mean) @ self.components.T

    def inverse(self, points: Any) -> np.ndarray:
        """Return the vectors (N, D) that lie at these coordinates (N, k)."""
        return np.asarray(points) @ self.components + self.mean


def tsne(vectors: Any, perplexity: float = 30.0, seed: int = 0) -> np.ndarray:
    """Return vectors (N, D) as points of the plane (N, 2) by t-SNE, computed by scikit-learn.

    Neighbours stay neighbours; distances between groups, and their sizes, mean nothing.

    Parameters
    ----------
    vectors
        (N, D).
    perplexity
        About how many neighbours each vector has; less than N.
    seed
        Of scikit-learn's random numbers.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.
    ValueError
        For NaN, and a perplexity that is too large.

    References
    ----------
    van der Maaten and Hinton 2008, Visualizing data using t-SNE.
    """
    x = _vectors(vectors)
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ImportError("t-SNE needs scikit-learn: pip install 'tinycnn[features]'") from None
    if not 0 < perplexity < len(x):
        raise ValueError(f"perplexity must be between 0 and N={len(x)}, got {perplexity:g}")
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)


def umap(vectors: Any, neighbours: int = 15, seed: int = 0) -> np.ndarray:
    """Return vectors (N, D) as points of the plane (N, 2) by UMAP, computed by umap-learn.

    Neighbours stay neighbours, as with t-SNE; how groups lie to each other is kept a little better.

    Parameters
    ----------
    vectors
        (N, D).
    neighbours
        How many neighbours of each vector count, itself included; 2 to N-1.
    seed
        Of umap-learn's random numbers.

    Raises
    ------
    ImportError
        If umap-learn is not installed.
    ValueError
        For NaN, and a number of neighbours that does not fit.

    References
    ----------
    McInnes, Healy and Melville 2018, UMAP: Uniform manifold approximation and projection.
    """
    x = _vectors(vectors)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # a part of it that is not used needs TensorFlow
            from umap import UMAP
    except ImportError:
        raise ImportError("UMAP needs umap-learn: pip install 'tinycnn[umap]'") from None
    if not 2 <= neighbours < len(x):
        raise ValueError(f"neighbours must be 2 to N-1, got {neighbours} with N={len(x)}")
    return UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(x)


def _vectors(vectors: Any) -> np.ndarray:
    x = np.asarray(as_numpy(vectors))
    if x.ndim != 2:
        raise ValueError(f"vectors must be (N, D), got {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("vectors have NaN or infinity in them")
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)
