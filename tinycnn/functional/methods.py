"""Attach the operations to Tensor as operators and methods: ``a + b``, ``x.sum(dim=1)``.

Editors find their types in `tinycnn.operators`.
"""

from collections.abc import Callable
from typing import Any

from tinycnn.tensor import Tensor, as_tensor

from . import activation, arithmetic, indexing, linear, reduction, shape


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
    "pow": arithmetic.pow,
    "matmul": linear.matmul,
}
for _name, _operation in _binary.items():
    setattr(Tensor, f"__{_name}__", _operation)
    setattr(Tensor, f"__r{_name}__", _reflected(_operation))

_others: dict[str, Callable[..., Tensor]] = {
    "__neg__": arithmetic.neg,
    "__abs__": arithmetic.abs,
    "__eq__": arithmetic.equal,
    "__ne__": arithmetic.not_equal,
    "__lt__": arithmetic.less,
    "__le__": arithmetic.less_equal,
    "__gt__": arithmetic.greater,
    "__ge__": arithmetic.greater_equal,
    "__getitem__": indexing.index,
}
for _name, _operation in _others.items():
    setattr(Tensor, _name, _operation)

for _module, _names in (
    (arithmetic, "abs exp log sqrt pow clip"),
    (reduction, "sum mean var max min logsumexp argmax"),
    (shape, "reshape flatten permute transpose to"),
    (activation, "relu sigmoid tanh softmax log_softmax"),
):
    for _name in _names.split():
        setattr(Tensor, _name, getattr(_module, _name))

Tensor.T = property(_matrix_transpose)  # type: ignore[assignment]
