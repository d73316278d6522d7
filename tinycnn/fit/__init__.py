"""Training: one readable loop, with callbacks, checkpoints and exact resume."""

from .callbacks import Callback, EarlyStopping, EpochReport, ProgressBar
from .checkpoint import Checkpoint, load_checkpoint, read_checkpoint, save_checkpoint
from .training import DivergedError, Evaluation, Training, evaluate, fit

__all__ = [
    "Callback",
    "Checkpoint",
    "DivergedError",
    "EarlyStopping",
    "EpochReport",
    "Evaluation",
    "ProgressBar",
    "Training",
    "evaluate",
    "fit",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
]
