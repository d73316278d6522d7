"""What is wrong with an array or a tensor: functions that return the error to raise, or raise it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.kernels.arrays import Array, array_module

if TYPE_CHECKING:
    from tinycnn.tensor import Tensor


class BackendError(RuntimeError):
    """A backend that cannot be used here, or arrays of two backends in one operation."""


def no_real_numbers(data: Array) -> TypeError:
    """Return the error for complex numbers, text and objects."""
    return TypeError(f"a tensor holds real numbers or booleans, not {data.dtype}: {data!r:.60}")


def list_of_tensors() -> TypeError:
    """Return the error for a list of tensors given as the data of one."""
    return TypeError("a list of tensors is no tensor: use stack() or concatenate(), which gradients follow")


def masked(shape: tuple[int, ...]) -> TypeError:
    """Return the error for a masked array."""
    return TypeError(
        f"a masked array of shape {shape}: a tensor has no mask, what is hidden would count; "
        "fill it first, as in array.filled(0)"
    )


def not_served(array: Array, name: str, library: str, characters: str) -> ValueError:
    """Return the error for an array that the chosen kernels do not take."""
    dtypes = " and ".join(str(np.dtype(character)) for character in characters)
    return ValueError(
        f"the kernels {name!r}, which were chosen, take {dtypes} arrays of {library}, not "
        f"{array.dtype} of {array_module(array).__name__}, shape {array.shape}; "
        "tinycnn.use(kernels='auto') chooses for each array"
    )


def cannot_require(x: Tensor, value: bool) -> Exception:
    """Return the error for integers that shall require a gradient, or a result that shall not."""
    if value:
        return TypeError(
            f"only floating point tensors can require a gradient, this one of shape {x.shape} is "
            f"{x.dtype}; make it Tensor(data, dtype='float32', requires_grad=True)"
        )
    return RuntimeError(f"only a leaf can stop requiring a gradient; {x!r} is a result: use detach()")


def refuse_mixed_backends(name: str, tensors: Sequence[Tensor]) -> None:
    """Raise BackendError if the tensors given to the operation `name` do not live in one backend."""
    first = tensors[0]
    for x in tensors:
        if type(x._data) is not type(first._data) and x.backend != first.backend:
            raise BackendError(
                f"{name}: one tensor {first.shape} lives in {first.backend}, another {x.shape} in "
                f"{x.backend}; move one with tensor.to({first.backend!r}) or tensor.to({x.backend!r})"
            )
