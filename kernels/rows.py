"""Passes over the rows of z (N, K): cross-entropy of softmax. NumPy or CuPy arrays.

CuPy wraps an index that is out of range around, and to look for one beforehand would be to wait for the GPU.
There a row with such a label becomes NaN instead; NumPy refuses it.
"""

import numpy as np

from .arrays import Array, array_module


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
    """Return the values, (N,), with NaN where CuPy's label is out of range."""
    xp = array_module(values)
    if xp is np:
        return values
    return xp.where((labels >= 0) & (labels < K), values, values.dtype.type(np.nan))
