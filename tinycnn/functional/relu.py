"""ReLU (Eq. 5's f). g stands for dL/dy."""

from tinycnn.autograd import Function
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor, plain

from .cards import operation
from .examples import unary


class ReLU(Function):
    """y = max(x, 0). dL/dx = g where x > 0, else 0."""

    keeps = "y"

    def forward(self, x: Array) -> Array:
        return kernels_for(x).relu(x)

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        return Gate(plain(y))(g)  # x > 0 exactly where y > 0


@operation(ReLU, example=unary(), equation=5, elementwise=True, layer="ReLU", method=True)
def relu(x: Tensor) -> Tensor:
    """Return max(x, 0); the derivative at 0 is taken as 0."""
    return ReLU()(x)


class Gate(Function):
    """y = x where a condition > 0, else 0. dL/dx = g where the condition > 0, else 0."""

    def __init__(self, condition: Array) -> None:
        self.condition = condition

    def forward(self, x: Array) -> Array:
        return kernels_for(x).gate(x, self.condition)

    def backward(self, g: Tensor) -> Tensor:
        return Gate(self.condition)(g)
