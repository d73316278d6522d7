"""Turn weights, optimizers and schedules into what a checkpoint holds, and load them from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.backend import numbers as as_numbers
from tinycnn.backend import to_backend
from tinycnn.nn import Module
from tinycnn.optim import Optimizer, ReduceLROnPlateau, Schedule
from tinycnn.schema import Fields, Integer, Kind, ListOf, Number, OneOrSeveral, OrNothing

if TYPE_CHECKING:
    from .training import Training

AnySchedule = Schedule | ReduceLROnPlateau

LR = OneOrSeveral(Number(0))  # one for each group of parameters
OPTIMIZER = Fields({"steps": ListOf(Integer()), "lr": LR})
SCHEDULE = Fields({"t": Integer(), "base_lr": LR})
TOTALS = Fields(
    {"loss": Number(), "right": Integer(), "images": Integer()},
    {"labels": Integer()},  # a file without it has one label for each image
)
PLATEAU = Fields({"best": OrNothing(Number()), "bad_steps": Integer(), "cooling": Integer()})


def weights_of(networks: Mapping[str, Module]) -> dict[str, Any]:
    """Return parameters and buffers of some networks, as "network.parameter"."""
    return {f"{name}.{key}": t.data for name, net in networks.items() for key, t in net.state_dict().items()}


def copied_weights(networks: Mapping[str, Module]) -> dict[str, np.ndarray]:
    """Return what `weights_of` returns, copied into NumPy arrays: further training does not change them."""
    return {name: np.array(to_backend(array, "numpy")) for name, array in weights_of(networks).items()}


def load_weights_of(networks: Mapping[str, Module], arrays: Mapping[str, Any]) -> None:
    """Copy into the networks what `weights_of` returned; raise ValueError if it does not fit."""
    for name, network in networks.items():
        given = part(arrays, name)
        for key, tensor in network.state_dict().items():
            if key in given and given[key].dtype != tensor.dtype:
                raise ValueError(
                    f"{name}.{key} is {given[key].dtype} in the checkpoint and {tensor.dtype} in this run, "
                    "which rounds differently"
                )
        check_finite(part(arrays, name))
        network.load_state_dict(given)


def check_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError if an array has NaN or infinite values: such weights are useless."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = int(array.size - np.isfinite(array).sum())
            raise ValueError(
                f"{bad:,} of the {array.size:,} values of {name} are NaN or infinite: it was saved after its "
                "training had diverged, or it is damaged"
            )


def part(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the arrays whose names begin with `prefix` and a dot, under the rest of their names."""
    start = f"{prefix}."
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


def state_of(
    networks: Mapping[str, Module], optimizers: Mapping[str, Optimizer]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of networks and optimizers, as "name.array", and the numbers of each optimizer."""
    arrays, numbers = weights_of(networks), {}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        slots = {key: value for key, value in state.items() if hasattr(value, "shape")}
        arrays |= {f"{name}.{key}": array for key, array in slots.items()}
        numbers[name] = {key: value for key, value in state.items() if key not in slots}
    return arrays, numbers


def load_state_of(
    networks: Mapping[str, Module],
    optimizers: Mapping[str, Optimizer],
    arrays: Mapping[str, Any],
    numbers: Mapping[str, Any],
) -> None:
    """Continue from `state_of`; raise ValueError if it is one of other networks or optimizers."""
    load_weights_of(networks, arrays)
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict(part(arrays, name) | dict(numbers[name]))


def kind_of_schedule(schedule: AnySchedule | None) -> Kind:
    """Return the fields that the state of a schedule must have; without a schedule it must be None."""
    return OrNothing(PLATEAU if isinstance(schedule, ReduceLROnPlateau) else SCHEDULE)


def load_schedule(schedule: AnySchedule, state: Mapping[str, Any], steps: int) -> None:
    """Load the state of a schedule that is `steps` steps further; raise ValueError if it does not fit.

    The optimizer must have its state already: the checkpoint's learning rates are compared with the
    schedule's.
    """
    if isinstance(schedule, ReduceLROnPlateau):  # its state depends on losses, not on the number of steps
        schedule.load_state_dict(state)
        return
    if state["t"] != schedule.t + steps:
        raise ValueError(
            f"its schedule made {state['t']} steps, but {schedule.t + steps} belong to the batches so far"
        )
    groups = schedule.optimizer.param_groups
    rates = [group["lr"] for group in groups]
    schedule.load_state_dict(state)
    for group, lr in zip(groups, rates, strict=True):
        if not math.isclose(group["lr"], lr):
            raise ValueError(f"its learning rate is {lr:g}, this run's schedule says {group['lr']:g}")


def training_state(training: Training) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return weights, optimizer, schedule and totals of a classifier's training."""
    arrays, optimizer = state_of(training.networks(), {"optimizer": training.optimizer})
    loss, right = as_numbers(training.totals.loss, training.totals.right)
    return arrays, {
        "totals": {**vars(training.totals), "loss": loss, "right": int(right)},
        **optimizer,
        "schedule": training.schedule.state_dict() if training.schedule else None,
    }


def load_training(training: Training, arrays: Mapping[str, Any], numbers: Mapping[str, Any]) -> None:
    """Load what `training_state` returned, but for the totals; raise ValueError if it does not fit."""
    schedule = training.schedule
    if (numbers["schedule"] is None) != (schedule is None):
        raise ValueError(f"it is of a run {'without' if schedule else 'with'} a schedule")
    load_state_of(training.networks(), {"optimizer": training.optimizer}, arrays, numbers)
    if schedule is not None:
        epochs, batches = numbers["epoch"] - training.epoch, numbers["batch"] - training.batch
        per_batch = isinstance(schedule, Schedule) and schedule.per_batch
        steps = epochs * len(training.train) + batches if per_batch else epochs
        load_schedule(schedule, numbers["schedule"], steps)
