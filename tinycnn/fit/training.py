"""Training a classifier: forward, loss, backward, step (Eq. 6 and 7)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.data import DataLoader
from tinycnn.functional import cross_entropy
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import no_grad
from tinycnn.nn import Module
from tinycnn.optim import Optimizer, Schedule
from tinycnn.tensor import Tensor

from .loop import DivergedError, Run

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Totals:
    """Sums over the batches of an epoch so far; arrays of the backend, so that no batch waits for them."""

    loss: Any = 0.0
    right: Any = 0
    images: int = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count one batch in; `loss` is its mean."""
        N = len(labels)
        self.loss = self.loss + loss.data * N
        self.right = self.right + (logits.data.argmax(axis=1) == labels.data).sum()
        self.images += N

    def means(self) -> tuple[float, float]:
        """Return mean loss and accuracy (a fraction)."""
        images = max(self.images, 1)
        loss, right = _backend.numbers(self.loss, self.right)
        return loss / images, right / images


@dataclass
class Training(Run):
    """A training run of a classifier: what is trained on what, and how far it is.

    Attributes
    ----------
    epoch, batch, stop
        See `Run`.
    history
        One record a complete epoch: epoch (from 1), lr, loss, accuracy, seconds, and with validation data
        val_loss and val_accuracy. Accuracies are fractions.
    lr
        The learning rate of the last step.
    """

    model: Module
    train: DataLoader
    optimizer: Optimizer
    epochs: int
    validation: DataLoader | None = None
    schedule: Schedule | None = None
    loss: Loss = cross_entropy
    epoch: int = 0
    batch: int = 0
    totals: Totals = field(default_factory=Totals)
    history: list[dict[str, float]] = field(default_factory=list)
    stop: str = ""
    lr: float = 0.0

    def begin_epoch(self) -> None:
        """Switch the model to training."""
        self.model.train()

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Learn from one batch."""
        self.lr = self.optimizer.lr
        logits = self.model(images)
        loss = self.loss(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.schedule is not None and self.schedule.per_batch:
            self.schedule.step()
        self.totals.add(loss, logits, labels)

    def check(self) -> None:
        """Raise `DivergedError` where the mean loss of the epoch so far is not finite."""
        loss, _ = self.totals.means()
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss became {loss} in epoch {self.epoch + 1}, by batch {self.batch}: try a lower "
                f"learning rate than {self.optimizer.lr:g}; tinycnn.detect_anomaly() names the operation"
            )

    def end_epoch(self) -> dict[str, float]:
        """Return lr, loss and accuracy, on the validation data too."""
        loss, accuracy = self.totals.means()
        record = {"lr": self.lr, "loss": loss, "accuracy": accuracy}
        if self.validation is not None:
            result = evaluate(self.model, self.validation, self.loss)
            record |= {"val_loss": result.loss, "val_accuracy": result.accuracy}
        self.totals = Totals()
        if self.schedule is not None and not self.schedule.per_batch:
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

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return weights, optimizer, schedule and totals."""
        arrays = {f"model.{name}": t.data for name, t in self.model.state_dict().items()}
        slots, numbers = optimizer_state(self.optimizer)
        arrays |= {f"optimizer.{name}": array for name, array in slots.items()}
        loss, right = _backend.numbers(self.totals.loss, self.totals.right)
        return arrays, {
            "totals": {"loss": loss, "right": int(right), "images": self.totals.images},
            "optimizer": numbers,
            "schedule": self.schedule.state_dict() if self.schedule else None,
        }

    def load_state(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Continue from `state`; raise ValueError where it is one of another model, optimizer or schedule."""
        if (numbers["schedule"] is None) != (self.schedule is None):
            raise ValueError(f"it is of a run {'without' if self.schedule else 'with'} a schedule")
        self.model.load_state_dict(part(arrays, "model"))
        self.optimizer.load_state_dict(part(arrays, "optimizer") | numbers["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(numbers["schedule"])
        self.totals = Totals(**numbers["totals"])


def optimizer_state(optimizer: Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of an optimizer's state, and the rest of it."""
    state = optimizer.state_dict()
    arrays = {key: value for key, value in state.items() if hasattr(value, "shape")}
    return arrays, {key: value for key, value in state.items() if key not in arrays}


def part(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the arrays whose names begin with `prefix` and a dot, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a data set.

    Attributes
    ----------
    loss, accuracy
        Mean loss, and share of right answers, 0 to 1.
    labels, logits
        (N,) and (N, K), NumPy.
    """

    loss: float
    accuracy: float
    labels: np.ndarray
    logits: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """The class with the largest logit, (N,)."""
        return self.logits.argmax(axis=1)

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of the logits, (N, K)."""
        e = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


@no_grad()
def evaluate(model: Module, loader: DataLoader, loss: Loss = cross_entropy) -> Evaluation:
    """Run `model`, in evaluation mode, over the data; the mode it was in comes back."""
    was_training = model.training
    model.eval()
    totals = Totals()
    all_logits, all_labels = [], []
    try:
        for images, labels in loader.batches(0):
            logits = model(images)
            totals.add(loss(logits, labels), logits, labels)
            all_logits.append(logits.data)
            all_labels.append(labels.data)
    finally:
        model.train(was_training)
    mean_loss, accuracy = totals.means()
    return Evaluation(mean_loss, accuracy, _together(all_labels), _together(all_logits))


def _together(arrays: list[Array]) -> np.ndarray:
    """Return the batches as one array of NumPy; from a GPU it comes as a whole, once all are computed."""
    return _backend.to_backend(array_module(arrays[0]).concatenate(arrays), "numpy")
