"""Join tensors one after another, or put a constant around one. g stands for dL/dy."""

from collections.abc import Callable, Sequence

import numpy as np

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from .cards import Example, Rng, operation
from .examples import normal, sizes, with_options
from .shape import one_dim, reshape, shape_of


class Concatenate(Function):
    """y = the inputs one after another along dim. dL/d(input) = its slice of g."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, *arrays: Array) -> Array:
        self.ends = np.cumsum([a.shape[self.dim] for a in arrays]).tolist()
        return array_module(arrays[0]).concatenate(arrays, axis=self.dim)

    def backward(self, g: Tensor) -> tuple[Tensor, ...]:
        before = (slice(None),) * self.dim
        starts = [0, *self.ends[:-1]]
        return tuple(g[(*before, slice(a, b))] for a, b in zip(starts, self.ends, strict=True))


def _two(f: Callable[..., Tensor], rng: Rng) -> Example:
    shape = sizes(rng, 2)
    dim = int(rng.integers(-len(shape), len(shape)))
    longer = [n + (d == dim % len(shape)) for d, n in enumerate(shape)]
    return Example(lambda a, b: f([a, b], dim), [normal(rng, *shape), normal(rng, *longer)])


@operation(Concatenate, example=_two)
def concatenate(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return the tensors one after another along `dim`; all other sizes must be equal.

    Raises
    ------
    ValueError
        If there is none, or the sizes differ.
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("concatenate needs at least one tensor")
    dim = one_dim(dim, len(shape_of("concatenate", *tensors)))
    rests = {(*x.shape[:dim], None, *x.shape[dim + 1 :]) for x in tensors}
    if len(rests) > 1:
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise ValueError(f"concatenate: shapes must be equal except in dimension {dim}, got {shapes}")
    return Concatenate(dim)(*tensors)


def _three(f: Callable[..., Tensor], rng: Rng) -> Example:
    shape = sizes(rng)
    dim = int(rng.integers(-len(shape) - 1, len(shape) + 1))
    return Example(lambda a, b: f([a, b, a], dim), [normal(rng, *shape), normal(rng, *shape)])


@operation(Concatenate, example=_three)
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Return tensors of one shape as slices along a new dimension `dim`.

    Raises
    ------
    ValueError
        If there is none, or the shapes differ.
    """
    tensors = list(tensors)
    if not tensors:
        raise ValueError("stack needs at least one tensor")
    shape = shape_of("stack", *tensors)
    if len({x.shape for x in tensors}) > 1:
        raise ValueError(f"stack: shapes must be equal, got {', '.join(str(x.shape) for x in tensors)}")
    dim = one_dim(dim, len(shape) + 1)
    return concatenate([reshape(x, *shape[:dim], 1, *shape[dim:]) for x in tensors], dim)


class Pad(Function):
    """y = x with a constant around it. dL/dx = the inside of g."""

    def __init__(self, widths: tuple[tuple[int, int], ...], value: float) -> None:
        self.widths, self.value = widths, value

    def forward(self, x: Array) -> Array:
        return array_module(x).pad(x, self.widths, constant_values=self.value)

    def backward(self, g: Tensor) -> Tensor:
        return g[tuple(slice(a, size - b) for (a, b), size in zip(self.widths, g.shape, strict=True))]


def _padded(f: Callable[..., Tensor], rng: Rng) -> Example:
    x = normal(rng, *sizes(rng))
    return with_options(f, x, rng.integers(0, 3, 2 * int(rng.integers(1, x.ndim + 1))).tolist(), 0.5)


@operation(Pad, example=_padded)
def pad(x: Tensor, widths: Sequence[int], value: float = 0.0) -> Tensor:
    """Return `x` with `value` around it; `widths` as PyTorch's: (left, right, top, bottom, ...).

    Pairs start from the last dimension.

    Raises
    ------
    ValueError
        If a width is negative, or they are not pairs for at most all dimensions.
    """
    ndim = len(shape_of("pad", x))
    if len(widths) % 2 or len(widths) > 2 * ndim or any(w < 0 for w in widths):
        raise ValueError(f"pad: {tuple(widths)} must be pairs of widths >= 0 for at most {ndim} dimensions")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)]
    full = [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]
    return Pad(tuple(full), value)(x)
