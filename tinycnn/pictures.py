"""Images as PNG and GIF files, and many of them as one: pixels as they are, without axes around them."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.storage import write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image


def tile(images: np.ndarray, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """Return many images as one, row by row.

    Parameters
    ----------
    images
        (N, C, H, W) in [0, 1], C = 1 or 3.
    columns
        Images in each row; by default the sheet is as square as possible.
    gap
        Grey pixels between two images.

    Returns
    -------
    numpy.ndarray
        uint8, (height, width) of grey images, (height, width, 3) of coloured ones.

    Raises
    ------
    ValueError
        For another shape, values outside [0, 1], and no images.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"tile: images must be (N, C, H, W) with N > 0 and C=1 or 3, got {images.shape}")
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"tile: images must be in [0, 1], got {images.min():g} to {images.max():g}")
    N, C, H, W = images.shape
    columns = columns or math.ceil(math.sqrt(N))
    rows = math.ceil(N / columns)
    sheet = np.full((rows * columns, C, H + gap, W + gap), 90, np.uint8)
    sheet[:N, :, :H, :W] = np.rint(images * 255)
    sheet = sheet.reshape(rows, columns, C, H + gap, W + gap).transpose(0, 3, 1, 4, 2)
    whole = sheet.reshape(rows * (H + gap), columns * (W + gap), C)  # (height, width, C)
    whole = whole[: whole.shape[0] - gap, : whole.shape[1] - gap]
    return whole[:, :, 0] if C == 1 else whole


def save_png(pixels: np.ndarray, path: str | Path, zoom: int = 1) -> None:
    """Write pixels, uint8 (H, W) or (H, W, 3), as a PNG, atomically; each becomes `zoom` x `zoom`.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    content = io.BytesIO()
    _image(pixels, zoom).save(content, format="PNG")
    write_atomically(path, content.getvalue())


def save_gif(frames: Sequence[np.ndarray], path: str | Path, zoom: int = 1, seconds: float = 0.15) -> None:
    """Write frames, each as for `save_png`, as an animated GIF, atomically; the last one is shown longer.

    Raises
    ------
    ValueError
        Without frames.
    OSError
        If it cannot be written.
    """
    if not len(frames):
        raise ValueError(f"{path}: an animation needs at least one frame")
    first, *others = [_image(frame, zoom) for frame in frames]
    durations = [int(1000 * seconds)] * len(others) + [2000]  # milliseconds
    content = io.BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    write_atomically(path, content.getvalue())


def _image(pixels: np.ndarray, zoom: int) -> Image:
    from PIL import Image

    return Image.fromarray(pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))
