"""Attach the operations to Tensor as operators and methods: ``a + b``, ``x.sum(dim=1)``."""

from collections.abc import Callable
from typing import Any

from tinycnn.tensor import Tensor, as_tensor

from . import activation, arithmetic, linear, reduction, shape


def _reflected(operation: Callable[[Any, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    def reflected(self: Tensor, other: Any) -> Tensor:
        return operation(as_tensor(other, like=self), self)

    reflected.__doc__ = operation.__doc__
    return reflected


def _attach() -> None:
    for name in ("add", "sub", "mul", "pow"):
        operation = getattr(arithmetic, name)
        setattr(Tensor, f"__{name}__", operation)
        setattr(Tensor, f"__r{name}__", _reflected(operation))
    for operator, operation in (("truediv", arithmetic.div), ("matmul", linear.matmul)):
        setattr(Tensor, f"__{operator}__", operation)
        setattr(Tensor, f"__r{operator}__", _reflected(operation))
    unary_and_comparisons = {
        "__neg__": arithmetic.neg,
        "__abs__": arithmetic.abs,
        "__eq__": arithmetic.equal,
        "__ne__": arithmetic.not_equal,
        "__lt__": arithmetic.less,
        "__le__": arithmetic.less_equal,
        "__gt__": arithmetic.greater,
        "__ge__": arithmetic.greater_equal,
        "__getitem__": shape.index,
    }
    for name, operation in unary_and_comparisons.items():
        setattr(Tensor, name, operation)
    for module, names in (
        (arithmetic, "abs exp log sqrt pow clip"),
        (reduction, "sum mean var max min logsumexp"),
        (shape, "reshape flatten permute transpose to"),
        (activation, "relu sigmoid tanh softmax log_softmax"),
    ):
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))

    def matrix_transpose(self: Tensor) -> Tensor:
        """Return the matrix with rows and columns exchanged."""
        if self.ndim != 2:
            raise ValueError(f"T is for matrices, this tensor has shape {self.shape}: use permute()")
        return shape.transpose(self, 0, 1)

    Tensor.T = property(matrix_transpose)  # type: ignore[assignment]


_attach()
