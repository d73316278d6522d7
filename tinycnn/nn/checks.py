"""Checks of what layers are given: the message says what would fit, and how to get there."""

import math

import numpy as np

from tinycnn.functional.shape import image_fix
from tinycnn.tensor import Tensor

from .module import Module


def positive(**sizes: int) -> None:
    """Refuse sizes that are no positive integers.

    Raises
    ------
    ValueError
        Names the size.
    """
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"{name} must be a positive integer, got {size!r}")


def check_images(layer: Module, x: Tensor, C: int) -> None:
    """Refuse an input that is not (N, C, H, W).

    Raises
    ------
    ValueError
        Says what to do about an image without N, and images (N, H, W, C).
    """
    if x.ndim != 4 or x.shape[1] != C:
        raise ValueError(
            f"{type(layer).__name__}({C}): the input must be (N, C, H, W) with C={C}, got shape {x.shape}"
            f"{image_fix(x.shape, C)}"
        )


def check_features(layer: Module, x: Tensor, size: int) -> None:
    """Refuse an input whose last dimension is not `size`.

    Raises
    ------
    ValueError
        Says what to do about images (N, C, H, W), and which size would fit.
    """
    if x.ndim and x.shape[-1] == size:
        return
    fix = ""
    if x.ndim == 2:
        fix = f"; in={x.shape[1]} would fit this input"
    elif x.ndim == 4:
        flat = math.prod(x.shape[1:])
        fix = "; put Flatten() in front of this layer"
        fix += "" if flat == size else f", and make it in={flat}"
    raise ValueError(f"{type(layer).__name__}: the input {x.shape} must end in in={size}{fix}")
