"""The updates of a training step that is recorded as a CUDA graph; see `tinycnn.graphed`.

A replay runs no Python. So the count of steps and the learning rate, which are Python's, would be those of
the recording for ever. While a step is recorded, an update of all parameters therefore reads its numbers from
an array on the GPU. Before each replay `Recording.refresh` writes the current ones into it.

That array must not be allocated during the recording. Memory that the recording allocates may have held
something else earlier in the same step, and every replay writes it there again, over the numbers. So the step
is rehearsed first, and the recording reads the arrays of the rehearsal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tinycnn.kernels import together
from tinycnn.kernels.arrays import Array, array_module

from . import fast
from .optimizer import Group, Optimizer


class CannotRecord(RuntimeError):  # noqa: N818 (it is what is said of a step)
    """A training step that a CUDA graph cannot replay: says why."""


class Update(NamedTuple):
    """One launch of an update rule: optimizer, group, parameters, and the array of its numbers."""

    optimizer: Optimizer
    group: Group
    indices: Sequence[int]
    array: Array


class Recording:
    """The updates of one step, in order.

    Parameters
    ----------
    rehearsal
        The recording of the same step that computed: this one computes nothing, and takes the arrays of that
        one. None if this is the rehearsal: then the numbers are written at once.
    """

    def __init__(self, rehearsal: Recording | None = None) -> None:
        self.rehearsal = rehearsal
        self.updates: list[Update] = []
        self.optimizers: dict[int, Optimizer] = {}  # those that made a step, by their id()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let optimizers record their updates here inside the ``with`` block."""
        with fast.recorded_by(self):
            yield

    def numbers(self, optimizer: Optimizer, group: Group, indices: Sequence[int], like: Array) -> Array:
        """Return the array on the GPU that an update reads its numbers from."""
        for update in self.updates:
            if set(indices) & set(update.indices) and update.optimizer is optimizer:
                raise CannotRecord(
                    f"{type(optimizer).__name__} makes two steps of one parameter in one call; record one"
                )
        self.optimizers[id(optimizer)] = optimizer
        if self.rehearsal is None:
            array = array_module(like).empty((len(indices), together.COUNT), like.dtype)
            self._write(Update(optimizer, group, indices, array))
        else:
            array = self.rehearsal.array_of(optimizer, indices)
        self.updates.append(Update(optimizer, group, list(indices), array))
        return array

    def array_of(self, optimizer: Optimizer, indices: Sequence[int]) -> Array:
        """Return the array of numbers that this step's update of the same parameters reads.

        Raises
        ------
        CannotRecord
            If there was no such update.
        """
        for update in self.updates:
            if update.optimizer is optimizer and update.indices == list(indices):
                return update.array
        raise CannotRecord(f"{type(optimizer).__name__} does not update the same parameters in every call")

    def one_by_one(self, optimizer: Optimizer) -> None:
        """Note an optimizer that updates its parameters one by one.

        Raises
        ------
        CannotRecord
            If the step is replayed: a graph would repeat the numbers of the recording in every step.
        """
        self.optimizers[id(optimizer)] = optimizer
        if self.rehearsal is not None:
            raise CannotRecord(
                f"{type(optimizer).__name__} updates its parameters one by one here, with numbers that a "
                "graph would not change; SGD, Adam and AdamW without amsgrad, of contiguous parameters, can "
                "be recorded"
            )

    def _write(self, update: Update) -> None:
        optimizer, group, indices, array = update
        rows = [fast.numbers(optimizer, optimizer.steps[i] + 1, group) for i in indices]
        together.write_numbers(rows, array)

    def refresh(self) -> None:
        """Write the numbers of the next step of every update."""
        for update in self.updates:
            self._write(update)

    def advance(self) -> None:
        """Count the step that was replayed."""
        for optimizer, _, indices, _ in self.updates:
            for i in indices:
                optimizer.steps[i] += 1
                optimizer.params[i].mark_dirty()


def refuse_changing(what: str) -> None:
    """Raise `CannotRecord` with `what` if a step is recorded: it has numbers that a replay would repeat."""
    if any(isinstance(recorder, Recording) and recorder.rehearsal is not None for recorder in fast.recorders):
        raise CannotRecord(what)
