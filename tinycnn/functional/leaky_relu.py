"""Leaky ReLU (Eq. 5's f): negative numbers are not cut off, but made small. g stands for dL/dy."""

from tinycnn.autograd import Function
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, plain

from .cards import operation
from .examples import unary


class LeakyReLU(Function):
    """y = x where x > 0, else slope * x. dL/dx = g where x > 0, else slope * g."""

    keeps = "x"
    floats = True

    def __init__(self, negative_slope: float) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Array) -> Array:
        return kernels_for(x).leaky_relu(x, self.negative_slope)

    def backward(self, g: Tensor, x: Tensor) -> Tensor:
        return LeakyGate(plain(x), self.negative_slope)(g)


@operation(LeakyReLU, example=unary(negative_slope=[0.2]), equation=5, elementwise=True, layer="LeakyReLU")
def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Return x where positive, else ``negative_slope * x``."""
    return LeakyReLU(negative_slope)(x)


class LeakyGate(Function):
    """y = x where a condition > 0, else slope * x. dL/dx = g where the condition > 0, else slope * g."""

    def __init__(self, condition: Array, negative_slope: float) -> None:
        self.condition, self.negative_slope = condition, negative_slope

    def forward(self, x: Array) -> Array:
        return kernels_for(x).leaky_gate(x, self.condition, self.negative_slope)

    def backward(self, g: Tensor) -> Tensor:
        return LeakyGate(self.condition, self.negative_slope)(g)
