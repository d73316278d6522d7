"""Make a data set of arrays in one of the usual layouts and ranges. Ambiguous arrays are refused."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn.data.checks import refuse_not_finite, refuse_outside
from tinycnn.data.dataset import Dataset
from tinycnn.host import as_numpy

MAX_UNNAMED_CLASSES = 1000  # a confusion matrix has the square of this many cells
MOST_EMPTY = 10  # if there are no more classes than this, any of them may have no pictures
ROUNDING = 1e-3  # times white: values outside [0, white] by at most this are clipped
HALF_WHITE = 128  # if all values are below this, white may be less than 255


def from_arrays(
    images: Any, labels: Any, classes: Sequence[str] | None = None, name: str = "data"
) -> Dataset:
    """Return a `Dataset` of arrays in one of the usual layouts and ranges.

    Parameters
    ----------
    images
        (N, H, W), (N, C, H, W) or (N, H, W, C) with C = 1 or 3. Integers are grey levels from 0, black, to
        255, white. Floats are in [0, 1], or in 0 .. 255 if the largest is at least 128. Rounding errors of
        up to 0.001 of white are clipped. If the largest value is between 1 and 128 (for integers: between 0
        and 128), it is not clear which value is white, so the images are refused.
    labels
        (N,), integers from 0.
    classes
        The classes' names; "0", "1", ... up to the largest label by default, at most 1,000.
    name
        What the data set is called.

    Raises
    ------
    TypeError, ValueError
        For what `Dataset` refuses. Also if the layout is another or can be read in two ways, a value is out
        of range, it is not clear which value is white, or most of the unnamed classes have no pictures.

    Warns
    -----
    UserWarning
        If labels without names count from 1: class "0" has no pictures then.
    """
    images, labels = _nchw(as_numpy(images)), as_numpy(labels)
    if 0 in images.shape:
        raise ValueError(f"images of shape {images.shape}: the data set is empty")
    if classes is None:
        classes = numbered_classes(labels)
    return Dataset(_in_range(images), labels, tuple(classes), name)


def numbered_classes(labels: np.ndarray) -> tuple[str, ...]:
    """Return the names "0", "1", ... of the classes; none for labels that `Dataset` will refuse.

    Raises ValueError for a label of 1,000 or more, and if there were more than ten classes, most of them
    without pictures. Warns if the labels count from 1.
    """
    if labels.dtype.kind not in "iu" or labels.size == 0:
        return ()
    K = max(int(labels.max()), 0) + 1
    if labels.min() < 0:
        return tuple(map(str, range(min(K, MAX_UNNAMED_CLASSES))))
    fix = (
        "np.unique(labels, return_inverse=True) returns the values and labels from 0; "
        "or name the classes: from_arrays(images, labels, classes)"
    )
    if K > MAX_UNNAMED_CLASSES:
        raise ValueError(
            f"labels[{labels.argmax()}] is {K - 1}: more than {MAX_UNNAMED_CLASSES} classes need names. {fix}"
        )
    used = len(np.unique(labels))
    if max(2 * used, MOST_EMPTY) < K:
        raise ValueError(
            f"the labels go up to {K - 1}, so there would be {K} classes, but {K - used} of them have no "
            f"pictures. {fix}"
        )
    if labels.min() == 1 and used == K - 1 > 1:
        warnings.warn(
            f"the labels go from 1 to {K - 1}: class '0' has no pictures. If your labels count from 1, give "
            "labels - 1",
            stacklevel=3,
        )
    return tuple(map(str, range(K)))


def _nchw(images: np.ndarray) -> np.ndarray:
    """Return the images as a view of shape (N, C, H, W)."""
    if images.ndim == 3:
        return images[:, None]  # (N, H, W) -> (N, 1, H, W)
    fits = "(N, H, W), (N, C, H, W) and (N, H, W, C) with C = 1 or 3 fit"
    if images.ndim != 4:
        raise ValueError(f"images of shape {images.shape}: {fits}")
    channels_first, channels_last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
    if channels_first and channels_last:
        raise ValueError(
            f"images of shape {images.shape} can be read as (N, C, H, W) and as (N, H, W, C): "
            "bring them to (N, C, H, W) and call Dataset(images, labels, classes, name)"
        )
    if not channels_first and not channels_last:
        raise ValueError(
            f"images of shape {images.shape} have 1 or 3 channels in neither dimension 1 nor 3: {fits}; "
            "Dataset(images, labels, classes, name) takes (N, C, H, W) with any C"
        )
    return images if channels_first else images.transpose(0, 3, 1, 2)  # (N, H, W, C) -> (N, C, H, W)


def _in_range(images: np.ndarray) -> np.ndarray:
    """Return the images as uint8, or as float32 in [0, 1]."""
    if images.dtype.kind in "iu":
        refuse_outside(images, 255)
        if images.max() > 0:
            _white_of(images)
        return images.astype(np.uint8, copy=False)
    if images.dtype.kind != "f":
        hint = "; images.astype(np.float32) makes 0 and 1 of them" if images.dtype.kind == "b" else ""
        raise TypeError(f"images of {images.dtype}: integers in 0 .. 255 or floats in [0, 1] fit{hint}")
    refuse_not_finite(images)
    white = 1 if images.max() <= 1 + ROUNDING else _white_of(images)
    refuse_outside(images, white, ROUNDING * white)
    images = images.astype(np.float32, copy=False) if white == 1 else np.divide(images, white, dtype="f4")
    return images if images.min() >= 0 and images.max() <= 1 else images.clip(0, 1)


def _white_of(images: np.ndarray) -> int:
    """Return 255 if the images are bright enough for 0 .. 255; refuse them if white may be less."""
    largest = images.max()
    if largest >= HALF_WHITE:
        return 255
    raise ValueError(
        f"the largest value in the images is {largest}. Either {largest} is white, or the images are in "
        f"0 .. 255 and dark. Say which: give images / {largest} or images / 255, floats in [0, 1]"
    )
