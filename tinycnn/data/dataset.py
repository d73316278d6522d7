"""Dataset: labelled pictures of one size, checked once when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinycnn.kernels.arrays import Array

Index = slice | np.ndarray | Sequence[int]  # picks pictures: never a single number, that would lose N
MAX_UNNAMED_CLASSES = 10_000


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled pictures.

    Parameters
    ----------
    images
        (N, C, H, W), uint8, or float32 in [0, 1].
    labels
        (N,), integers in 0 .. len(classes) - 1; kept as int64.
    classes
        The name of every class.
    name
        What the data set is called.

    Raises
    ------
    TypeError
        For another dtype. `from_arrays` converts many.
    ValueError
        For an empty data set, another number of dimensions, different N of images and labels, a label
        without a class, NaN or infinity, and floats outside [0, 1].
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_labels(self.labels, self.images.shape, self.classes)
        object.__setattr__(self, "labels", self.labels.astype(np.int64, copy=False))

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}: images {self.images.shape} {self.images.dtype}, "
            f"{len(self.classes)} classes)"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture."""
        C, H, W = self.images.shape[1:]
        return C, H, W

    def subset(self, index: Index) -> Dataset:
        """Return the data set of the pictures that `index` picks: a slice, positions or a mask (N,)."""
        return Dataset(self.images[index], self.labels[index], self.classes, self.name)

    def scaled(self, index: Index) -> np.ndarray:
        """Return the pictures that `index` picks as a new float32 array (n, C, H, W) in [0, 1]."""
        return scaled(self.images[index])


def scaled(images: Array) -> Array:
    """Return images, uint8 or float32 in [0, 1], as a new float32 array in [0, 1]."""
    if isinstance(images, np.ndarray):
        white = np.float32(255 if images.dtype == np.uint8 else 1)
        return np.divide(images, white, dtype=np.float32, order="C")
    result = images.astype(np.float32)
    if images.dtype == np.uint8:
        result /= 255
    return result


def from_arrays(
    images: Any, labels: Any, classes: Sequence[str] | None = None, name: str = "data"
) -> Dataset:
    """Return a `Dataset` of arrays in one of the usual layouts and ranges.

    Parameters
    ----------
    images
        (N, H, W), (N, C, H, W) or (N, H, W, C) with C = 1 or 3. Integers are grey levels in 0 .. 255.
        Floats in [0, 1] stay as they are; floats in [0, 255] with any above 1 are divided by 255.
    labels
        (N,), integers from 0.
    classes
        The classes' names; "0", "1", ... up to the largest label by default.
    name
        What the data set is called.

    Raises
    ------
    TypeError, ValueError
        As `Dataset`; and where the layout is neither or both of the two, or a value is out of range.
    """
    images, labels = _nchw(np.asarray(images)), np.asarray(labels)
    if 0 in images.shape:
        raise ValueError(f"images of shape {images.shape}: the data set is empty")
    if classes is None:
        classes = _numbered_classes(labels)
    return Dataset(_in_range(images), labels, tuple(classes), name)


def stratified_split(dataset: Dataset, test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Split off a random test set with about `test_fraction` of every class, at least one picture of each.

    Returns
    -------
    train, test
        In the original order. The same seed gives the same split.

    Raises
    ------
    ValueError
        For a fraction outside (0, 1), and a class with a single picture.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must be between 0 and 1, both excluded, it is {test_fraction}")
    rng = np.random.default_rng(seed)
    in_test = np.zeros(len(dataset), dtype=bool)
    for label in np.unique(dataset.labels):
        members = rng.permutation(np.flatnonzero(dataset.labels == label))
        if len(members) == 1:
            raise ValueError(
                f"class {dataset.classes[label]!r} of {dataset.name!r} has one picture; a split into train "
                "and test needs at least two of every class"
            )
        n_test = min(max(round(test_fraction * len(members)), 1), len(members) - 1)
        in_test[members[:n_test]] = True
    train, test = dataset.subset(~in_test), dataset.subset(in_test)
    return replace(train, name=f"{dataset.name} train"), replace(test, name=f"{dataset.name} test")


def _check_images(images: np.ndarray) -> None:
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
        _refuse_not_finite(images)
        _refuse_outside(images, 1)


def _check_labels(labels: np.ndarray, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu":
        kind = labels.dtype if isinstance(labels, np.ndarray) else type(labels).__name__
        raise TypeError(f"labels must be an array of integers, the numbers of the classes, not {kind}")
    if labels.ndim != 1:
        hint = "; labels.argmax(axis=1) turns one-hot rows into numbers" if labels.ndim == 2 else ""
        raise ValueError(f"labels of shape {labels.shape}: they must be (N,), N = {shape[0]} images{hint}")
    if len(labels) != shape[0]:
        raise ValueError(
            f"N differs: images of shape {shape} are N = {shape[0]} pictures, "
            f"labels of shape {labels.shape} are for N = {len(labels)}"
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise ValueError(
            f"labels[{wrong[0]}] is {labels[wrong[0]]} (one of {len(wrong)} such), the number of classes is "
            f"{len(classes)}: labels must be at least 0 and less than {len(classes)}"
        )


def _nchw(images: np.ndarray) -> np.ndarray:
    """Return a view as (N, C, H, W)."""
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
    """Return uint8 or float32 in [0, 1]."""
    if images.dtype.kind in "iu":
        _refuse_outside(images, 255)
        return images.astype(np.uint8, copy=False)
    if images.dtype.kind != "f":
        raise TypeError(f"images of {images.dtype}: integers in 0 .. 255 or floats in [0, 1] fit")
    _refuse_not_finite(images)
    _refuse_outside(images, 255)
    if images.max() > 1:
        return np.divide(images, 255).astype(np.float32)
    return images.astype(np.float32, copy=False)


def _numbered_classes(labels: np.ndarray) -> tuple[str, ...]:
    """Return "0", "1", ... for well-formed labels; for others anything, as `Dataset` refuses them."""
    if labels.dtype.kind not in "iu" or labels.size == 0:
        return ()
    largest = int(labels.max())
    if largest >= MAX_UNNAMED_CLASSES:
        raise ValueError(
            f"labels[{labels.argmax()}] is {largest}: more than {MAX_UNNAMED_CLASSES} classes need names, "
            "from_arrays(images, labels, classes)"
        )
    return tuple(map(str, range(max(largest, 0) + 1)))


def _refuse_not_finite(images: np.ndarray) -> None:
    if not np.isfinite(images.max()) or not np.isfinite(images.min()):  # NaN, too, comes through
        wrong = ~np.isfinite(images)
        raise ValueError(
            f"images (N, C, H, W) = {images.shape} have {np.count_nonzero(wrong)} values that are NaN or "
            f"infinite, the first is images[{_first(wrong)}]"
        )


def _refuse_outside(images: np.ndarray, largest: int) -> None:
    """Refuse values outside 0 .. `largest`."""
    if images.min() < 0 or images.max() > largest:
        wrong = (images < 0) | (images > largest)
        where = tuple(np.argwhere(wrong)[0])
        raise ValueError(
            f"images (N, C, H, W) = {images.shape} have {np.count_nonzero(wrong)} values outside "
            f"0 .. {largest}, the first is images[{_first(wrong)}] = {images[where]}"
        )


def _first(wrong: np.ndarray) -> str:
    return ", ".join(map(str, np.argwhere(wrong)[0]))
