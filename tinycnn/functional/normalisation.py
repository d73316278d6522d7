"""Batch and instance normalisation: the same equation over different dimensions."""

import math

from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Function, Tensor

from .arithmetic import add, mul, sqrt, sub
from .reduction import mean, var
from .shape import reshape


class Normalise(Function):
    """y = (x - m) / s, m the mean and s = sqrt(variance + eps) over the M elements of dims.

    dL/dx = (g - mean(g) - y * mean(g * y)) / s: what g would do to the mean and to the spread is taken out,
    because y's are fixed.
    """

    def __init__(self, dims: tuple[int, ...], eps: float) -> None:
        self.dims, self.eps = dims, float(eps)  # a NumPy number would impose its dtype on the result

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        centred = x - x.mean(axis=self.dims, keepdims=True)
        variance = (centred * centred).mean(axis=self.dims, keepdims=True)
        y = centred / xp.sqrt(variance + self.eps)
        self.save_for_backward(x, y)
        return y

    def backward(self, g: Tensor) -> Tensor:
        x, y = self.saved_tensors
        # s is computed again rather than saved, so that it can be differentiated by x.
        s = sqrt(var(x, self.dims, correction=0, keepdim=True) + self.eps)
        mean_g = mean(g, self.dims, keepdim=True)
        mean_gy = mean(g * y, self.dims, keepdim=True)
        return (g - mean_g - y * mean_gy) / s


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

    In training mean and variance are the batch's, and the running ones move towards them::

        running = (1 - momentum) * running + momentum * batch    (the variance with M - 1, as PyTorch)

    Otherwise they are the running ones.

    Parameters
    ----------
    x
        (N, C, ...).
    running_mean, running_var
        (C,), changed in place in training; None to use the batch's always.
    weight, bias
        (C,) or None.

    Raises
    ------
    ValueError
        Where sizes do not fit, or a channel has only one value to normalise over in training.

    References
    ----------
    Ioffe & Szegedy 2015, Batch Normalization.
    """
    _check_channels("batch_norm", x, running_mean, running_var, weight, bias)
    dims = (0, *range(2, x.ndim))
    shape = (1, x.shape[1], *[1] * (x.ndim - 2))
    if training or running_mean is None or running_var is None:
        count = math.prod(x.shape[d] for d in dims)
        if training and count < 2:
            raise ValueError(
                f"batch_norm: in training every channel needs more than one value, the input {x.shape} has "
                f"{count}; use a larger batch, or eval()"
            )
        y = Normalise(dims, eps)(x)
        if running_mean is not None and running_var is not None:
            _update(running_mean, x.data.mean(axis=dims), momentum)
            _update(running_var, x.data.var(axis=dims, ddof=1), momentum)
    else:
        scale = 1 / sqrt(running_var + eps)
        y = mul(sub(x, reshape(running_mean, *shape)), reshape(scale, *shape))
    return _affine(y, weight, bias, shape)


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
        Where sizes do not fit.

    References
    ----------
    Ulyanov et al. 2016, Instance Normalization.
    """
    _check_channels("instance_norm", x, weight, bias)
    dims = tuple(range(2, x.ndim))
    if x.numel() <= x.shape[0] * x.shape[1]:
        raise ValueError(f"instance_norm: every channel of an image needs more than one cell, got {x.shape}")
    return _affine(Normalise(dims, eps)(x), weight, bias, (1, x.shape[1], *[1] * len(dims)))


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    if weight is not None:
        y = mul(y, reshape(weight, *shape))
    return y if bias is None else add(y, reshape(bias, *shape))


def _update(running: Tensor, batch: Array, momentum: float) -> None:
    running.data *= 1 - momentum
    running.data += momentum * batch


def _check_channels(name: str, x: Tensor, *per_channel: Tensor | None) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: the input must be (N, C, ...), got shape {x.shape}")
    for t in per_channel:
        if t is not None and t.shape != x.shape[1:2]:
            raise ValueError(
                f"{name}: the input {x.shape} has C={x.shape[1]} channels, weight, bias and running "
                f"statistics must be (C,)={x.shape[1:2]}, got {t.shape}"
            )
