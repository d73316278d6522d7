"""Smooth nonlinearities (Eq. 5's f); ReLU is in `relu`. g stands for dL/dy."""

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from .cards import operation
from .examples import unary


class Sigmoid(Function):
    """y = 1 / (1 + e^{-x}). dL/dx = g * y * (1 - y)."""

    keeps = "y"
    floats = True

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        e = xp.exp(-xp.abs(x))  # at most 1, so nothing overflows
        return xp.where(x >= 0, 1, e) / (1 + e)

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        return g * (y * (1 - y))


@operation(Sigmoid, example=unary(), equation=5, elementwise=True, layer="Sigmoid", method=True)
def sigmoid(x: Tensor) -> Tensor:
    """Return 1 / (1 + e^{-x})."""
    return Sigmoid()(x)


class Tanh(Function):
    """y = tanh(x). dL/dx = g * (1 - y^2)."""

    keeps = "y"
    floats = True

    def forward(self, x: Array) -> Array:
        return array_module(x).tanh(x)

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        return g * (1 - y * y)


@operation(Tanh, example=unary(), equation=5, elementwise=True, layer="Tanh", method=True)
def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent."""
    return Tanh()(x)


class Softplus(Function):
    """y = log(1 + e^x), computed as ``max(x, 0) + log(1 + e^{-|x|})``. dL/dx = g * sigmoid(x)."""

    keeps = "x"
    floats = True

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))

    def backward(self, g: Tensor, x: Tensor) -> Tensor:
        return g * sigmoid(x)


@operation(Softplus, example=unary(), equation=5, elementwise=True, layer="Softplus")
def softplus(x: Tensor) -> Tensor:
    """Return log(1 + e^x), a smooth ReLU."""
    return Softplus()(x)
