"""Dimensions of size 1 added or dropped, and numbers repeated along them. g stands for dL/dy."""

from collections.abc import Callable

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from .cards import Example, Rng, operation
from .examples import normal, sizes, with_options
from .shape import Dims, Reshape, many_dims, one_dim, reshape, shape_of


def _a_size_of_one(f: Callable[..., Tensor], rng: Rng) -> Example:
    shape = list(sizes(rng))
    dim = int(rng.integers(0, len(shape)))
    shape[dim] = 1
    return with_options(f, normal(rng, *shape), dim)


@operation(Reshape, example=_a_size_of_one, method=True)
def squeeze(x: Tensor, dim: Dims = None) -> Tensor:
    """Return `x` without dimensions of size 1: all of them, or those named by `dim` that are."""
    shape = shape_of("squeeze", x)
    dims = many_dims(dim, len(shape))
    return reshape(x, *(size for d, size in enumerate(shape) if d not in dims or size != 1))


@operation(Reshape, example=lambda f, rng: with_options(f, normal(rng, *sizes(rng)), -1), method=True)
def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """Return `x` with a new dimension of size 1 at `dim` of the result."""
    shape = shape_of("unsqueeze", x)
    dim = one_dim(dim, len(shape) + 1)
    return reshape(x, *shape[:dim], 1, *shape[dim:])


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


def _copied(f: Callable[..., Tensor], rng: Rng) -> Example:
    shape = sizes(rng)
    x = normal(rng, *[1 if rng.random() < 0.5 else n for n in shape])
    return with_options(f, x, (2, *shape))


@operation(BroadcastTo, example=_copied)
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
