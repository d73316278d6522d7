"""Rung 6: the bias, and ReLU, on the way out (an epilogue).

The sums of rung 5 are in registers when they are done. To add the bias and to apply ReLU there costs a few
instructions for every sum; as passes of their own they would read and write all of y again, twice, and wait
for memory alone. Of the kernel only its `finish` changes.
"""

from __future__ import annotations

from ..arrays import Array
from ..geometry import Geometry
from .gather import Gather
from .parts import no_change
from .register_tiles import write_sums
from .target import ZERO, device


@device
def add_bias(value, bias, m):
    """Return sum + b[m]."""
    return value + bias[m]


@device
def add_bias_and_rectify(value, bias, m):
    """Return max(sum + b[m], 0); NaN stays NaN."""
    return rectify(value + bias[m], bias, m)


@device
def rectify(value, bias, m):
    """Return max(sum, 0); NaN stays NaN."""
    if value < ZERO:
        return ZERO
    return value


# By whether there is a bias, and whether ReLU is wanted.
FINISH = {
    (False, False): no_change,
    (True, False): add_bias,
    (False, True): rectify,
    (True, True): add_bias_and_rectify,
}


def write_output(x: Array, w: Array, y: Array, geometry: Geometry, bias: Array | None, relu: bool) -> bool:
    """Write y = relu(conv2d(x, w) + bias)."""
    finish = FINISH[bias is not None, relu]
    return write_sums(x, w, y, Gather.output(geometry), transposed=False, finish=finish, bias=bias)


def write_input(g: Array, w: Array, x: Array, geometry: Geometry, bias: Array | None, relu: bool) -> bool:
    """Write x = relu(conv2d_input(g, w) + bias), a transposed convolution."""
    finish = FINISH[bias is not None, relu]
    return write_sums(g, w, x, Gather.input(geometry), transposed=True, finish=finish, bias=bias)
