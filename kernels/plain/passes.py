"""Matrix product, and what goes over all elements, channels or rows of an array. NumPy or CuPy arrays.

CuPy wraps a label that is out of range around, and looking for one beforehand would mean waiting for the GPU.
There a row with such a label becomes NaN instead; NumPy refuses it.
"""

import math

import numpy as np

from ..arrays import Array, array_module

OTHERS = (0, 2, 3)  # the axes of (N, C, H, W) without the channels


def matmul(a: Array, b: Array) -> Array:
    """Return sum_k a[...,i,k] * b[...,k,j] (Eq. 3)."""
    return a @ b


# Whole arrays


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays."""
    return array_module(x).maximum(x, 0)


def gate(g: Array, y: Array) -> Array:
    """Return g where y > 0, else 0: the derivative of `relu`, whose result is y."""
    return array_module(g).where(y > 0, g, g.dtype.type(0))


def adam(
    theta: Array, g: Array, m: Array, v: Array, lr: float, betas: tuple[float, float], eps: float, t: int
) -> None:
    """Make step `t`, from 1, of Adam in place; see `tinycnn.optim.Adam`."""
    beta1, beta2 = betas
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * g * g
    denominator = array_module(theta).sqrt(v)
    denominator /= math.sqrt(1 - beta2**t)
    denominator += eps
    step = m / denominator
    step *= lr / (1 - beta1**t)
    theta -= step


# Channels of (N, C, H, W)


def channel_sum(x: Array) -> Array:
    """Return sum_{n,h,w} x[n,c,h,w], (C,)."""
    return x.sum(axis=OTHERS)


# Rows of (N, K)


def cross_entropy(z: Array, labels: Array, smoothing: float) -> Array:
    """Return -sum_k t_nk * log softmax(z_n)_k, (N,).

    t_n = (1 - smoothing) * [k = label] + smoothing / K.
    """
    xp = array_module(z)
    log_p = z - z.max(axis=1, keepdims=True)
    log_p -= xp.log(xp.exp(log_p).sum(axis=1, keepdims=True))
    picked = _marked(log_p[xp.arange(len(z)), labels], labels, z.shape[1])
    if smoothing:
        picked = (1 - smoothing) * picked + smoothing * log_p.mean(axis=1)
    return -picked


def cross_entropy_input(g: Array, z: Array, labels: Array, smoothing: float) -> Array:
    """Return g_n * (softmax(z_n)_k - t_nk), (N, K): the derivative of <g, cross_entropy(z)>."""
    xp = array_module(z)
    dz = xp.exp(z - z.max(axis=1, keepdims=True))
    dz /= dz.sum(axis=1, keepdims=True)
    if smoothing:
        dz -= smoothing / z.shape[1]
    dz[xp.arange(len(z)), labels] -= 1 - smoothing
    dz *= _marked(g, labels, z.shape[1])[:, None]
    return dz


def _marked(values: Array, labels: Array, K: int) -> Array:
    """Return the values, (N,), with NaN for a label of CuPy's that is out of range."""
    xp = array_module(values)
    if xp is np:
        return values
    return xp.where((labels >= 0) & (labels < K), values, values.dtype.type(np.nan))
