"""More layers without weights: activations, pooling, dropout, reshaping. The first ones are in `layers`."""

import inspect
from typing import Any

from tinycnn import functional as F
from tinycnn.functional.cards import Card
from tinycnn.functional.shape import one_dim, shape_of
from tinycnn.tensor import Tensor

from .layers import Pool2d
from .module import Module


class Identity(Module):
    """Return x itself, in place of a layer that is left out. It takes any arguments, as in PyTorch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        return x


class LeakyReLU(Module):
    """x if it is positive, else negative_slope * x."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class Sigmoid(Module):
    """1 / (1 + e^{-x})."""

    def forward(self, x: Tensor) -> Tensor:
        return F.sigmoid(x)


class Tanh(Module):
    """Hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        return F.tanh(x)


class Softplus(Module):
    """log(1 + e^x)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x)


def layer_of(card: Card) -> type[Module]:
    """Return the layer of an elementwise operation: the operation's options are the layer's.

    `tinycnn.nn` has one for every card with a layer that is not written here.
    """
    signature = inspect.signature(card.function)
    options = signature.replace(parameters=list(signature.parameters.values())[1:])

    class Layer(Module):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            given = options.bind(*args, **kwargs)
            given.apply_defaults()
            for name, value in given.arguments.items():
                setattr(self, name, value)

        def forward(self, x: Tensor) -> Tensor:
            return card.function(x, **{name: getattr(self, name) for name in options.parameters})

        def extra_repr(self) -> str:
            return ", ".join(f"{name}={getattr(self, name)!r}" for name in options.parameters)

    assert card.layer is not None
    Layer.__name__ = Layer.__qualname__ = card.layer
    Layer.__module__, Layer.__doc__ = __package__, card.function.__doc__
    return Layer


class Softmax(Module):
    """Numbers that are positive and sum to 1 along `dim` (Eq. 4)."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class MinPool2d(Pool2d):
    """Minimum of each window."""

    def forward(self, x: Tensor) -> Tensor:
        return F.min_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(Pool2d):
    """Mean of each window; padding counts as 0."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class SumPool2d(Pool2d):
    """Sum of each window; padding counts as 0."""

    def forward(self, x: Tensor) -> Tensor:
        return F.sum_pool2d(x, self.kernel_size, self.stride, self.padding)


class GlobalAvgPool2d(Module):
    """Mean of each channel: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.global_avg_pool2d(x)


class GlobalMaxPool2d(Module):
    """Maximum of each channel: (N, C, H, W) -> (N, C, 1, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.global_max_pool2d(x)


class Upsample(Module):
    """Repeat every cell: (N, C, H, W) -> (N, C, H*scale, W*scale)."""

    def __init__(self, scale_factor: Any) -> None:
        self.scale_factor = scale_factor

    def forward(self, x: Tensor) -> Tensor:
        return F.upsample_nearest(x, self.scale_factor)

    def extra_repr(self) -> str:
        return f"scale_factor={self.scale_factor}"


class Dropout(Module):
    """Set elements to 0 with probability p in training, and divide the rest by 1 - p."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, 0 to 1, got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Unflatten(Module):
    """One dimension as several: (N, C*H*W) -> (N, C, H, W)."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        shape = shape_of("Unflatten", x)
        dim = one_dim(self.dim, len(shape))
        return F.reshape(x, *shape[:dim], *self.unflattened_size, *shape[dim + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
