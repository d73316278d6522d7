"""Weights in a run folder, and the network they belong to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinycnn import models
from tinycnn.nn import Module
from tinycnn.storage import load_arrays, save_arrays

from .common import RUNS, WEIGHTS, WrongUse


def save_weights(path: Path, model: Module, config: Mapping[str, Any]) -> None:
    """Write the weights under PyTorch's keys, with what is needed to use them."""
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    save_arrays(path, arrays, {"config": json.dumps(dict(config))})


def load_model(run: Path) -> tuple[Module, dict[str, Any]]:
    """Return the trained network of a run folder, or of a weights file, and its config.

    Raises
    ------
    WrongUse
        Where there are no weights.
    ValueError
        Where the file is damaged, or of another network.
    """
    path = run / WEIGHTS if run.is_dir() else run
    if not path.is_file():
        raise WrongUse(
            f"{run}: there are no weights; a run folder with a {WEIGHTS}, or such a file, would do"
        )
    arrays, metadata = load_arrays(path)
    try:
        config = json.loads(metadata["config"])
        model = models.build(config["model"], len(config["classes"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not say which network it belongs to: {error!r}") from error
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return model, config


def newest_run() -> Path:
    """Return the folder in runs/ whose weights were written last.

    Raises
    ------
    WrongUse
        Where there is none.
    """
    found = sorted(RUNS.glob(f"*/{WEIGHTS}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise WrongUse(f"there is no trained run in {RUNS}/: train one first, or name it with --run")
    return found[-1].parent
