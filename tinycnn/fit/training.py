"""The training loop: epochs of mini-batches, forward, loss, backward, step (Eq. 6 and 7)."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.data import DataLoader
from tinycnn.functional import cross_entropy
from tinycnn.modes import no_grad
from tinycnn.nn import Module
from tinycnn.optim import Optimizer, Schedule
from tinycnn.tensor import Tensor

from .callbacks import Callback
from .signals import stop_on_signals

Loss = Callable[[Tensor, Tensor], Tensor]

MODEL_RANDOM = 2  # what random numbers are for; the loader's are 0 and 1
CHECK_EVERY = 50  # batches between looks at the loss: on a GPU every look waits for it


class DivergedError(ArithmeticError):
    """The loss became NaN or infinite."""


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
        return float(self.loss) / images, float(self.right) / images


@dataclass
class Training:
    """A training run: what is trained on what, and how far it is.

    Attributes
    ----------
    epoch, batch
        How many epochs are complete, and how many batches of the one after that.
    history
        One record a complete epoch: epoch (from 1), lr, loss, accuracy, seconds, and with validation data
        val_loss and val_accuracy. Accuracies are fractions.
    stop
        Why the run shall end after this batch; empty while it goes on. Callbacks may set it.
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


def fit(training: Training, callbacks: Sequence[Callback] = ()) -> list[dict[str, float]]:
    """Train to the last epoch and return the history.

    Every batch's random numbers (order, augmentation, dropout) are seeded by (the loader's seed, epoch,
    batch), so a run that is continued from any batch gives the same weights bit for bit as one that never
    stopped. Ctrl-C, or SIGTERM, ends the run after the batch at hand, with ``training.stop`` set.

    Parameters
    ----------
    training
        The run; it is changed as it goes on. Its ``epoch`` and ``batch`` say where to begin.
    callbacks
        Called in this order at every turn.

    Raises
    ------
    DivergedError
        Where the loss becomes NaN or infinite; the weights are worthless then.
    ValueError
        For less than one epoch.
    """
    if training.epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {training.epochs}")
    with stop_on_signals(training):
        _tell(callbacks, "on_fit_begin", training)
        try:
            while training.epoch < training.epochs and not training.stop:
                _epoch(training, callbacks)
        finally:
            _tell(callbacks, "on_fit_end", training)
    return training.history


def _epoch(training: Training, callbacks: Sequence[Callback]) -> None:
    """Run the rest of the epoch at hand; return early, in the middle of it, if the run shall stop."""
    started = time.perf_counter()
    training.model.train()
    _tell(callbacks, "on_epoch_begin", training)
    for images, labels in training.train.batches(training.epoch, training.batch):
        lr = training.optimizer.lr
        _step(training, images, labels)
        training.batch += 1
        if training.batch % CHECK_EVERY == 0:
            _check_finite(training)
        _tell(callbacks, "on_batch_end", training)
        if training.stop and training.batch < len(training.train):
            return
    _check_finite(training)
    loss, accuracy = training.totals.means()
    record = {"epoch": training.epoch + 1, "lr": lr, "loss": loss, "accuracy": accuracy}
    if training.validation is not None:
        result = evaluate(training.model, training.validation, training.loss)
        record |= {"val_loss": result.loss, "val_accuracy": result.accuracy}
    record["seconds"] = time.perf_counter() - started
    training.history.append(record)
    training.epoch, training.batch, training.totals = training.epoch + 1, 0, Totals()
    if training.schedule is not None and not training.schedule.per_batch:
        training.schedule.step()
    _tell(callbacks, "on_epoch_end", training)


def _step(training: Training, images: Tensor, labels: Tensor) -> None:
    _backend.manual_seed((MODEL_RANDOM, training.epoch, training.batch, training.train.seed))
    logits = training.model(images)
    loss = training.loss(logits, labels)
    training.optimizer.zero_grad()
    loss.backward()
    training.optimizer.step()
    if training.schedule is not None and training.schedule.per_batch:
        training.schedule.step()
    training.totals.add(loss, logits, labels)


def _check_finite(training: Training) -> None:
    loss, _ = training.totals.means()
    if not math.isfinite(loss):
        raise DivergedError(
            f"the loss became {loss} in epoch {training.epoch + 1}, by batch {training.batch}: try a lower "
            f"learning rate than {training.optimizer.lr:g}; tinycnn.detect_anomaly() names the operation"
        )


def _tell(callbacks: Iterable[Callback], what: str, training: Training) -> None:
    for callback in callbacks:
        getattr(callback, what)(training)


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
            all_logits.append(logits)
            all_labels.append(labels.numpy())
    finally:
        model.train(was_training)
    mean_loss, accuracy = totals.means()
    logits_array = np.concatenate([logits.numpy() for logits in all_logits])
    return Evaluation(mean_loss, accuracy, np.concatenate(all_labels), logits_array)
