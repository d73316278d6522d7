"""The way back through several nodes of the graph at once, for layers that `nn.fast` computes in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinycnn.autograd import Function
from tinycnn.autograd.fast import Contributions
from tinycnn.dispatch import kernels_for
from tinycnn.functional.leaky_relu import LeakyReLU
from tinycnn.functional.normalisation import Normalise
from tinycnn.functional.relu import ReLU
from tinycnn.kernels import arena
from tinycnn.kernels.arrays import Array
from tinycnn.kernels.contract import NormaliseEpilogueInput
from tinycnn.kernels.geometry import Geometry, pool2d_geometry
from tinycnn.tensor import Tensor, clock

LARGE = 1 << 23  # bytes: what pooling scatters is computed in parts of this size
pooling_geometry = lru_cache(maxsize=256)(pool2d_geometry)


class Pooled(NamedTuple):
    """The way back through an activation, max-pooling and a convolution; see `Shortcut`.

    What pooling scatters is the largest array of a step, and nobody keeps it. So on the CPU the gradients are
    computed for some images at a time.
    """

    nodes: Sequence[Function]  # pooling, convolution
    geometry: Geometry
    slope: float

    def backward(self, g: Array, y: Array) -> Contributions:
        """Return the gradients by x, weight and bias; y is the result."""
        N, K, OH, OW = self.geometry.y_shape
        each = max(LARGE // (K * OH * OW * g.itemsize), 1) if isinstance(g, np.ndarray) else N
        by_x, *sums = self.of_images(slice(0, each), g, y)
        if each < N and by_x is not None:
            first, by_x = by_x, arena.empty(self.geometry.x_shape, by_x.dtype)
            by_x[:each] = first
        for n in range(each, N, each):
            share, *more = self.of_images(slice(n, n + each), g, y)
            sums = [a if b is None else a + b for a, b in zip(sums, more, strict=True)]
            if by_x is not None:
                by_x[n : n + each] = share
        return (by_x, *sums), self.nodes[1].parents

    def of_images(self, some: slice, g: Array, y: Array) -> Sequence[Array | None]:
        """Return what some images contribute.

        The gradient of the bias is a sum. Pooling scatters zeros between its terms: so it is computed before.
        """
        pooling, convolution = self.nodes
        (image, weight), (winners,) = convolution._kept or (), pooling._kept or ()
        x, w, g, y, index = image._data[some], weight._data, g[some], y[some], winners._data[some]
        kernels, sizes = kernels_for(x, g), self.geometry
        if len(g) < sizes.N:
            sizes = sizes._replace(N=len(g))
        g = kernels.leaky_gate(g, y, self.slope) if self.slope else kernels.gate(g, y)
        need_x, need_w, *need_bias = convolution.needs_input_grad
        by_bias = [kernels.channel_sum(g) if need else None for need in need_bias]
        if need_x or need_w:
            g = kernels.pool_scatter(g, index, pooling_geometry(sizes.y_shape, 2))
        by_x = kernels.conv2d_input(g, w, sizes) if need_x else None
        return by_x, kernels.conv2d_weight(x, g, sizes) if need_w else None, *by_bias


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
        return shares, parents


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
    function.recorded_at = next(clock)
    function.parents = [
        x if isinstance(x, Function) else (x.creator or x) if x._requires_grad else None for x in inputs
    ]
    function.needs_input_grad = tuple([parent is not None for parent in function.parents])
    function.shape, function.dtype = shape, dtype
    return function
