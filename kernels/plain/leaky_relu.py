"""Leaky ReLU and its derivative (Eq. 5's f). NumPy or CuPy arrays."""

from ..arrays import Array, array_module


def leaky_relu(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope * x."""
    return array_module(x).where(x > 0, x, x * x.dtype.type(slope))


def leaky_gate(g: Array, x: Array, slope: float) -> Array:
    """Return g where x > 0, else slope * g: the derivative of `leaky_relu` at x."""
    return array_module(g).where(x > 0, g, g * g.dtype.type(slope))
