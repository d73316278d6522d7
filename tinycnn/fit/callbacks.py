"""Callbacks of `fit`: progress, one line per epoch, early stopping. Checkpoints are in checkpoint.py."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tinycnn.kernels.geometry import at_least
from tinycnn.optim.optimizer import check_range

from .state import copied_weights, load_weights_of

if TYPE_CHECKING:
    from .trainable import Trainable


class Callback:
    """Base of callbacks: `fit` calls these methods, and a subclass overrides those that it needs."""

    def on_fit_begin(self, training: Trainable) -> None:
        """Act before the first batch."""

    def on_epoch_begin(self, training: Trainable) -> None:
        """Act before an epoch, or before the rest of one after a resume."""

    def on_batch_end(self, training: Trainable) -> None:
        """Act after every batch."""

    def on_epoch_end(self, training: Trainable) -> None:
        """Act after a complete epoch, when its record is in the history."""

    def on_fit_end(self, training: Trainable) -> None:
        """Act at the end, also after an error."""


class ProgressBar(Callback):
    """Show one bar per epoch: losses so far, images per second, time left. Only if stderr is a terminal.

    Parameters
    ----------
    every
        How many batches pass before the losses are shown anew: to read them waits for the GPU's work.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self._bar: Any = None

    def on_epoch_begin(self, training: Trainable) -> None:
        if sys.stderr is None or not sys.stderr.isatty():
            return
        from tqdm import tqdm

        loader = training.train
        images = len(loader) * loader.batch_size if loader.drop_last else len(loader.dataset)
        done = min(training.batch * loader.batch_size, images)
        title = f"epoch {training.epoch + 1}/{training.epochs}"
        with suppress(OSError):  # the terminal may be gone: training goes on without a bar
            self._bar = tqdm(total=images, initial=done, desc=title, unit=" images", leave=False)

    def on_batch_end(self, training: Trainable) -> None:
        if self._bar is None:
            return
        done = min(training.batch * training.train.batch_size, self._bar.total)
        with suppress(OSError):
            if training.batch % self.every == 0:
                self._bar.set_postfix_str(training.status(), refresh=False)
            self._bar.update(done - self._bar.n)

    def on_epoch_end(self, training: Trainable) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):
                bar.close()

    on_fit_end = on_epoch_end


class EpochReport(Callback):
    """Write one line per epoch.

    Parameters
    ----------
    write
        A function that takes the line.
    """

    def __init__(self, write: Any = print) -> None:
        self.write = write

    def on_epoch_end(self, training: Trainable) -> None:
        seconds = training.history[-1]["seconds"]
        self.write(f"epoch {training.epoch}/{training.epochs}  {training.report()}  ({seconds:.1f} s)")


class EarlyStopping(Callback):
    """Stop when a value of the history has not improved for some epochs.

    It looks at the history alone, so it decides the same in a training that was continued.

    Parameters
    ----------
    monitor
        A name in the records. If it contains "accuracy", larger is better, else smaller.
    patience, min_delta
        After how many epochs without improvement to stop, and the least difference that counts as one.
    restore_best
        Whether the networks get the weights of the best epoch at the end: after the last of all epochs, or
        after this callback stopped the training. They do not after Ctrl-C, as the training can still go on.
        Until then, the weights are in ``training.best``, and in checkpoints.
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 3, min_delta: float = 0.0, restore_best: bool = False
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a name in the records, got {monitor!r}")
        at_least(1, patience=patience)
        check_range("min_delta", min_delta)
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.restore_best = restore_best
        self.best_epoch = 0  #: the number of the best epoch so far, from 1; 0 if there is none

    def on_fit_begin(self, training: Trainable) -> None:
        """Check that there will be something to monitor, and whether a continued training is over already."""
        if self.monitor.startswith("val_") and getattr(training, "validation", None) is None:
            raise ValueError(f"early stopping monitors {self.monitor!r}, but there is no validation data")
        names = "epoch", *training.names(), "seconds"
        if self.monitor not in names:
            there = ", ".join(names)
            raise ValueError(f"early stopping: the records have no {self.monitor!r}; they have {there}")
        self._judge(training)
        if self.restore_best and self.best_epoch and training.best is None:
            raise ValueError(
                f"restore_best: the weights of epoch {self.best_epoch}, the best so far, were not kept, as "
                "the training began without restore_best: go on without it, or begin anew"
            )

    def on_epoch_end(self, training: Trainable) -> None:
        self._judge(training)

    def on_fit_end(self, training: Trainable) -> None:
        over = training.epoch == training.epochs or self._stalled(training)
        if self.restore_best and over and training.best is not None:
            load_weights_of(training.networks(), training.best)

    def _judge(self, training: Trainable) -> None:
        sign = 1 if "accuracy" in self.monitor else -1
        best, self.best_epoch = -float("inf"), 0
        for epoch, record in enumerate(training.history, start=1):
            if self.monitor not in record:
                raise ValueError(f"the history has no {self.monitor!r}; it has {', '.join(record)}")
            if sign * record[self.monitor] > best + self.min_delta:
                best, self.best_epoch = sign * record[self.monitor], epoch
        if self._stalled(training):
            training.stop = f"{self.monitor} has not improved for {self.patience} epochs"
        # Between two epochs, the networks have the weights of the last one.
        if self.restore_best and training.batch == 0 and 0 < self.best_epoch == training.epoch:
            training.best = copied_weights(training.networks())

    def _stalled(self, training: Trainable) -> bool:
        return len(training.history) - self.best_epoch >= self.patience
