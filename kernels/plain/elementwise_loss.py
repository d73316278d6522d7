"""Binary cross-entropy and its derivative (Eq. 6 for two classes), element by element. For NumPy and CuPy."""

from ..arrays import Array, array_module


def binary_cross_entropy(z: Array, t: Array) -> Array:
    """Return t * log(1 + e^-z) + (1 - t) * log(1 + e^z)."""
    xp = array_module(z)
    rest = xp.log1p(xp.exp(-xp.abs(z)))  # log(1 + e^z) = max(z, 0) + rest, and nothing overflows
    return t * (xp.maximum(-z, 0) + rest) + (1 - t) * (xp.maximum(z, 0) + rest)


def binary_cross_entropy_input(g: Array, z: Array, t: Array) -> Array:
    """Return g * (s(z) - t), the derivative of <g, binary_cross_entropy(z, t)>; s is the sigmoid.

    Computed as g * ((1 - t) * s(z) - t * s(-z)): if s(z) is rounded to 1, s(z) - 1 is 0, but s(-z) is exact.
    """
    xp = array_module(z)
    e = xp.exp(-xp.abs(z))
    small, large = e / (1 + e), 1 / (1 + e)  # the smaller and the larger of s(z) and s(-z)
    return g * ((1 - t) * xp.where(z >= 0, large, small) - t * xp.where(z >= 0, small, large))
