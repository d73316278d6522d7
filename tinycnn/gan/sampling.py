"""Images into the range of a GAN, [-1, 1], and out of it."""

from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.modes import no_grad
from tinycnn.tensor import Tensor

from .networks import Generator


def scale(images: Tensor) -> Tensor:
    """Return 2x - 1: images from [0, 1] to [-1, 1], the range of the generator's tanh.

    Raises
    ------
    ValueError
        If they are not in [0, 1].
    """
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


@no_grad()
def sample(G: Generator, z: Tensor, labels: Any = None, chunk: int = 100) -> np.ndarray:
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
    with evaluation_mode(G):
        parts = [
            G(z[i : i + chunk], None if labels is None else labels[i : i + chunk]).numpy()
            for i in range(0, len(z), chunk)
        ]
    return (np.concatenate(parts) + 1) / 2
