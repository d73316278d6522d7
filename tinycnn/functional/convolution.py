"""Convolution (Eq. 1), its two derivatives and the transposed convolution.

All three Functions are one trilinear form with one argument left open::

    T(x, w, g) = <g, conv2d(x, w)>
               = sum_{n,k,oh,ow,c,r,s} g[n,k,oh,ow] * w[k,c,r,s] * x[n, c, oh*SH-PH+r*DH, ow*SW-PW+s*DW]

    conv2d(x, w)         leaves g open   (N, K, OH, OW)
    conv2d_input(g, w)   leaves x open   (N, C, H, W)
    conv2d_weight(x, g)  leaves w open   (K, C/G, KH, KW)

T is linear in each of the three, so the derivative of any one of them by an argument is the one of the other
two that leaves this argument open. That closes the circle: gradients of any order are these three again.
"""

from typing import Any

from tinycnn.autograd import Function
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array
from tinycnn.kernels.geometry import Geometry, conv2d_geometry
from tinycnn.kernels.transposed import conv_transpose2d_geometry
from tinycnn.tensor import Tensor

from . import wrong
from .cards import operation
from .dims import broadcast_to
from .examples import conv2d_case, conv_transpose2d_case, convolution
from .shape import images, reshape, shape_of


class Windowed(Function):
    """An operation over the windows of its input; `geometry` has all sizes, checked."""

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry


class Conv2d(Windowed):
    """y = conv2d(x, w) + b (Eq. 1). dL/dx = conv2d_input(g, w), dL/dw = conv2d_weight(x, g), dL/db = sum g.

    The bias is optional. Over (n, oh, ow) it is the same, so its gradient is the sum over these.
    """

    keeps = "x, w"

    def forward(self, x: Array, w: Array, *bias: Array) -> Array:
        return kernels_for(x).conv2d(x, w, self.geometry, *bias)

    def backward(self, g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor | None, ...]:
        need_x, need_w, *need_bias = self.needs_input_grad
        return (
            Conv2dInput(self.geometry)(g, w) if need_x else None,
            Conv2dWeight(self.geometry)(x, g) if need_w else None,
            *(ChannelSum()(g) if need else None for need in need_bias),
        )


@operation(Conv2d, example=convolution(conv2d_case, out=0), equation=1)
def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution (Eq. 1) of x (N, C, H, W) with weight (K, C/G, KH, KW): (N, K, OH, OW).

    y[n,k,oh,ow] = b[k] + sum_{c,r,s} x[n, c, oh*SH - PH + r*DH, ow*SW - PW + s*DW] * w[k,c,r,s]

    This is what every framework calls convolution: a cross-correlation, as the kernel is not flipped.
    OH = floor((H + 2*PH - DH*(KH-1) - 1) / SH) + 1, OW likewise.

    Parameters
    ----------
    bias
        (K,) or None.
    stride, padding, dilation
        (SH, SW), (PH, PW), (DH, DW), or one int for both; the padding is zeros on all sides.
    groups
        G: filter k sees the C/G input channels of its group only.

    Raises
    ------
    TypeError, ValueError
        With every size involved and what would fit.

    Examples
    --------
    >>> from tinycnn import Tensor, functional as F
    >>> x = Tensor([[[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]])  # (1, 1, 2, 3)
    >>> w = Tensor([[[[-1.0, 1.0]]]])  # right minus left
    >>> F.conv2d(x, w)
    Tensor([[[[1., 1.],
              [1., 1.]]]])
    """
    shape_of("conv2d", x, weight, bias)
    C = weight.shape[1] * groups if weight.ndim == 4 and isinstance(groups, int) else None
    geometry = conv2d_geometry(images("conv2d", x, C), weight.shape, stride, padding, dilation, groups)
    return Conv2d(geometry)(x, weight, *_bias("conv2d", bias, weight.shape[0]))


class Conv2dInput(Windowed):
    """y = conv2d_input(x, w) + b, x over the output. dL/dx = conv2d(g, w), dL/dw = conv2d_weight(g, x)."""

    keeps = "x, w"

    def forward(self, x: Array, w: Array, *bias: Array) -> Array:
        return kernels_for(x).conv2d_input(x, w, self.geometry, *bias)

    def backward(self, g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor | None, ...]:
        need_x, need_w, *need_bias = self.needs_input_grad
        return (
            Conv2d(self.geometry)(g, w) if need_x else None,
            Conv2dWeight(self.geometry)(g, x) if need_w else None,
            *(ChannelSum()(g) if need else None for need in need_bias),
        )


@operation(Conv2dInput, example=convolution(conv_transpose2d_case, out=1), equation=1)
def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Transposed convolution: every input cell adds its copy of the kernel to the output.

    It is `conv2d`'s derivative by the input, used forward: it makes (N, K, OH, OW) into (N, C, H, W), so
    here the letters of `conv2d` stand reversed.

    Parameters
    ----------
    x, weight
        (N, K, OH, OW) and (K, C/G, KH, KW): K channels go in, C come out.
    bias
        (C,) or None.
    stride, padding, dilation, groups
        Those of the convolution that would lead back.
    output_padding
        Rows and columns added to the size, less than stride or dilation: with a stride above 1 several input
        sizes of that convolution have the same output size, and this chooses one.

    Returns
    -------
    Tensor
        (N, C, H, W), H = (OH-1)*SH - 2*PH + DH*(KH-1) + output_padding + 1, W likewise.

    Raises
    ------
    TypeError, ValueError
        With every size involved and what would fit.
    """
    shape_of("conv_transpose2d", x, weight, bias)
    shape = images("conv_transpose2d", x, weight.shape[0]) if weight.ndim == 4 else x.shape
    geometry = conv_transpose2d_geometry(
        shape, weight.shape, stride, padding, output_padding, groups, dilation
    )
    return Conv2dInput(geometry)(x, weight, *_bias("conv_transpose2d", bias, geometry.C))


class Conv2dWeight(Windowed):
    """y = conv2d_weight(x, v), v over the output. dL/dx = conv2d_input(v, g), dL/dv = conv2d(x, g)."""

    keeps = "x, v"

    def forward(self, x: Array, v: Array) -> Array:
        return kernels_for(x).conv2d_weight(x, v, self.geometry)

    def backward(self, g: Tensor, x: Tensor, v: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_x, need_v = self.needs_input_grad
        return (
            Conv2dInput(self.geometry)(v, g) if need_x else None,
            Conv2d(self.geometry)(x, g) if need_v else None,
        )


class ChannelSum(Function):
    """y[c] = sum_{n,h,w} x[n,c,h,w]. dL/dx[n,c,h,w] = g[c]."""

    def forward(self, x: Array) -> Array:
        self.from_shape = x.shape
        return kernels_for(x).channel_sum(x)

    def backward(self, g: Tensor) -> Tensor:
        return broadcast_to(reshape(g, 1, -1, 1, 1), self.from_shape)


def _bias(name: str, bias: Tensor | None, channels: int) -> tuple[Tensor, ...]:
    """Return the bias as the inputs that follow x and weight: one, or none."""
    if bias is None:
        return ()
    if bias.shape != (channels,):
        raise wrong.bias(name, channels, bias.shape)
    return (bias,)
