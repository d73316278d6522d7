"""What a run is made from: settings that Python, the command line and a checkpoint share."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from tinycnn import models, optim
from tinycnn.data import NAMED
from tinycnn.nn import Module
from tinycnn.schema import Choice, Flag, Integer, Kind, Number, Text

# The tables and the pictures of an evaluation have K x K cells.
MOST_CLASSES = 2000
SEED = Integer(0, (1 << 63) - 1)


class RunError(ValueError):
    """A run cannot be made from these settings, this folder or these data."""


class MissingRun(RunError, FileNotFoundError):  # noqa: N818 (a RunError)
    """There is no such run, or no trained network in it."""


class DifferentSettings(RunError):  # noqa: N818 (a RunError)
    """A run is resumed with other settings: `differing` has for each the value given, and the run's value."""

    def __init__(self, where: object, differing: Mapping[str, tuple[Any, Any]]) -> None:
        self.where, self.differing = where, differing
        listed = [f"{name}={given} (the run has {has})" for name, (given, has) in differing.items()]
        super().__init__(f"{where} began with other settings: {', '.join(listed)}")


def option(default: Any, kind: Kind, about: str) -> Any:
    """Return a field of settings: its default, the values it may have, and a description."""
    return field(default=default, metadata={"kind": kind, "about": about})


@dataclass(frozen=True)
class Settings:
    """Settings of a run; making them checks each field, and raises RunError with what would fit."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            value = os.fspath(value) if isinstance(value, os.PathLike) else value
            try:
                value = f.metadata["kind"].check(value)
            except ValueError as error:
                raise RunError(f"{f.name}: {error}") from None
            if f.name == "data" and value not in NAMED:
                value = os.path.realpath(value)  # the path is then right from any folder
            object.__setattr__(self, f.name, value)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the settings among the entries of a config; other entries are left out."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in config.items() if name in known})

    def differing(self, given: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Return the given values that differ from these settings, each with the value here."""
        other = type(self)(**{**self.as_dict(), **given})
        pairs = {name: (getattr(other, name), getattr(self, name)) for name in given}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as a dict that JSON can hold."""
        return asdict(self)


OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("onecycle", "cosine", "constant")


@dataclass(frozen=True)
class ClassifierSettings(Settings):
    """Settings of a classifier's run; the defaults reach 98 % on the embedded digits."""

    data: str = option("digits", Text(), "digits, mnist, fashion-mnist, or a folder of images")
    model: str = option("cnn28", Choice(tuple(models.MODELS)), "the network")
    epochs: int = option(5, Integer(1), "passes over the data")
    batch_size: int = option(32, Integer(1), "images per step")
    lr: float = option(3e-3, Number(0, included=False), "highest learning rate")
    optimizer: str = option("adam", Choice(OPTIMIZERS), "update rule")
    schedule: str = option("onecycle", Choice(SCHEDULES), "course of the learning rate")
    weight_decay: float = option(0.0, Number(0), "L2 penalty, l2/2 * sum theta^2")
    l1: float = option(0.0, Number(0), "L1 penalty, l1 * sum |theta|")
    shift: int = option(2, Integer(0), "random shifts by up to so many pixels")
    rotate: float = option(0.0, Number(0), "random rotations by up to so many degrees")
    flip: bool = option(False, Flag(), "random left-right flips")
    patience: int = option(
        0,
        Integer(0),
        "hold out a tenth of the training data, and stop when its loss has not improved for so many epochs; "
        "0 is off",
    )
    seed: int = option(0, SEED, "of weights, order and augmentation")

    def make_optimizer(self, model: Module) -> optim.Optimizer:
        """Return the optimizer of the model's parameters."""
        theta, l2 = model.parameters(), self.weight_decay
        if self.optimizer == "sgd":
            return optim.SGD(theta, self.lr, momentum=0.9, nesterov=True, weight_decay=l2, l1=self.l1)
        kind = optim.AdamW if self.optimizer == "adamw" else optim.Adam
        return kind(theta, self.lr, weight_decay=l2, l1=self.l1)

    def make_schedule(self, optimizer: optim.Optimizer, batches: int) -> optim.Schedule | None:
        """Return the schedule for epochs of so many batches; None for a constant learning rate."""
        if self.schedule == "onecycle":
            return optim.OneCycleLR(optimizer, self.lr, max(self.epochs * batches, 2))
        if self.schedule == "cosine":
            return optim.CosineAnnealingLR(optimizer, self.epochs)
        return None
