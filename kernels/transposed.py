"""The sizes of a transposed convolution: those of the convolution that leads back from its result."""

from collections.abc import Sequence
from typing import Any

from .geometry import Geometry, conv2d_geometry, group_count, pair, steps_between


def conv_transpose2d_geometry(
    y_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Geometry:
    """Return the sizes of the convolution that leads back from a transposed convolution's result.

    The transposed convolution takes `y_shape` (N, K, OH, OW) and `w_shape` (K, C/G, KH, KW), and makes
    (N, C, H, W) with H = (OH-1)*SH - 2*PH + DH*(KH-1) + output_padding + 1, W likewise.

    OH and OW are those of `y_shape`. With an output_padding of a stride or more, further windows would fit
    into (H, W): they are no part of this convolution.

    Raises
    ------
    TypeError, ValueError
        With every size involved and what would fit.
    """
    name = "conv_transpose2d"
    if len(y_shape) != 4 or len(w_shape) != 4:
        raise ValueError(
            f"{name}: the input must be (N, K, OH, OW) and the weight (K, C/G, KH, KW), "
            f"got {tuple(y_shape)} and {tuple(w_shape)}"
        )
    (N, K, *outputs), (_, C_per_group, *kernel) = y_shape, w_shape
    if w_shape[0] != K:
        raise ValueError(
            f"{name}: the input {tuple(y_shape)} has K={K} channels, but the weight "
            f"(K, C/G, KH, KW)={tuple(w_shape)} takes K={w_shape[0]}"
        )
    steps, borders = pair(stride, "stride"), pair(padding, "padding", minimum=0)
    spread, extra = pair(dilation, "dilation"), pair(output_padding, "output_padding", minimum=0)
    sizes = []
    for axis, out, k, S, P, D, e in zip("HW", outputs, kernel, steps, borders, spread, extra, strict=True):
        if e >= max(S, D):
            raise ValueError(
                f"{name}: output_padding {extra} must be less than stride {steps} or dilation {spread}"
            )
        sizes.append((out - 1) * S - 2 * P + D * (k - 1) + e + 1)
        if sizes[-1] < 1:
            raise ValueError(
                f"{name}: the output {axis} would be {sizes[-1]} for the input {tuple(y_shape)}, "
                f"kernel (KH, KW)={tuple(kernel)}, stride {steps}, padding {borders}, dilation {spread}: "
                f"use less padding"
            )
    x_shape = (N, C_per_group * group_count(groups, K=K), *sizes)
    whole = conv2d_geometry(x_shape, w_shape, steps, borders, spread, groups)
    OH, OW = outputs
    SH, SW = steps_between(steps, (OH, OW))
    return whole._replace(SH=SH, SW=SW, OH=OH, OW=OW)
