"""What a GAN is made from, and how: the settings that `tinycnn gan` takes and a checkpoint keeps."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn
from tinycnn import data, optim
from tinycnn.data import DataLoader, Dataset
from tinycnn.data.npy import read_npy
from tinycnn.gan import LOSSES, Discriminator, Generator, check_image_shape
from tinycnn.gan.training import GanTraining

from .common import WrongUse
from .settings import Kept

SCHEDULES = ("cosine", "constant")
PICTURE_SIZE = (32, 32)  # what a folder of pictures is brought to


@dataclass(frozen=True)
class GanSettings(Kept):
    """The options of `tinycnn gan`; the defaults are for the embedded digits."""

    data: str = "digits"
    conditional: bool = False
    loss: str = "non-saturating"
    epochs: int = 15
    batch_size: int = 64
    g_lr: float = 3e-3
    d_lr: float = 6e-4
    schedule: str = "cosine"
    smoothing: float = 0.0
    shift: int = 0
    class_weight: float = 1.0
    latent: int = 16
    g_width: int = 32
    g_kinds: int = 10
    d_width: int = 32
    d_layers: int = 3
    ema: float = 0.995
    seed: int = 0


@dataclass(frozen=True)
class GanRun:
    """A GAN's run with the data sets it uses."""

    settings: GanSettings
    training: GanTraining
    train: Dataset
    test: Dataset

    @property
    def config(self) -> dict[str, Any]:
        """What is kept with the weights, so that they can be used without this run."""
        return {**self.settings.as_dict(), "classes": list(self.train.classes)}


def load_gan_data(source: str, conditional: bool) -> tuple[Dataset, Dataset]:
    """Return training and test images of a size that the networks have; labels only where needed.

    Raises
    ------
    WrongUse
        Where there are no such data, a conditional GAN lacks labels, or the size or channels do not fit.
    """
    if source not in data.NAMED and not Path(source).is_dir():
        raise WrongUse(f"--data {source}: no such folder; there are also {', '.join(data.NAMED)}")
    kind = data.kind_of(source)
    if kind == "pictures":
        train, test = data.load(source, size=PICTURE_SIZE)
    elif kind == "arrays" and not (Path(source) / "labels.npy").is_file():
        if conditional:
            raise WrongUse(f"--conditional needs the images' classes: {source} has no labels.npy")
        train, test = _unlabelled(Path(source))
    else:
        train, test = data.load(source)
    try:
        check_image_shape(train.image_shape)
    except ValueError as error:
        raise WrongUse(f"--data {source}: {error}") from error
    return train, test


def _unlabelled(folder: Path) -> tuple[Dataset, Dataset]:
    """Return the images of images.npy, all in one class."""
    images = read_npy(folder / "images.npy")
    whole = data.from_arrays(images, np.zeros(len(images), int), ["image"], folder.name)
    return data.stratified_split(whole)


def build_gan(settings: GanSettings) -> GanRun:
    """Make everything a run needs, as at its start: the same settings give the same numbers."""
    train, test = load_gan_data(settings.data, settings.conditional)
    if len(train) < settings.batch_size:
        raise WrongUse(
            f"--data {settings.data}: {len(train)} training images make no batch of {settings.batch_size}; "
            "more images or a smaller --batch-size would do"
        )
    if settings.smoothing and not LOSSES[settings.loss].smoothable:
        raise WrongUse(f"--smoothing {settings.smoothing}: the loss {settings.loss} has no labels to smooth")
    num_classes = len(train.classes) if settings.conditional else 0
    tinycnn.manual_seed(settings.seed)
    shape = train.image_shape
    kinds = 0 if settings.conditional else settings.g_kinds  # there the labels choose
    G = Generator(shape, kinds + settings.latent, settings.g_width, num_classes, kinds)
    norm = "instance" if LOSSES[settings.loss].penalty else "batch"
    teach = settings.class_weight > 0 and not num_classes and len(train.classes) > 1
    outputs = len(train.classes) if teach else 1
    D = Discriminator(shape, settings.d_width, num_classes, norm, settings.d_layers, outputs)
    betas = (0.0, 0.9) if LOSSES[settings.loss].penalty else (0.5, 0.999)  # as in the papers
    loader = DataLoader(train, settings.batch_size, shuffle=True, seed=settings.seed, drop_last=True)
    optimizers = (
        optim.Adam(G.parameters(), settings.g_lr, betas),
        optim.Adam(D.parameters(), settings.d_lr, betas),
    )
    steps = settings.epochs * len(loader)
    schedules = [optim.CosineAnnealingLR(optimizer, steps) for optimizer in optimizers]
    training = GanTraining(
        G,
        D,
        loader,
        *optimizers,
        settings.epochs,
        settings.loss,
        settings.smoothing,
        settings.shift,
        settings.class_weight if teach else 0.0,
        settings.ema,
        schedules if settings.schedule == "cosine" else [],
    )
    return GanRun(settings, training, train, test)


def resumed_gan(settings: GanSettings, config: dict[str, Any], folder: Path) -> GanRun:
    """Make the run of a checkpoint with this config.

    Raises
    ------
    WrongUse
        Where the data have other classes by now than when it began.
    """
    run = build_gan(replace(settings))
    before = config["classes"]
    if list(run.train.classes) != before:
        raise WrongUse(
            f"--resume {folder}: the checkpoint is of K={len(before)} classes ({', '.join(before)}), "
            f"{settings.data} has K={len(run.train.classes)} now ({', '.join(run.train.classes)})"
        )
    return run
