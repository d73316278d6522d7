"""Passes over the channels of x (N, C, H, W): sums, scaling, normalisation. NumPy or CuPy arrays."""

from .arrays import Array, array_module

OTHERS = (0, 2, 3)


def channel_sum(x: Array) -> Array:
    """Return sum_{n,h,w} x[n,c,h,w], (C,)."""
    return x.sum(axis=OTHERS)


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
    """Return y = (x - mean) / sqrt(variance + eps), and mean and variance of every channel, (C,)."""
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
