"""A data set on a GPU: as a whole if it is small enough, else one batch at a time.

A `Dataset` of up to 1 GiB is copied to the GPU once, and each batch is picked, scaled and augmented there. If
a data set is larger, or another sequence, each batch is copied when it is needed.
"""

from collections.abc import Callable

import numpy as np

from tinycnn.backend import to_backend
from tinycnn.data.dataset import Dataset
from tinycnn.kernels.arrays import Array

Pick = Callable[[Array], tuple[Array, Array]]  # from positions to images and labels

MOST_RESIDENT = 1 << 30  # bytes; a larger data set is not copied to a GPU as a whole


class Resident:
    """The pictures and labels of a data set, for batches in `backend`."""

    def __init__(self, data: Dataset, backend: str) -> None:
        self.data, self.backend = data, backend
        self.whole: tuple[Array, Array] | None = None
        if data.images.nbytes <= MOST_RESIDENT:
            self.whole = self._copied(data.images, data.labels)

    def pick(self, index: Array) -> tuple[Array, Array]:
        """Return images, float32 in [0, 1], and labels of some positions, which `moved` moved."""
        if self.whole is None:
            # First copied and then scaled: uint8 has a quarter of float32's bytes to copy.
            images, labels = self._copied(self.data.images[index], self.data.labels[index])
        else:
            images, labels = self.whole[0][index], self.whole[1][index]
        result = images.astype(np.float32)
        if images.dtype == np.uint8:
            result /= 255
        return result, labels

    def moved(self, order: np.ndarray) -> Array:
        """Return an order of positions in the backend that `pick` takes it from."""
        return order if self.whole is None else to_backend(order, self.backend)

    def _copied(self, images: np.ndarray, labels: np.ndarray) -> tuple[Array, Array]:
        return to_backend(np.ascontiguousarray(images), self.backend), to_backend(labels, self.backend)
