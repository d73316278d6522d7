"""Frechet distance between two sets of feature vectors, each taken for a normal distribution."""

import numpy as np


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Return ``|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))``, m and C the means and covariances of x and y.

    The trace of the root is the sum of the roots of the eigenvalues of C1 C2, which are those of the
    symmetric C1^(1/2) C2 C1^(1/2). The fewer images, the larger it is: compare it only for equal numbers of
    images.

    Parameters
    ----------
    x, y
        (N, features) and (M, features), with at least two rows each.

    Raises
    ------
    ValueError
        For other shapes, and for NaN or infinity.

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
    root = (
        vectors * np.sqrt(np.maximum(values, 0))
    ) @ vectors.T  # C1^(1/2); rounding makes some values negative
    of_product = np.maximum(np.linalg.eigvalsh(root @ C2 @ root), 0)
    distance = ((means[0] - means[1]) ** 2).sum() + np.trace(C1 + C2) - 2 * np.sqrt(of_product).sum()
    return float(max(distance, 0.0))
