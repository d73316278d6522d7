"""GELU and what it needs: the probability that a normal number is below x. g stands for dL/dy."""

import math
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate

from tinycnn.autograd import Function
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.tensor import Tensor

from .activation import tanh
from .cards import operation
from .elementwise import exp
from .examples import unary

FARTHEST = 6  # erfc(6) = 2e-17: in float64, nothing beside 1


class NormalCDF(Function):
    """y = P(x), the probability that a standard normal number is below x. dL/dx = g * P'(x), the bell curve.

    P(x) = erfc(z) / 2 with z = -x / sqrt(2), and P(-x) = 1 - P(x).
    """

    keeps = "x"
    floats = True

    def forward(self, x: Array) -> Array:
        xp = array_module(x)
        z = xp.minimum(xp.abs(x) / math.sqrt(2), FARTHEST)
        below = xp.exp(_log_tail(z) - z * z) / 2
        return xp.where(x < 0, below, 1 - below)

    def backward(self, g: Tensor, x: Tensor) -> Tensor:
        return g * _bell_curve(x)


def _log_tail(z: Array) -> Array:
    """Return log(erfc(z)) + z^2, 0 <= z <= 6, by a Chebyshev series, summed up as Clenshaw does."""
    s = (16 / (2 + z) - 5) / 3  # from 1 to -1
    this = last = 0 * s
    for coefficient in _coefficients()[:0:-1]:
        this, last = 2 * s * this - last + coefficient, this
    return s * this - last + _coefficients()[0]


@cache
def _coefficients() -> list[float]:
    def log_tail(s: Any) -> Any:
        return np.array([math.log(math.erfc(z)) + z * z for z in 16 / (3 * s + 5) - 2])

    return chebinterpolate(log_tail, 24).tolist()


def _bell_curve(x: Tensor) -> Tensor:
    return exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


class GELU(Function):
    """y = x * P(x), P(x) the probability that a normal number is below x. dL/dx = g * (P(x) + x * P'(x)).

    With ``approximate="tanh"``, P(x) is (1 + tanh(a * (x + b * x^3))) / 2, a = sqrt(2 / pi), b = 0.044715.
    """

    keeps = "x"
    floats = True

    def __init__(self, approximate: str) -> None:
        self.approximate = approximate

    def forward(self, x: Array) -> Array:
        return x * self.probability(x)[0]

    def backward(self, g: Tensor, x: Tensor) -> Tensor:
        P, slope = self.probability(x)
        return g * (P + x * slope)

    def probability(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return P(x) and P'(x)."""
        if self.approximate == "none":
            return NormalCDF()(x), _bell_curve(x)
        a, b = math.sqrt(2 / math.pi), 0.044715
        t = tanh((x + x * x * x * b) * a)
        return (t + 1) * 0.5, (1 - t * t) * (x * x * (3 * b) + 1) * (a / 2)


@operation(GELU, example=unary(approximate=["none", "tanh"]), equation=5, elementwise=True, layer="GELU")
def gelu(x: Tensor, approximate: Literal["none", "tanh"] = "none") -> Tensor:
    """Return x times the probability that a standard normal number is below x: a ReLU without a kink.

    Parameters
    ----------
    x
        Any shape.
    approximate
        "none" for the exact probability, "tanh" for a formula with a hyperbolic tangent, at most 0.0005 off.

    Raises
    ------
    ValueError
        If `approximate` is neither.

    References
    ----------
    Hendrycks & Gimpel 2016, Gaussian Error Linear Units.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return GELU(approximate)(x)
