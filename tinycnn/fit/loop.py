"""The loop of every training: epochs of mini-batches, with callbacks at every turn."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tinycnn import backend as _backend
from tinycnn.data import DataLoader
from tinycnn.tensor import Tensor

from .signals import stop_on_signals

if TYPE_CHECKING:
    from .callbacks import Callback

STEP_RANDOM = 2  # what random numbers are for; the loader's are 0 and 1
CHECK_EVERY = 50  # batches between looks at the loss: on a GPU every look waits for it


class DivergedError(ArithmeticError):
    """The loss became NaN or infinite."""


class Run(ABC):
    """What `fit` runs: how far it is, what a step and an epoch's end are, and what to save of it.

    Attributes
    ----------
    train
        The batches of every epoch.
    epochs
        How many to run.
    epoch, batch
        How many epochs are complete, and how many batches of the one after that.
    history
        One record a complete epoch: epoch (from 1), what `end_epoch` returned, seconds.
    stop
        Why the run shall end after this batch; empty while it goes on. Callbacks may set it.
    """

    train: DataLoader
    epochs: int
    epoch: int
    batch: int
    history: list[dict[str, float]]
    stop: str

    @abstractmethod
    def begin_epoch(self) -> None:
        """Get ready for an epoch, or the rest of one."""

    @abstractmethod
    def step(self, images: Tensor, labels: Tensor) -> None:
        """Learn from one batch."""

    @abstractmethod
    def check(self) -> None:
        """Raise `DivergedError` where the numbers of the epoch so far are not finite."""

    @abstractmethod
    def end_epoch(self) -> dict[str, float]:
        """Return the epoch's record, and begin its sums anew."""

    @abstractmethod
    def status(self) -> str:
        """Return the epoch so far in a few words, for the progress bar."""

    @abstractmethod
    def report(self) -> str:
        """Return the last record of the history as a line."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all that the next steps depend on: arrays by name, and what JSON can hold."""

    @abstractmethod
    def load_state(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Continue from `state`; raise ValueError where it is one of another run, then nothing changed."""


def fit(run: Run, callbacks: "Sequence[Callback]" = ()) -> list[dict[str, float]]:
    """Train to the last epoch and return the history.

    Every batch's random numbers (order, augmentation, dropout, z of a generator) are seeded by (the loader's
    seed, epoch, batch), so a run that is continued from any batch gives the same weights bit for bit as one
    that never stopped. Ctrl-C, or SIGTERM, ends the run after the batch at hand, with ``run.stop`` set.

    Parameters
    ----------
    run
        It is changed as it goes on. Its ``epoch`` and ``batch`` say where to begin.
    callbacks
        Called in this order at every turn.

    Raises
    ------
    DivergedError
        Where the loss becomes NaN or infinite; the weights are worthless then.
    ValueError
        For less than one epoch.
    """
    if run.epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {run.epochs}")
    with stop_on_signals(run):
        _tell(callbacks, "on_fit_begin", run)
        try:
            while run.epoch < run.epochs and not run.stop:
                _epoch(run, callbacks)
        finally:
            _tell(callbacks, "on_fit_end", run)
    return run.history


def _epoch(run: Run, callbacks: "Sequence[Callback]") -> None:
    """Run the rest of the epoch at hand; return early, in the middle of it, if the run shall stop."""
    started = time.perf_counter()
    run.begin_epoch()
    _tell(callbacks, "on_epoch_begin", run)
    for images, labels in run.train.batches(run.epoch, run.batch):
        _backend.manual_seed((STEP_RANDOM, run.epoch, run.batch, run.train.seed))
        run.step(images, labels)
        run.batch += 1
        if run.batch % CHECK_EVERY == 0:
            run.check()
        _tell(callbacks, "on_batch_end", run)
        if run.stop and run.batch < len(run.train):
            return
    run.check()
    record = {"epoch": run.epoch + 1, **run.end_epoch()}
    record["seconds"] = time.perf_counter() - started
    run.history.append(record)
    run.epoch, run.batch = run.epoch + 1, 0
    _tell(callbacks, "on_epoch_end", run)


def _tell(callbacks: "Iterable[Callback]", what: str, run: Run) -> None:
    for callback in callbacks:
        getattr(callback, what)(run)
