"""Dataset: labelled pictures of one size, checked once, when the data set is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinycnn.data.checks import check_images, check_labels

Index = slice | np.ndarray | Sequence[int]  # a single number would drop the dimension N


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
        For another dtype. `from_arrays` converts many of them.
    ValueError
        For an empty data set, another number of dimensions, images and labels that differ in N, a label that
        is no class, NaN or infinity, and floats outside [0, 1].
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        check_images(self.images)
        check_labels(self.labels, self.images.shape, len(self.classes))
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
        white = np.float32(255 if self.images.dtype == np.uint8 else 1)
        return np.divide(self.images[index], white, dtype=np.float32, order="C")
