"""Batch and instance normalisation: the same equation over different dimensions."""

import math
from collections.abc import Callable

from tinycnn.autograd import Function, grad
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import modes, set_grad_enabled
from tinycnn.tensor import Tensor, plain, wrap

from .cards import Example, Rng, operation
from .channels import ChannelAffine
from .elementwise import sqrt
from .examples import beside, normal, pair, positive
from .reduction import mean
from .shape import Reshape, reshape, shape_of
from .statistics import var

OTHERS = (0, 2, 3)  # all dimensions of (N, C, H, W) but the channels


class Normalise(Function):
    """y = (x - m) / s, m the mean and s = sqrt(variance + eps) of every channel of (N, C, H, W).

    dL/dx = (g - mean(g) - y * mean(g * y)) / s: y always has mean 0 and variance 1, so the parts of g that
    would change these two are taken out.
    """

    keeps = "x, y"
    floats = True

    def __init__(self, eps: float) -> None:
        self.eps = float(eps)  # a NumPy number would impose its dtype on the result

    def forward(self, x: Array) -> Array:
        y, self.mean, self.variance = kernels_for(x).normalise(x, self.eps)
        return y

    def backward(self, g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return NormaliseInput(plain(y), self.variance, self.eps)(g, x)


def _of_a_batch(f: Callable[..., Tensor], rng: Rng) -> Example:
    N, C, H, W = int(rng.integers(2, 4)), *pair(rng, 1, 3), int(rng.integers(1, 4))
    arrays = [normal(rng, N, C, H, W), normal(rng, C), normal(rng, C)]
    if rng.random() < 0.5:
        return Example(lambda x, w, b: f(x, None, None, w, b, training=True), arrays)
    mean, variance = normal(rng, C), positive(rng, C)
    return Example(lambda x, w, b: f(x, beside(x, mean), beside(x, variance), w, b), arrays)


@operation(Normalise, example=_of_a_batch)
def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise every channel over the batch: weight * (x - mean) / sqrt(var + eps) + bias.

    In training, mean and variance are those of the batch, and the running ones move towards them::

        running = (1 - momentum) * running + momentum * batch    (the variance with M - 1, as PyTorch)

    Otherwise the running mean and variance are used.

    Parameters
    ----------
    x
        (N, C, ...).
    running_mean, running_var
        (C,), changed in place in training. None: mean and variance are always those of the batch.
    weight, bias
        (C,) or None.

    Raises
    ------
    ValueError
        If sizes do not fit, or a channel has only one value to normalise over in training.

    References
    ----------
    Ioffe & Szegedy 2015, Batch Normalization.
    """
    _check_channels("batch_norm", x, running_mean, running_var, weight, bias)
    shape = x.shape
    x = reshape(x, *shape[:2], math.prod(shape[2:]), 1)
    if x.shape[0] == 0:  # nothing to normalise, and nothing to learn statistics from
        y = x
    elif training or running_mean is None or running_var is None:
        count = math.prod(shape) // max(shape[1], 1)
        if training and count < 2:
            raise ValueError(
                f"batch_norm: in training every channel needs more than one value, the input {shape} has "
                f"{count}; use a larger batch, or eval()"
            )
        normalise = Normalise(eps)
        y = normalise(x)
        if running_mean is not None and running_var is not None:
            update_running(running_mean, running_var, normalise, momentum, count / (count - 1))
    else:
        scale = 1 / sqrt(running_var + eps)
        y = ChannelAffine()(x, scale, -running_mean * scale)
    return reshape(_affine(y, weight, bias), *shape)


def _of_images(f: Callable[..., Tensor], rng: Rng) -> Example:
    N, C = pair(rng, 1, 3)
    return Example(f, [normal(rng, N, C, 2, 3), normal(rng, C), normal(rng, C)])


@operation(Normalise, example=_of_images)
def instance_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise every channel of every image by itself: weight * (x - mean) / sqrt(var + eps) + bias.

    Parameters
    ----------
    x
        (N, C, H, W) with more than one cell an image.
    weight, bias
        (C,) or None.

    Raises
    ------
    ValueError
        If sizes do not fit.

    References
    ----------
    Ulyanov et al. 2016, Instance Normalization.
    """
    _check_channels("instance_norm", x, weight, bias)
    N, C, *plane = x.shape
    cells = math.prod(plane)
    if cells <= 1:
        raise ValueError(f"instance_norm: every channel of an image needs more than one cell, got {x.shape}")
    y = reshape(x, 1, N * C, cells, 1)
    if N * C:
        y = Normalise(eps)(y)
    return reshape(_affine(reshape(y, N, C, cells, 1), weight, bias), *x.shape)


class NormaliseInput(Function):
    """The derivative of `Normalise` as a function of g and x, computed from the y and variance known from x.

    Its own derivatives are those of the formula in `formula`, which is written in differentiable operations.
    """

    keeps = "g, x"

    def __init__(self, y: Array, variance: Array, eps: float) -> None:
        self.y, self.variance, self.eps = y, variance, eps

    def formula(self, g: Tensor, x: Tensor) -> Tensor:
        """Return (g - mean(g) - y * mean(g * y)) / s, as operations on g and x."""
        s = sqrt(var(x, OTHERS, correction=0, keepdim=True) + self.eps)
        y = (x - mean(x, OTHERS, keepdim=True)) / s
        return (g - mean(g, OTHERS, keepdim=True) - y * mean(g * y, OTHERS, keepdim=True)) / s

    def forward(self, g: Array, x: Array) -> Array:
        return kernels_for(g).normalise_input(g, self.y, self.variance, self.eps)

    def backward(self, u: Tensor, g: Tensor, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        recorded = modes().grad_enabled
        with set_grad_enabled(True):
            # Nodes of their own: g may depend on x, which is not to be counted here.
            inputs = [
                Reshape(t.shape)(_leaf(t, need))
                for t, need in zip((g, x), self.needs_input_grad, strict=True)
            ]
            y = self.formula(*inputs)
        needed = [t for t, need in zip(inputs, self.needs_input_grad, strict=True) if need]
        found = iter(grad(y, needed, u, create_graph=recorded, retain_graph=True))
        first, second = (next(found) if need else None for need in self.needs_input_grad)
        return (first, second) if isinstance(u, Tensor) else (plain(first), plain(second))


def _leaf(x: Tensor, requires_grad: bool) -> Tensor:
    """Return an array as a leaf, a tensor as it is."""
    if isinstance(x, Tensor):
        return x
    leaf = wrap(x)
    leaf.requires_grad = requires_grad
    return leaf


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is None and bias is None:
        return y
    if weight is None:
        weight = array_module(plain(y)).ones(y.shape[1], y.dtype)
    return ChannelAffine()(y, weight, *(() if bias is None else (bias,)))


def update_running(
    running_mean: Tensor, running_var: Tensor, batch: Normalise, momentum: float, correction: float
) -> None:
    """Move running statistics towards those of a batch, in place; see `batch_norm`."""
    running = plain(running_mean), plain(running_var)
    kernels_for(batch.mean).update_running(*running, batch.mean, batch.variance, momentum, correction)
    for tensor in (running_mean, running_var):
        if isinstance(tensor, Tensor):
            tensor.mark_dirty()


def _check_channels(name: str, x: Tensor, *per_channel: Tensor | None) -> None:
    if len(shape_of(name, x, *per_channel)) < 2:
        raise ValueError(f"{name}: the input must be (N, C, ...), got shape {x.shape}")
    for t in per_channel:
        if t is not None and t.shape != x.shape[1:2]:
            raise ValueError(
                f"{name}: the input {x.shape} has C={x.shape[1]} channels, weight, bias and running "
                f"statistics must be (C,)={x.shape[1:2]}, got {t.shape}"
            )
