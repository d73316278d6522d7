"""Our networks in PyTorch, with the same weights, in float64."""

import numpy as np
import torch
from torch import nn

KINDS = {
    "Linear": lambda m: nn.Linear(m.in_features, m.out_features, m.bias is not None),
    "Unflatten": lambda m: nn.Unflatten(m.dim, m.unflattened_size),
    "BatchNorm2d": lambda m: nn.BatchNorm2d(m.num_features),
    "InstanceNorm2d": lambda m: nn.InstanceNorm2d(m.num_features, affine=True),
    "ReLU": lambda m: nn.ReLU(),
    "LeakyReLU": lambda m: nn.LeakyReLU(m.negative_slope),
    "Tanh": lambda m: nn.Tanh(),
    "Flatten": lambda m: nn.Flatten(),
    "Conv2d": lambda m: nn.Conv2d(m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding),
    "ConvTranspose2d": lambda m: nn.ConvTranspose2d(
        m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding
    ),
}


def twin(network):
    """Return PyTorch's network of the same layers, keys and weights."""
    other = nn.Sequential(*(KINDS[type(layer).__name__](layer) for layer in network)).double()
    other.load_state_dict({name: torch.tensor(t.numpy()) for name, t in network.state_dict().items()})
    return other


def in_float64(network):
    """Return our network with its weights in float64, where only the mathematics can differ."""
    for tensor in [*network.parameters(), *(b for _, b in network.named_buffers())]:
        if tensor.dtype.kind == "f":
            tensor.data = tensor.data.astype(np.float64)
    return network
