"""A GAN's run: its settings, and what is made of them, from data to pictures."""

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
from tinycnn.fit.classifier import kind_of_data
from tinycnn.fit.run import Run
from tinycnn.fit.settings import SEED, RunError, Settings, option
from tinycnn.pictures import save_png
from tinycnn.schema import Choice, Flag, Integer, Number, Text, plain

from . import pictures
from .additions import Addition, ExponentialMovingAverage, GanWithAdditions, NameClasses, Shift
from .diagnosis import Finding, Watch
from .losses import LOSSES
from .networks import Discriminator, Generator, check_image_shape
from .sampling import sample
from .saved import save_networks
from .step import Gan
from .training import GanTraining

PICTURE_SIZE = (32, 32)  # to which a folder of pictures is resized
FRAMES = 40  # of the animation, about
SCHEDULES = ("cosine", "constant")
FRACTION = Number(0, below=1)
WIDTH = Integer(1, 256)
# The settings of a plain DCGAN: nothing is added to the step in tinycnn/gan/step.py, nor to the generator.
PLAIN = {"g_kinds": 0, "class_weight": 0.0, "ema": 0.0, "shift": 0}


@dataclass(frozen=True)
class GanSettings(Settings):
    """Settings of a GAN's run; the defaults are for the embedded digits."""

    data: str = option("digits", Text(), "digits, mnist, fashion-mnist, or a folder of images")
    conditional: bool = option(False, Flag(), "tell both networks the class")
    loss: str = option("non-saturating", Choice(tuple(LOSSES)), "what the two minimise")
    epochs: int = option(15, Integer(1), "passes over the data")
    batch_size: int = option(64, Integer(2), "images per step")
    g_lr: float = option(3e-3, Number(0, included=False), "highest learning rate of G")
    d_lr: float = option(6e-4, Number(0, included=False), "highest learning rate of D")
    schedule: str = option("cosine", Choice(SCHEDULES), "course of both learning rates")
    smoothing: float = option(0.0, FRACTION, "real images count as 1 minus this")
    shift: int = option(0, Integer(0), "D sees all images moved by up to so many pixels")
    class_weight: float = option(
        1.0,
        Number(0),
        "unless conditional, D also learns to name the classes of real images, and G to make images that D "
        "can name, with this weight; 0: no label is used",
    )
    latent: int = option(16, Integer(1, 1000), "numbers z that an image is made from")
    g_width: int = option(32, WIDTH, "channels of G's last but one layer")
    g_kinds: int = option(
        10,
        Integer(0, 1000),
        "so many further numbers z only choose a kind of image: the largest does; unless conditional",
    )
    d_width: int = option(32, WIDTH, "channels of D's first layer")
    d_layers: int = option(3, Integer(1, 5), "strided convolutions of D")
    ema: float = option(0.995, FRACTION, "decay of the average of G's weights; 0: samples come from G itself")
    seed: int = option(0, SEED, "of weights, order and noise")


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
        gan = make_gan(settings, train)
        loader = DataLoader(train, settings.batch_size, shuffle=True, seed=settings.seed, drop_last=True)
        falling = (gan.G_optimizer, gan.D_optimizer) if settings.schedule == "cosine" else ()
        steps = settings.epochs * len(loader)
        schedules = [optim.CosineAnnealingLR(optimizer, steps) for optimizer in falling]
        return cls(settings, GanTraining(gan, loader, settings.epochs, schedules), train, test)

    @classmethod
    def check_size(cls, settings: GanSettings, classes: Sequence[str], contents: Contents) -> None:
        """Raise ValueError if the settings are not those of the weights in a checkpoint."""
        G, D = (contents.arrays.get(f"{name}.0.weight") for name in ("G", "D"))
        w, inputs = settings.g_width, settings.latent
        inputs += len(classes) if settings.conditional else settings.g_kinds
        if G is not None and G.shape not in ((2 * w * 7 * 7, inputs), (4 * w * 4 * 4, inputs)):
            raise ValueError(f"G has width {w} and takes {inputs} numbers, but its first layer is {G.shape}")
        if D is not None and (D.ndim != 4 or D.shape[0] != settings.d_width):
            raise ValueError(f"d_width is {settings.d_width}, but D's first layer has shape {D.shape}")

    def name(self) -> str:
        return f"{'cgan' if self.settings.conditional else 'gan'}-{Path(self.settings.data).name}"

    def describe(self) -> str:
        training = self.training
        sizes = [sum(p.numel() for p in network.parameters()) for network in (training.G, training.D)]
        return (
            f"{'conditional ' if training.conditional else ''}DCGAN, {sizes[0]:,} parameters in G and "
            f"{sizes[1]:,} in D, {training.gan.loss.name} loss, on {plain(self.train_data.name)}: "
            f"{len(self.train_data):,} images"
        )

    def callbacks(self, folder: Path, say: Callable[[str], None]) -> list[Callback]:
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
        train, held_out = self.train_data.scaled(slice(None)), self.test_data.scaled(slice(0, 500))
        figure = pictures.neighbours(sample(G, z, labels), train, held_out)
        plot.save(figure, folder / "nearest.png")
        where = f"networks, samples, curves and an animation are in {folder}/"
        say(f"{where}; measure: tinycnn gan-score {folder}")
        return GanResult(self.watch.findings)


