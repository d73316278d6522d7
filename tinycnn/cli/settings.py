"""What a training run is made from, and how: the settings that `train` takes and a checkpoint keeps."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import tinycnn
from tinycnn import data, models, optim
from tinycnn.data import NAMED, Augment, DataLoader, Dataset
from tinycnn.fit import Training
from tinycnn.nn import Module

from .common import WrongUse

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("onecycle", "cosine", "constant")


@dataclass(frozen=True)
class Kept:
    """Options of a command that a checkpoint keeps."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Return the settings that a checkpoint or a weights file keeps."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in config.items() if key in known})

    @classmethod
    def given(cls, args: argparse.Namespace) -> dict[str, Any]:
        """Return the options that were given; a folder of data as a path that holds from anywhere."""
        options = {field.name: getattr(args, field.name) for field in fields(cls)}
        options = {name: value for name, value in options.items() if value is not None}
        if options.get("data") not in (None, *NAMED):
            options["data"] = str(Path(options["data"]).resolve())
        return options

    def as_dict(self) -> dict[str, Any]:
        """Return them for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Settings(Kept):
    """The options of `tinycnn train`; the defaults reach 98 % on the embedded digits."""

    data: str = "digits"
    model: str = "cnn28"
    epochs: int = 5
    batch_size: int = 32
    lr: float = 3e-3
    optimizer: str = "adam"
    schedule: str = "onecycle"
    weight_decay: float = 0.0
    l1: float = 0.0
    shift: int = 2
    rotate: float = 0.0
    flip: bool = False
    patience: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Run:
    """A training run with the data sets it uses; `held_out` is what every epoch is validated on."""

    settings: Settings
    training: Training
    train: Dataset
    held_out: Dataset
    test: Dataset

    @property
    def config(self) -> dict[str, Any]:
        """What is kept with the weights, so that they can be used without this run."""
        return {**self.settings.as_dict(), "classes": list(self.train.classes)}


def load_data(source: str, image_shape: tuple[int, int, int]) -> tuple[Dataset, Dataset]:
    """Return training and test data with images (C, H, W) = `image_shape`; pictures are brought to it."""
    if source not in NAMED and not Path(source).is_dir():
        raise WrongUse(f"--data {source}: no such folder; there are also {', '.join(NAMED)}")
    if data.kind_of(source) == "pictures":
        return data.load(source, size=image_shape[1:], channels=image_shape[0])
    train, test = data.load(source)
    if train.image_shape != image_shape:
        fits = [name for name, shape in models.INPUT_SHAPES.items() if shape == train.image_shape]
        raise WrongUse(
            f"the network takes images (C, H, W)={image_shape}, {source} has {train.image_shape}; "
            f"models that fit: {', '.join(fits) or 'none'}"
        )
    return train, test


def build_run(settings: Settings) -> Run:
    """Make everything a run needs, as at its start: the same settings give the same numbers."""
    train, test = load_data(settings.data, models.INPUT_SHAPES[settings.model])
    held_out = test
    if settings.patience:
        # Stopping by the test data would choose the epoch that suits them: hold out a tenth of the others.
        train, held_out = data.stratified_split(train, 0.1, settings.seed)
    tinycnn.manual_seed(settings.seed)
    model = models.build(settings.model, len(train.classes))
    augment = Augment(shift=settings.shift, rotate=settings.rotate, flip=settings.flip)
    loader = DataLoader(train, settings.batch_size, shuffle=True, augment=augment, seed=settings.seed)
    optimizer = build_optimizer(settings, model)
    training = Training(
        model,
        loader,
        optimizer,
        settings.epochs,
        validation=DataLoader(held_out, 256),
        schedule=build_schedule(settings, optimizer, len(loader)),
    )
    return Run(settings, training, train, held_out, test)


def build_optimizer(settings: Settings, model: Module) -> optim.Optimizer:
    """Return the optimizer by its name."""
    theta, lr, l2, l1 = model.parameters(), settings.lr, settings.weight_decay, settings.l1
    if settings.optimizer == "sgd":
        return optim.SGD(theta, lr, momentum=0.9, nesterov=True, weight_decay=l2, l1=l1)
    kind = optim.AdamW if settings.optimizer == "adamw" else optim.Adam
    return kind(theta, lr, weight_decay=l2, l1=l1)


def build_schedule(settings: Settings, optimizer: optim.Optimizer, batches: int) -> optim.Schedule | None:
    """Return the schedule by its name; None for a constant learning rate."""
    if settings.schedule == "onecycle":
        return optim.OneCycleLR(optimizer, settings.lr, max(settings.epochs * batches, 2))
    if settings.schedule == "cosine":
        return optim.CosineAnnealingLR(optimizer, settings.epochs)
    return None
