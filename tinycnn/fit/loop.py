"""The training loop: epochs of mini-batches, with calls of callbacks in between."""

import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from tinycnn import backend as _backend
from tinycnn.kernels.geometry import at_least

from .trainable import Trainable

if TYPE_CHECKING:
    from .callbacks import Callback

# Random streams are seeded with (purpose, epoch, batch, seed); the loader's purposes are 0 and 1.
STEP_RANDOM = 2
# Ctrl-C, `kill`, and a terminal that is closed (which Windows does not have).
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
IGNORED = signal.SIG_IGN, None
CHECK_EVERY = 50  # batches between two checks of the loss: each check waits for the GPU's work


def fit(training: Trainable, callbacks: "Sequence[Callback]" = ()) -> list[dict[str, float]]:
    """Train to the last epoch and return the history.

    Every batch's random numbers are seeded by (the loader's seed, epoch, batch). So a training that continues
    from any batch gives the same weights, bit for bit, as one that never stopped. Ctrl-C, SIGTERM or a closed
    terminal ends it after the current batch, with ``training.stop`` set.

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
    TypeError, ValueError
        If ``training.epochs`` is no integer, or less than 1.
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
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {s: handler for s in STOPPING if (handler := signal.getsignal(s)) not in IGNORED}

    def give_back() -> None:
        for s, handler in before.items():
            signal.signal(s, handler)

    def stop(number: int, frame: FrameType | None) -> None:
        training.stop = f"interrupted by {signal.Signals(number).name}"
        give_back()

    for s in before:
        signal.signal(s, stop)
    try:
        yield
    finally:
        give_back()


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
