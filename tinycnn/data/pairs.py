"""Pairs (x, y) as batches: what a `DataLoader` does with a sequence that is no `Dataset`."""

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from tinycnn.data.dataset import Dataset
from tinycnn.host import as_numpy


class Pairs(Protocol):
    """Anything with a length whose items 0, 1, ... are pairs (x, y)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]: ...


def check_pairs(data: Any) -> None:
    """Raise TypeError or ValueError unless `data` is a sequence of at least one pair."""
    fits = "a Dataset, or a sequence of pairs (x, y): something with len() and with items [0], [1], ..."
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise TypeError(f"a DataLoader takes {fits}; {type(data).__name__} is not such a sequence")
    if len(data) == 0:
        raise ValueError("a DataLoader needs at least one pair (x, y); this sequence is empty")
    first = data[0]
    if isinstance(first, Dataset):
        raise TypeError("this is a pair of data sets (train, test): give a DataLoader one of the two")
    if not isinstance(first, tuple | list) or len(first) != 2:
        raise TypeError(f"a DataLoader takes {fits}; the first item is {type(first).__name__}: {first!r:.60}")


def image_shape(data: Pairs) -> tuple[int, int, int]:
    """Return (C, H, W) of the first x; raise ValueError if the x are no float32 images."""
    first = as_numpy(data[0][0])
    if first.ndim != 3 or first.dtype != np.float32:
        raise ValueError(
            f"augment= changes float32 images (C, H, W); the first x has {first.shape} {first.dtype}"
        )
    C, H, W = first.shape
    return C, H, W


def stacked(data: Pairs, index: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the x and the y of the pairs that `index` picks, each as one array (n, ...).

    Arrays and tensors keep their dtype. Python's floats, also in lists, become float32. If every y is one
    integer, they become int64. Raises ValueError if the shapes of the x, or of the y, differ.
    """
    index = [int(i) for i in index]
    xs, ys = zip(*(data[i] for i in index), strict=True)
    x, y = _stack("x", xs, index), _stack("y", ys, index)
    return x, y.astype(np.int64) if y.ndim == 1 and y.dtype.kind in "iu" else y


def _stack(name: str, values: tuple[Any, ...], index: list[int]) -> np.ndarray:
    arrays = [as_numpy(value) for value in values]
    for i, array in zip(index, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"the pairs of one batch must have {name} of one shape: pair {index[0]} has "
                f"{arrays[0].shape}, pair {i} has {array.shape}"
            )
    result = np.stack(arrays)
    return result if hasattr(values[0], "dtype") or result.dtype != np.float64 else result.astype(np.float32)
