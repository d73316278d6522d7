"""Training a GAN: what `fit` trains, so checkpoints, resume and Ctrl-C are those of every training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinycnn
from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn.data import DataLoader
from tinycnn.fit.state import OPTIMIZER, SCHEDULE, load_schedule, load_state_of, state_of
from tinycnn.fit.trainable import DivergedError, Trainable
from tinycnn.modes import no_grad
from tinycnn.nn import Module
from tinycnn.optim import Optimizer, Schedule
from tinycnn.schema import AnyNumber, Fields, Integer, Kind, ListOf
from tinycnn.tensor import Tensor

from .additions import Addition, ExponentialMovingAverage, GanWithAdditions
from .networks import Discriminator, Generator
from .sampling import scaled
from .step import Gan, Judged

WINDOW = 10  # batches of which each point of the curves is the mean
NUMBERS = ("D_loss", "G_loss", "D_real", "D_fake")


@dataclass
class Sums:
    """Sums over some batches, as arrays of the backend: no batch has to wait for the GPU."""

    D_loss: Any = 0.0
    G_loss: Any = 0.0
    D_real: Any = 0.0
    D_fake: Any = 0.0
    D_steps: int = 0
    G_steps: int = 0

    @no_grad()
    def add(self, judged: Judged, G_loss: Tensor | None, probability: bool) -> None:
        """Add one batch; with `probability`, what D says is added as probabilities instead of logits."""
        real, fake = map(F.sigmoid, judged[1:3]) if probability else judged[1:3]
        if G_loss is not None:
            self.G_loss = self.G_loss + G_loss.data
            self.G_steps += 1
        self.D_loss = self.D_loss + judged.loss.data
        self.D_real = self.D_real + F.mean(real).data
        self.D_fake = self.D_fake + F.mean(fake).data
        self.D_steps += 1

    def numbers(self) -> dict[str, float]:
        """Return the sums as Python numbers; this waits for the GPU."""
        sums = _backend.numbers(*(getattr(self, name) for name in NUMBERS))
        return dict(zip(NUMBERS, sums, strict=True))

    def means(self) -> dict[str, float]:
        """Return the means; without G_loss if G made no step."""
        steps = dict.fromkeys(NUMBERS, self.D_steps) | {"G_loss": self.G_steps}
        return {name: total / steps[name] for name, total in self.numbers().items() if steps[name]}


@dataclass
class GanTraining(Trainable):
    """The training of a GAN; for epoch, batch, history and stop see `Trainable`.

    Raises ValueError if networks and data do not fit each other, or an optimizer is of another network.
    """

    gan: Gan
    train: DataLoader
    epochs: int
    schedules: Sequence[Schedule] = ()  #: of the learning rates, stepped after every batch
    epoch: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    #: One record for every 10 batches: step (batches so far), D_loss, G_loss (if it made a step), D_real and
    #: D_fake, the means of D(x) and D(G(z)), which are logits if the loss gives D no probabilities.
    curve: list[dict[str, float]] = field(default_factory=list)
    stop: str = ""
    sums: Sums = field(default_factory=Sums)  #: of the batches since the last record

    def __post_init__(self) -> None:
        check_fits(self.G, self.D, self.train)
        self.gan.G_optimizer.check_belongs_to(self.G, name="G_optimizer")
        self.gan.D_optimizer.check_belongs_to(self.D, name="D_optimizer")

    @property
    def G(self) -> Generator:
        """The generator that is trained."""
        return self.gan.G  # type: ignore[return-value]

    @property
    def D(self) -> Discriminator:
        """The discriminator."""
        return self.gan.D  # type: ignore[return-value]

    @property
    def additions(self) -> Sequence[Addition]:
        """What is added to the plain step."""
        return self.gan.additions if isinstance(self.gan, GanWithAdditions) else ()

    @property
    def average(self) -> ExponentialMovingAverage[Any] | None:
        """The moving average of G, if that is one of the additions."""
        return self.gan.moving_average if isinstance(self.gan, GanWithAdditions) else None

    @property
    def sampler(self) -> Generator:
        """The generator that samples come from: the average of G if there is one, else G."""
        return self.G if self.average is None else self.average.model

    @property
    def conditional(self) -> bool:
        """Whether G and D are told the class."""
        return self.G.num_classes > 0

    @property
    def steps(self) -> int:
        """Batches so far."""
        return self.epoch * len(self.train) + self.batch

    def begin_epoch(self) -> None:
        for network in (self.G, self.D):
            if not network.training:
                network.train()

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Let D learn from one batch, then G if it is its turn."""
        gan, real, z = self.gan, scaled(images), tinycnn.randn(len(images), self.G.latent)
        for addition in self.additions:
            addition.begin(self.train.seed, self.epoch, self.batch)
        fake, G_loss = gan.generate(z, labels), None
        judged = gan.train_D(real, fake, labels)
        if (self.steps + 1) % gan.loss.critic_steps == 0:
            G_loss = gan.train_G(real, fake, labels)
        for schedule in self.schedules:
            schedule.step()
        self.sums.add(judged, G_loss, gan.loss.probability)
        if self.sums.D_steps == WINDOW or self.batch + 1 == len(self.train):
            self.curve.append({"step": self.steps + 1, **self.sums.means()})
            self.sums = Sums()

    def check(self) -> None:
        """Raise `DivergedError` if a loss or one of G's weights is not finite."""
        numbers = [*self.curve[-1:], self.sums.means()]
        wrong = [f"{k} became {v}" for record in numbers for k, v in record.items() if not math.isfinite(v)]
        if not all(map(math.isfinite, _backend.numbers(*(p.data.sum() for p in self.G.parameters())))):
            wrong.append("G's weights became NaN or infinite")
        if wrong:
            raise DivergedError(
                f"{wrong[0]} by batch {self.batch} of epoch {self.epoch + 1}: try a lower learning rate "
                f"than {self.gan.D_optimizer.lr:g} for D and {self.gan.G_optimizer.lr:g} for G; "
                "tinycnn.detect_anomaly() names the operation"
            )

    def end_epoch(self) -> dict[str, float]:
        """Return the means over the epoch; NaN for G's loss if G made no step."""
        points = [point for point in self.curve if point["step"] > self.epoch * len(self.train)]
        values = {name: [point[name] for point in points if name in point] for name in NUMBERS}
        return {name: float(np.mean(v)) if v else math.nan for name, v in values.items()}

    def status(self) -> str:
        return _in_words(self.curve[-1]) if self.curve else ""

    def report(self) -> str:
        return _in_words(self.history[-1])

    def names(self) -> tuple[str, ...]:
        return NUMBERS

    def networks(self) -> dict[str, Module]:
        networks: dict[str, Module] = {"G": self.G, "D": self.D}
        return networks if self.average is None else {**networks, "average": self.average.model}

    def _optimizers(self) -> dict[str, Optimizer]:
        return {"G_optimizer": self.gan.G_optimizer, "D_optimizer": self.gan.D_optimizer}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        arrays, optimizers = state_of(self.networks(), self._optimizers())
        return arrays, {
            "average_steps": 0 if self.average is None else self.average.steps,
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "sums": vars(self.sums) | self.sums.numbers(),
            "curve": self.curve,
            **optimizers,
        }

    def state_kind(self) -> dict[str, Kind]:
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
        load_state_of(self.networks(), self._optimizers(), arrays, numbers)
        steps = numbers["epoch"] * len(self.train) + numbers["batch"] - self.steps
        for schedule, saved in zip(self.schedules, numbers["schedules"], strict=True):
            load_schedule(schedule, saved, steps)
        if self.average is not None:
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


def _in_words(numbers: dict[str, float]) -> str:
    names = {"D_loss": "D", "G_loss": "G", "D_real": "D(x)", "D_fake": "D(G(z))"}
    return "  ".join(f"{names[name]} {numbers[name]:.3f}" for name in NUMBERS if name in numbers)
