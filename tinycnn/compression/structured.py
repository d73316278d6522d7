"""Structured pruning: whole filters go, and the network that is left is a smaller one.

A zero among the weights saves no time in a dense product. A filter that is gone does: its output channel,
and the weights of the next layer that read this channel, go with it.
"""

import copy
from typing import Any

import numpy as np

from tinycnn import nn
from tinycnn.functional.cards import CARDS
from tinycnn.nn import BatchNorm1d, BatchNorm2d, Conv2d, Flatten, Linear, Module, Sequential

from .pruning import check_share

# Layers without weights that leave every channel by itself.
_POOLINGS = (nn.MaxPool2d, nn.MinPool2d, nn.AvgPool2d, nn.SumPool2d, nn.GlobalAvgPool2d, nn.GlobalMaxPool2d)
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus)
CHANNEL_BY_CHANNEL: tuple[type[Module], ...] = (
    nn.Identity,
    nn.Dropout,
    nn.Upsample,
    *_POOLINGS,
    *_ACTIVATIONS,
    *(getattr(nn, card.layer) for card in CARDS.values() if card.layer),
)


def shrink(model: Sequential, fraction: float) -> Sequential:
    """Return a smaller network: without the share `fraction` of the filters of each convolution.

    The filters with the smallest sum of ``|w|`` go, and so do such units of dense layers in between. The last
    layer with weights keeps its outputs. At least one filter of each layer stays. The model given stays as
    it is; the new one shares no weights with it. It needs a few epochs of training to adapt.

    Parameters
    ----------
    model
        Convolutions, dense layers, batch norm, activations, pooling, dropout and Flatten in a row.
    fraction
        Between 0 and 1, both excluded.

    Raises
    ------
    TypeError
        For another container, and a layer for which it is not known which channel goes where.
    ValueError
        For a fraction out of range, a convolution in groups, and a model with fewer than two layers with
        weights.

    References
    ----------
    Li et al. 2017, Pruning filters for efficient ConvNets.
    """
    check_share("fraction", fraction)
    if not isinstance(model, Sequential):
        raise TypeError(f"shrink takes an nn.Sequential, layer after layer, not {type(model).__name__}")
    with_filters = [layer for layer in model if isinstance(layer, Conv2d | Linear)]
    if len(with_filters) < 2:
        raise ValueError("shrink: the last layer keeps its outputs, so there must be one before it")
    smaller: list[Module] = []
    kept: np.ndarray | None = None  # channels of the current maps that stay; None: all
    channels = 0  # how many there were

    def inputs_of(count: int) -> np.ndarray:
        """Return which of so many inputs stay. Behind a Flatten a channel is a row of H*W inputs."""
        if kept is None:
            return np.arange(count)
        cells = count // channels
        return (kept[:, None] * cells + np.arange(cells)).ravel()

    for name, layer in model.named_children():
        if isinstance(layer, Conv2d | Linear):
            weight = layer.weight.numpy()
            if isinstance(layer, Conv2d) and layer.groups > 1:
                raise ValueError(f"layer {name}: shrink knows no groups, this convolution has {layer.groups}")
            inputs, channels = inputs_of(weight.shape[1]), len(weight)
            kept = np.arange(channels) if layer is with_filters[-1] else strongest(weight, fraction)
            smaller.append(_with_weights(layer, kept, inputs))
        elif isinstance(layer, BatchNorm1d | BatchNorm2d):
            smaller.append(_norm(layer, inputs_of(layer.num_features)))
        elif isinstance(layer, (*CHANNEL_BY_CHANNEL, Flatten)):
            smaller.append(copy.copy(layer))
        else:
            raise TypeError(
                f"layer {name}: shrink does not know which channels of a {type(layer).__name__} belong "
                "together; it knows convolutions, dense layers, batch norm, activations, pooling and Flatten"
            )
    return Sequential(*smaller)


def strongest(weight: np.ndarray, fraction: float) -> np.ndarray:
    """Return the filters of `weight` that stay, in order: those with the largest sum of ``|w|``."""
    strength = np.abs(weight).reshape(len(weight), -1).sum(axis=1)
    count = max(len(weight) - round(fraction * len(weight)), 1)
    return np.sort(np.argsort(-strength, kind="stable")[:count])


def _with_weights(layer: Conv2d | Linear, outputs: np.ndarray, inputs: np.ndarray) -> Module:
    options: dict[str, Any] = {"bias": layer.bias is not None}
    if isinstance(layer, Conv2d):
        options |= {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation")}
    new = type(layer)(len(inputs), len(outputs), **options)
    state = {"weight": layer.weight.numpy()[outputs][:, inputs]}
    if layer.bias is not None:
        state["bias"] = layer.bias.numpy()[outputs]
    new.load_state_dict(state)
    return new


def _norm(layer: BatchNorm1d | BatchNorm2d, kept: np.ndarray) -> Module:
    options = layer.eps, layer.momentum, layer.affine, layer.track_running_stats
    new = type(layer)(len(kept), *options)
    state = {name: tensor.numpy() for name, tensor in layer.state_dict().items()}
    new.load_state_dict({name: array[kept] if array.ndim else array for name, array in state.items()})
    return new
