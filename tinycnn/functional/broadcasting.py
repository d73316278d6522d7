"""Broadcasting and its adjoint: what is copied forward is summed backward."""

from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Function, Tensor


class BroadcastTo(Function):
    """y = x, repeated along new dimensions and along those of size 1. dL/dx = the sum over the copies."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.to_shape = shape

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return array_module(x).broadcast_to(x, self.to_shape)

    def backward(self, g: Tensor) -> Tensor:
        return unbroadcast(g, self.from_shape)


class SumTo(Function):
    """y = x summed down to a shape that broadcasts to x's. dL/dx = g, repeated."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.to_shape = shape

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        new = x.ndim - len(self.to_shape)
        dims = tuple(d for d in range(x.ndim) if d < new or (self.to_shape[d - new] == 1 and x.shape[d] != 1))
        return x.sum(axis=dims, keepdims=True).reshape(self.to_shape)

    def backward(self, g: Tensor) -> Tensor:
        return broadcast_to(g, self.from_shape)


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Repeat `x` to `shape` by NumPy's broadcasting rule.

    Raises
    ------
    ValueError
        Where the shapes do not fit.
    """
    shape = tuple(shape)
    if x.shape == shape:
        return x
    new = len(shape) - x.ndim
    if new < 0 or any(size not in (1, to) for size, to in zip(x.shape, shape[new:], strict=True)):
        raise ValueError(
            f"broadcast_to: {x.shape} does not fit into {shape}: counted from the last dimension, "
            "every size must be equal or 1"
        )
    return BroadcastTo(shape)(x)


def unbroadcast(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum the gradient `g` of a broadcast result down to the `shape` of the input: the adjoint."""
    return g if g.shape == shape else SumTo(shape)(g)
