"""Attach the operators to Tensor, ``a + b``; the methods are attached by the cards of their operations.

Editors find the types of both in `tinycnn.operators`.
"""

from collections.abc import Callable
from typing import Any

from tinycnn.tensor import Tensor, as_tensor

from . import arithmetic, elementwise, indexing, linear, shape, statistics


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


_binary: dict[str, Callable[..., Tensor]] = {
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "truediv": arithmetic.div,
    "pow": elementwise.pow,
    "matmul": linear.matmul,
}
for _name, _operation in _binary.items():
    setattr(Tensor, f"__{_name}__", _operation)
    setattr(Tensor, f"__r{_name}__", _reflected(_operation))

_others: dict[str, Callable[..., Any]] = {
    "__neg__": arithmetic.neg,
    "__abs__": elementwise.abs,
    "__eq__": elementwise.equal,
    "__ne__": elementwise.not_equal,
    "__lt__": elementwise.less,
    "__le__": elementwise.less_equal,
    "__gt__": elementwise.greater,
    "__ge__": elementwise.greater_equal,
    "__getitem__": indexing.index,
    "argmax": statistics.argmax,
}
for _name, _operation in _others.items():
    setattr(Tensor, _name, _operation)
Tensor.T = property(_matrix_transpose)  # type: ignore[assignment]
