"""The sizes of one convolution or pooling: made and checked once, then trusted by every kernel.

The notation, used everywhere: N batch, C input channels, K output channels, H W input height and width,
KH KW kernel, SH SW stride, PH PW padding, DH DW dilation, G groups, OH OW output.

Along one axis, window ``o`` looks at the input cells ``o*S - P + r*D`` for ``r = 0 .. K-1``. The last window
must end inside the padded input, so ``O = floor((size + 2P - D*(K-1) - 1) / S) + 1``.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from . import wrong

Pair = tuple[int, int]
Shape = tuple[int, int, int, int]
INTEGERS = (int, np.integer)
LONGEST_SIDE = (1 << 31) - 1  # cells of the padded input, in each direction


def integers(**values: Any) -> None:
    """Raise TypeError for a value that is no integer; True is none."""
    for name, value in values.items():
        if not isinstance(value, INTEGERS) or isinstance(value, bool):
            raise TypeError(f"{name} must be an integer, got {value!r}")


def at_least(minimum: int, **values: Any) -> None:
    """Raise TypeError for a value that is no integer (True is none), ValueError for one below `minimum`."""
    integers(**values)
    for name, value in values.items():
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value!r}")


def pair(value: int | Sequence[int], name: str, minimum: int = 1) -> Pair:
    """Return `value` as (height, width): an int stands for both.

    Raises TypeError if it is neither an integer nor two, ValueError if one is below `minimum`.
    """
    try:
        two = (value, value) if isinstance(value, INTEGERS) else tuple(value)
    except TypeError:
        two = ()
    if len(two) != 2 or not all(isinstance(size, INTEGERS) and not isinstance(size, bool) for size in two):
        raise TypeError(f"{name} must be an integer or a pair of integers, got {value!r}")
    if min(two) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return int(two[0]), int(two[1])


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return how many windows fit along one axis; less than 1 if none does."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


class Geometry(NamedTuple):
    """All sizes of one convolution or of one pooling, under their letters.

    x is (N, C, H, W), w is (K, C/G, KH, KW) and y is (N, K, OH, OW). Pooling treats every channel by itself,
    as a convolution with one filter for each channel does: there K = G = C.
    """

    N: int
    C: int
    H: int
    W: int
    K: int
    KH: int
    KW: int
    SH: int
    SW: int
    PH: int
    PW: int
    DH: int
    DW: int
    G: int
    OH: int
    OW: int

    @property
    def x_shape(self) -> Shape:
        """(N, C, H, W), the shape of the input."""
        return self.N, self.C, self.H, self.W

    @property
    def padded_shape(self) -> Shape:
        """(N, C, H + 2*PH, W + 2*PW), the shape of the input with its padding."""
        return self.N, self.C, self.H + 2 * self.PH, self.W + 2 * self.PW

    @property
    def w_shape(self) -> Shape:
        """(K, C/G, KH, KW), the shape of the weight."""
        return self.K, self.C // self.G, self.KH, self.KW

    @property
    def y_shape(self) -> Shape:
        """(N, K, OH, OW), the shape of the output."""
        return self.N, self.K, self.OH, self.OW


def taps(geometry: Geometry) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield (r, s, rows, columns): the cells of the padded input that kernel cell (r, s) meets, OH by OW."""
    SH, SW, DH, DW = geometry.SH, geometry.SW, geometry.DH, geometry.DW
    for r, s in product(range(geometry.KH), range(geometry.KW)):
        rows = slice(r * DH, r * DH + SH * (geometry.OH - 1) + 1, SH)
        columns = slice(s * DW, s * DW + SW * (geometry.OW - 1) + 1, SW)
        yield r, s, rows, columns


def conv2d_geometry(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Geometry:
    """Return the sizes of the convolution of `x_shape` (N, C, H, W) with `w_shape` (K, C/G, KH, KW).

    Raises TypeError or ValueError, with every size involved and what would fit.
    """
    if len(x_shape) != 4 or len(w_shape) != 4:
        raise wrong.dimensions(x_shape, w_shape)
    K, C_per_group, *kernel = w_shape
    G = group_count(groups, K=K)
    if C_per_group * G != x_shape[1] or min(w_shape) < 1:
        raise wrong.channels(x_shape, w_shape, G)
    return _geometry("convolution", x_shape, K, G, kernel, stride, padding, dilation)


def pool2d_geometry(
    x_shape: Sequence[int], kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Geometry:
    """Return the sizes of pooling `x_shape` (N, C, H, W) with `kernel_size` (KH, KW) windows.

    A `stride` of None is the kernel's size: windows side by side. Raises as `conv2d_geometry`.
    """
    if len(x_shape) != 4 or min(x_shape[2:]) < 1:
        raise wrong.pooled(x_shape)
    C, kernel = x_shape[1], pair(kernel_size, "kernel_size")
    steps = kernel if stride is None else stride
    geometry = _geometry("pooling", x_shape, C, C, kernel, steps, padding, dilation)
    if geometry.PH or geometry.PW:
        wrong.refuse_windows_of_padding(geometry)
    return geometry


def group_count(groups: int, **channels: int) -> int:
    """Return G after checking that it is positive and divides each of these numbers of channels.

    Raises TypeError or ValueError, with the numbers of groups that would fit.
    """
    at_least(1, groups=groups)
    for name, size in channels.items():
        if size % groups:
            raise ValueError(wrong.no_groups(groups, name, size))
    return int(groups)


def _geometry(
    what: str,
    x_shape: Sequence[int],
    K: int,
    G: int,
    kernel: Sequence[int],
    stride: Any,
    padding: Any,
    dilation: Any,
) -> Geometry:
    """Return all sizes after checking that at least one window fits into the padded input."""
    (N, C, H, W), (KH, KW) = x_shape, kernel
    (SH, SW), (DH, DW) = pair(stride, "stride"), pair(dilation, "dilation")
    PH, PW = pair(padding, "padding", minimum=0)
    OH, OW = output_size(H, KH, SH, PH, DH), output_size(W, KW, SW, PW, DW)
    if min(OH, OW) < 1 or max(H + 2 * PH, W + 2 * PW) > LONGEST_SIDE:
        raise wrong.windows(what, (H, W), (KH, KW), (PH, PW), (DH, DW), LONGEST_SIDE)
    (SH, SW), (DH, DW) = steps_between((SH, SW), (OH, OW)), steps_between((DH, DW), (KH, KW))
    return Geometry(N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW)


def steps_between(steps: Pair, counts: Pair) -> Pair:
    """Return the steps between neighbouring places; 1 along an axis with one place, which makes no step.

    There, a huge step could only make a kernel ask for too much memory, or overflow.
    """
    return steps[0] if counts[0] > 1 else 1, steps[1] if counts[1] > 1 else 1
