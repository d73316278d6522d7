"""Training: one loop with callbacks, checkpoints and exact resume; and whole runs made from settings."""

from .callbacks import Callback, EarlyStopping, EpochReport, ProgressBar
from .checkpoint import Checkpoint, load_checkpoint, read_checkpoint, save_checkpoint
from .classifier import ClassifierRun
from .evaluation import Evaluation, evaluate, evaluation_mode
from .loop import fit
from .run import Run, StoppedRun
from .saved import SavedClassifier, load_classifier
from .settings import ClassifierSettings, RunError
from .trainable import DivergedError, Trainable
from .training import Training

__all__ = [
    "Callback",
    "Checkpoint",
    "ClassifierRun",
    "ClassifierSettings",
    "DivergedError",
    "EarlyStopping",
    "EpochReport",
    "Evaluation",
    "ProgressBar",
    "Run",
    "RunError",
    "SavedClassifier",
    "StoppedRun",
    "Trainable",
    "Training",
    "evaluate",
    "evaluation_mode",
    "fit",
    "load_checkpoint",
    "load_classifier",
    "read_checkpoint",
    "save_checkpoint",
]
