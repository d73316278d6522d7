"""Broadcasting: what is copied forward is summed backward."""

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from .dims import shape_of


class BroadcastTo(Function):
    """y = x, repeated along new dimensions and along those of size 1. dL/dx = g, summed over the copies.

    The sum is what backward does with every gradient that has the shape an input was broadcast to.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.to_shape = shape

    def forward(self, x: Array) -> Array:
        return array_module(x).broadcast_to(x, self.to_shape)

    def backward(self, g: Tensor) -> Tensor:
        return g


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Repeat `x` to `shape` by NumPy's broadcasting rule.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    sizes, shape = shape_of("broadcast_to", x), tuple(shape)
    if sizes == shape:
        return x
    new = len(shape) - len(sizes)
    if new < 0 or any(size not in (1, to) for size, to in zip(sizes, shape[new:], strict=True)):
        raise ValueError(
            f"broadcast_to: {sizes} does not fit into {shape}: counted from the last dimension, "
            "every size must be equal or 1"
        )
    return BroadcastTo(shape)(x)
