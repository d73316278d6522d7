"""The first two of the three ways to make an image: chance, and a rule."""

from collections.abc import Callable
from typing import Any

import numpy as np

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
    _check_size(height, width)
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
    _check_size(height, width)
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


def _check_size(height: int, width: int) -> None:
    at_least(1, height=height, width=width)
