"""The training loop: epochs of mini-batches, with calls of callbacks in between."""

import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from tinycnn import backend as _backend
from tinycnn.data import DataLoader
from tinycnn.kernels.geometry import at_least
from tinycnn.nn import Module
from tinycnn.schema import Kind
from tinycnn.tensor import Tensor

if TYPE_CHECKING:
    from .callbacks import Callback

# Random streams are seeded with (purpose, epoch, batch, seed); the loader's purposes are 0 and 1.
STEP_RANDOM = 2
# Ctrl-C, `kill`, and a terminal that is closed (which Windows does not have).
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
CHECK_EVERY = 50  # batches between two checks of the loss: each check waits for the GPU's work


class DivergedError(ArithmeticError):
    """The loss became NaN or infinite."""


class Trainable(ABC):
    """What `fit` trains. A subclass says what a step is, what an epoch reports and what is saved.

    Attributes
    ----------
    train
        The batches of every epoch.
    epochs
        How many to run.
    epoch, batch
        How many epochs are complete, and how many batches of the one after that.
    history
        One record per complete epoch: epoch (from 1), what `end_epoch` returned, seconds.
    stop
        Why to stop after this batch; empty while training goes on. Callbacks may set it.
    best
        The weights of the best epoch so far, as `weights_of` names them, if a callback keeps them. They are
        in its checkpoints, too.
    """

    train: DataLoader
    epochs: int
    epoch: int
    batch: int
    history: list[dict[str, float]]
    stop: str
    best: dict[str, Any] | None = None

    @property
    def interrupted(self) -> bool:
        """Whether a signal (Ctrl-C, a closed terminal) stopped the training."""
        return self.stop.startswith("interrupted")

    @abstractmethod
    def begin_epoch(self) -> None:
        """Prepare for an epoch, or for the rest of one after a resume."""

    @abstractmethod
    def step(self, images: Tensor, labels: Tensor) -> None:
        """Learn from one batch."""

    @abstractmethod
    def check(self) -> None:
        """Raise `DivergedError` if the numbers of the epoch so far are not finite."""

    @abstractmethod
    def end_epoch(self) -> dict[str, float]:
        """Return the record of the epoch that ended, and start new sums."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Return the names of the numbers in a record, without epoch and seconds."""

    @abstractmethod
    def status(self) -> str:
        """Return the epoch so far in a few words, for the progress bar."""

    @abstractmethod
    def report(self) -> str:
        """Return the last record of the history as a line."""

    @abstractmethod
    def networks(self) -> dict[str, Module]:
        """Return the networks whose weights are saved, by the name they have in a checkpoint."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return everything that the next steps depend on: arrays by name, and numbers that JSON can hold."""

    @abstractmethod
    def state_kind(self) -> dict[str, Kind]:
        """Return which fields the numbers of `state` must have."""

    @abstractmethod
    def load_state(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Continue from `state`, to which epoch and batch are added; raise ValueError if it does not fit."""


def fit(training: Trainable, callbacks: "Sequence[Callback]" = ()) -> list[dict[str, float]]:
    """Train to the last epoch and return the history.

    Every batch's random numbers (order, augmentation, dropout, z of a generator) are seeded by (the loader's
    seed, epoch, batch). So a training that is continued from any batch gives the same weights, bit for bit,
    as one that never stopped. Ctrl-C, SIGTERM or a closed terminal ends it after the current batch, with
    ``training.stop`` set.

    Parameters
    ----------
    training
        It is changed in place. Its ``epoch`` and ``batch`` say where to begin.
    callbacks
        At each of the moments that `Callback` lists, they are called in this order.

    Raises
    ------
    DivergedError
        If the loss becomes NaN or infinite; the weights are worthless then.
    ValueError
        For less than one epoch.
    """
    at_least(1, epochs=training.epochs)
    with stop_on_signals(training):
        _tell(callbacks, "on_fit_begin", training)
        try:
            while training.epoch < training.epochs and not training.stop:
                _epoch(training, callbacks)
        finally:
            _tell(callbacks, "on_fit_end", training)
    return training.history


@contextmanager
def stop_on_signals(training: Trainable) -> Iterator[None]:
    """Let the signals that end a program set ``training.stop``; a second one ends it at once, as usual.

    A signal that the program ignores (SIGHUP under ``nohup``) stays ignored. Outside the main thread, where
    Python takes no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {s: signal.getsignal(s) for s in STOPPING}
    before = {s: handler for s, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}

    def stop(number: int, frame: FrameType | None) -> None:
        training.stop = f"interrupted by {signal.Signals(number).name}"
        for s, handler in before.items():
            signal.signal(s, handler)

    for s in before:
        signal.signal(s, stop)
    try:
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def _epoch(training: Trainable, callbacks: "Sequence[Callback]") -> None:
    """Run the rest of the current epoch; return before its end if the training is to stop."""
    started = time.perf_counter()
    training.begin_epoch()
    _tell(callbacks, "on_epoch_begin", training)
    for images, labels in training.train.batches(training.epoch, training.batch):
        _backend.manual_seed((STEP_RANDOM, training.epoch, training.batch, training.train.seed))
        training.step(images, labels)
        training.batch += 1
        if training.batch % CHECK_EVERY == 0:
            training.check()
        _tell(callbacks, "on_batch_end", training)
        if training.stop and training.batch < len(training.train):
            return
    training.check()
    record = {"epoch": training.epoch + 1, **training.end_epoch()}
    record["seconds"] = time.perf_counter() - started
    training.history.append(record)
    training.epoch, training.batch = training.epoch + 1, 0
    _tell(callbacks, "on_epoch_end", training)


def _tell(callbacks: "Iterable[Callback]", what: str, training: Trainable) -> None:
    for callback in callbacks:
        getattr(callback, what)(training)
