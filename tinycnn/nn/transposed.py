"""Transposed convolution as a layer."""

import math
from typing import Any

from tinycnn import functional as F
from tinycnn.kernels.geometry import pair
from tinycnn.tensor import Tensor

from .layers import Convolution


class ConvTranspose2d(Convolution):
    """Transposed convolution: Conv2d's input gradient, as a layer; weight (in, out/G, KH, KW)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
    ) -> None:
        options = stride, padding, dilation, groups
        super().__init__(in_channels, out_channels, kernel_size, *options, bias, transposed=True)
        self.output_padding = pair(output_padding, "output_padding", minimum=0)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """N * in * H * W * (out/G * KH * KW): each input cell is multiplied with its part of the kernel."""
        return math.prod(x_shape) * math.prod(self.weight.shape[1:])
