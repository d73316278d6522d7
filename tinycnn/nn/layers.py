"""The layers of a plain convolutional network: Conv2d, ReLU, MaxPool2d, Flatten and Linear."""

import math
from typing import Any

from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn import gpu
from tinycnn.kernels.geometry import at_least, group_count, pair
from tinycnn.tensor import Tensor

from . import wrong
from .module import Module, Parameter


def uniform(shape: tuple[int, ...], bound: float) -> Parameter:
    """Return a parameter drawn from U(-bound, bound), float32, in the current backend."""
    try:
        return Parameter((_backend.generator().random(shape, dtype="float32") * 2 - 1) * bound)
    except MemoryError as error:
        gpu.raise_out_of_memory(error, f"a new parameter {shape}")
        raise


def fan_in_bound(fan_in: int) -> float:
    """Return 1/sqrt(fan_in), PyTorch's bound for weights and biases of dense and convolution layers.

    fan_in is the number of inputs that one output sums. This is Kaiming's uniform rule with the gain for
    a = sqrt(5): He et al. 2015, Delving Deep into Rectifiers.
    """
    return 1 / math.sqrt(fan_in)


class Convolution(Module):
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
        at_least(1, in_channels=in_channels, out_channels=out_channels)
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


class Conv2d(Convolution):
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


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class Pool2d(Module):
    """What all pooling layers share: kernel, stride (by default the kernel's size) and padding."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, **others: Any) -> None:
        if others:
            raise wrong.pooling_options(self, others)
        pair(kernel_size, "kernel_size")
        pair(padding, "padding", minimum=0)
        if stride is not None:
            pair(stride, "stride")
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(Pool2d):
    """Maximum of each window (Eq. 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class Flatten(Module):
    """All dimensions from `start_dim` to `end_dim` as one: (N, C, H, W) -> (N, C*H*W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Linear(Module):
    """Dense layer, y = W x + b (Eq. 3): (N, in) -> (N, out)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        at_least(1, in_features=in_features, out_features=out_features)
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
