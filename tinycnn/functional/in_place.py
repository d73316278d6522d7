"""Changes in place, ``x[0] = 1`` and ``w -= lr * w.grad``: an error if a gradient must flow through them."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.backend import ordinary
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import modes
from tinycnn.tensor import Tensor, plain
from tinycnn.wrong import refuse_mixed_backends


def write(x: Tensor, key: Any, value: Any) -> None:
    """Write a value into some elements of x.

    Raises
    ------
    RuntimeError
        If a gradient must flow through the change.
    """
    _refuse_if_followed(x, value, "build a new tensor with where() or concatenate()")
    key = tuple(map(plain, key)) if isinstance(key, tuple) else plain(key)
    value = plain(value)
    if isinstance(value, np.ndarray):
        value = ordinary(value)  # a masked array is refused
    if isinstance(value, list | tuple | np.ndarray):  # CuPy writes arrays of its own and numbers only
        value = array_module(x._data).asarray(value, x.dtype)
    x._data[key] = value
    x.mark_dirty()


def _multiply(x: Array, y: Array) -> None:
    """Write x @ y into x. CuPy would make a new array of ``x @= y``."""
    product = x @ y
    if product.shape != x.shape:
        raise ValueError(f"the product has the shape {product.shape}")
    array_module(x).copyto(x, product)  # an error if numbers would be cut to integers


def _changing(symbol: str, change: Callable[[Any, Any], Any]) -> Callable[[Tensor, Any], Tensor]:
    """Return ``x += y``, or another operator that changes x."""

    def changed(x: Tensor, other: Any) -> Tensor:
        _refuse_if_followed(x, other, f"make a new tensor, as in x = x {symbol} y")
        if isinstance(other, Tensor):
            refuse_mixed_backends(f"{symbol}=", (x, other))
        y = plain(other)
        try:
            change(x._data, y)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            what = f"{y.shape}, {y.dtype}" if hasattr(y, "dtype") else f"{type(y).__name__} {y!r:.40}"
            raise kind(
                f"x {symbol}= y keeps the shape and dtype of x, {x.shape}, {x.dtype}, and y is {what}; "
                f"x = x {symbol} y makes a new tensor"
            ) from None
        x.mark_dirty()
        return x

    changed.__doc__ = f"Change x in place by ``x {symbol}= y``; raises as `write`."
    return changed


IN_PLACE = {
    "__iadd__": _changing("+", operator.iadd),
    "__isub__": _changing("-", operator.isub),
    "__imul__": _changing("*", operator.imul),
    "__itruediv__": _changing("/", operator.itruediv),
    "__ipow__": _changing("**", operator.ipow),
    "__imatmul__": _changing("@", _multiply),
}


def _refuse_if_followed(x: Tensor, value: Any, instead: str) -> None:
    followed = x._requires_grad or (isinstance(value, Tensor) and value._requires_grad)
    if (followed and modes().grad_enabled) or x.creator is not None:
        raise RuntimeError(
            f"cannot write into {x!r}: gradients do not follow assignments. Under tinycnn.no_grad() a leaf "
            f"can be changed in place; else {instead}"
        )
