"""DataLoader: batches whose order and augmentation depend on numbers alone, so training resumes anywhere."""

from collections.abc import Iterator

import numpy as np

from tinycnn import backend as _backend
from tinycnn.data.augment import Augment
from tinycnn.data.dataset import Dataset, scaled
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor

ORDER, AUGMENTATION = 0, 1  # what random numbers are for
MOST_RESIDENT = 1 << 30  # bytes of a data set that is kept on a GPU as a whole


class DataLoader:
    """Cut a data set into batches (images, labels): float32 (N, C, H, W) in [0, 1] and int64 (N,).

    Iterating runs through one epoch; ``epoch`` counts them. Batch b of epoch e is always the same: its
    random numbers come from a generator seeded with (seed, e, b), not from one that has a past.

    The batches live in the current backend. For a GPU the data set is copied there once, up to 1 GiB of it,
    and each batch is picked, scaled and augmented there; of a larger one each batch is copied, before it is
    scaled. Random numbers are drawn by NumPy always, so order and augmentation are the same everywhere.

    Parameters
    ----------
    dataset
        What to cut.
    batch_size
        N of every batch; the last one of an epoch may be smaller.
    shuffle
        A new order each epoch.
    augment
        Changes the images of each batch.
    seed
        Of the order and the augmentation, at least 0.
    drop_last
        Leave out a last batch that is smaller.

    Raises
    ------
    TypeError, ValueError
        For a `batch_size` that is no positive integer, or leaves no batch; a negative `seed`; a shift as
        large as the pictures.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 32,
        *,
        shuffle: bool = False,
        augment: Augment | None = None,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        _check_at_least(1, batch_size=batch_size)
        _check_at_least(0, seed=seed)
        if drop_last and batch_size > len(dataset):
            raise ValueError(
                f"no batch is left: batch_size = {batch_size}, {dataset.name!r} has {len(dataset)} pictures, "
                "and drop_last leaves out smaller batches"
            )
        if augment is not None:
            augment.check(dataset.image_shape)
        self.dataset, self.batch_size, self.shuffle = dataset, batch_size, shuffle
        self.augment, self.seed, self.drop_last = augment, seed, drop_last
        self.epoch = 0
        self._resident: tuple[Array, Array] | None = None  # images and labels on the GPU

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole if self.drop_last or rest == 0 else whole + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Run through the next epoch."""
        self.epoch += 1
        return self.batches(self.epoch - 1)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Run through the epoch with number `epoch`, counted from 0, from batch number `start` on.

        Raises
        ------
        TypeError, ValueError
            For a negative `epoch`, and a `start` outside 0 .. len(self).
        """
        _check_at_least(0, epoch=epoch, start=start)
        if start > len(self):
            raise ValueError(f"start = {start}: an epoch has {len(self)} batches, 0 .. {len(self)} fit")
        return self._batches(epoch, start)

    def _batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        N = len(self.dataset)
        order = self._rng(ORDER, epoch, 0).permutation(N) if self.shuffle else np.arange(N)
        backend = _backend.current()
        pick = self._pick
        if backend != "numpy":
            resident = self.dataset.images.nbytes <= MOST_RESIDENT
            pick = self._pick_there if resident else self._copy_there
            order = _backend.to_backend(order, backend) if resident else order
        for number in range(start, len(self)):
            images, labels = pick(order[number * self.batch_size : (number + 1) * self.batch_size])
            if self.augment is not None:
                images = self.augment(images, self._rng(AUGMENTATION, epoch, number))
            yield Tensor(images, backend=backend), Tensor(labels, backend=backend)

    def _pick(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return images, scaled, and labels."""
        return self.dataset.scaled(index), self.dataset.labels[index]

    def _pick_there(self, index: Array) -> tuple[Array, Array]:
        """Do as `_pick` on a GPU, with an index that lives there."""
        if self._resident is None:
            images, labels = np.ascontiguousarray(self.dataset.images), self.dataset.labels
            self._resident = _backend.to_backend(images, "cupy"), _backend.to_backend(labels, "cupy")
        images, labels = self._resident
        return scaled(images[index]), labels[index]

    def _copy_there(self, index: np.ndarray) -> tuple[Array, Array]:
        """Do as `_pick` into a GPU; bytes are a quarter of what they become there."""
        images = np.ascontiguousarray(self.dataset.images[index])
        return scaled(_backend.to_backend(images, "cupy")), _backend.to_backend(
            self.dataset.labels[index], "cupy"
        )

    def _rng(self, purpose: int, epoch: int, batch: int) -> np.random.Generator:
        # always four numbers: NumPy takes a shorter list for one that is filled up with zeros
        return np.random.default_rng([self.seed, purpose, epoch, batch])


def _check_at_least(least: int, **values: int) -> None:
    for name, value in values.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise TypeError(f"{name} must be an integer, it is {value!r}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, it is {value}")
