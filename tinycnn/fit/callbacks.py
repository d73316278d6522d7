"""What happens around training: progress, early stopping. Checkpoints are in checkpoint.py."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .loop import Run


class Callback:
    """Called by `fit` at every turn; a subclass overrides what it needs."""

    def on_fit_begin(self, training: Run) -> None:
        """Before the first batch."""

    def on_epoch_begin(self, training: Run) -> None:
        """Before an epoch, or the rest of one."""

    def on_batch_end(self, training: Run) -> None:
        """After every batch."""

    def on_epoch_end(self, training: Run) -> None:
        """After a complete epoch and its record in the history."""

    def on_fit_end(self, training: Run) -> None:
        """At the end, also after an error."""


class ProgressBar(Callback):
    """A bar an epoch: losses so far, images a second, time left; quiet where stderr is no terminal.

    Parameters
    ----------
    every
        Batches between two looks at the losses: on a GPU every look waits for it.
    """

    def __init__(self, every: int = 10) -> None:
        self.every = every
        self._bar: Any = None

    def on_epoch_begin(self, training: Run) -> None:
        """Open the bar."""
        from tqdm import tqdm

        images = len(training.train) * training.train.batch_size
        if not training.train.drop_last:
            images = len(training.train.dataset)
        self._bar = tqdm(
            total=images,
            initial=min(training.batch * training.train.batch_size, images),
            desc=f"epoch {training.epoch + 1}/{training.epochs}",
            unit=" images",
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def on_batch_end(self, training: Run) -> None:
        """Move the bar on."""
        done = min(training.batch * training.train.batch_size, self._bar.total)
        self._bar.update(done - self._bar.n)
        if training.batch % self.every == 0 and not self._bar.disable:
            self._bar.set_postfix_str(training.status(), refresh=False)

    def on_epoch_end(self, training: Run) -> None:
        """Close the bar."""
        self._bar.close()

    def on_fit_end(self, training: Run) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class EpochReport(Callback):
    """One line for every epoch.

    Parameters
    ----------
    write
        Takes the line.
    """

    def __init__(self, write: Any = print) -> None:
        self.write = write

    def on_epoch_end(self, training: Run) -> None:
        """Write the last record."""
        seconds = training.history[-1]["seconds"]
        self.write(f"epoch {training.epoch}/{training.epochs}  {training.report()}  ({seconds:.1f} s)")


class EarlyStopping(Callback):
    """Stop when a value of the history has not improved for some epochs.

    It looks at the history alone, so it decides the same in a run that was continued.

    Parameters
    ----------
    monitor
        A key of the records; "accuracy" in it means larger is better, else smaller.
    patience
        Epochs without improvement after which to stop.
    min_delta
        What counts as improvement.
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 3, min_delta: float = 0.0) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, got {patience}")
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta

    def on_fit_begin(self, training: Run) -> None:
        """Check that there will be something to monitor, and whether a continued run is over already."""
        if self.monitor.startswith("val_") and getattr(training, "validation", None) is None:
            raise ValueError(f"early stopping monitors {self.monitor!r}, but there is no validation data")
        self._judge(training)

    def on_epoch_end(self, training: Run) -> None:
        """Stop the run where the best value is `patience` epochs old."""
        self._judge(training)

    def _judge(self, training: Run) -> None:
        sign = 1 if "accuracy" in self.monitor else -1
        best, best_epoch = -float("inf"), 0
        for epoch, record in enumerate(training.history, start=1):
            if self.monitor not in record:
                raise ValueError(f"the history has no {self.monitor!r}; it has {', '.join(record)}")
            if sign * record[self.monitor] > best + self.min_delta:
                best, best_epoch = sign * record[self.monitor], epoch
        if len(training.history) - best_epoch >= self.patience:
            training.stop = f"{self.monitor} has not improved for {self.patience} epochs"
