"""`Kernels`: the functions that a set of kernels has, with their types."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .arrays import Array, array_module
from .geometry import Geometry


class Convolve(Protocol):
    """A convolution or its derivative by the input: two arrays, the sizes, and a bias to add."""

    def __call__(self, a: Array, b: Array, geometry: Geometry, /, bias: Array | None = None) -> Array:
        """Return the result."""
        ...


class Affine(Protocol):
    """A scaling of channels with a bias to add."""

    def __call__(self, x: Array, weight: Array, /, bias: Array | None = None) -> Array:
        """Return the result."""
        ...


class Epilogue(Protocol):
    """A convolution, and on its sums what often follows it: 2x2 max-pooling and an activation."""

    def __call__(
        self, x: Array, w: Array, geometry: Geometry, bias: Array | None, slope: float, pooled: bool, /
    ) -> tuple[Array, Array | None]:
        """Return the result, and the winners' indices if it is pooled.

        The activation is y where y is not negative, else slope * y: ReLU for 0, none for 1.
        """
        ...


class NormaliseEpilogue(Protocol):
    """`normalise`, and on its result `channel_affine` and an activation, as `Epilogue` has it."""

    def __call__(
        self, x: Array, weight: Array, bias: Array, eps: float, slope: float, /
    ) -> tuple[Array, Array, Array, Array]:
        """Return the normalised y, the activated z, and every channel's mean and variance."""
        ...


class NormaliseEpilogueInput(Protocol):
    """The derivatives of <g, z>, z the result of a `NormaliseEpilogue`."""

    def __call__(
        self, g: Array, y: Array, z: Array, weight: Array, variance: Array, eps: float, slope: float, /
    ) -> tuple[Array, Array, Array]:
        """Return them by x, by weight and by bias."""
        ...


class UpdateAll(Protocol):
    """A step of many parameters: the arrays of each, and its numbers; returns whether it could be made."""

    def __call__(self, parameters: Sequence[Sequence[Array]], numbers: Any, /) -> bool:
        """Make the step in place."""
        ...


Betas = tuple[float, float]


@dataclass(frozen=True)
class Kernels:
    """One set of kernels. All of them trust the geometry they are given; see `tinycnn.kernels.geometry`.

    `plain` says what each kernel computes.
    """

    name: str
    conv2d: Convolve  # x (N, C, H, W), w (K, C/G, KH, KW) -> (N, K, OH, OW)
    conv2d_input: Convolve  # g (N, K, OH, OW), w -> (N, C, H, W)
    conv2d_weight: Callable[[Array, Array, Geometry], Array]  # x, g -> (K, C/G, KH, KW)
    max_pool2d: Callable[[Array, Geometry], tuple[Array, Array]]  # x -> values, indices h*W + w
    min_pool2d: Callable[[Array, Geometry], tuple[Array, Array]]
    pool_gather: Callable[[Array, Array], Array]  # x, index (N, C, OH, OW) -> (N, C, OH, OW)
    pool_scatter: Callable[[Array, Array, Geometry], Array]  # g, index -> (N, C, H, W)
    sum_pool2d: Callable[[Array, Geometry], Array]  # x -> (N, C, OH, OW)
    sum_pool2d_input: Callable[[Array, Geometry], Array]  # g -> (N, C, H, W)
    matmul: Callable[[Array, Array], Array]
    relu: Callable[[Array], Array]
    gate: Callable[[Array, Array], Array]  # g, y
    leaky_relu: Callable[[Array, float], Array]  # x, slope
    leaky_gate: Callable[[Array, Array, float], Array]  # g, x, slope
    adam: Callable[[Array, Array, Array, Array, float, Betas, float, int], None]
    channel_sum: Callable[[Array], Array]  # (N, C, H, W) -> (C,)
    channel_dot: Callable[[Array, Array], Array]
    channel_affine: Affine
    normalise: Callable[[Array, float], tuple[Array, Array, Array]]  # x, eps -> y, mean, variance
    normalise_input: Callable[[Array, Array, Array, float], Array]  # g, y, variance, eps
    # running_mean, running_var, changed in place; the batch's mean and variance, momentum, correction
    update_running: Callable[[Array, Array, Array, Array, float, float], None]
    binary_cross_entropy: Callable[[Array, Array], Array]  # z, t -> the loss of each element
    binary_cross_entropy_input: Callable[[Array, Array, Array], Array]  # g, z, t
    cross_entropy: Callable[[Array, Array, float], Array]  # z (N, K), labels, smoothing -> (N,)
    cross_entropy_input: Callable[[Array, Array, Array, float], Array]  # g, z, labels, smoothing -> (N, K)
    # Instead of conv2d, max_pool2d and relu or leaky_relu one after another. None: these are called. A set
    # that replaces one of them replaces this too.
    conv2d_epilogue: Epilogue | None = None
    # Instead of normalise, channel_affine and relu or leaky_relu, and of their derivatives. None: these are
    # called. Both are there or none.
    normalise_epilogue: NormaliseEpilogue | None = None
    normalise_epilogue_input: NormaliseEpilogueInput | None = None
    # Instead of x @ w.T and the bias added: x (N, in), w (out, in), and a bias (out,) or none. None: these.
    linear: Callable[..., Array] | None = None
    # Instead of a step of each parameter, one of all; see `tinycnn.kernels.together`. None: one by one.
    adam_of_all: UpdateAll | None = None
    sgd_of_all: UpdateAll | None = None
    takes: tuple[str, str] | None = None  # library and type characters of the arrays it takes; None: all

    def serves(self, array: Array) -> bool:
        """Return whether this set takes such arrays."""
        if self.takes is None:
            return True
        library, characters = self.takes
        return array.dtype.char in characters and array_module(array).__name__ == library
