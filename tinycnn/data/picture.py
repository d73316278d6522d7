"""Read one picture file as an array."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.data.files import naming, require_regular_file

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 50_000_000  # of one picture, before and after resizing; decoding takes up to 20 bytes for each
EXIF_ORIENTATION = 0x0112
# What makes the pictures of Exif's eight orientations upright; the first is upright.
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def read_picture(
    path: str | Path, size: tuple[int, int] | None = None, channels: int | None = None
) -> np.ndarray:
    """Return a picture as uint8, (H, W) if it is grey and (H, W, 3) if it is coloured.

    Transparent parts become white. A photo is turned upright as its Exif data say. An animation
    is read as its first picture.

    Parameters
    ----------
    path
        The file.
    size
        (H, W) to resize it to (bicubic), whatever its proportions.
    channels
        C: 1 to make it grey, 3 to make it RGB.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        With the file's name: if it is no regular file or no picture, has more than 8 bits per channel or
        more than 50 million pixels, which is checked before any of them is decoded.
    """
    path = Path(path)
    require_regular_file(path)
    with naming(path):
        picture = _read(path)
    if channels is not None:
        picture = picture.convert("L" if channels == 1 else "RGB")
    if size is not None:
        H, W = size
        picture = picture.resize((W, H))
    return np.asarray(picture)


def _read(path: Path) -> Image:
    """Return the picture upright, of mode L or RGB."""
    from PIL import Image

    too_large = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about damaged Exif data, and about palettes
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:  # reads the header only
                if file.width * file.height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                picture, turn = _grey_or_rgb(file), None
                with suppress(Exception):  # if the Exif data are damaged in any way, the pixels need not be
                    turn = TURNS.get(int(file.getexif().get(EXIF_ORIENTATION, 1)))
                return picture if turn is None else picture.transpose(Image.Transpose[turn])
    except too_large:
        raise ValueError(f"it has more than {MAX_PIXELS:,} pixels: make it smaller") from None
    except Exception as error:  # Pillow's readers raise many kinds, from OSError to SyntaxError
        raise ValueError(f"no picture that Pillow can read ({error})") from error


def _grey_or_rgb(picture: Image) -> Image:
    """Return a copy of mode L or RGB."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):  # Pillow would clip them to 255 without a word
        raise ValueError(f"its mode is {picture.mode}, more than 8 bits a channel: save it with 8")
    if picture.getbands()[-1] in ("A", "a") or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def has_bright_border(picture: np.ndarray) -> bool:
    """Return whether the border of a picture (C, H, W) in [0, 1] is bright: drawings are dark on bright."""
    inside = np.zeros(picture.shape, bool)
    inside[:, 1:-1, 1:-1] = True
    return bool(picture[~inside].mean() > 0.5)
