"""The checks of every data set: shape, dtype and range of the pictures, labels that fit, batches."""

from collections.abc import Sized

import numpy as np


def no_batch(data: Sized, batch_size: int) -> ValueError:
    """Return the error for a data set without one whole batch, if smaller batches are left out."""
    name = repr(data.name) if hasattr(data, "name") else "the data set"
    return ValueError(
        f"no batch is left: batch_size = {batch_size}, {name} has {len(data)} pictures, "
        "and drop_last leaves out smaller batches"
    )


def check_images(images: np.ndarray) -> None:
    """Raise TypeError or ValueError unless images are (N, C, H, W), not empty, uint8 or float32 in [0, 1]."""
    if not isinstance(images, np.ndarray):
        raise TypeError(f"images must be a NumPy array, not {type(images).__name__}; from_arrays() makes one")
    if images.dtype not in (np.uint8, np.float32):
        raise TypeError(
            f"images of {images.dtype}: Dataset takes uint8, or float32 in [0, 1]; from_arrays() converts"
        )
    if images.ndim != 4:
        raise ValueError(
            f"images of shape {images.shape}: Dataset takes (N, C, H, W); from_arrays() converts others"
        )
    if 0 in images.shape:
        raise ValueError(f"images of shape (N, C, H, W) = {images.shape}: the data set is empty")
    if images.dtype == np.float32:
        refuse_not_finite(images)
        refuse_outside(images, 1)


def check_labels(labels: np.ndarray, shape: tuple[int, ...], num_classes: int) -> None:
    """Raise an error unless labels are (N,) integers from 0 to `num_classes` - 1; `shape` is the images'."""
    fits = "labels must be an array of integers, the numbers of the classes"
    if not isinstance(labels, np.ndarray):
        raise TypeError(f"{fits}, not {type(labels).__name__}")
    if labels.ndim != 1:
        hint = _hint(labels)
        raise ValueError(f"labels of shape {labels.shape}: they must be (N,), N = {shape[0]} images{hint}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{fits}, not {labels.dtype}")
    if len(labels) != shape[0]:
        raise ValueError(
            f"N differs: images of shape {shape} are N = {shape[0]} pictures, "
            f"labels of shape {labels.shape} are for N = {len(labels)}"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        raise ValueError(
            f"labels[{wrong[0]}] is {labels[wrong[0]]} (one of {len(wrong)} such), the number of classes is "
            f"{num_classes}: labels must be at least 0 and less than {num_classes}"
        )


def _hint(labels: np.ndarray) -> str:
    """Return how labels of a wrong shape can be made (N,); empty if that is not clear."""
    if labels.ndim != 2:
        return ""
    if 1 in labels.shape:
        return "; labels.ravel() makes them (N,)"
    one_hot = np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()
    return "; labels.argmax(axis=1) turns one-hot rows into numbers" if one_hot else ""


def refuse_not_finite(images: np.ndarray) -> None:
    """Raise ValueError for NaN and infinity, and name the first place."""
    if not np.isfinite(images.max()) or not np.isfinite(images.min()):  # a NaN becomes the maximum
        raise _wrong_values(images, ~np.isfinite(images), "that are NaN or infinite")


def refuse_outside(images: np.ndarray, largest: int, tolerance: float = 0) -> None:
    """Raise ValueError for values outside 0 .. `largest` by more than `tolerance`."""
    low, high = -tolerance, largest + tolerance
    if images.min() < low or images.max() > high:
        raise _wrong_values(images, (images < low) | (images > high), f"outside 0 .. {largest}")


def _wrong_values(images: np.ndarray, wrong: np.ndarray, what: str) -> ValueError:
    """Return the error that counts the wrong values, and names the place of the first."""
    first = tuple(map(int, np.argwhere(wrong)[0]))
    return ValueError(
        f"images (N, C, H, W) = {images.shape} have {np.count_nonzero(wrong)} values {what}, the first is "
        f"images[{', '.join(map(str, first))}] = {images[first]}"
    )
