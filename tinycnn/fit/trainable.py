"""What can be trained: a class that says what a step is, and what an epoch reports."""

from abc import ABC, abstractmethod
from typing import Any

from tinycnn.data import DataLoader
from tinycnn.nn import Module
from tinycnn.schema import Kind
from tinycnn.tensor import Tensor


class DivergedError(ArithmeticError):
    """The loss became NaN or infinite."""


class Trainable(ABC):
    """What `fit` trains. A subclass says what a step is, what an epoch reports and what is saved."""

    train: DataLoader  #: the batches of every epoch
    epochs: int  #: how many to run
    epoch: int  #: how many are complete
    batch: int  #: how many batches of the next one are done
    history: list[dict[str, float]]  #: a record per epoch: epoch (from 1), what `end_epoch` returned, seconds
    stop: str  #: why to stop after this batch; empty while training goes on. Callbacks may set it
    #: The weights of the best epoch so far, if a callback keeps them. They are in its checkpoints, too.
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
