"""The sizes of convolution and pooling, checked once for every kernel.

The notation, used everywhere: N batch, C input channels, K output channels, H W input height and width,
KH KW kernel, SH SW stride, PH PW padding, DH DW dilation, G groups, OH OW output.

One axis: output cell ``o`` looks at the input cells ``o*S - P + r*D`` for ``r = 0 .. K-1``. The last window
must end inside the padded input, so ``O = floor((size + 2P - D*(K-1) - 1) / S) + 1``.
"""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Pair = tuple[int, int]
Window = tuple[Pair, Pair | None, Pair, Pair]  # kernel_size, stride, padding, dilation


def pair(value: int | Sequence[int], name: str, minimum: int = 1) -> Pair:
    """Return `value` as (height, width): an int stands for both.

    Raises
    ------
    TypeError, ValueError
        Where it is neither an integer nor two, or one is below `minimum`.
    """
    try:
        height, width = (value, value) if isinstance(value, int | np.integer) else value
        result = operator.index(height), operator.index(width)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an integer or a pair of integers, got {value!r}") from None
    if min(result) < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return result


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return how many windows fit along one axis; less than 1 where none does."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


class Conv2dGeometry(NamedTuple):
    """All sizes of one convolution, under their letters."""

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


class Pool2dGeometry(NamedTuple):
    """All sizes of one pooling, under their letters."""

    N: int
    C: int
    H: int
    W: int
    KH: int
    KW: int
    SH: int
    SW: int
    PH: int
    PW: int
    DH: int
    DW: int
    OH: int
    OW: int


def conv2d_geometry(
    x_shape: Sequence[int], w_shape: Sequence[int], stride: Any, padding: Any, dilation: Any, groups: int
) -> Conv2dGeometry:
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
    N, C, H, W = x_shape
    K, C_per_group, KH, KW = w_shape
    G = _groups(groups, C, K)
    if C_per_group * G != C:
        raise ValueError(
            f"the input {tuple(x_shape)} has C={C} channels, but a weight {tuple(w_shape)} with G={G} "
            f"needs C={C_per_group * G}; a weight that fits is (K, {C // G}, KH, KW)"
        )
    if min(K, C, KH, KW) < 1:
        raise ValueError(f"no size of the weight {tuple(w_shape)} may be 0")
    window = _window("convolution", H, W, (KH, KW), stride, padding, dilation)
    SH, SW, PH, PW, DH, DW, OH, OW = window
    return Conv2dGeometry(N, C, H, W, K, KH, KW, SH, SW, PH, PW, DH, DW, G, OH, OW)


