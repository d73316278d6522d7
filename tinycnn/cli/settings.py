"""What a training run is made from, and how: the settings that `train` takes and a checkpoint keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import tinycnn
from tinycnn import data, models, optim
from tinycnn.data import Augment, DataLoader, Dataset
from tinycnn.data.sources import NAMED
from tinycnn.fit import Training

from .common import WrongUse

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("onecycle", "cosine", "constant")


@dataclass(frozen=True)
class Settings:
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

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Settings":
        """Return the settings that a checkpoint or a weights file keeps."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in config.items() if key in known})

    def as_dict(self) -> dict[str, Any]:
        """Return them for JSON."""
        return asdict(self)


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


def load_data(source: str) -> tuple[Dataset, Dataset]:
    """Return training and test data."""
    if source not in NAMED and not Path(source).is_dir():
        raise WrongUse(f"--data {source}: no such folder; there are also {', '.join(NAMED)}")
    return data.load(source)


def build_model(name: str, dataset: Dataset) -> models.Model:
    """Return the network for the data's classes, after checking that it takes its images."""
    try:
        model = models.build(name, len(dataset.classes))
    except ValueError as error:
        raise WrongUse(str(error)) from error
    if model.input_shape != dataset.image_shape:
        fits = [other for other in models.MODELS if models.build(other).input_shape == dataset.image_shape]
        raise WrongUse(
            f"{name} takes images (C, H, W)={model.input_shape}, {dataset.name} has {dataset.image_shape}; "
            f"models that fit: {', '.join(fits) or 'none'}"
        )
    return model


def build_run(settings: Settings) -> Run:
    """Make everything a run needs, as at its start: the same settings give the same numbers."""
    train, test = load_data(settings.data)
    held_out = test
    if settings.patience:
        # Stopping by the test data would choose the epoch that suits them: hold out a tenth of the others.
        train, held_out = data.stratified_split(train, 0.1, settings.seed)
    tinycnn.manual_seed(settings.seed)
    model = build_model(settings.model, train)
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


def build_optimizer(settings: Settings, model: models.Model) -> optim.Optimizer:
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
