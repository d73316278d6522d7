"""A GAN's run, from settings to pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

import tinycnn
from tinycnn import data, optim, plot
from tinycnn.data import DataLoader, Dataset
from tinycnn.data.npy import read_npy
from tinycnn.fit.callbacks import Callback
from tinycnn.fit.checkpoint import Contents
from tinycnn.fit.run import Run
from tinycnn.fit.settings import RunError
from tinycnn.pictures import save_png
from tinycnn.schema import plain

from . import pictures
from .additions import Addition, ExponentialMovingAverage, GanWithAdditions, NameClasses, Shift
from .diagnosis import Finding, Watch
from .losses import LOSSES
from .networks import Discriminator, Generator, check_image_shape
from .sampling import sample
from .saved import save_networks
from .settings import GanSettings
from .step import Gan
from .training import GanTraining

PICTURE_SIZE = (32, 32)  # to which a folder of pictures is resized
FRAMES = 40  # of the animation, about


@dataclass(frozen=True)
class GanResult:
    """The failures that were seen while a GAN trained."""

    findings: Sequence[Finding]


class GanRun(Run[GanSettings, GanTraining, GanResult]):
    """The run of a GAN.

    ::

        run = GanRun.new(data="digits", conditional=True)
        run.train()                                          # networks, samples and curves in run.folder
        GanRun.resume(run.folder)                            # after Ctrl-C: the weights end up the same
    """

    kind = GanSettings
    command = "gan"

    @classmethod
    def build(cls, settings: GanSettings) -> Self:
        """Return the run as at its start; the same settings give the same numbers. Nothing is written."""
        train, test = load_gan_data(settings.data, settings.conditional)
        if len(train) < settings.batch_size:
            raise RunError(
                f"data {plain(settings.data, 200)}: {len(train)} training images make no batch of "
                f"{settings.batch_size}; more images or a smaller batch would do"
            )
        gan, loader = make_gan(settings, train), make_loader(settings, train)
        steps = settings.epochs * len(loader)
        optimizers = (gan.G_optimizer, gan.D_optimizer)
        schedules = [optim.CosineAnnealingLR(optimizer, steps) for optimizer in optimizers]
        training = GanTraining(
            gan, loader, settings.epochs, schedules if settings.schedule == "cosine" else []
        )
        return cls(settings, training, train, test)

    @classmethod
    def check_size(cls, settings: GanSettings, classes: Sequence[str], contents: Contents) -> None:
        """Raise ValueError if the settings are not those of the weights in a checkpoint."""
        first = {name: contents.arrays.get(f"{name}.0.weight") for name in ("G", "D")}
        G, D, w = first["G"], first["D"], settings.g_width
        if G is not None and (G.ndim != 2 or G.shape[0] not in (2 * w * 7 * 7, 4 * w * 4 * 4)):
            raise ValueError(f"g_width is {w}, but the weights of G's first layer have shape {G.shape}")
        inputs = settings.latent + (len(classes) if settings.conditional else settings.g_kinds)
        if G is not None and G.shape[1] != inputs:
            raise ValueError(f"G takes {inputs} numbers, but its first layer has shape {G.shape}")
        if D is not None and (D.ndim != 4 or D.shape[0] != settings.d_width):
            raise ValueError(f"d_width is {settings.d_width}, but D's first layer has shape {D.shape}")

    def name(self) -> str:
        """Return what a new folder for it is called."""
        return f"{'cgan' if self.settings.conditional else 'gan'}-{Path(self.settings.data).name}"

    def describe(self) -> str:
        """Return in a line what is trained on what."""
        training = self.training
        sizes = [sum(p.numel() for p in network.parameters()) for network in (training.G, training.D)]
        return (
            f"{'conditional ' if training.conditional else ''}DCGAN, {sizes[0]:,} parameters in G and "
            f"{sizes[1]:,} in D, {training.gan.loss.name} loss, on {plain(self.train_data.name)}: "
            f"{len(self.train_data):,} images"
        )

    def callbacks(self, folder: Path, say: Callable[[str], None]) -> list[Callback]:
        """Return what watches for failures, and what writes the samples."""
        every = max(self.training.epochs * len(self.training.train) // FRAMES, 1)
        self.watch = Watch(lambda sentence: say(f"warning: {sentence}"))
        return [self.watch, pictures.SampleGrids(folder, every)]

    def save_results(self, folder: Path, config: dict[str, Any], say: Callable[[str], None]) -> GanResult:
        """Write networks and pictures, and return what went wrong."""
        training, G = self.training, self.training.sampler
        save_networks(folder, G, training.D, config)
        plot.save(pictures.loss_curves(training), folder / "losses.png")
        save_png(pictures.sample_grid(G), folder / "samples.png", pictures.ZOOM)
        pictures.save_animation(folder)
        save_png(pictures.interpolations(G), folder / "interpolation.png", pictures.ZOOM)
        if training.conditional:
            save_png(pictures.classes_by_styles(G), folder / "classes.png", pictures.ZOOM)
        z, labels = pictures.fixed_noise(G, rows=2)
        train, held_out = self.train_data, self.test_data.scaled(slice(0, 500))
        figure = pictures.neighbours(sample(G, z, labels), train.scaled(np.arange(len(train))), held_out)
        plot.save(figure, folder / "nearest.png")
        say(
            f"networks, samples, curves and an animation are in {folder}/; measure: tinycnn gan-score "
            f"{folder}"
        )
        return GanResult(self.watch.findings)


def make_loader(settings: GanSettings, train: Dataset) -> DataLoader:
    """Return the batches that a GAN is trained on, all of the same size."""
    return DataLoader(train, settings.batch_size, shuffle=True, seed=settings.seed, drop_last=True)


def make_gan(settings: GanSettings, train: Dataset) -> Gan:
    """Return both networks, their optimizers, and what is added to the plain step."""
    try:
        loss = LOSSES[settings.loss].smoothed(settings.smoothing)
    except ValueError as error:
        raise RunError(str(error)) from None
    shape, K = train.image_shape, len(train.classes)
    num_classes = K if settings.conditional else 0
    kinds = 0 if settings.conditional else settings.g_kinds  # there the labels choose
    named = settings.class_weight > 0 and not settings.conditional and K > 1
    tinycnn.manual_seed(settings.seed)
    G = Generator(shape, kinds + settings.latent, settings.g_width, num_classes, kinds)
    # A gradient penalty looks at each image by itself: D must not mix the images of a batch.
    norm = "instance" if loss.penalty else "batch"
    D = Discriminator(shape, settings.d_width, num_classes, norm, settings.d_layers, K if named else 1)
    betas = (0.0, 0.9) if loss.penalty else (0.5, 0.999)  # as in the papers
    optimizers = (
        optim.Adam(G.parameters(), settings.g_lr, betas),
        optim.Adam(D.parameters(), settings.d_lr, betas),
    )
    additions: list[Addition] = []
    if settings.shift:
        additions.append(Shift(settings.shift))
    if named:
        additions.append(NameClasses(settings.class_weight))
    if settings.ema:
        additions.append(ExponentialMovingAverage(G, settings.ema))
    if additions or num_classes or not loss.is_plain:
        return GanWithAdditions(G, D, *optimizers, loss, additions)
    return Gan(G, D, *optimizers, loss)


def load_gan_data(source: str, conditional: bool) -> tuple[Dataset, Dataset]:
    """Return training and test images of a size that the networks have; labels only if they are needed.

    Raises
    ------
    RunError
        If there are no such data, a conditional GAN lacks labels, or the size or the channels do not fit.
    """
    if source not in data.NAMED and not Path(source).is_dir():
        raise RunError(f"data {plain(source, 200)}: no such folder; there are also {', '.join(data.NAMED)}")
    kind = data.kind_of(source)
    if kind == "pictures":
        train, test = data.load(source, size=PICTURE_SIZE)
    elif kind == "arrays" and not (Path(source) / "labels.npy").is_file():
        if conditional:
            raise RunError(f"conditional needs the images' classes: {plain(source, 200)} has no labels.npy")
        train, test = _unlabelled(Path(source))
    else:
        train, test = data.load(source)
    try:
        check_image_shape(train.image_shape)
    except ValueError as error:
        raise RunError(f"data {plain(source, 200)}: {error}") from error
    return train, test


def _unlabelled(folder: Path) -> tuple[Dataset, Dataset]:
    """Return the images of images.npy, all in one class."""
    images = read_npy(folder / "images.npy")
    whole = data.from_arrays(images, np.zeros(len(images), int), ["image"], folder.name)
    return data.stratified_split(whole)
