"""Augmentation: each picture is changed a little, differently each time the network sees it.

NumPy draws the random numbers. The pictures are changed in the backend that they live in.
"""

from dataclasses import dataclass

import numpy as np

from tinycnn import backend as _backend
from tinycnn.kernels.arrays import Array, array_module


@dataclass(frozen=True)
class Augment:
    """Random flips, rotations and shifts, in this order, drawn for each picture separately.

    Raises TypeError or ValueError for a negative or fractional `shift`, and a `rotate` outside 0 .. 180.
    """

    shift: int = 0  #: the largest, in whole pixels, up, down, left and right
    rotate: float = 0.0  #: the largest rotation about the centre, in degrees, in both directions
    flip: bool = False  #: mirror left and right with probability 1/2

    def __post_init__(self) -> None:
        if not isinstance(self.shift, int | np.integer) or isinstance(self.shift, bool):
            raise TypeError(f"shift must be a whole number of pixels, it is {self.shift!r}")
        if self.shift < 0:
            raise ValueError(f"shift must be at least 0 pixels, it is {self.shift}")
        if not 0 <= self.rotate <= 180:  # NaN fails, too
            raise ValueError(f"rotate must be in 0 .. 180 degrees, it is {self.rotate}")

    def check(self, image_shape: tuple[int, int, int]) -> None:
        """Raise a ValueError if pictures (C, H, W) are too small for the shift."""
        _, H, W = image_shape
        if self.shift >= min(H, W):
            raise ValueError(
                f"shift = {self.shift} can move pictures of (H, W) = {(H, W)} out of sight; "
                f"at most {min(H, W) - 1} fits"
            )

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        """Return changed copies of `images`, float32 (N, C, H, W), with random numbers from `rng`."""
        if images.dtype != np.float32:
            raise TypeError(f"images of {images.dtype}: augmentation takes float32")
        if images.ndim != 4 or 0 in images.shape:
            raise ValueError(
                f"images of shape {images.shape}: augmentation takes (N, C, H, W) without a size of 0"
            )
        N, C, H, W = images.shape
        self.check((C, H, W))

        images = images.copy()
        if self.flip:
            flipped = _like(images, np.flatnonzero(rng.random(N) < 0.5))
            images[flipped] = images[flipped][:, :, :, ::-1]
        if self.rotate:
            images = rotated(images, rng.uniform(-self.rotate, self.rotate, (N,)))
        if self.shift:
            down, right = rng.integers(-self.shift, self.shift + 1, (2, N))
            images = shifted(images, down, right)
        return images


def shifted(images: Array, down: np.ndarray, right: np.ndarray) -> Array:
    """Return (N, C, H, W) with picture n moved by ``down[n]`` and ``right[n]`` pixels; the rest is 0."""
    N, _, H, W = images.shape
    xp = array_module(images)
    k = int(max(np.abs(down).max(), np.abs(right).max()))
    padded = xp.pad(images, ((0, 0), (0, 0), (k, k), (k, k)))
    windows = xp.lib.stride_tricks.sliding_window_view(padded, (H, W), (2, 3))  # (N, C, 2k+1, 2k+1, H, W)
    top, left = _like(images, k - np.stack([down, right]))  # if the window moves up, the picture moves down
    return xp.ascontiguousarray(windows[xp.arange(N), :, top, left])  # (N, C, H, W)


def rotated(images: Array, degrees: np.ndarray) -> Array:
    """Return (N, C, H, W) with picture n turned by ``degrees[n]`` anticlockwise; outside of it is 0.

    Each pixel of the result comes from a place between four pixels. It is their mean, weighted by how near
    they are (bilinear sampling).
    """
    N, C, H, W = images.shape
    xp = array_module(images)
    angle = _like(images, np.deg2rad(degrees))[:, None, None]  # (N, 1, 1)
    y, x = xp.arange(H)[:, None] - (H - 1) / 2, xp.arange(W) - (W - 1) / 2  # (H, 1), (W,); y points down
    from_y = (H - 1) / 2 + xp.sin(angle) * x + xp.cos(angle) * y  # (N, H, W)
    from_x = (W - 1) / 2 + xp.cos(angle) * x - xp.sin(angle) * y
    top, left = xp.floor(from_y).astype(np.int64), xp.floor(from_x).astype(np.int64)

    padded = xp.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))).reshape(N, C, -1)  # with a frame of zeros
    result = xp.zeros_like(images)
    for row, near_y in ((top, 1 - (from_y - top)), (top + 1, from_y - top)):
        for column, near_x in ((left, 1 - (from_x - left)), (left + 1, from_x - left)):
            # A place outside is looked up in the frame: -1 becomes its first row or column, H and W its last.
            place = (row.clip(-1, H) + 1) * (W + 2) + column.clip(-1, W) + 1  # row * width + column
            pixels = xp.take_along_axis(padded, place.reshape(N, 1, H * W), axis=2).reshape(N, C, H, W)
            result += pixels * (near_y * near_x).astype(np.float32)[:, None]  # (N, 1, H, W)
    return result


def _like(images: Array, drawn: np.ndarray) -> Array:
    """Return random numbers, which NumPy drew, as an array in the backend of the images."""
    return _backend.to_backend(drawn, _backend.backend_of(images))
