"""Arguments that every operation has: tensors with a shape, and dimensions counted as in PyTorch."""

import operator
from collections.abc import Sequence
from typing import Any

Dims = int | Sequence[int] | None


def shape_of(name: str, *inputs: Any) -> tuple[int, ...]:
    """Return the shape of the first input of the operation `name`; None may stand for a further one.

    Raises
    ------
    TypeError
        If one is neither a tensor nor an array, such as a list.
    """
    for x in inputs:
        if not hasattr(x, "dtype") and x is not None:
            kinds = ", ".join(type(x).__name__ for x in inputs)
            raise TypeError(
                f"{name} takes tensors or arrays, got {kinds}: make tensors of lists with Tensor()"
            )
    return inputs[0].shape


def one_dim(dim: int, ndim: int) -> int:
    """Return `dim` counted from the front.

    Raises
    ------
    TypeError, IndexError
        If it is no integer, or no dimension of a tensor with `ndim` of them.
    """
    try:
        index = operator.index(dim)
    except TypeError:
        raise TypeError(f"dim must be an integer, got {dim!r}") from None
    if not -ndim <= index < ndim:
        raise IndexError(f"dim {dim} is out of range for {ndim} dimensions: -{ndim} to {ndim - 1} fit")
    return index % ndim


def many_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """Return `dim`, one or several, counted from the front; None stands for all.

    Raises
    ------
    TypeError, IndexError, ValueError
        As `one_dim`, and if one is named twice.
    """
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(one_dim(d, ndim) for d in (dim if isinstance(dim, Sequence) else [dim]))
    if len(set(dims)) != len(dims):
        raise ValueError(f"dim {dim} names a dimension twice")
    return dims
