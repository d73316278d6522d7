"""The same networks, faster: what `Sequential` does in another order than it is written in, or in one pass.

This replaces `Sequential.forward`, unless the plain kernels are chosen; see `tinycnn.autograd.fast`. If a
hook on a layer, or an observer of operations, wants to see what lies between, nothing of this is done.

- max(relu(x)) = relu(max(x)), the gradient included, as both keep the order of numbers. So max-pooling goes
  before the ReLU in front of it, which then has a fraction of the work.
- A convolution, the activation and the 2x2 max-pooling behind it are one kernel, if the set of kernels has
  one: what lies between is never written to memory. The graph has the same operations all the same. None of
  their derivatives needs what lies between: a convolution's needs its input, pooling's the places of the
  maxima, and an activation's which results are positive.
- Batch norm and the activation behind it are one kernel likewise. The graph has the operations, and beside
  them a shortcut: the derivatives of all of them in one kernel. A walk that is recorded does not take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinycnn.autograd import Function
from tinycnn.autograd.fast import Contributions
from tinycnn.dispatch import kernels_for, tell
from tinycnn.functional.channels import ChannelAffine
from tinycnn.functional.convolution import Conv2d as Conv2dFunction
from tinycnn.functional.normalisation import Normalise, update_running
from tinycnn.functional.pooling import ExtremePool2d
from tinycnn.functional.relu import LeakyReLU as LeakyReLUFunction
from tinycnn.functional.relu import ReLU as ReLUFunction
from tinycnn.functional.shape import Reshape, reshape
from tinycnn.kernels.arrays import Array
from tinycnn.kernels.contract import NormaliseEpilogueInput
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry
from tinycnn.modes import modes
from tinycnn.tensor import Tensor, clock, wrap

from .containers import Sequential as Layers
from .layers import Conv2d, MaxPool2d, ReLU
from .module import Module
from .normalisation import BatchNorm2d
from .weightless import LeakyReLU

_plain_forward = Layers.forward
_always = modes().observers  # nobody else looks on
_geometry = lru_cache(maxsize=256)(conv2d_geometry)


class Followers(NamedTuple):
    """What follows a convolution and is done with it."""

    layers: int  # how many
    slope: float  # of an activation below 0: 0 for ReLU, 1 for none
    pooled: bool


def forward(self: Layers, x: Tensor) -> Tensor:
    """Do as `Sequential.forward`."""
    layers, i = self.layers, 0
    in_one_pass = modes().observers is _always
    while i < len(layers):
        layer = layers[i]
        if in_one_pass and type(layer) is Conv2d and (found := followers(layers[i : i + 3])).layers:
            y = convolved(layer, x, found)
            if y is not None:
                x, i = y, i + 1 + found.layers
                continue
        pair = layers[i : i + 2]
        if in_one_pass and type(layer) is BatchNorm2d and not hooked(pair):
            y = normalised(layer, x, slope_of(pair[-1]))
            if y is not None:
                x, i = y, i + 2
                continue
        swapped = in_one_pass and type(layer) is ReLU and len(pair) == 2 and type(pair[1]) is MaxPool2d
        if swapped and not hooked(pair):
            x = layer(pair[1](x))
            i += 2
        else:
            x = layer(x)
            i += 1
    return x


def hooked(layers: Sequence[Module]) -> bool:
    """Return whether a hook looks at the result of one of the layers."""
    return bool([layer for layer in layers if layer.hooks])


def followers(layers: Sequence[Module]) -> Followers:
    """Return how many layers behind the first, a convolution, are done with it, and what they do."""
    slope, pooled, count = 1.0, False, 0
    for layer in layers[1:]:
        if type(layer) is MaxPool2d and not pooled and slope in (0, 1) and _halves(layer):
            pooled = True
        elif slope == 1 > slope_of(layer) and not (pooled and slope_of(layer)):
            slope = slope_of(layer)
        else:
            break
        count += 1
    if hooked(layers[: 1 + count]):
        count = 0
    return Followers(count, slope, pooled)


def slope_of(layer: Module) -> float:
    """Return the slope of an activation below 0; 1 for a layer that is none."""
    if type(layer) is LeakyReLU and 0 < layer.negative_slope < 1:
        return layer.negative_slope
    return 0.0 if type(layer) is ReLU else 1.0


def _halves(layer: MaxPool2d) -> bool:
    """Return whether the windows are 2x2, side by side."""
    two = 2, (2, 2)
    return layer.kernel_size in two and layer.stride in two and layer.padding in (0, (0, 0))


def convolved(layer: Conv2d, x: Tensor, then: Followers) -> Tensor | None:
    """Return the result of a convolution and its followers; None if they must be called one by one."""
    w, bias = layer.weight, layer.bias
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] != layer.in_channels or x.dtype != w.dtype:
        return None
    kernels = kernels_for(x.data)
    if (kernel := kernels.conv2d_epilogue) is None or not kernels.serves(w.data):
        return None
    try:
        geometry = _geometry(x.shape, w.shape, layer.stride, layer.padding, layer.dilation, layer.groups)
    except (TypeError, ValueError):  # the layer itself will say what is wrong
        return None
    if then.pooled and min(geometry.OH, geometry.OW) < 2:
        return None
    inputs = (x, w) if bias is None else (x, w, bias)
    y, index = kernel(x.data, w.data, geometry, None if bias is None else bias.data, then.slope, then.pooled)
    result = wrap(y)
    if modes().grad_enabled and any(tensor.requires_grad for tensor in inputs):
        node: Function = _recorded(Conv2dFunction(geometry), inputs, geometry.y_shape, y.dtype)
        node._kept = inputs[:2]
        if index is not None:
            pooling = ExtremePool2d(pool2d_geometry(geometry.y_shape, 2), largest=True)
            node = _recorded(pooling, (node,), y.shape, y.dtype)
            node._kept = (wrap(index),)
        if then.slope != 1:
            node = _activated(node, then.slope, result)
        result.creator, result._requires_grad = node, True
    return result


def normalised(layer: BatchNorm2d, x: Tensor, slope: float) -> Tensor | None:
    """Return the result of batch norm in training and an activation; None if they must be called."""
    weight, bias, mean, variance = layer.weight, layer.bias, layer.running_mean, layer.running_var
    if slope == 1 or weight is None or bias is None or not layer.uses_batch or not isinstance(x, Tensor):
        return None
    if x.ndim != 4 or x.shape[1] != layer.num_features or not (x.dtype is weight.dtype is bias.dtype):
        return None
    N, C, H, W = x.shape
    kernels, cells = kernels_for(x.data), N * H * W
    kernel, kernel_back = kernels.normalise_epilogue, kernels.normalise_epilogue_input
    if kernel is None or kernel_back is None or not kernels.serves(weight.data) or cells < 2:
        return None
    batch = Normalise(layer.eps)
    normal, z, batch.mean, batch.variance = kernel(x.data, weight.data, bias.data, batch.eps, slope)
    if mean is not None and variance is not None:
        update_running(mean, variance, batch, layer.next_momentum(), cells / (cells - 1))
    layer.count()
    result = wrap(z)
    if modes().grad_enabled and any(tensor.requires_grad for tensor in (x, weight, bias)):
        planes = reshape(x, N, C, H * W, 1)
        y = wrap(normal.reshape(planes.shape))
        if x.requires_grad:
            _recorded(batch, (planes,), y.shape, y.dtype)._kept = planes, y.detach()
            y.creator, y._requires_grad = batch, True
        inputs = y, weight, bias
        node = affine = _recorded(ChannelAffine(), inputs, y.shape, y.dtype)
        affine._kept = inputs[:2]
        if y.shape != x.shape:
            back = Reshape(x.shape)
            back.from_shape = y.shape
            node = _recorded(back, (node,), x.shape, y.dtype)
        below = batch, affine, node
        node = _activated(node, slope, result)
        node.shortcut = _Normalised(kernel_back, batch, affine, below, slope)
        result.creator, result._requires_grad = node, True
    return result


class _Normalised(NamedTuple):
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


def _activated(node: Function, slope: float, result: Tensor) -> Function:
    """Return an activation's node of the graph behind another."""
    activation = LeakyReLUFunction(slope) if slope else ReLUFunction()
    _recorded(activation, (node,), result.shape, result.dtype)
    activation._kept = (result.detach(),)  # a leaky ReLU keeps x, but asks only for its sign: that of y
    return activation


def _recorded(
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


def switch(on: bool) -> None:
    """Go the fast way, or the plain one, from here on."""
    Layers.forward = forward if on else _plain_forward  # type: ignore[method-assign]


tell(lambda kernels: switch(kernels is None or kernels.name != "plain"))
