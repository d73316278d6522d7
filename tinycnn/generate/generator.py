"""The third of the three ways to make an image: a trained generator."""

from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.gan.sampling import sample
from tinycnn.gan.saved import load_generator
from tinycnn.tensor import Tensor


def learned(run: str | Path, count: int = 1, seed: int = 0, labels: Any = None) -> np.ndarray:
    """Return x = G(z), z ~ N(0, I) (Eq. 11 and 12), from the generator that `tinycnn gan` saved.

    Parameters
    ----------
    run
        Its run folder, or the file generator.safetensors.
    count
        N, how many images.
    seed
        Of z.
    labels
        (N,), the classes that a conditional generator is asked for; by default 0, 1, ... K-1, 0, ...

    Returns
    -------
    numpy.ndarray
        uint8, (N, H, W) or (N, H, W, 3).

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no generator, the file is damaged, `count` is below 1, or labels do not fit.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    G, _ = load_generator(Path(run))
    z = np.random.default_rng(seed).standard_normal((count, G.latent), np.float32)
    if labels is None and G.num_classes:
        labels = np.arange(count) % G.num_classes
    images = np.rint(sample(G, Tensor(z), labels) * 255).astype(np.uint8)  # (N, C, H, W)
    return images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, 3)
