"""Layers, under PyTorch's names, weight layouts, state_dict keys and initial values."""

from .layers import BatchNorm2d, Conv2d, ConvTranspose2d, InstanceNorm2d, Linear
from .module import Buffer, Module, Parameter
from .plain import (
    AvgPool2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    LeakyReLU,
    MaxPool2d,
    MinPool2d,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    SumPool2d,
    Tanh,
    Unflatten,
    Upsample,
)
from .sequential import Sequential

__all__ = [
    "AvgPool2d",
    "BatchNorm2d",
    "Buffer",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "InstanceNorm2d",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "MinPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SumPool2d",
    "Tanh",
    "Unflatten",
    "Upsample",
]
