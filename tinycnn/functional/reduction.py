"""Many numbers to one: sum, mean, variance, extremes, log of a sum of exponentials."""

import math

import numpy as np

from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Function, Tensor

from .arithmetic import exp
from .broadcasting import broadcast_to
from .dims import Dims, many_dims, one_dim
from .shape import Gather, reshape


def _kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape with size 1 in every dimension that was reduced."""
    return tuple(1 if d in dims else size for d, size in enumerate(shape))


class Sum(Function):
    """y = sum_i x_i over dims. dL/dx_i = g."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool) -> None:
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return x.sum(axis=self.dims, keepdims=self.keepdim)

    def backward(self, g: Tensor) -> Tensor:
        return broadcast_to(reshape(g, _kept(self.from_shape, self.dims)), self.from_shape)


class Mean(Function):
    """y = (1/M) sum_i x_i over the M elements of dims. dL/dx_i = g / M."""

    def __init__(self, dims: tuple[int, ...], keepdim: bool) -> None:
        self.dims, self.keepdim = dims, keepdim

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        self.count = math.prod(x.shape[d] for d in self.dims)
        return x.mean(axis=self.dims, keepdims=self.keepdim)

    def backward(self, g: Tensor) -> Tensor:
        return broadcast_to(reshape(g / self.count, _kept(self.from_shape, self.dims)), self.from_shape)


class Var(Function):
    """y = sum_i (x_i - m)^2 / (M - correction), m the mean. dL/dx_i = g * 2 (x_i - m) / (M - correction).

    m depends on every x_i too, but that adds nothing: sum_i (x_i - m) = 0.
    """

    def __init__(self, dims: tuple[int, ...], correction: int, keepdim: bool) -> None:
        self.dims, self.correction, self.keepdim = dims, correction, keepdim

    def forward(self, x: Array) -> Array:
        self.divisor = math.prod(x.shape[d] for d in self.dims) - self.correction
        self.save_for_backward(x)
        return x.var(axis=self.dims, ddof=self.correction, keepdims=self.keepdim)

    def backward(self, g: Tensor) -> Tensor:
        (x,) = self.saved_tensors
        g = reshape(g, _kept(x.shape, self.dims))
        return (x - mean(x, self.dims, keepdim=True)) * (g * (2 / self.divisor))


class LogSumExp(Function):
    """y = log sum_i e^{x_i}. dL/dx_i = g * e^{x_i - y}, which is softmax(x)_i.

    Computed as m + log sum_i e^{x_i - m} with m = max_i x_i, so that nothing overflows.
    """

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        m = x.max(axis=self.dims, keepdims=True)
        m = xp.where(xp.isfinite(m), m, 0)  # inf - inf would be NaN
        with np.errstate(divide="ignore"):  # log(0) = -inf is right where every x is -inf
            y = m + xp.log(xp.exp(x - m).sum(axis=self.dims, keepdims=True))
        self.save_for_backward(x, y)
        return y

    def backward(self, g: Tensor) -> Tensor:
        x, y = self.saved_tensors
        return g * exp(x - y)


def _result_shape(shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> tuple[int, ...]:
    return _kept(shape, dims) if keepdim else tuple(s for d, s in enumerate(shape) if d not in dims)


def _count(x: Tensor, dims: tuple[int, ...], what: str) -> int:
    """Return how many elements are reduced to one; none is refused."""
    count = math.prod(x.shape[d] for d in dims)
    if count == 0:
        raise ValueError(f"{what} of no elements: {x.shape} over the dimensions {dims}")
    return count


def sum(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the sum over `dim`, one, several or (None) all."""
    return Sum(many_dims(dim, x.ndim), keepdim)(x)


def mean(x: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Return the mean over `dim`.

    Raises
    ------
    ValueError
        For a mean of no elements.
    """
    dims = many_dims(dim, x.ndim)
    _count(x, dims, "mean")
    return Mean(dims, keepdim)(x)


def var(x: Tensor, dim: Dims = None, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Return the variance over `dim`: the sum of squared deviations over (number of elements - correction).

    Raises
    ------
    ValueError
        Where the number of elements does not exceed `correction`.
    """
    dims = many_dims(dim, x.ndim)
    count = _count(x, dims, "variance")
    if count <= correction:
        raise ValueError(f"variance of {count} elements with correction={correction}: more are needed")
    return Var(dims, correction, keepdim)(x)


def logsumexp(x: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """Return log(sum(e^x)) over `dim`, without overflow."""
    dims = many_dims(dim, x.ndim)
    _count(x, dims, "logsumexp")
    y = LogSumExp(dims)(x)
    return y if keepdim else reshape(y, _result_shape(x.shape, dims, keepdim=False))


def max(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the maximum along `dim` (None: of all); the first of equal ones takes the gradient."""
    return _extreme(x, dim, keepdim, "argmax")


def min(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the minimum along `dim` (None: of all); the first of equal ones takes the gradient."""
    return _extreme(x, dim, keepdim, "argmin")


def _extreme(x: Tensor, dim: int | None, keepdim: bool, which: str) -> Tensor:
    dims = many_dims(dim, x.ndim)
    _count(x, dims, which[3:])
    if dim is None:
        flat = reshape(x, -1)
        winner = getattr(flat.data, which)().reshape(1)
        return reshape(Gather(0, winner)(flat), _result_shape(x.shape, dims, keepdim))
    axis = one_dim(dim, x.ndim)
    winners = getattr(x.data, which)(axis=axis).reshape(_kept(x.shape, dims))
    return reshape(Gather(axis, winners)(x), _result_shape(x.shape, dims, keepdim))
