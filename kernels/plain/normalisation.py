"""Normalisation of the channels of (N, C, H, W), and its derivative. NumPy or CuPy arrays."""

from ..arrays import Array, array_module
from .passes import OTHERS


def channel_dot(a: Array, b: Array) -> Array:
    """Return sum_{n,h,w} a[n,c,h,w] * b[n,c,h,w], (C,)."""
    return (a * b).sum(axis=OTHERS)


def channel_affine(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return weight[c] * x[n,c,h,w] + bias[c]."""
    y = x * weight[:, None, None]
    if bias is not None:
        y += bias[:, None, None]
    return y


def normalise(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y = (x - mean) / sqrt(variance + eps), and every channel's mean and variance, (C,)."""
    mean = x.mean(axis=OTHERS)
    y = x - mean[:, None, None]
    variance = (y * y).mean(axis=OTHERS)
    y /= array_module(x).sqrt(variance + eps)[:, None, None]
    return y, mean, variance


def normalise_input(g: Array, y: Array, variance: Array, eps: float) -> Array:
    """Return (g - mean(g) - y * mean(g * y)) / sqrt(variance + eps), the means those of the channel."""
    s = array_module(g).sqrt(variance + eps)[:, None, None]
    mean_g, mean_gy = (a.mean(axis=OTHERS, keepdims=True) for a in (g, g * y))
    return (g - mean_g - y * mean_gy) / s


def update_running(
    running_mean: Array, running_var: Array, mean: Array, variance: Array, momentum: float, correction: float
) -> None:
    """Move running statistics, (C,), towards those of a batch, in place; see `functional.batch_norm`.

    running = (1 - momentum) * running + momentum * batch, the batch's variance times `correction`.
    """
    running_mean *= 1 - momentum
    running_mean += momentum * mean
    running_var *= 1 - momentum
    running_var += momentum * correction * variance
