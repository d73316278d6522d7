"""Training a classifier: forward, loss, backward, step (Eq. 6 and 7)."""

import math
from dataclasses import dataclass, field
from typing import Any

from tinycnn import backend as _backend
from tinycnn.data import DataLoader
from tinycnn.functional import cross_entropy
from tinycnn.nn import Module
from tinycnn.optim import Optimizer, ReduceLROnPlateau, Schedule
from tinycnn.schema import Kind
from tinycnn.tensor import Tensor

from .evaluation import Loss, evaluate
from .state import OPTIMIZER, TOTALS, AnySchedule, kind_of_schedule, load_training, training_state
from .trainable import DivergedError, Trainable


@dataclass
class Totals:
    """Sums over the batches so far. They are arrays of the backend, so that no batch waits for a GPU."""

    loss: Any = 0.0
    right: Any = 0
    images: int = 0
    labels: int = 0  # more than images, if each pixel has one

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add one batch; `loss` is its mean loss."""
        N = len(labels)
        self.loss = self.loss + loss.data * N
        self.right = self.right + (logits.data.argmax(axis=1) == labels.data).sum()
        self.images += N
        self.labels += labels.numel()

    def means(self) -> tuple[float, float]:
        """Return mean loss and accuracy (a fraction)."""
        loss, right = _backend.numbers(self.loss, self.right)
        return loss / max(self.images, 1), right / max(self.labels, 1)


@dataclass
class Training(Trainable):
    """The training of a classifier: model, data, optimizer, and how far it is.

    Attributes
    ----------
    epoch, batch, stop
        See `Trainable`.
    history
        One record per complete epoch: epoch (from 1), lr, loss, accuracy, seconds, and with validation data
        val_loss and val_accuracy. Accuracies are fractions.
    lr
        The learning rate of the last step.

    Raises
    ------
    ValueError
        If the optimizer changes parameters that are not the model's.
    """

    model: Module
    train: DataLoader
    optimizer: Optimizer
    epochs: int
    validation: DataLoader | None = None
    schedule: AnySchedule | None = None
    loss: Loss = cross_entropy
    epoch: int = 0
    batch: int = 0
    totals: Totals = field(default_factory=Totals)
    history: list[dict[str, float]] = field(default_factory=list)
    stop: str = ""
    lr: float = 0.0

    def __post_init__(self) -> None:
        trained = [self.model, *([self.loss] if isinstance(self.loss, Module) else [])]
        self.optimizer.check_belongs_to(*trained)

    def begin_epoch(self) -> None:
        """Switch a model in evaluation mode to training; one in training stays as it is, with all inside."""
        if not self.model.training:
            self.model.train()

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Learn from one batch."""
        self.lr = self.optimizer.lr
        logits = self.model(images)
        loss = self.loss(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if isinstance(self.schedule, Schedule) and self.schedule.per_batch:
            self.schedule.step()
        self.totals.add(loss, logits, labels)

    def check(self) -> None:
        """Raise `DivergedError` if the mean loss of the epoch so far is not finite."""
        loss, _ = self.totals.means()
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss} in epoch {self.epoch + 1}, by batch {self.batch}: try a lower "
                f"learning rate than {self.optimizer.lr:g}; tinycnn.detect_anomaly() names the operation"
            )

    def end_epoch(self) -> dict[str, float]:
        """Return lr, loss and accuracy of the epoch, and those on the validation data."""
        loss, accuracy = self.totals.means()
        record = {"lr": self.lr, "loss": loss, "accuracy": accuracy}
        if self.validation is not None:
            result = evaluate(self.model, self.validation, self.loss)
            record |= {"val_loss": result.loss, "val_accuracy": result.accuracy}
        self.totals = Totals()
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(record.get("val_loss", loss))
        elif self.schedule is not None and not self.schedule.per_batch:
            self.schedule.step()
        return record

    def status(self) -> str:
        """Return loss and accuracy so far."""
        loss, accuracy = self.totals.means()
        return f"loss {loss:.3f}, accuracy {accuracy:.2%}"

    def report(self) -> str:
        """Return the last record as a line."""
        record = self.history[-1]
        line = f"loss {record['loss']:.4f}  accuracy {record['accuracy']:.2%}"
        if "val_loss" in record:
            line += f"  |  held out: loss {record['val_loss']:.4f}  accuracy {record['val_accuracy']:.2%}"
        return line

    def names(self) -> tuple[str, ...]:
        """Return the names of the numbers in a record, without epoch and seconds."""
        held_out = () if self.validation is None else ("val_loss", "val_accuracy")
        return ("lr", "loss", "accuracy", *held_out)

    def networks(self) -> dict[str, Module]:
        """Return the model."""
        return {"model": self.model}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return weights, optimizer, schedule and totals."""
        return training_state(self)

    def state_kind(self) -> dict[str, Kind]:
        """Return which fields the numbers of `state` must have."""
        return {"totals": TOTALS, "optimizer": OPTIMIZER, "schedule": kind_of_schedule(self.schedule)}

    def load_state(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Continue from `state`; raise ValueError if it is one of another model, optimizer or schedule."""
        load_training(self, arrays, numbers)
        self.totals = Totals(**{"labels": numbers["totals"]["images"], **numbers["totals"]})
