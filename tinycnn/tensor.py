"""Tensor: an array that can ask for its gradient.

This is the container: how a tensor is made, and how changes of its array are noticed. Conversions to other
types are in `tinycnn.conversions`, operators in `tinycnn.functional`, gradients in `tinycnn.autograd`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn import wrong
from tinycnn.backend import is_array, new_array, ordinary
from tinycnn.conversions import Conversions
from tinycnn.kernels.arrays import Array, array_module

if TYPE_CHECKING:
    from tinycnn.autograd.function import Function

# One clock for operations that are recorded and for changes in place. An array that an operation kept is
# unchanged if its last change is older than the recording. And inputs are recorded before results.
clock = itertools.count(1)
last_change = [0]  # of any tensor


class Tensor(Conversions):
    """An array that can ask for its gradient.

    Parameters
    ----------
    data
        A number, a nested list, an array or a Tensor. An array of the current backend (`tinycnn.use`) is
        shared, not copied; a CuPy array stays where it is; everything else becomes a new array there.
    dtype
        By default that of `data`; Python floats become float32.
    requires_grad
        Whether `backward` leaves dL/d(this tensor) in ``grad``. For floating point numbers only.
    backend
        "numpy" or "cupy", if the array is not to live where the rules above put it.

    Raises
    ------
    TypeError
        For data that are not numbers, and for integers with `requires_grad`.

    Examples
    --------
    >>> import tinycnn
    >>> x = tinycnn.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad  # dy/dx = 2x
    Tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_changed_at", "_data", "_grad", "_requires_grad", "creator")
    __array_ufunc__ = None  # so that `array * tensor` asks the tensor

    _data: Array
    _grad: Tensor | None
    _requires_grad: bool
    _changed_at: list[int]  # when the array was last changed in place; views of one array share the list
    creator: Function | None  # the operation whose result this is; None for a leaf

    def __init__(
        self, data: Any, dtype: Any = None, requires_grad: bool = False, backend: str | None = None
    ) -> None:
        self._data = new_array(plain(data), dtype, backend)
        shared = isinstance(data, Tensor) and data._data is self._data
        self._changed_at = data._changed_at if shared else [0]
        self.creator = self._grad = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    @property
    def data(self) -> Array:
        """The array itself. Writing to it is not recorded; ``t.data -= step`` is noticed as a change."""
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        self._data = self._fitting(array, "data")
        self.mark_dirty()

    @property
    def grad(self) -> Tensor | None:
        """The gradients that `backward` added up here; None before."""
        return self._grad

    @grad.setter
    def grad(self, gradient: Any) -> None:
        self._grad = None if gradient is None else wrap(self._fitting(gradient, "grad"))

    def _fitting(self, value: Any, what: str) -> Array:
        """Return the array of a tensor, or an array as it is, if its shape is this tensor's."""
        array = value._data if isinstance(value, Tensor) else value
        if not is_array(array):
            raise TypeError(f"the {what} of a tensor is an array or a tensor, not {type(value).__name__}")
        array = ordinary(array)
        if array.shape != self.shape:
            raise ValueError(f"the {what} of a tensor of shape {self.shape} cannot have shape {array.shape}")
        return array

    def mark_dirty(self) -> None:
        """Note that the array was changed in place: a graph that kept it will refuse `backward`."""
        self._changed_at[0] = last_change[0] = next(clock)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if (value and self._data.dtype.kind != "f") or (not value and self.creator is not None):
            raise wrong.cannot_require(self, value)
        self._requires_grad = value

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of all dimensions."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype."""
        return self._data.dtype

    @property
    def backend(self) -> str:
        """Where the array lives, "numpy" or "cupy"."""
        return _backend.backend_of(self._data)

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this tensor."""
        return self.creator is None

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """Return the number of elements."""
        return self._data.size

    def detach(self) -> Tensor:
        """Return a tensor with the same array that no gradient flows through."""
        alias = wrap(self._data)
        alias._changed_at = self._changed_at
        return alias

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("a tensor without dimensions cannot be iterated over; item() is its number")
        return (self[i] for i in range(len(self)))

    def __setstate__(self, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
        for attributes in state:
            for name, value in (attributes or {}).items():
                setattr(self, name, value)
        self._changed_at[0] = 0  # a pickle may come from another process, whose clock was ahead

    # `==` compares elements; in sets and as a key, a tensor is itself.
    __hash__ = object.__hash__


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """Return `value` as a tensor; a Python or NumPy number takes the dtype and backend of `like`.

    A number that the kind of `like` cannot hold (0.5 for int64, 2 for bool) keeps its own dtype.
    """
    if isinstance(value, Tensor):
        return value
    if like is not None and isinstance(value, int | float | np.number | np.bool_):
        kind = like.dtype.kind
        fits = kind == "f" or (kind != "b" and isinstance(value, int | np.integer))
        given = np.asarray(value, like.dtype if fits else np.float32 if type(value) is float else None)
        if isinstance(like._data, np.ndarray):
            return wrap(given)
        return wrap(array_module(like._data).full((), value, given.dtype))  # filled in on the GPU
    if like is not None and not hasattr(value, "dtype"):
        return Tensor(value, backend=like.backend)
    return wrap(ordinary(value)) if is_array(value) else Tensor(value)


def wrap(array: Array) -> Tensor:
    """Make a tensor of an array as it is, without the checks of the constructor."""
    tensor = Tensor.__new__(Tensor)
    tensor._data = array
    tensor._changed_at = [0]
    tensor.creator = tensor._grad = None
    tensor._requires_grad = False
    return tensor


def plain(value: Any) -> Any:
    """Return the array of a tensor, anything else as it is."""
    return value._data if isinstance(value, Tensor) else value
