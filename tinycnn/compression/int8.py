"""Int8: weights and activations as integers from -127 to 127, a quarter of the memory of float32.

A number x is stored as the integer q = round(x / scale), so x is about scale * q. A product of x and w is
then (scale_x * scale_w) * (q_x * q_w): sums of integer products, and one multiplication by floats at the end.
Each output channel of a weight has a scale of its own. An activation has one scale, which calibration finds.

The sums are those of integer arithmetic with int32, bit for bit, but they are computed by the float kernels,
which hold integers of that size exactly. So this is int8 in its results and its files, not in its speed.
"""

import copy
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn.fit import evaluation_mode
from tinycnn.host import as_numpy
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import no_grad
from tinycnn.nn import Buffer, Conv2d, Linear, Module
from tinycnn.tensor import Tensor

LARGEST = 127  # -128 is not used: so -x is an integer of the range, too


class _Int8(Module):
    """What both layers have: the integers of the weight, the scales, and the bias."""

    def __init__(self, layer: Conv2d | Linear, input_scale: float = 1.0) -> None:
        weight = layer.weight.numpy()
        scale = np.abs(weight).reshape(len(weight), -1).max(axis=1) / LARGEST
        scale = np.where(scale > 0, scale, 1).astype(np.float32)  # of a filter of zeros
        shape = (-1, *[1] * (weight.ndim - 1))
        integers = np.rint(weight / scale.reshape(shape)).astype(np.int8)
        backend = layer.weight.backend
        self.weight = Buffer(integers, backend=backend)
        self.weight_scale = Buffer(scale, backend=backend)  # (K,)
        self.input_scale = Buffer(np.float32(input_scale), backend=backend)
        self.bias = None if layer.bias is None else Buffer(layer.bias.numpy(), backend=backend)
        self.terms = int(np.prod(weight.shape[1:]))  # products in one sum

    def product(self, q: Array, weight: Array) -> Array:
        """Return the sums of products of integers."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs as floats; no gradients flow through integers."""
        carrier = exact_floats(self.terms)
        q = to_int8(x.data, self.input_scale.data).astype(carrier)
        sums = self.product(q, self.weight.data.astype(carrier))
        shape = (1, -1, *[1] * (sums.ndim - 2))
        y = sums * (self.input_scale.data * self.weight_scale.data).reshape(shape)
        if self.bias is not None:
            y = y + self.bias.data.reshape(shape)
        return Tensor(y.astype(np.float32), backend=x.backend)


class Int8Conv2d(_Int8):
    """A convolution of int8 images with int8 weights."""

    def __init__(self, layer: Conv2d, input_scale: float = 1.0) -> None:
        super().__init__(layer, input_scale)
        self.options = layer.stride, layer.padding, layer.dilation, layer.groups

    def product(self, q: Array, weight: Array) -> Array:
        return F.conv2d(q, weight, None, *self.options)


class Int8Linear(_Int8):
    """A dense layer of int8 inputs and int8 weights: (N, in) -> (N, out)."""

    def product(self, q: Array, weight: Array) -> Array:
        return q @ weight.T


def to_int8(x: Array, scale: Any) -> Array:
    """Return the int8 integers nearest to x / scale; beyond the range the largest is taken."""
    xp = array_module(x)
    return xp.clip(xp.rint(x / scale), -LARGEST, LARGEST).astype(np.int8)


def exact_floats(terms: int) -> type:
    """Return the float dtype that holds every sum of so many products of int8 integers exactly."""
    return np.float32 if terms * LARGEST**2 < 1 << 24 else np.float64


def quantize(model: Module, images: Any, percentile: float = 99.99) -> Module:
    """Return a network whose convolutions and dense layers compute with int8.

    It is for inference. Everything between these layers (activations, pooling, normalisation) stays as it is.

    Parameters
    ----------
    model
        A trained network; it stays as it is.
    images
        Calibration: (N, C, H, W) images like those that will come, a few hundred, or several such batches.
    percentile
        The scale of an activation is such that this share of the calibration's values, in percent, fits into
        the range. The few beyond it become the largest integer.

    Raises
    ------
    ValueError
        For a percentile outside (0, 100], no images, images or activations that are not finite, and a
        network without convolutions and dense layers.

    References
    ----------
    Jacob et al. 2018, Quantization and training of neural networks for efficient integer-arithmetic-only
    inference.
    """
    if not isinstance(percentile, int | float | np.number):
        raise TypeError(f"percentile must be a number in (0, 100], got {percentile!r:.40}")
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be in (0, 100], got {percentile}")
    return int8_layers(model, calibrate(model, images, percentile))


def int8_layers(model: Module, scales: dict[str, float] | None = None) -> Module:
    """Return a copy of a network with `Int8Conv2d` and `Int8Linear` in the place of its layers.

    Without `scales` of the layers' inputs those are 1: for a network whose int8 weights are loaded next.
    """
    result = copy.deepcopy(model)
    modules = dict(result.named_modules())
    for name, layer in _quantized(result).items():
        kind = Int8Conv2d if isinstance(layer, Conv2d) else Int8Linear
        int8 = kind(layer, (scales or {}).get(name, 1.0))
        if not name:  # the model is one layer
            return int8
        above, _, own = name.rpartition(".")
        setattr(modules[above], own, int8)
    return result.eval()


def _quantized(model: Module) -> dict[str, Any]:
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, Conv2d | Linear)}
    if not layers:
        raise ValueError(f"{type(model).__name__} has no convolution and no dense layer to quantize")
    return layers


@no_grad()
def calibrate(model: Module, images: Any, percentile: float = 99.99) -> dict[str, float]:
    """Return the scale of the inputs of each convolution and dense layer, by the layer's name."""
    batches = images if isinstance(images, list | tuple) else [images]
    if not batches or any(len(batch) == 0 for batch in batches):
        raise ValueError("calibration needs images: give (N, C, H, W) with N at least 1")
    largest: dict[str, float] = {}
    ends = []
    for name, layer in _quantized(model).items():

        def look(_: Module, inputs: tuple[Any, ...], y: Tensor, name: str = name) -> None:
            x = np.abs(as_numpy(inputs[0]))
            if not np.isfinite(x).all():
                raise ValueError(f"layer {name}: its inputs are not finite: look at the images and weights")
            largest[name] = max(largest.get(name, 0.0), float(np.percentile(x, percentile)))

        ends.append(layer.register_forward_hook(look))
    try:
        with evaluation_mode(model):
            for batch in batches:
                model(batch if isinstance(batch, Tensor) else Tensor(batch))
    finally:
        for end in ends:
            end()
    return {name: (value or 1.0) / LARGEST for name, value in largest.items()}
