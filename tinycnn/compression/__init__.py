"""Making a trained network small: pruning (Eq. 16), fewer filters, int8, distillation, and small files."""

from .distillation import Distillation, distillation_loss
from .files import load_sparse, save_sparse
from .int8 import Int8Conv2d, Int8Linear, int8_layers, quantize
from .pruning import GradualPruning, KeepPruned, Masks, masks_of, prune
from .structured import shrink

__all__ = [
    "Distillation",
    "GradualPruning",
    "Int8Conv2d",
    "Int8Linear",
    "KeepPruned",
    "Masks",
    "distillation_loss",
    "int8_layers",
    "load_sparse",
    "masks_of",
    "prune",
    "quantize",
    "save_sparse",
    "shrink",
]
