"""Texture and colour: what an image is made of, wherever it is."""

from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor


def gram_matrix(maps: Tensor) -> Tensor:
    """Return the Gram matrices of maps, (N, K, K): which features occur together, wherever that is.

    ::

        G[n, i, j] = sum_p A[n, i, p] * A[n, j, p] / (OH*OW)        p runs over the places of the map

    An image whose parts are moved about has the same Gram matrix, so it describes texture and not shape.

    Parameters
    ----------
    maps
        (N, K, OH, OW); as a tensor that records, gradients flow back to it.

    Raises
    ------
    ValueError
        If they are no maps.

    References
    ----------
    Gatys et al. 2016, Image style transfer using convolutional neural networks.
    """
    if maps.ndim != 4:
        raise ValueError(f"gram_matrix needs maps (N, K, OH, OW), got {maps.shape}")
    rows = F.flatten(maps, 2)  # (N, K, OH*OW)
    return rows @ rows.transpose(1, 2) / rows.shape[2]


def colour_statistics(images: Any) -> np.ndarray:
    """Return mean and standard deviation of every channel, (N, 2*C), of images (N, C, H, W)."""
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"colour_statistics needs images (N, C, H, W), got {images.shape}")
    return np.concatenate([images.mean(axis=(2, 3)), images.std(axis=(2, 3))], axis=1)
