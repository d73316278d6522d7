"""Convert a tensor: to Python's numbers and lists, to NumPy, by DLPack, to text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tinycnn import backend as _backend
from tinycnn import dlpack
from tinycnn.kernels.arrays import Array
from tinycnn.operators import Operators

if TYPE_CHECKING:
    from tinycnn.autograd.function import Function


class Conversions(Operators):
    """The methods of `tinycnn.Tensor` that convert it."""

    __slots__ = ()

    if TYPE_CHECKING:
        _data: Array
        _requires_grad: bool
        creator: Function | None

        def __init__(self, data: Any, *, backend: str | None = None) -> None: ...

        @property
        def shape(self) -> tuple[int, ...]: ...  # noqa: D102
        @property
        def dtype(self) -> np.dtype: ...  # noqa: D102
        @property
        def backend(self) -> str: ...  # noqa: D102

    def tolist(self) -> Any:
        """Return the elements as Python's numbers, in nested lists."""
        return self.numpy().tolist()

    def item(self) -> float:
        """Return the only element as a Python number."""
        if self._data.size != 1:
            raise ValueError(f"item() is for one element, this tensor has {self._data.size}: {self.shape}")
        return self._data.item()

    def numpy(self) -> np.ndarray:
        """Return the array in NumPy: the array itself if it lives there, else a copy."""
        return _backend.to_backend(self._data, "numpy")

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} is neither true nor false as a whole")
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        if self._data.size != 1:
            raise TypeError(f"only one element has the format {spec!r}, this tensor has shape {self.shape}")
        return format(self.item(), spec)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if not isinstance(self._data, np.ndarray):
            raise TypeError(
                f"a tensor of shape {self.shape} on {self.backend} is not copied silently: use tensor.numpy()"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    @classmethod
    def from_dlpack(cls, source: Any) -> Self:
        """Return a tensor that shares memory with another library's array; see `tinycnn.dlpack`."""
        array = dlpack.imported(source)
        return cls(array, backend=_backend.backend_of(array))

    def __dlpack__(self, **options: Any) -> Any:
        return dlpack.exported(self._data, self._requires_grad, options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.device_of(self._data)

    def __repr__(self) -> str:
        prefix = "Tensor("
        text = np.array2string(self.numpy(), separator=", ", prefix=prefix, threshold=100, edgeitems=2)
        notes = [text]
        if self.dtype.name not in ("float32", "int64", "bool"):
            notes.append(f"dtype={self.dtype.name}")
        if self.backend != "numpy":
            notes.append(f"backend={self.backend!r}")
        if self.creator is not None:
            notes.append(f"creator={self.creator.name}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return prefix + ", ".join(notes) + ")"
