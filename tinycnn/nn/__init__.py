"""Layers, under PyTorch's names, weight layouts, state_dict keys and initial values."""

from tinycnn.functional.cards import CARDS

from . import fast as _fast  # noqa: F401  (takes effect by itself)
from . import utils
from .containers import Sequential
from .layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from .lists import ModuleDict, ModuleList
from .losses import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from .module import Buffer, Module, Parameter
from .normalisation import BatchNorm1d, BatchNorm2d, InstanceNorm2d
from .transposed import ConvTranspose2d
from .weightless import (
    AvgPool2d,
    Dropout,
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    Identity,
    LeakyReLU,
    MinPool2d,
    Sigmoid,
    Softmax,
    Softplus,
    SumPool2d,
    Tanh,
    Unflatten,
    Upsample,
    layer_of,
)

__all__ = [
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "Identity",
    "InstanceNorm2d",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "MinPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
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
    "utils",
]

for _card in CARDS.values():
    if _card.layer and _card.layer not in __all__:
        globals()[_card.layer] = layer_of(_card)
        __all__.append(_card.layer)
