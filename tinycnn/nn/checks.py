"""Checks of what layers are given: the message says what would fit, and how to get there."""

import math

import numpy as np

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
            f"{_image_fix(x.shape, C)}"
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


def _image_fix(shape: tuple[int, ...], C: int) -> str:
    """Return what to do about a wrong shape, if that is clear."""
    if len(shape) == 4:
        if shape[3] == C:
            return ": these are (N, H, W, C); x.permute(0, 3, 1, 2) makes them (N, C, H, W)"
        return f": these images have C={shape[1]}"
    if len(shape) == 3 and shape[0] == C:
        return ": this is one image (C, H, W) without N; x[None] adds it"
    if len(shape) == 3 and shape[2] == C:
        return ": this is one image (H, W, C); x.permute(2, 0, 1)[None] makes it (N, C, H, W)"
    if len(shape) == 3 and C == 1:
        return ": these are grey images (N, H, W) without C; x[:, None] adds it"
    if len(shape) == 2 and C == 1:
        return ": this is one grey image (H, W); x[None, None] adds N and C"
    return ""
