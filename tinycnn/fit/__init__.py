"""Training: one readable loop, with callbacks, checkpoints and exact resume."""

from .callbacks import Callback, EarlyStopping, EpochReport, ProgressBar
from .checkpoint import Checkpoint, load_checkpoint, read_checkpoint, save_checkpoint
from .loop import DivergedError, Run, fit
from .training import Evaluation, Training, evaluate

__all__ = [
    "Callback",
    "Checkpoint",
    "DivergedError",
    "EarlyStopping",
    "EpochReport",
    "Evaluation",
    "ProgressBar",
    "Run",
    "Training",
    "evaluate",
    "fit",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
]
