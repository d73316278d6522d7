"""Layers with weights: dense, convolution, transposed convolution."""

import math
from typing import Any

from tinycnn import functional as F
from tinycnn.kernels.geometry import group_count, pair
from tinycnn.tensor import Tensor

from .init import fan_in_bound, uniform
from .module import Module, positive


class Linear(Module):
    """Dense layer, y = W x + b (Eq. 3): (N, in) -> (N, out)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        positive(in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        bound = fan_in_bound(in_features)
        self.weight = uniform((out_features, in_features), bound)
        self.bias = uniform((out_features,), bound) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """N * in * out."""
        return math.prod(y_shape) * self.in_features

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class _Convolution(Module):
    """What both convolutions share: sizes, and a weight (rows, columns per group, KH, KW)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        transposed: bool,
    ) -> None:
        self.stride, self.dilation = pair(stride, "stride"), pair(dilation, "dilation")
        self.padding, self.groups = pair(padding, "padding", minimum=0), groups
        positive(in_channels=in_channels, out_channels=out_channels, groups=groups)
        group_count(groups, in_channels=in_channels, out_channels=out_channels)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = pair(kernel_size, "kernel_size")
        rows, columns = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (rows, columns // groups, *self.kernel_size)
        bound = fan_in_bound(math.prod(shape[1:]))
        self.weight = uniform(shape, bound)
        self.bias = uniform((out_channels,), bound) if bias else None

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        for name, default in (("padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1)):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text if self.bias is not None else text + ", bias=False"


class Conv2d(_Convolution):
    """Convolution (Eq. 1): (N, C, H, W) -> (N, K, OH, OW), weight (K, C/G, KH, KW)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        options = stride, padding, dilation, groups
        super().__init__(in_channels, out_channels, kernel_size, *options, bias, transposed=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """N * K * OH * OW * (C/G * KH * KW)."""
        return math.prod(y_shape) * math.prod(self.weight.shape[1:])


class ConvTranspose2d(_Convolution):
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
