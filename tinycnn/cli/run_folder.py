"""Run folders: a new one, one to go on with, and the trained network in it."""

import csv
import io
from pathlib import Path
from typing import Any, TypeVar

from tinycnn import models
from tinycnn.fit import read_checkpoint
from tinycnn.nn import Module
from tinycnn.storage import load_weights

from .common import CHECKPOINT, RUNS, WEIGHTS, WrongUse
from .settings import Kept

AnySettings = TypeVar("AnySettings", bound=Kept)


def new_folder(name: str) -> Path:
    """Return runs/NAME, or the first of runs/NAME-2, -3, ... that is not there."""
    folder, n = RUNS / name, 1
    while folder.exists():
        n += 1
        folder = RUNS / f"{name}-{n}"
    return folder


def refuse_taken(folder: Path) -> None:
    """Raise WrongUse where a run is in `folder`."""
    if (folder / CHECKPOINT).exists():
        raise WrongUse(f"{folder} holds a run already: --resume {folder} goes on with it")


def resumed_settings(
    kind: type[AnySettings], folder: Path, given: dict[str, Any], out: Path | None
) -> AnySettings:
    """Return the settings of the run in `folder`; options that were given must agree with them.

    Raises
    ------
    WrongUse
        Where there is no run, the options differ, or another folder is asked for.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise WrongUse(f"--resume {folder}: there is no {CHECKPOINT} in it")
    if out is not None and out.resolve() != folder.resolve():
        raise WrongUse(f"--resume goes on in {folder}: leave --out {out} away")
    _, _, config = read_checkpoint(path)
    settings = kind.of(config)
    differing = [
        f"--{name.replace('_', '-')} {value} (the run has {getattr(settings, name)})"
        for name, value in given.items()
        if value != getattr(settings, name)
    ]
    if differing:
        raise WrongUse(f"--resume {folder}: other settings than the run began with: {', '.join(differing)}")
    return settings


def csv_of(history: list[dict[str, float]]) -> str:
    """Return records as CSV: one row an epoch, the records' keys as the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


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
    arrays, config = load_weights(path)
    try:
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
