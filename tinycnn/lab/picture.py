"""Pictures that a page sends, as what a network takes: (C, H, W) float32 in [0, 1]."""

import base64
import binascii
import tempfile
import warnings
from pathlib import Path

import numpy as np

from tinycnn.data.picture import has_bright_border, read_picture

from .network import Shape

MOST_PIXELS = 16_000_000
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM")


def from_pixels(text: str, shape: Shape) -> np.ndarray:
    """Return the picture whose C*H*W bytes the page sent as base64.

    Raises
    ------
    ValueError
        If it is no base64, or not so many bytes.
    """
    content = _bytes(text)
    if len(content) != np.prod(shape):
        raise ValueError(
            f"a picture of shape {list(shape)} has {np.prod(shape):,} bytes, got {len(content):,}"
        )
    return np.frombuffer(content, np.uint8).reshape(shape).astype(np.float32) / np.float32(255)


def from_file(text: str, shape: Shape) -> tuple[np.ndarray, bool]:
    """Return the picture of a file that was sent as base64, resized; and whether it was inverted.

    A grey picture with a bright border is inverted: drawings are dark on bright, and the digits that networks
    learn are bright on dark.

    Raises
    ------
    ValueError
        If it is no picture of one of the formats `FORMATS`, or has more than 16 million pixels, which is
        checked before any of them is decoded. SVG is no such format: nothing in it is run.
    """
    from PIL import Image

    content = _bytes(text)
    C, H, W = shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(path, formats=FORMATS) as file:
                    pixels = file.width * file.height
        except Image.DecompressionBombError:
            pixels = MOST_PIXELS + 1
        except Exception:  # Pillow's readers raise many kinds
            raise ValueError(f"this is no picture of a known format ({', '.join(FORMATS)})") from None
        if pixels > MOST_PIXELS:
            raise ValueError(f"the picture has more than {MOST_PIXELS:,} pixels: make it smaller")
        try:
            array = read_picture(path, (H, W), C)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), "the picture")) from None
    array = np.moveaxis(array.reshape(H, W, C), 2, 0).astype(np.float32) / np.float32(255)
    inverted = C == 1 and has_bright_border(array)
    return (1 - array if inverted else array), inverted


def with_noise(picture: np.ndarray, amount: float) -> np.ndarray:
    """Return the picture with normal noise of this standard deviation, the same at every call."""
    if not amount:
        return picture
    noise = np.random.default_rng(0).standard_normal(picture.shape, np.float32)
    return np.clip(picture + np.float32(amount) * noise, 0, 1)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the picture is no base64") from None
