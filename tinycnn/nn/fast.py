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
- Without a graph, a dense layer, the ReLU behind it and the flattening before it go straight to their
  kernels: for one image, Python takes longer than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from tinycnn import gpu
from tinycnn.dispatch import kernels_for, tell
from tinycnn.functional.channels import ChannelAffine
from tinycnn.functional.convolution import Conv2d as Conv2dFunction
from tinycnn.functional.normalisation import Normalise, update_running
from tinycnn.functional.pooling import ExtremePool2d
from tinycnn.functional.shape import Reshape, reshape
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.modes import modes
from tinycnn.tensor import Tensor, wrap

from .containers import Sequential as Layers
from .layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from .module import Module
from .normalisation import BatchNorm2d
from .shortcuts import Normalised, Pooled, activated, pooling_geometry, recorded
from .weightless import LeakyReLU

_plain_forward = Layers.forward
_always = modes().observers  # those of `autograd.safety`, which every call has
_geometry = lru_cache(maxsize=256)(conv2d_geometry)


Done = tuple[Tensor, int]  # a result, and of how many layers
Kinds = Sequence[type | None]  # of layers, None for one with a hook, which wants to see its own result


def forward(self: Layers, x: Tensor) -> Tensor:
    """Do as `Sequential.forward`."""
    if modes().observers is not _always:
        return _plain_forward(self, x)
    layers, i = self.layers, 0
    while i < len(layers):
        some = layers[i : i + 3]
        kinds = [None if layer._forward_hooks else type(layer) for layer in some]
        way = _WAYS.get(kinds[0])
        try:
            done = way(some, kinds, x) if way is not None and isinstance(x, Tensor) else None
        except MemoryError as error:
            gpu.raise_out_of_memory(error, type(some[0]).__name__, (x, *some[0].parameters()))
            raise
        x, count = done or (some[0](x), 1)
        i += count
    return x


def followers(layers: Sequence[Module], kinds: Kinds) -> tuple[int, float, bool]:
    """Return what follows a convolution, the first layer, and is done with it.

    That is: how many layers, the slope of an activation below 0 (0 for ReLU, 1 for none), and whether the
    result is pooled.
    """
    slope, pooled, count = 1.0, False, 0
    for layer, kind in zip(layers[1:], kinds[1:], strict=True):
        if kind is MaxPool2d and not pooled and slope in (0, 1) and _halves(layer):
            pooled = True
        elif slope == 1 > (below := slope_of(layer, kind)) and not (pooled and below):
            slope = below
        else:
            break
        count += 1
    return count, slope, pooled


def slope_of(layer: Any, kind: type | None) -> float:
    """Return the slope of an activation below 0; 1 for a layer that is none."""
    if kind is LeakyReLU and 0 < layer.negative_slope < 1:
        return layer.negative_slope
    return 0.0 if kind is ReLU else 1.0


def _halves(layer: Any) -> bool:
    """Return whether the windows are 2x2, side by side."""
    two = 2, (2, 2)
    return layer.kernel_size in two and layer.stride in two and layer.padding in (0, (0, 0))


# Each of these gets a layer with up to two behind it, their kinds, and the first one's input. It returns what
# came of one or more of them, or None: then the first layer is called.


def pooled_first(layers: Sequence[Module], kinds: Kinds, x: Tensor) -> Done | None:
    """Return the result of a ReLU and the max-pooling behind it, which goes first."""
    return (layers[0](layers[1](x)), 2) if kinds[1:2] == [MaxPool2d] else None


def dense(layers: Sequence[Any], kinds: Kinds, x: Tensor) -> Done | None:
    """Return the result of a dense layer, and of a ReLU behind it, if no graph is recorded."""
    if modes().grad_enabled:
        return None
    layer, with_relu = layers[0], kinds[1:2] == [ReLU]
    array, weight, bias = x._data, layer.weight._data, None if layer.bias is None else layer.bias._data
    if type(array) is not type(weight) or array.dtype is not weight.dtype:
        return None
    if array.ndim != 2 or array.shape[1] != weight.shape[1]:
        return None
    if bias is not None and (bias.dtype is not weight.dtype or bias.shape != weight.shape[:1]):
        return None
    y = kernels_for(array, weight).matmul(array, weight.T)
    if bias is not None:
        y += bias
    return wrap(kernels_for(y).relu(y) if with_relu else y), 1 + with_relu


