"""Three ways to make an image: chance, a rule, and a trained generator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.gan.sampling import noise, sample
from tinycnn.gan.saved import load_generator
from tinycnn.kernels.geometry import at_least


def random_image(height: int, width: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Return x_ij = U(0, 255) (Eq. 9): each pixel is a random integer, and 0 to 255 are equally likely.

    Parameters
    ----------
    height, width
        H and W.
    channels
        1 for grey, 3 for RGB.
    seed
        The same seed gives the same image.

    Returns
    -------
    numpy.ndarray
        uint8, (H, W) or (H, W, 3).

    Raises
    ------
    ValueError
        For a size below 1, and other channels.

    Examples
    --------
    >>> random_image(2, 3)
    array([[ 95, 130, 194],
           [217, 207, 235]], dtype=uint8)
    """
    at_least(1, height=height, width=width)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {channels!r}")
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def rule_image(f: Callable[[np.ndarray, np.ndarray], Any], height: int, width: int) -> np.ndarray:
    """Return x_ij = f(i, j) (Eq. 10).

    Parameters
    ----------
    f
        Takes all row numbers i and all column numbers j at once, (H, W) each; returns brightness in [0, 1] as
        (H, W) or (H, W, 3). `tinycnn.generate.RULES` is a gallery.
    height, width
        H and W.

    Returns
    -------
    numpy.ndarray
        uint8, (H, W) or (H, W, 3).

    Raises
    ------
    ValueError
        For a size below 1; and if f returns another shape, values outside [0, 1], NaN or infinity.

    Examples
    --------
    >>> rule_image(lambda i, j: (i + j) % 2, 2, 3)
    array([[  0, 255,   0],
           [255,   0, 255]], dtype=uint8)
    """
    at_least(1, height=height, width=width)
    i, j = np.mgrid[:height, :width].astype(float)
    x = np.asarray(f(i, j))
    if x.shape not in ((height, width), (height, width, 3)):
        raise ValueError(
            f"f(i, j) must return (H, W) = ({height}, {width}) or (H, W, 3), it returned shape {x.shape}; f "
            "is called once, with all i and j as arrays"
        )
    if x.dtype.kind not in "biuf" or not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(
            f"f(i, j) must return numbers in [0, 1], black to white, it returned {x.dtype}, {x.min()} to "
            f"{x.max()}"
        )
    return np.rint(x.astype(float) * 255).astype(np.uint8)


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
    at_least(1, count=count)
    G, _ = load_generator(Path(run))
    z, every = noise(G, count, seed)
    labels = every if labels is None else labels
    images = np.rint(sample(G, z, labels) * 255).astype(np.uint8)  # (N, C, H, W)
    return images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, 3)
