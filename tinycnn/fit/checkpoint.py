"""Checkpoints: everything a training needs to go on, in one safetensors file."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinycnn import backend as _backend
from tinycnn.dispatch import COMPILED_FROM, kernels_for
from tinycnn.schema import AnyNumber, Fields, Flag, Integer, ListOf, Text, parse_json, plain
from tinycnn.storage import MOST_CONFIG, FileError, load_arrays, save_arrays

from .callbacks import Callback
from .state import check_finite, part, weights_of
from .trainable import Trainable

VERSION = "1"
BEST = "best"  # begins the names of the weights of the best epoch
MOST_STATE = 1 << 26  # characters of the numbers of a state
LARGE = 32 << 20  # bytes: checkpoints of this size are written by a thread, and not after every epoch
SPACING = 10  # large checkpoints begin at least this many times their writing time apart


class Contents(NamedTuple):
    """What is in a checkpoint: arrays, the numbers of the state, and what the run was made from."""

    arrays: dict[str, np.ndarray]
    state: dict[str, Any]
    config: dict[str, Any]


def save_checkpoint(
    path: str | Path, training: Trainable, config: Mapping[str, Any], *, begun: bool = True, new: bool = False
) -> None:
    """Write weights, optimizers, schedule, seed, epoch, batch and history, atomically.

    The random state is the seed with epoch and batch: see `fit`.

    Parameters
    ----------
    config
        What the run was made from; anything that JSON can hold. On loading it is compared.
    begun
        False if nothing was learned yet: no arrays are written, as `config` says how to make the start again.
    new
        Raise FileExistsError if there is such a file already.

    Raises
    ------
    FileExistsError, OSError
        See `tinycnn.storage.write_atomically`.
    """
    save_arrays(path, *_contents(training, config, begun), new)


def _contents(
    training: Trainable, config: Mapping[str, Any], begun: bool = True
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the arrays and the texts of a checkpoint."""
    arrays, numbers = training.state()
    arrays |= {f"{BEST}.{name}": array for name, array in (training.best or {}).items()}
    state = {
        "epoch": training.epoch,
        "batch": training.batch,
        "seed": training.train.seed,
        "begun": begun,
        "arithmetic": arithmetic(),
        "history": training.history,
        **numbers,
    }
    texts = {"tinycnn": VERSION, "config": json.dumps(dict(config)), "training": json.dumps(state)}
    return {key: _backend.to_backend(a, "numpy") for key, a in arrays.items() if begun}, texts


def read_checkpoint(path: str | Path) -> Contents:
    """Return what is in a checkpoint, without a check of whether it fits some training.

    Raises FileNotFoundError or ValueError if there is none, or it is no whole checkpoint.
    """
    arrays, metadata = load_arrays(path)
    if "training" not in metadata or "config" not in metadata:
        raise FileError(f"{path} holds weights, but it is no checkpoint of a training run")
    try:
        state = parse_json(metadata["training"], MOST_STATE)
        config = parse_json(metadata["config"], MOST_CONFIG)
        if not isinstance(state, dict) or not isinstance(config, dict):
            raise ValueError("no JSON objects")  # noqa: TRY004 (of a file)
    except ValueError as error:
        raise FileError(f"{path} is no whole checkpoint of a training run: {error}") from error
    return Contents(arrays, state, config)


def load_checkpoint(path: str | Path, training: Trainable) -> list[str]:
    """Continue `training`, which was newly made, from a checkpoint.

    Return why the last bits of the result may differ from those of a training that never stopped: it was
    begun on another backend or with other kernels. Empty if it will be the same.

    Raises FileNotFoundError or ValueError if there is none, it is no whole checkpoint, or it is of another
    model, optimizer, schedule or seed.
    """
    return restore(path, read_checkpoint(path), training)


def restore(path: str | Path, contents: Contents, training: Trainable) -> list[str]:
    """Do the same as `load_checkpoint` for a checkpoint that is read already; `path` is for messages."""
    arrays, state, _ = contents
    try:
        state = _checked(state, training)
        if state.get("begun", True):
            training.load_state(arrays, state)
            training.best = _best(part(arrays, BEST), training)
            known = {*training.networks(), *training.state_kind(), BEST}
            others = [plain(name) for name in arrays if name.partition(".")[0] not in known]
            if others:
                raise ValueError(f"{len(others):,} arrays belong to nothing in it, the first is {others[0]}")
        elif state["epoch"] or state["batch"] or arrays:
            raise ValueError("it says that nothing was trained yet, and holds more than that")
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise FileError(f"{path} does not fit this run: {plain(error, 2000)}") from error
    training.epoch, training.batch = state["epoch"], state["batch"]
    training.history = state["history"]
    before, now = state.get("arithmetic", arithmetic()), arithmetic()
    return [
        f"the run began with the {name} {plain(before.get(name))} and goes on with {now[name]}: the last "
        "bits of its weights will differ from those of a run that never stopped"
        for name in now
        if before.get(name) != now[name]
    ]


