"""Softmax (Eq. 4) and its logarithm: numbers that are positive and sum to 1. g stands for dL/dy."""

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from .cards import operation
from .elementwise import exp
from .examples import along_dim
from .reduction import sum
from .shape import one_dim, shape_of


class Softmax(Function):
    """y_k = e^{x_k} / sum_j e^{x_j} (Eq. 4). dL/dx_k = y_k * (g_k - sum_j g_j y_j)."""

    keeps = "y"
    floats = True

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        if not x.size:
            return x.copy()  # an empty row has no maximum
        e = array_module(x).exp(x - x.max(axis=self.dim, keepdims=True))
        return e / e.sum(axis=self.dim, keepdims=True)

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        return y * (g - sum(g * y, self.dim, keepdim=True))


@operation(Softmax, example=along_dim, equation=4, layer="Softmax", method=True)
def softmax(x: Tensor, dim: int) -> Tensor:
    """Return e^x over its sum along `dim`: positive numbers that sum to 1 (Eq. 4)."""
    return Softmax(one_dim(dim, len(shape_of("softmax", x))))(x)


class LogSoftmax(Function):
    """y_k = x_k - log sum_j e^{x_j}. dL/dx_k = g_k - e^{y_k} * sum_j g_j."""

    keeps = "y"
    floats = True

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Array) -> Array:
        if not x.size:
            return x.copy()
        xp = array_module(x)
        shifted = x - x.max(axis=self.dim, keepdims=True)
        return shifted - xp.log(xp.exp(shifted).sum(axis=self.dim, keepdims=True))

    def backward(self, g: Tensor, y: Tensor) -> Tensor:
        return g - exp(y) * sum(g, self.dim, keepdim=True)


@operation(LogSoftmax, example=along_dim, method=True)
def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Return log(softmax(x)), which stays finite where softmax rounds to 0."""
    return LogSoftmax(one_dim(dim, len(shape_of("log_softmax", x))))(x)
