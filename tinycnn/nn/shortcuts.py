"""The way back through several nodes of the graph at once, for layers that `nn.fast` computes in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinycnn.autograd import Function
from tinycnn.autograd.fast import Contributions
from tinycnn.dispatch import kernels_for
from tinycnn.functional.normalisation import Normalise
from tinycnn.functional.relu import LeakyReLU, ReLU
from tinycnn.kernels.arrays import Array
from tinycnn.kernels.contract import NormaliseEpilogueInput
from tinycnn.kernels.geometry import Geometry, pool2d_geometry
from tinycnn.tensor import Tensor, clock

LARGE = 1 << 24  # bytes: a gradient that only weights are computed from is computed in parts of this size
pooling_geometry = lru_cache(maxsize=256)(pool2d_geometry)


class Pooled(NamedTuple):
    """The way back through an activation, max-pooling and a convolution; see `Shortcut`.

    The gradient of the bias is a sum. Pooling scatters zeros between its terms: so it is computed before.

    What pooling scatters behind the first convolution of a network is the largest array of a step, and only
    the gradient of the weight is computed from it. So it is made for some images at a time.
    """

    nodes: Sequence[Function]  # pooling, convolution
    geometry: Geometry
    slope: float

    def backward(self, g: Array, y: Array) -> Contributions:
        """Return the gradients by x, weight and bias; y is the result."""
        pooling, convolution = self.nodes
        x, w = (kept.data for kept in convolution._kept or ())
        (index,) = (kept.data for kept in pooling._kept or ())
        kernels = kernels_for(x, g)
        g = kernels.leaky_gate(g, y, self.slope) if self.slope else kernels.gate(g, y)
        need_x, need_w, *need_bias = convolution.needs_input_grad
        by_bias = [kernels.channel_sum(g) if need else None for need in need_bias]
        by_x = by_w = None
        N, K, OH, OW = self.geometry.y_shape
        each = N if need_x else LARGE // (K * OH * OW * g.itemsize)
        for n in range(0, max(N, 1) if need_x or need_w else 0, max(each, 1)):
            some = slice(n, n + max(each, 1))
            sizes = self.geometry._replace(N=len(g[some]))
            scattered = kernels.pool_scatter(g[some], index[some], pooling_geometry(sizes.y_shape, 2))
            if need_x:
                by_x = kernels.conv2d_input(scattered, w, sizes)
            if need_w:
                part = kernels.conv2d_weight(x[some], scattered, sizes)
                by_w = part if by_w is None else by_w + part
            del scattered  # its memory is used again
        return Contributions((by_x, by_w, *by_bias), convolution.parents)


class Normalised(NamedTuple):
    """The way back through batch norm and an activation in one kernel; see `Shortcut`."""

    kernel: NormaliseEpilogueInput
    batch: Normalise
    affine: Function
    nodes: Sequence[Function]
    slope: float

    def backward(self, g: Array, z: Array) -> Contributions:
        """Return the gradients by x, weight and bias; z is the result."""
        batch, affine = self.batch, self.affine
        y, weight = (kept.data for kept in affine._kept or ())
        g, z = g.reshape(y.shape), z.reshape(y.shape)
        shares = self.kernel(g, y, z, weight, batch.variance, batch.eps, self.slope)
        parents = (batch.parents[0] if affine.parents[0] else None, *affine.parents[1:])
        return Contributions(shares, parents)


def activated(node: Function, slope: float, result: Tensor) -> Function:
    """Return an activation's node of the graph behind another."""
    activation = LeakyReLU(slope) if slope else ReLU()
    recorded(activation, (node,), result.shape, result.dtype)
    activation._kept = (result.detach(),)  # a leaky ReLU keeps x, but asks only for its sign: that of y
    return activation


def recorded(
    function: Function, inputs: Sequence[Function | Tensor], shape: tuple[int, ...], dtype: np.dtype
) -> Function:
    """Make an operation a node of the graph, as `Function` does, without calling it."""
    needed = [isinstance(x, Function) or x.requires_grad for x in inputs]
    function.recorded_at, function.needs_input_grad = next(clock), tuple(needed)
    function.parents = [
        (x if isinstance(x, Function) else x.creator or x) if need else None
        for x, need in zip(inputs, needed, strict=True)
    ]
    function.shape, function.dtype = shape, dtype
    return function
