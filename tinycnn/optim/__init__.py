"""Update rules (Eq. 7) and learning-rate schedules, under PyTorch's names."""

from . import fast as _fast  # noqa: F401  (takes effect by itself)
from .adam import Adam
from .adamw import AdamW
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedule import CosineAnnealingLR, ExponentialLR, MultiStepLR, OneCycleLR, Schedule, StepLR
from .sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "ExponentialLR",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
]