def flattened(layers: Sequence[Any], kinds: Kinds, x: Tensor) -> Done | None:
    """Return the rows of a batch, if no graph is recorded."""
    layer, array = layers[0], x._data
    usual = (layer.start_dim, layer.end_dim) == (1, -1) and array.ndim > 1 and array.size > 0
    if modes().grad_enabled or not usual:
        return None
    rows = x.detach()
    rows._data = array.reshape(len(array), -1)
    return rows, 1


def convolved(layers: Sequence[Any], kinds: Kinds, x: Tensor) -> Done | None:
    """Return the result of a convolution and its followers."""
    count, slope, pooled = followers(layers, kinds)
    if not count:
        return None
    layer = layers[0]
    w, bias, array, weight = layer.weight, layer.bias, x._data, layer.weight._data
    if array.ndim != 4 or array.shape[1] != layer.in_channels:
        return None
    if type(array) is not type(weight) or array.dtype is not weight.dtype:
        return None
    if (kernel := kernels_for(array).conv2d_epilogue) is None:
        return None
    options = layer.stride, layer.padding, layer.dilation, layer.groups
    try:
        geometry = _geometry(array.shape, weight.shape, *options)
    except (TypeError, ValueError):  # the layer itself will say what is wrong
        return None
    if pooled and min(geometry.OH, geometry.OW) < 2:
        return None
    y, index = kernel(array, weight, geometry, None if bias is None else bias._data, slope, pooled)
    result = wrap(y)
    if not modes().grad_enabled:
        return result, 1 + count
    inputs = (x, w) if bias is None else (x, w, bias)
    node = convolution = recorded(Conv2dFunction(geometry), inputs, geometry.y_shape, y.dtype)
    if True in convolution.needs_input_grad:
        convolution._kept = inputs[:2]
        if index is not None:
            pooling = ExtremePool2d(pooling_geometry(geometry.y_shape, 2), largest=True)
            node = recorded(pooling, (node,), y.shape, y.dtype)
            node._kept = (wrap(index),)
        if slope != 1:
            below = node, convolution
            node = activated(node, slope, result)
            if index is not None:
                node.shortcut = Pooled(below, geometry, slope)
        result.creator, result._requires_grad = node, True
    return result, 1 + count


def normalised(layers: Sequence[Any], kinds: Kinds, x: Tensor) -> Done | None:
    """Return the result of batch norm in training and the activation behind it."""
    if len(layers) < 2 or (slope := slope_of(layers[1], kinds[1])) == 1:
        return None
    layer = layers[0]
    weight, bias, mean, variance = layer.weight, layer.bias, layer.running_mean, layer.running_var
    if weight is None or bias is None or not layer.uses_batch:
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
            recorded(batch, (planes,), y.shape, y.dtype)._kept = planes, y.detach()
            y.creator, y._requires_grad = batch, True
        inputs = y, weight, bias
        node = affine = recorded(ChannelAffine(), inputs, y.shape, y.dtype)
        affine._kept = inputs[:2]
        if y.shape != x.shape:
            back = Reshape(x.shape)
            back.from_shape = y.shape
            node = recorded(back, (node,), x.shape, y.dtype)
        below = batch, affine, node
        node = activated(node, slope, result)
        node.shortcut = Normalised(kernel_back, batch, affine, below, slope)
        result.creator, result._requires_grad = node, True
    return result, 2


_WAYS: dict[type | None, Callable[[Sequence[Any], Kinds, Tensor], Done | None]] = {
    Conv2d: convolved,
    BatchNorm2d: normalised,
    Linear: dense,
    Flatten: flattened,
    ReLU: pooled_first,
}


def switch(on: bool) -> None:
    """Go the fast way, or the plain one, from here on."""
    Layers.forward = forward if on else _plain_forward  # type: ignore[method-assign]


tell(lambda kernels: switch(kernels is None or kernels.name != "plain"))
