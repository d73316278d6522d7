"""Scale, shift and sum up the channels of x (N, C, H, W), for normalisation. g stands for dL/dy.

<g, channel_affine(x, w)> = sum_{n,c,h,w} g * w[c] * x is one trilinear form again, as in `convolution`: the
derivatives of one operation are the others.
"""

from tinycnn.autograd import Function
from tinycnn.dispatch import kernels_for
from tinycnn.kernels.arrays import Array
from tinycnn.tensor import Tensor

from .convolution import ChannelSum


class ChannelDot(Function):
    """y[c] = sum_{n,h,w} a[n,c,h,w] * b[n,c,h,w]. dL/da = g[c] * b, dL/db = g[c] * a."""

    keeps = "a, b"

    def forward(self, a: Array, b: Array) -> Array:
        return kernels_for(a).channel_dot(a, b)

    def backward(self, g: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor | None, Tensor | None]:
        need_a, need_b = self.needs_input_grad
        return ChannelAffine()(b, g) if need_a else None, ChannelAffine()(a, g) if need_b else None


class ChannelAffine(Function):
    """y = w[c] * x + b[c], the bias optional. dL/dx = w[c] * g, dL/dw[c] = sum g * x, dL/db[c] = sum g."""

    keeps = "x, w"

    def forward(self, x: Array, w: Array, *bias: Array) -> Array:
        return kernels_for(x).channel_affine(x, w, *bias)

    def backward(self, g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor | None, ...]:
        need_x, need_w, *need_bias = self.needs_input_grad
        return (
            ChannelAffine()(g, w) if need_x else None,
            ChannelDot()(g, x) if need_w else None,
            *(ChannelSum()(g) if need else None for need in need_bias),
        )
