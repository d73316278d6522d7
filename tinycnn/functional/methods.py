"""Attach the operators to Tensor, ``a + b``; the methods are attached by the cards of their operations.

Editors find the types of both in `tinycnn.operators`.
"""

from collections.abc import Callable
from typing import Any

from tinycnn.elsewhere import OF_TENSORS, attach
from tinycnn.tensor import Tensor, as_tensor

from . import arithmetic, conversion, elementwise, in_place, indexing, linear, rounding, shape, statistics


def _reflected(operation: Callable[[Any, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    def reflected(self: Tensor, other: Any) -> Tensor:
        return operation(as_tensor(other, like=self), self)

    reflected.__doc__ = operation.__doc__
    return reflected


def _matrix_transpose(self: Tensor) -> Tensor:
    """Return the matrix with rows and columns exchanged."""
    if self.ndim != 2:
        raise ValueError(f"T is for matrices, this tensor has shape {self.shape}: use permute()")
    return shape.transpose(self, 0, 1)


def _unlike_anything_else(compare: Callable[[Tensor, Any], Tensor]) -> Callable[[Tensor, Any], Any]:
    """Return a comparison for numbers only. Python decides the rest: a tensor is not equal to None."""

    def compared(self: Tensor, other: Any) -> Any:
        if hasattr(other, "dtype") or isinstance(other, int | float | list | tuple):
            return compare(self, other)
        return NotImplemented

    compared.__doc__ = compare.__doc__
    return compared


def _cast(dtype: str) -> Callable[[Tensor], Tensor]:
    def cast(self: Tensor) -> Tensor:
        return conversion.to(self, dtype)

    cast.__doc__ = f"Return the tensor in {dtype}."
    return cast


_binary: dict[str, Callable[..., Tensor]] = {
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "truediv": arithmetic.div,
    "pow": elementwise.pow,
    "floordiv": rounding.floor_divide,
    "mod": rounding.remainder,
    "matmul": linear.matmul,
}
for _name, _operation in _binary.items():
    setattr(Tensor, f"__{_name}__", _operation)
    setattr(Tensor, f"__r{_name}__", _reflected(_operation))

_others: dict[str, Callable[..., Any]] = {
    "__neg__": arithmetic.neg,
    "__abs__": elementwise.abs,
    "__eq__": _unlike_anything_else(elementwise.equal),
    "__ne__": _unlike_anything_else(elementwise.not_equal),
    "__lt__": elementwise.less,
    "__le__": elementwise.less_equal,
    "__gt__": elementwise.greater,
    "__ge__": elementwise.greater_equal,
    "__and__": elementwise.bitwise_and,
    "__or__": elementwise.bitwise_or,
    "__xor__": elementwise.bitwise_xor,
    "__invert__": elementwise.bitwise_not,
    "__getitem__": indexing.index,
    "__setitem__": in_place.write,
    "eq": elementwise.equal,
    "ne": elementwise.not_equal,
    "lt": elementwise.less,
    "le": elementwise.less_equal,
    "gt": elementwise.greater,
    "ge": elementwise.greater_equal,
    "argmax": statistics.argmax,
    "argmin": statistics.argmin,
    "clamp": elementwise.clip,
    "floor": rounding.floor,
    "round": rounding.round,
    "view": shape.reshape,
}
for _name, _operation in _others.items():
    setattr(Tensor, _name, _operation)

for _name, _change in in_place.IN_PLACE.items():
    setattr(Tensor, _name, _change)

for _name, _dtype in {"float": "float32", "double": "float64", "long": "int64"}.items():
    setattr(Tensor, _name, _cast(_dtype))
Tensor.T = property(_matrix_transpose)  # type: ignore[assignment]
attach(Tensor, OF_TENSORS)
