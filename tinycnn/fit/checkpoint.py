"""Checkpoints: all that a run depends on, in one safetensors file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.storage import load_arrays, save_arrays

from .callbacks import Callback
from .loop import Run

VERSION = "1"


def save_checkpoint(path: Path, training: Run, config: Mapping[str, Any]) -> None:
    """Write weights, optimizers, schedule, seed, epoch, batch and history, atomically.

    The random state is the seed with epoch and batch: see `fit`.

    Parameters
    ----------
    config
        What the run was made from, to be compared on loading; anything JSON can hold.

    Raises
    ------
    OSError
        Where the file cannot be written; the one before stays.
    """
    arrays, numbers = training.state()
    state = {
        "epoch": training.epoch,
        "batch": training.batch,
        "seed": training.train.seed,
        "history": training.history,
        **numbers,
    }
    metadata = {"tinycnn": VERSION, "config": json.dumps(dict(config)), "training": json.dumps(state)}
    save_arrays(path, {key: _backend.to_backend(a, "numpy") for key, a in arrays.items()}, metadata)


def read_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    """Return a checkpoint's arrays, its training state and its config.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is none, or it is no whole checkpoint.
    """
    arrays, metadata = load_arrays(path)
    try:
        return arrays, json.loads(metadata["training"]), json.loads(metadata["config"])
    except (KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} holds weights, but it is no checkpoint of a training run") from error


def load_checkpoint(path: Path, training: Run) -> None:
    """Bring `training`, made as at its start, to where the checkpoint was written.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is none, it is no whole checkpoint, or it is one of another model, optimizer or seed.
    """
    arrays, state, _ = read_checkpoint(path)
    if state["seed"] != training.train.seed:
        raise ValueError(f"{path} is of a run with seed {state['seed']}, not {training.train.seed}")
    try:
        training.load_state(arrays, state)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not fit this run: {error}") from error
    training.epoch, training.batch = state["epoch"], state["batch"]
    training.history = state["history"]


class Checkpoint(Callback):
    """Write a checkpoint at the start, after every epoch, and where the run is stopped in between.

    Parameters
    ----------
    path
        The file.
    config
        See `save_checkpoint`.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path, self.config = path, config

    def on_fit_begin(self, training: Run) -> None:
        """Write the beginning, so that a run killed in its first epoch can go on too."""
        save_checkpoint(self.path, training, self.config)

    def on_batch_end(self, training: Run) -> None:
        """Write if the run was stopped; not over a good checkpoint where its numbers are worthless."""
        if training.stop:
            training.check()
            save_checkpoint(self.path, training, self.config)

    def on_epoch_end(self, training: Run) -> None:
        """Write the epoch."""
        save_checkpoint(self.path, training, self.config)
