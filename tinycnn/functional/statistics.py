"""Variance, extremes, and the logarithm of a sum of exponentials. g stands for dL/dy."""

import math
from collections.abc import Callable

import numpy as np

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor, plain

from .cards import Example, Rng, operation
from .elementwise import constant, exp, sqrt
from .examples import along_dim, over_dims
from .indexing import Gather
from .reduction import kept, mean, some_dims
from .shape import Dims, one_dim, reshape


class Var(Function):
    """y = sum_i (x_i - m)^2 / (M - correction), m the mean. dL/dx_i = g * 2 (x_i - m) / (M - correction).

    m depends on every x_i too, but that adds nothing: sum_i (x_i - m) = 0.
    """

    keeps = "x"
    floats = True

    def __init__(self, dims: tuple[int, ...], correction: int, keepdim: bool) -> None:
        self.dims, self.correction, self.keepdim = dims, correction, keepdim

    def forward(self, x: Array) -> Array:
        return x.var(axis=self.dims, ddof=self.correction, keepdims=self.keepdim)

    def backward(self, g: Tensor, x: Tensor) -> Tensor:
        divisor = math.prod(x.shape[d] for d in self.dims) - self.correction
        g = reshape(g, kept(x.shape, self.dims))
        return (x - mean(x, self.dims, keepdim=True)) * (g * (2 / divisor))


def _corrected(f: Callable[..., Tensor], rng: Rng) -> Example:
    correction = int(rng.integers(0, 2))
    return over_dims(lambda x, dims, keepdim: f(x, dims, correction, keepdim), rng)


@operation(Var, example=_corrected, method=True)
def var(x: Tensor, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Return the variance over `dim`: the sum of squared deviations over (number of elements - correction).

    Raises
    ------
    ValueError
        If the number of elements does not exceed `correction`.
    """
    dims = some_dims("variance", x, dim)
    count = math.prod(x.shape[d] for d in dims)
    if count <= correction:
        raise ValueError(f"variance of {count} elements with correction={correction}: more are needed")
    return Var(dims, correction, keepdim)(x)


@operation(example=_corrected, method=True)
def std(x: Tensor, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Return the standard deviation over `dim`: the square root of `var`."""
    return sqrt(var(x, dim, correction, keepdim))


class LogSumExp(Function):
    """y = log sum_i e^{x_i}. dL/dx_i = g * e^{x_i - y}, which is softmax(x)_i.

    Computed as m + log sum_i e^{x_i - m} with m = max_i x_i, so that nothing overflows.
    """

    keeps = "x, y"
    floats = True

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        m = x.max(axis=self.dims, keepdims=True)
        m = xp.where(xp.isfinite(m), m, 0)  # inf - inf would be NaN
        with np.errstate(divide="ignore"):  # log(0) = -inf is right if every x is -inf
            return m + xp.log(xp.exp(x - m).sum(axis=self.dims, keepdims=True))

    def backward(self, g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return g * exp(x - y)


@operation(LogSumExp, example=over_dims, method=True)
def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return log(sum(e^x)) over `dim`, without overflow."""
    dims = some_dims("logsumexp", x, dim)
    return reshape(LogSumExp(dims)(x), _left(x.shape, dims, keepdim))


@operation(Gather, example=along_dim, method=True)
def max(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the maximum along `dim` (None: of all); the first of equal ones takes the gradient.

    With a `dim`, PyTorch returns the places, too; here `argmax` returns them.
    """
    return _extreme(x, dim, keepdim, "max")


@operation(Gather, example=along_dim, method=True)
def min(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the minimum along `dim` (None: of all); the first of equal ones takes the gradient.

    With a `dim`, PyTorch returns the places, too; here `argmin` returns them.
    """
    return _extreme(x, dim, keepdim, "min")


def _extreme(x: Tensor, dim: int | None, keepdim: bool, which: str) -> Tensor:
    dims = some_dims(which, x, dim)
    flat = reshape(x, -1) if dim is None else x
    axis = 0 if dim is None else one_dim(dim, len(x.shape))
    values = plain(flat)
    winners = (values.argmax if which == "max" else values.argmin)(axis=axis)
    return reshape(
        Gather(axis, winners.reshape(kept(flat.shape, (axis,))))(flat), _left(x.shape, dims, keepdim)
    )


def _left(shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> tuple[int, ...]:
    """Return the shape of the result of a reduction."""
    return kept(shape, dims) if keepdim else tuple(s for d, s in enumerate(shape) if d not in dims)


def argmax(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the place of the (first) maximum along `dim` (None: of all, counted row by row); no gradient."""
    return _place(x, dim, keepdim, "max")


def argmin(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the place of the (first) minimum along `dim` (None: of all, counted row by row); no gradient."""
    return _place(x, dim, keepdim, "min")


def _place(x: Tensor, dim: int | None, keepdim: bool, which: str) -> Tensor:
    dims = some_dims(f"arg{which}", x, dim)
    axis = None if dim is None else dims[0]

    def place(a: Array) -> Array:
        found = a.argmax(axis=axis) if which == "max" else a.argmin(axis=axis)
        return found.reshape(_left(a.shape, dims, keepdim))

    return constant(place, x)
