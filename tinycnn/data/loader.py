"""DataLoader: cut a data set into batches. Training can resume at any of them and gets the same ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.data.augment import Augment
from tinycnn.data.checks import no_batch
from tinycnn.data.dataset import Dataset
from tinycnn.data.pairs import Pairs, check_pairs, image_shape, stacked
from tinycnn.data.resident import Pick, Resident
from tinycnn.kernels.arrays import Array
from tinycnn.kernels.geometry import at_least
from tinycnn.tensor import Tensor

ORDER, AUGMENTATION = 0, 1  # what random numbers are drawn for: each has a stream of its own


class DataLoader:
    """Cut a data set into batches (x, y): tensors in the current backend.

    A batch of a `Dataset` is float32 images (N, C, H, W) in [0, 1] and int64 labels (N,). A batch of any
    other sequence of pairs (x, y) is all x and all y, stacked; `tinycnn.data.pairs` says how.

    Iterating runs through one epoch; ``epoch`` counts them. Batch b of epoch e is always the same: its
    random numbers come from a new generator, seeded with (seed, e, b). NumPy draws them, so order and
    augmentation are the same in every backend.

    Parameters
    ----------
    dataset
        A `Dataset`, or any sequence of pairs: something with ``len`` and with items 0, 1, ...
    batch_size
        N of every batch; the last one of an epoch may be smaller.
    shuffle
        A new order each epoch.
    augment
        Changes the images of each batch at random; see `Augment`.
    seed
        The seed of the order and of the augmentation, at least 0.
    drop_last
        Leave out a last batch that is smaller.

    Raises
    ------
    TypeError, ValueError
        For a `dataset` that is neither, or is empty; a `batch_size` that is no positive integer or leaves no
        batch; a negative `seed`; a shift as large as the pictures; `augment` if the x are no images.

    Examples
    --------
    >>> from tinycnn.data import DataLoader
    >>> x, y = next(iter(DataLoader([([0.0, 1.0], 0), ([2.0, 3.0], 1)], batch_size=2)))
    >>> x.shape, y.shape
    ((2, 2), (2,))
    """

    def __init__(
        self,
        dataset: Dataset | Pairs,
        batch_size: int = 32,
        *,
        shuffle: bool = False,
        augment: Augment | None = None,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if not isinstance(dataset, Dataset):
            check_pairs(dataset)
        at_least(1, batch_size=batch_size)
        at_least(0, seed=seed)
        if drop_last and batch_size > len(dataset):
            raise no_batch(dataset, batch_size)
        if augment is not None:
            augment.check(dataset.image_shape if isinstance(dataset, Dataset) else image_shape(dataset))
        self.dataset: Any = dataset
        self.batch_size, self.shuffle = batch_size, shuffle
        self.augment, self.seed, self.drop_last = augment, seed, drop_last
        self.epoch = 0
        self._resident: Resident | None = None

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

        Raises TypeError or ValueError for a negative `epoch`, and a `start` outside 0 .. len(self).
        """
        at_least(0, epoch=epoch, start=start)
        if start > len(self):
            raise ValueError(f"start = {start}: an epoch has {len(self)} batches, 0 .. {len(self)} fit")
        return self._batches(epoch, start)

    def _batches(self, epoch: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        N = len(self.dataset)
        order = self._rng(ORDER, epoch, 0).permutation(N) if self.shuffle else np.arange(N)
        backend = _backend.current()
        pick, order = self._picker(backend, order)
        for number in range(start, len(self)):
            x, y = pick(order[number * self.batch_size : (number + 1) * self.batch_size])
            if self.augment is not None:
                x = self.augment(x, self._rng(AUGMENTATION, epoch, number))
            yield Tensor(x, backend=backend), Tensor(y, backend=backend)

    def _picker(self, backend: str, order: np.ndarray) -> tuple[Pick, Array]:
        """Return the function that makes a batch of positions, and the order, in the backend it needs."""
        data = self.dataset
        if not isinstance(data, Dataset):
            return lambda index: stacked(data, index), order  # Tensor() moves them
        if backend == "numpy":
            return lambda index: (data.scaled(index), data.labels[index]), order
        self._resident = self._resident or Resident(data, backend)
        return self._resident.pick, self._resident.moved(order)

    def _rng(self, purpose: int, epoch: int, batch: int) -> np.random.Generator:
        # Always four numbers: NumPy would fill a shorter list up with zeros.
        return np.random.default_rng([self.seed, purpose, epoch, batch])
