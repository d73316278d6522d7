"""Training a GAN: what `fit` runs, so checkpoints, resume and Ctrl-C are those of every training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinycnn
from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn.data import DataLoader
from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.fit.loop import DivergedError, Trainable
from tinycnn.fit.state import (
    OPTIMIZER,
    SCHEDULE,
    check_optimizer,
    load_optimizer,
    load_schedule,
    load_weights_of,
    optimizer_state,
    weights_of,
)
from tinycnn.modes import no_grad
from tinycnn.nn import Module
from tinycnn.optim import Optimizer, Schedule
from tinycnn.schema import AnyNumber, Fields, Integer, Kind, ListOf
from tinycnn.tensor import Tensor

from .ema import ExponentialMovingAverage
from .losses import LOSSES, Loss
from .networks import Discriminator, Generator
from .step import discriminator_step, generator_step

SHIFT_RANDOM = 3  # what random numbers are for; the loader's and the loop's are 0, 1 and 2
WINDOW = 10  # batches a point of the curves is the mean of
NUMBERS = ("D_loss", "G_loss", "D_real", "D_fake")


@dataclass
class Sums:
    """Sums over some batches; arrays of the backend, so that no batch waits for them."""

    D_loss: Any = 0.0
    G_loss: Any = 0.0
    D_real: Any = 0.0
    D_fake: Any = 0.0
    D_steps: int = 0
    G_steps: int = 0

    def means(self) -> dict[str, float]:
        """Return the means; without G_loss where G made no step."""
        steps = dict.fromkeys(NUMBERS, self.D_steps) | {"G_loss": self.G_steps}
        made = [name for name in NUMBERS if steps[name]]
        sums = _backend.numbers(*(getattr(self, name) for name in made))
        return {name: total / steps[name] for name, total in zip(made, sums, strict=True)}


@dataclass
class GanTraining(Trainable):
    """A run of G against D.

    Attributes
    ----------
    epoch, batch, stop
        See `Trainable`.
    loss
        A name in `tinycnn.gan.LOSSES`.
    smoothing
        See `tinycnn.gan.losses.discriminator_minimax`.
    shift
        D sees real and generated images moved by up to so many pixels, so that it cannot learn a small data
        set by heart; as both are, G still learns to put its images where the real ones are (Zhao et al. 2020,
        Differentiable augmentation for data-efficient GAN training).
    class_weight
        How much D shall learn to name the classes of real images, and G to make images that D can name; D
        needs one output a class then.
    schedules
        Of the learning rates, stepped after every batch.
    average
        The generator that samples come from.
    curve
        One record for every 10 batches: step (batches so far), D_loss, G_loss (where it made a step), D_real
        and D_fake, the means of D(x) and D(G(z)): logits where the loss gives D no probabilities.
    history
        One record a complete epoch: epoch (from 1), the means of these numbers, seconds.
    """

    G: Generator
    D: Discriminator
    train: DataLoader
    G_optimizer: Optimizer
    D_optimizer: Optimizer
    epochs: int
    loss: str = "non-saturating"
    smoothing: float = 0.0
    shift: int = 0
    class_weight: float = 0.0
    ema_decay: float = 0.99
    schedules: Sequence[Schedule] = ()
    epoch: int = 0
    batch: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    stop: str = ""
    average: ExponentialMovingAverage[Generator] = field(init=False)
    sums: Sums = field(default_factory=Sums)

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"unknown loss {self.loss!r}; there are {', '.join(LOSSES)}")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, got {self.smoothing}")
        check_fits(self.G, self.D, self.train)
        check_optimizer("G_optimizer", self.G_optimizer, self.G)
        check_optimizer("D_optimizer", self.D_optimizer, self.D)
        self.average = ExponentialMovingAverage(self.G, self.ema_decay)

    @property
    def rule(self) -> Loss:
        """What the players minimise."""
        return LOSSES[self.loss]

    @property
    def conditional(self) -> bool:
        """Whether G and D are told the class."""
        return self.G.num_classes > 0

    @property
    def steps(self) -> int:
        """Batches so far."""
        return self.epoch * len(self.train) + self.batch

    def begin_epoch(self) -> None:
        """Switch both networks to training; see `tinycnn.fit.Training.begin_epoch`."""
        for network in (self.G, self.D):
            if not network.training:
                network.train()

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Let D learn from one batch, then G where it is its turn."""
        real, y = _scaled(images), labels if self.conditional else None
        z = tinycnn.randn(len(images), self.G.latent)
        if (self.steps + 1) % self.rule.critic_steps:
            with no_grad():
                fake = self.G(z, y)
        else:
            fake = self.G(z, y)
        real, fake = self._shifted(real, fake)
        value, on_real, on_fake = discriminator_step(
            self.D, self.D_optimizer, self.rule, real, fake, y, self.smoothing, labels, self.class_weight
        )
        if fake.requires_grad:
            G_value = generator_step(self.D, self.G_optimizer, self.rule, real, fake, y, self.class_weight)
            self.average.update()
            self.sums.G_loss = self.sums.G_loss + G_value.data
            self.sums.G_steps += 1
        for schedule in self.schedules:
            schedule.step()
        self._count(value, on_real, on_fake)

    def _shifted(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Return all images moved by the same few pixels, at random in every step."""
        if not self.shift:
            return real, fake
        rng = np.random.default_rng([self.train.seed, SHIFT_RANDOM, self.epoch, self.batch])
        dy, dx = rng.integers(-self.shift, self.shift + 1, 2)
        return move(real, dy, dx), move(fake, dy, dx)

    @no_grad()
    def _count(self, value: Tensor, on_real: Tensor, on_fake: Tensor) -> None:
        opinion = F.sigmoid if self.rule.probability else lambda logits: logits
        self.sums.D_loss = self.sums.D_loss + value.data
        self.sums.D_real = self.sums.D_real + F.mean(opinion(on_real)).data
        self.sums.D_fake = self.sums.D_fake + F.mean(opinion(on_fake)).data
        self.sums.D_steps += 1
        if self.sums.D_steps == WINDOW or self.batch + 1 == len(self.train):
            self.curve.append({"step": self.steps + 1, **self.sums.means()})
            self.sums = Sums()

    def check(self) -> None:
        """Raise `DivergedError` where a loss or one of G's weights is not finite."""
        numbers = [*self.curve[-1:], self.sums.means()]
        wrong = [f"{k} became {v}" for record in numbers for k, v in record.items() if not math.isfinite(v)]
        if not all(map(math.isfinite, _backend.numbers(*(p.data.sum() for p in self.G.parameters())))):
            wrong.append("G's weights became NaN or infinite")
        if wrong:
            raise DivergedError(
                f"{wrong[0]} by batch {self.batch} of epoch {self.epoch + 1}: try a lower learning rate "
                f"than {self.D_optimizer.lr:g} for D and {self.G_optimizer.lr:g} for G; "
                "tinycnn.detect_anomaly() names the operation"
            )

    def end_epoch(self) -> dict[str, float]:
        """Return the means over the epoch."""
        points = [point for point in self.curve if point["step"] > self.epoch * len(self.train)]
        values = {name: [point[name] for point in points if name in point] for name in NUMBERS}
        return {name: float(np.mean(v)) if v else math.nan for name, v in values.items()}

    def status(self) -> str:
        """Return both losses, D(x) and D(G(z)) of the last batches."""
        return _in_words(self.curve[-1]) if self.curve else ""

    def report(self) -> str:
        """Return the last epoch's means as a line."""
        return _in_words(self.history[-1])

    def names(self) -> tuple[str, ...]:
        """Return the names of the numbers in a record, without epoch and seconds."""
        return NUMBERS

    def networks(self) -> dict[str, Module]:
        """Return G, D and the averaged G."""
        return {"G": self.G, "D": self.D, "average": self.average.model}

    def _optimizers(self) -> dict[str, Optimizer]:
        return {"G_optimizer": self.G_optimizer, "D_optimizer": self.D_optimizer}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the three networks, both optimizers, and the numbers so far."""
        arrays = weights_of(self.networks())
        optimizers: dict[str, Any] = {}
        for name, optimizer in self._optimizers().items():
            slots, optimizers[name] = optimizer_state(name, optimizer)
            arrays |= slots
        totals = _backend.numbers(*(getattr(self.sums, name) for name in NUMBERS))
        sums = dict(zip(NUMBERS, totals, strict=True))
        sums |= {"D_steps": self.sums.D_steps, "G_steps": self.sums.G_steps}
        return arrays, {
            "average_steps": self.average.steps,
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "sums": sums,
            "curve": self.curve,
            **optimizers,
        }

    def state_kind(self) -> dict[str, Kind]:
        """Return what the numbers of `state` must be."""
        numbers = dict.fromkeys(NUMBERS, AnyNumber())
        point = Fields({"step": Integer(1), **{k: v for k, v in numbers.items() if k != "G_loss"}}, numbers)
        return {
            "average_steps": Integer(),
            "schedules": ListOf(SCHEDULE, len(self.schedules), len(self.schedules)),
            "sums": Fields({**numbers, "D_steps": Integer(), "G_steps": Integer()}),
            "curve": ListOf(point),
            **dict.fromkeys(self._optimizers(), OPTIMIZER),
        }

    def load_state(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Continue from `state`; raise ValueError if it is one of other networks."""
        load_weights_of(self.networks(), arrays)
        for name, optimizer in self._optimizers().items():
            load_optimizer(name, optimizer, arrays, numbers[name])
        steps = numbers["epoch"] * len(self.train) + numbers["batch"] - self.steps
        for schedule, saved in zip(self.schedules, numbers["schedules"], strict=True):
            load_schedule(schedule, saved, steps)
        self.average.steps = numbers["average_steps"]
        self.sums, self.curve = Sums(**numbers["sums"]), numbers["curve"]


def check_fits(G: Generator, D: Discriminator, train: DataLoader) -> None:
    """Raise ValueError unless the networks and the data have one image shape and the same classes."""
    dataset = train.dataset
    if not G.image_shape == D.image_shape == dataset.image_shape:
        raise ValueError(
            f"images (C, H, W) differ: G makes {G.image_shape}, D takes {D.image_shape}, "
            f"{dataset.name!r} has {dataset.image_shape}"
        )
    if G.num_classes != D.num_classes or G.num_classes not in (0, len(dataset.classes)):
        raise ValueError(
            f"classes differ: G has {G.num_classes}, D has {D.num_classes}, {dataset.name!r} has "
            f"{len(dataset.classes)}; a GAN that is not conditional has 0"
        )


def scale(images: Tensor) -> Tensor:
    """Return 2x - 1: images from [0, 1] to [-1, 1], the range of the generator's tanh.

    Raises
    ------
    ValueError
        Where they are not in [0, 1].
    """
    low, high = _backend.numbers(images.data.min(), images.data.max())
    if not 0 <= low <= high <= 1:
        hint = ": divide them by 255" if low >= 0 and 1 < high <= 255 else ""
        raise ValueError(
            f"images {images.shape} go from {low:g} to {high:g}, but must be in [0, 1] here, to be scaled to "
            f"the generator's [-1, 1]{hint}"
        )
    return _scaled(images)


def _scaled(images: Tensor) -> Tensor:
    """Do as `scale`, unchecked: for a loader's images, which are in [0, 1]."""
    return Tensor(images.data * 2 - 1, backend=images.backend)


def move(images: Tensor, dy: int, dx: int) -> Tensor:
    """Return images (N, C, H, W) moved down by dy and to the right by dx; what comes in is -1, black."""
    H, W = images.shape[2:]
    y, x = abs(dy), abs(dx)
    larger = F.pad(images, (x, x, y, y), -1.0)  # (N, C, H + 2y, W + 2x)
    return larger[:, :, y - dy : y - dy + H, x - dx : x - dx + W]


@no_grad()
def sample(G: Generator, z: Tensor, labels: Any = None, chunk: int = 100) -> np.ndarray:
    """Return G's images as (N, C, H, W) in [0, 1], NumPy; G is in evaluation mode meanwhile.

    Parameters
    ----------
    z
        (N, latent).
    labels
        (N,), of a conditional G.
    """
    with evaluation_mode(G):
        parts = [
            G(z[i : i + chunk], None if labels is None else labels[i : i + chunk]).numpy()
            for i in range(0, len(z), chunk)
        ]
    return (np.concatenate(parts) + 1) / 2


def _in_words(numbers: dict[str, float]) -> str:
    names = {"D_loss": "D", "G_loss": "G", "D_real": "D(x)", "D_fake": "D(G(z))"}
    return "  ".join(f"{names[name]} {numbers[name]:.3f}" for name in NUMBERS if name in numbers)