def conv2d_input_geometry(
    g_shape: Sequence[int],
    w_shape: Sequence[int],
    size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Conv2dGeometry:
    """Return the sizes of the convolution whose output is `g_shape` and whose input is `size` (H, W).

    Raises
    ------
    TypeError, ValueError
        As `conv2d_geometry`, and where that convolution's output is not `g_shape`.
    """
    if len(g_shape) != 4:
        raise ValueError(f"the array over the output must be (N, K, OH, OW), got shape {tuple(g_shape)}")
    if len(w_shape) != 4:
        raise ValueError(f"the weight must be (K, C/G, KH, KW), got shape {tuple(w_shape)}")
    H, W = pair(size, "size")
    x_shape = (g_shape[0], w_shape[1] * _groups(groups, K=w_shape[0]), H, W)
    geometry = conv2d_geometry(x_shape, w_shape, stride, padding, dilation, groups)
    _match_output(g_shape, (geometry.N, geometry.K, geometry.OH, geometry.OW), x_shape)
    return geometry


def conv2d_weight_geometry(
    x_shape: Sequence[int],
    g_shape: Sequence[int],
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Conv2dGeometry:
    """Return the sizes of the convolution of `x_shape` by a `kernel_size` (KH, KW) kernel into `g_shape`.

    Raises
    ------
    TypeError, ValueError
        As `conv2d_geometry`, and where that convolution's output is not `g_shape`.
    """
    if len(x_shape) != 4:
        raise ValueError(f"the input must be (N, C, H, W), got shape {tuple(x_shape)}")
    if len(g_shape) != 4:
        raise ValueError(f"the array over the output must be (N, K, OH, OW), got shape {tuple(g_shape)}")
    KH, KW = pair(kernel_size, "kernel_size")
    w_shape = (g_shape[1], x_shape[1] // _groups(groups, C=x_shape[1]), KH, KW)
    geometry = conv2d_geometry(x_shape, w_shape, stride, padding, dilation, groups)
    _match_output(g_shape, (geometry.N, geometry.K, geometry.OH, geometry.OW), x_shape)
    return geometry


def pool2d_geometry(
    x_shape: Sequence[int], kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> Pool2dGeometry:
    """Return the sizes of pooling `x_shape` (N, C, H, W) with `kernel_size` (KH, KW) windows.

    A `stride` of None is the kernel's size: windows side by side.

    Raises
    ------
    TypeError, ValueError
        With every size involved and what would fit.
    """
    if len(x_shape) != 4:
        raise ValueError(f"the input must be (N, C, H, W), got shape {tuple(x_shape)}")
    N, C, H, W = x_shape
    if H < 1 or W < 1:
        raise ValueError(f"pooling: H and W must be at least 1, got (N, C, H, W)={tuple(x_shape)}")
    KH, KW = pair(kernel_size, "kernel_size")
    window = _window("pooling", H, W, (KH, KW), (KH, KW) if stride is None else stride, padding, dilation)
    SH, SW, PH, PW, DH, DW, OH, OW = window
    # With more padding than half a window, a window could lie wholly in the padding.
    if 2 * PH > DH * (KH - 1) + 1 or 2 * PW > DW * (KW - 1) + 1:
        raise ValueError(
            f"pooling: padding (PH, PW)=({PH}, {PW}) may be at most half the window, "
            f"({(DH * (KH - 1) + 1) // 2}, {(DW * (KW - 1) + 1) // 2}) for kernel (KH, KW)=({KH}, {KW}) "
            f"with dilation (DH, DW)=({DH}, {DW})"
        )
    if _misses(H, KH, SH, PH, DH, OH) or _misses(W, KW, SW, PW, DW, OW):
        raise ValueError(
            f"pooling: with dilation (DH, DW)=({DH}, {DW}) a window lies wholly in the padding "
            f"(PH, PW)=({PH}, {PW}) around the input (H, W)=({H}, {W}); use less padding or dilation"
        )
    return Pool2dGeometry(N, C, H, W, KH, KW, SH, SW, PH, PW, DH, DW, OH, OW)


def sum_pool2d_input_geometry(
    g_shape: Sequence[int], kernel_size: Any, size: Any, stride: Any, padding: Any
) -> Pool2dGeometry:
    """Return the sizes of the pooling whose output is `g_shape` and whose input is `size` (H, W).

    Raises
    ------
    TypeError, ValueError
        As `pool2d_geometry`, and where that pooling's output is not `g_shape`.
    """
    x_shape = (*g_shape[:2], *pair(size, "size"))
    geometry = pool2d_geometry(x_shape, kernel_size, stride, padding)
    _match_output(g_shape, (geometry.N, geometry.C, geometry.OH, geometry.OW), x_shape)
    return geometry


def _groups(groups: int, C: int = 0, K: int = 0) -> int:
    try:
        G = operator.index(groups)
    except TypeError:
        raise TypeError(f"groups must be an integer, got {groups!r}") from None
    if G < 1:
        raise ValueError(f"groups must be at least 1, got {G}")
    for letter, size in (("C", C), ("K", K)):
        if size % G:
            fits = [d for d in range(1, size + 1) if size % d == 0]
            raise ValueError(f"G={G} groups do not divide {letter}={size} channels; G that fit: {fits}")
    return G


def _window(
    what: str, H: int, W: int, kernel: Pair, stride: Any, padding: Any, dilation: Any
) -> tuple[int, int, int, int, int, int, int, int]:
    KH, KW = kernel
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
    return SH, SW, PH, PW, DH, DW, OH, OW


def _misses(size: int, kernel: int, stride: int, padding: int, dilation: int, windows: int) -> bool:
    """Return whether a window meets no input cell; without dilation half a window cannot miss."""
    if dilation == 1 or padding == 0:
        return False
    starts = range(-padding, windows * stride - padding, stride)
    return any(all(not 0 <= start + r * dilation < size for r in range(kernel)) for start in starts)


def _match_output(g_shape: Sequence[int], expected: Sequence[int], x_shape: Sequence[int]) -> None:
    if tuple(g_shape) != tuple(expected):
        raise ValueError(
            f"an array over the output must have the shape {tuple(expected)} for the input "
            f"(N, C, H, W)={tuple(x_shape)}, got {tuple(g_shape)}"
        )
