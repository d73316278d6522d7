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

Pair = tuple[int, int]
Shape = tuple[int, int, int, int]
INTEGERS = (int, np.integer)
LONGEST_SIDE = (1 << 31) - 1  # cells of the padded input, in each direction


def at_least(minimum: int, **values: Any) -> None:
    """Raise TypeError for a value that is no integer (True is none), ValueError for one below `minimum`."""
    for name, value in values.items():
        if not isinstance(value, INTEGERS) or isinstance(value, bool):
            raise TypeError(f"{name} must be an integer, got {value!r}")
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value!r}")


def pair(value: int | Sequence[int], name: str, minimum: int = 1) -> Pair:
    """Return `value` as (height, width): an int stands for both.

    Raises
    ------
    TypeError, ValueError
        If it is neither an integer nor two, or one is below `minimum`.
    """
    two = (value, value) if isinstance(value, INTEGERS) else tuple(value) if hasattr(value, "__len__") else ()
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

    Raises
    ------
    TypeError, ValueError
        With every size involved and what would fit.
    """
    if len(x_shape) != 4:
        raise ValueError(f"the input must be (N, C, H, W), got shape {tuple(x_shape)}")
    if len(w_shape) != 4:
        raise ValueError(f"the weight must be (K, C/G, KH, KW), got shape {tuple(w_shape)}")
    C, (K, C_per_group, KH, KW) = x_shape[1], w_shape
    G = group_count(groups, K=K)
    if C_per_group * G != C:
        fits = f"a weight that fits is (K, {C // G}, KH, KW)" if C % G == 0 else _no_groups(G, "C", C)
        raise ValueError(
            f"convolution: the input {tuple(x_shape)} has C={C} channels, but a weight {tuple(w_shape)} "
            f"with G={G} needs C={C_per_group * G}; {fits}"
        )
    if min(K, C, KH, KW) < 1:
        raise ValueError(f"no size of the weight {tuple(w_shape)} may be 0")
    return _geometry("convolution", x_shape, K, G, (KH, KW), stride, padding, dilation)


def pool2d_geometry(
    x_shape: Sequence[int], kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Geometry:
    """Return the sizes of pooling `x_shape` (N, C, H, W) with `kernel_size` (KH, KW) windows.

    A `stride` of None is the kernel's size: windows side by side.

    Raises
    ------
    TypeError, ValueError
        With every size involved and what would fit.
    """
    if len(x_shape) != 4:
        raise ValueError(f"the input must be (N, C, H, W), got shape {tuple(x_shape)}")
    if min(x_shape[2:]) < 1:
        raise ValueError(f"pooling: H and W must be at least 1, got (N, C, H, W)={tuple(x_shape)}")
    C, kernel = x_shape[1], pair(kernel_size, "kernel_size")
    steps = kernel if stride is None else stride
    geometry = _geometry("pooling", x_shape, C, C, kernel, steps, padding, dilation)
    _refuse_windows_of_padding(geometry)
    return geometry


def group_count(groups: int, **channels: int) -> int:
    """Return G after checking that it is positive and divides each of these numbers of channels.

    Raises
    ------
    TypeError, ValueError
        With the numbers of groups that would fit.
    """
    at_least(1, groups=groups)
    G = int(groups)
    for name, size in channels.items():
        if size % G:
            raise ValueError(_no_groups(G, name, size))
    return G


def _no_groups(G: int, name: str, size: int) -> str:
    fits = [d for d in range(1, size + 1) if size % d == 0]
    return f"G={G} groups do not divide {name}={size} channels; G that fit: {fits}"


def _geometry(
    what: str, x_shape: Sequence[int], K: int, G: int, kernel: Pair, stride: Any, padding: Any, dilation: Any
) -> Geometry:
    """Return all sizes after checking that at least one window fits into the padded input."""
    (N, C, H, W), (KH, KW) = x_shape, kernel
    SH, SW = pair(stride, "stride")
    PH, PW = pair(padding, "padding", minimum=0)
    DH, DW = pair(dilation, "dilation")
    OH, OW = output_size(H, KH, SH, PH, DH), output_size(W, KW, SW, PW, DW)
    if OH < 1 or OW < 1:
        raise ValueError(
            f"{what}: kernel (KH, KW)=({KH}, {KW}) with dilation (DH, DW)=({DH}, {DW}) spans "
            f"({DH * (KH - 1) + 1}, {DW * (KW - 1) + 1}), which does not fit into "
            f"the input (H, W)=({H}, {W}) with padding (PH, PW)=({PH}, {PW}), that is "
            f"({H + 2 * PH}, {W + 2 * PW}); "
            f"use a smaller kernel or dilation, or more padding"
        )
    if max(H + 2 * PH, W + 2 * PW) > LONGEST_SIDE:
        raise ValueError(
            f"{what}: the input (H, W)=({H}, {W}) with padding (PH, PW)=({PH}, {PW}) would be "
            f"({H + 2 * PH}, {W + 2 * PW}); a side may have at most {LONGEST_SIDE:,} cells: use less padding"
        )
    (SH, SW), (DH, DW) = steps_between((SH, SW), (OH, OW)), steps_between((DH, DW), kernel)
    return Geometry(N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW)


def steps_between(steps: Pair, counts: Pair) -> Pair:
    """Return the steps between neighbouring places, 1 along an axis with a single place.

    There a step leads nowhere, and a huge one would only make a kernel ask for memory, or overflow.
    """
    return steps[0] if counts[0] > 1 else 1, steps[1] if counts[1] > 1 else 1


def _refuse_windows_of_padding(geometry: Geometry) -> None:
    """Raise ValueError if a pooling window could lie wholly in the padding, with no cell to choose."""
    _, _, H, W, _, KH, KW, SH, SW, PH, PW, DH, DW, _, OH, OW = geometry
    height, width = DH * (KH - 1) + 1, DW * (KW - 1) + 1
    if height < 2 * PH or width < 2 * PW:
        raise ValueError(
            f"pooling: padding (PH, PW)=({PH}, {PW}) may be at most half the window, "
            f"({height // 2}, {width // 2}) for kernel (KH, KW)=({KH}, {KW}) "
            f"with dilation (DH, DW)=({DH}, {DW})"
        )
    # Without dilation half a window cannot miss the input.
    if max(DH, DW) > 1 and (_misses(H, KH, SH, PH, DH, OH) or _misses(W, KW, SW, PW, DW, OW)):
        raise ValueError(
            f"pooling: with dilation (DH, DW)=({DH}, {DW}) a window lies wholly in the padding "
            f"(PH, PW)=({PH}, {PW}) around the input (H, W)=({H}, {W}); use less padding or dilation"
        )


def _misses(size: int, kernel: int, stride: int, padding: int, dilation: int, windows: int) -> bool:
    """Return whether some window meets no input cell."""
    starts = range(-padding, windows * stride - padding, stride)
    return any(all(not 0 <= start + r * dilation < size for r in range(kernel)) for start in starts)