def _checked(state: dict[str, Any], training: Trainable) -> dict[str, Any]:
    """Return the state; raise ValueError if it does not fit the training."""
    record = {"epoch": Integer(1), **dict.fromkeys((*training.names(), "seconds"), AnyNumber())}
    kinds = {
        "epoch": Integer(0, training.epochs),
        "batch": Integer(0, len(training.train)),
        "seed": Integer(0, 1 << 128),
        "history": ListOf(Fields(record, others=AnyNumber())),
        **training.state_kind(),
    }
    optional = {"begun": Flag(), "arithmetic": Fields({}, {"backend": Text(100), "kernels": Text(100)})}
    state = Fields(kinds, optional).check(state)
    if state["seed"] != training.train.seed:
        raise ValueError(f"it is of a run with seed {state['seed']}, not {training.train.seed}")
    if [r["epoch"] for r in state["history"]] != list(range(1, state["epoch"] + 1)):
        raise ValueError(f"its history is not that of {state['epoch']} epochs")
    if state["epoch"] == training.epochs and state["batch"]:
        raise ValueError(f"batch {state['batch']} of epoch {state['epoch'] + 1}: there are {training.epochs}")
    return state


def _best(arrays: dict[str, np.ndarray], training: Trainable) -> dict[str, Any] | None:
    """Return the weights of the best epoch, None if there are none; raise ValueError if they do not fit."""
    if not arrays:
        return None
    fit = {name: (a.shape, a.dtype) for name, a in weights_of(training.networks()).items()}
    if fit != {name: (a.shape, a.dtype) for name, a in arrays.items()}:
        raise ValueError("the weights of its best epoch are not those of the run's networks")
    check_finite(arrays)
    return arrays


def arithmetic() -> dict[str, str]:
    """Return what the last bits of a result depend on, apart from the machine: backend and kernels."""
    large = _backend.library(_backend.current()).empty(COMPILED_FROM, np.float32)
    return {"backend": _backend.current(), "kernels": kernels_for(large).name}


class Checkpoint(Callback):
    """Write a checkpoint at the start, after every epoch, and whenever the training is stopped in between.

    A large one (32 MiB and more) is copied in memory, and a thread writes it while training goes on, so often
    that writing takes at most a tenth of the time. At the end it is always written. If the process is killed,
    a few of its last epochs may be lost. A training resumed from any checkpoint ends with the same bits.

    Parameters
    ----------
    path
        The file.
    config
        See `save_checkpoint`.
    begin
        Whether to write at the start, so that a training killed in its first epoch can go on too.
    clock
        Returns seconds.
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, Any],
        begin: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.config, self.begin, self.clock = Path(path), config, begin, clock
        self._writer: _Writer | None = None
        self._began, self._took = 0.0, 0.0  # when the last write began, and how long the last large one took
        self._saved = (-1, -1)  # epoch and batch of the last write

    def on_fit_begin(self, training: Trainable) -> None:
        self._began = self.clock()
        if self.begin:
            self._save(training)

    def on_batch_end(self, training: Trainable) -> None:
        if training.stop:
            training.check()  # if the loss is not finite, the last checkpoint is kept
            self._save(training)

    def _save(self, training: Trainable) -> None:
        """Write a checkpoint now, and wait until it is written."""
        self._finish()
        save_checkpoint(self.path, training, self.config)
        self._saved = training.epoch, training.batch

    def on_epoch_end(self, training: Trainable) -> None:
        kept = [*training.state()[0].values(), *(training.best or {}).values()]
        size = sum(array.nbytes for array in kept)
        if size < LARGE or training.stop or training.epoch == training.epochs:
            self._save(training)
        elif self._is_time():
            self._began, self._saved = self.clock(), (training.epoch, training.batch)
            arrays, texts = _contents(training, self.config)
            copies = {name: array.copy() for name, array in arrays.items()}
            self._writer = _Writer(self.path, partial(save_arrays, self.path, copies, texts), self.clock)

    def _is_time(self) -> bool:
        """Return whether the last large checkpoint is written, and long enough ago."""
        if self._writer is not None and self._writer.is_alive():
            return False
        self._finish()
        return self.clock() - self._began >= SPACING * self._took

    def _finish(self) -> None:
        """Wait for the thread that writes; raise what went wrong there."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.join()
            self._took = writer.ended - self._began
            if writer.error is not None:
                raise writer.error

    def on_fit_end(self, training: Trainable) -> None:
        self._finish()
        if training.stop and self._saved != (training.epoch, training.batch):
            training.check()
            self._save(training)


class _Writer(threading.Thread):
    """Writes a checkpoint while training goes on."""

    def __init__(self, path: Path, write: Callable[[], None], clock: Callable[[], float]) -> None:
        super().__init__(name=f"writes {path.name}")
        self.write, self.clock = write, clock
        self.error: OSError | None = None
        self.ended = 0.0
        self.start()

    def run(self) -> None:
        """Write the file; keep an error for the thread that waits."""
        try:
            self.write()
        except OSError as error:
            self.error = error
        self.ended = self.clock()