def make_gan(settings: GanSettings, train: Dataset) -> Gan:
    """Return both networks, their optimizers, and what is added to the plain step."""
    try:
        loss = LOSSES[settings.loss].smoothed(settings.smoothing)
    except ValueError as error:
        raise RunError(str(error)) from None
    shape, K = train.image_shape, len(train.classes)
    num_classes = K if settings.conditional else 0
    kinds = 0 if settings.conditional else settings.g_kinds  # the labels choose the kind in a conditional GAN
    named = settings.class_weight > 0 and not settings.conditional and K > 1
    tinycnn.manual_seed(settings.seed)
    G = Generator(shape, kinds + settings.latent, settings.g_width, num_classes, kinds)
    # A gradient penalty looks at each image by itself: D must not mix the images of a batch.
    norm = "instance" if loss.penalty else "batch"
    D = Discriminator(shape, settings.d_width, num_classes, norm, settings.d_layers, K if named else 1)
    betas = (0.0, 0.9) if loss.penalty else (0.5, 0.999)  # as in the papers
    rates = ((G, settings.g_lr), (D, settings.d_lr))
    G_optimizer, D_optimizer = (optim.Adam(network.parameters(), lr, betas) for network, lr in rates)
    additions: list[Addition] = [Shift(settings.shift)] if settings.shift else []
    additions += [NameClasses(settings.class_weight)] if named else []
    additions += [ExponentialMovingAverage(G, settings.ema)] if settings.ema else []
    if additions or num_classes or not loss.is_plain:
        return GanWithAdditions(G, D, G_optimizer, D_optimizer, loss, additions)
    return Gan(G, D, G_optimizer, D_optimizer, loss)


def load_gan_data(source: str, conditional: bool) -> tuple[Dataset, Dataset]:
    """Return training and test images of a size that the networks have; labels only if they are needed.

    Raises RunError if there are no such data, a conditional GAN lacks labels, or the images do not fit.
    """
    kind, folder = kind_of_data(source), Path(source)
    if kind == "arrays" and not (folder / "labels.npy").is_file():
        if conditional:
            raise RunError(f"conditional needs the images' classes: {plain(source, 200)} has no labels.npy")
        images = read_npy(folder / "images.npy")
        whole = data.from_arrays(images, np.zeros(len(images), int), ["image"], folder.name)
        train, test = data.stratified_split(whole)
    else:
        train, test = data.load(source, size=PICTURE_SIZE if kind == "pictures" else None)
    try:
        check_image_shape(train.image_shape)
    except ValueError as error:
        raise RunError(f"data {plain(source, 200)}: {error}") from error
    return train, test
