"""Passes over whole arrays: what activations and optimizers do to every element. NumPy or CuPy arrays."""

import math

from .arrays import Array, array_module


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays."""
    return array_module(x).maximum(x, 0)


def gate(g: Array, y: Array) -> Array:
    """Return g where y > 0, else 0: the derivative of `relu`, whose result is y."""
    return array_module(g).where(y > 0, g, g.dtype.type(0))


def leaky_relu(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope * x."""
    return array_module(x).where(x > 0, x, x * x.dtype.type(slope))


def leaky_gate(g: Array, x: Array, slope: float) -> Array:
    """Return g where x > 0, else slope * g: the derivative of `leaky_relu` at x."""
    return array_module(g).where(x > 0, g, g * g.dtype.type(slope))


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
