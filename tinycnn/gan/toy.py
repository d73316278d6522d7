"""A GAN on points of the plane, where all can be drawn: data, samples, D at every point, and its gradient.

The networks are small and dense; losses and steps are those of the GANs for images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

import tinycnn
from tinycnn import functional as F
from tinycnn import optim
from tinycnn.autograd import grad
from tinycnn.modes import no_grad
from tinycnn.nn import LeakyReLU, Linear, Module, ReLU, Sequential
from tinycnn.plot import blank_figure, pixels
from tinycnn.tensor import Tensor

from .additions import ExponentialMovingAverage, GanWithAdditions
from .losses import LOSSES
from .step import frozen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATENT = 2
EXTENT = 1.6  # half the side of the square that is drawn
PENALTY = 1.0  # of WGAN-GP: with 10, as for images, the critic overshoots by more than the square's size
GRID = 48  # rows and columns of the heat map
ARROWS = 60  # samples at which an arrow is drawn

Density = Callable[[np.random.Generator, int], np.ndarray]


def ring(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n points of eight narrow normal distributions on a circle: eight modes that G may miss."""
    angles = 2 * np.pi * rng.integers(0, 8, n) / 8
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) + 0.06 * rng.standard_normal((n, 2))


def two_moons(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n points of two half circles, each with one end inside the other."""
    angles, upper = np.pi * rng.random(n), rng.integers(0, 2, n)
    x = np.where(upper, np.cos(angles) - 0.5, 0.5 - np.cos(angles))
    y = np.where(upper, np.sin(angles) - 0.25, 0.25 - np.sin(angles))
    return 0.9 * np.stack([x, y], axis=1) + 0.05 * rng.standard_normal((n, 2))


def spiral(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n points of a spiral of one and a half turns."""
    t = np.sqrt(rng.random(n))
    points = 1.2 * t[:, None] * np.stack([np.cos(3 * np.pi * t), np.sin(3 * np.pi * t)], axis=1)
    return points + 0.04 * rng.standard_normal((n, 2))


DENSITIES: dict[str, Density] = {"ring": ring, "two-moons": two_moons, "spiral": spiral}


@dataclass
class ToyGan(GanWithAdditions):
    """A GAN on a density of the plane: z (N, 2) -> points (N, 2) -> logits (N, 1)."""

    density: Density = field(default_factory=lambda: ring)  #: where the real points are
    rng: np.random.Generator = field(default_factory=np.random.default_rng)  #: draws them, and z
    steps: int = 0  #: batches so far

    @classmethod
    def of(
        cls, density: str = "ring", loss: str = "non-saturating", seed: int = 0, lr: float = 2e-3
    ) -> ToyGan:
        """Return a new GAN, by the names of its density and loss.

        Raises ValueError for unknown names, and for feature matching: these networks have no features.
        """
        if density not in DENSITIES:
            raise ValueError(f"unknown density {density!r}; there are {', '.join(DENSITIES)}")
        fits = [name for name, rule in LOSSES.items() if not rule.matches_features]
        if loss not in fits:
            raise ValueError(
                f"the loss {loss!r} does not fit points of the plane; there are {', '.join(fits)}"
            )
        tinycnn.manual_seed(seed)
        G = Sequential(Linear(LATENT, 128), ReLU(), Linear(128, 128), ReLU(), Linear(128, 2))
        D = Sequential(Linear(2, 128), LeakyReLU(0.2), Linear(128, 128), LeakyReLU(0.2), Linear(128, 1))
        rule = LOSSES[loss]
        if rule.penalty:
            rule = replace(rule, penalty=PENALTY)
        betas = (0.0, 0.9) if rule.penalty else (0.5, 0.999)
        G_optimizer, D_optimizer = (optim.Adam(network.parameters(), lr, betas) for network in (G, D))
        additions, rng = [ExponentialMovingAverage(G, 0.99)], np.random.default_rng(seed)
        return cls(G, D, G_optimizer, D_optimizer, rule, additions, DENSITIES[density], rng)

    @property
    def average(self) -> Module:
        """The generator that the picture's samples come from."""
        average = self.moving_average
        return self.G if average is None else average.model

    def train(self, steps: int, batch_size: int = 256) -> None:
        """Make so many steps of G; before each of them, D makes as many as the loss says."""
        for _ in range(steps):
            for _ in range(self.loss.critic_steps):
                real = Tensor(self.density(self.rng, batch_size).astype(np.float32))
                fake = self.generate(self._z(batch_size))
                self.train_D(real, fake)
            self.train_G(real, fake)
            self.steps += 1

    def _z(self, n: int) -> Tensor:
        return Tensor(self.rng.standard_normal((n, LATENT), np.float32))

    @no_grad()
    def samples(self, n: int, seed: int = 0) -> np.ndarray:
        """Return n generated points, (n, 2). The training's random numbers are not used."""
        z = np.random.default_rng(seed).standard_normal((n, LATENT), np.float32)
        return self.average(Tensor(z)).numpy()

    @no_grad()
    def belief(self) -> np.ndarray:
        """Return what D says at each cell of the square, (GRID, GRID); row 0 is at the bottom."""
        line = np.linspace(-EXTENT, EXTENT, GRID, dtype=np.float32)
        x, y = np.meshgrid(line, line)
        logits = self.D(Tensor(np.stack([x.ravel(), y.ravel()], axis=1)))
        values = F.sigmoid(logits) if self.loss.probability else logits
        return values.numpy().reshape(GRID, GRID)

    def push(self, points: np.ndarray) -> np.ndarray:
        """Return -dL_G/dx at each point, (N, 2): the direction in which G's loss pulls a sample."""
        x = Tensor(points, requires_grad=True)
        with frozen(self.D):
            (gradient,) = grad(self.loss.generator(self.D(x)), x)
        assert gradient is not None
        return -gradient.numpy()


def draw(gan: ToyGan) -> Figure:
    """Draw D as a heat map, the data, the samples, and arrows at some of the samples."""
    figure = blank_figure(5.6, 5.2)
    axes = figure.subplots()
    belief, square = gan.belief(), (-EXTENT, EXTENT, -EXTENT, EXTENT)
    low, high = (0.0, 1.0) if gan.loss.probability else (float(belief.min()), float(belief.max()))
    image = axes.imshow(belief, "PuOr", vmin=low, vmax=high, origin="lower", extent=square, alpha=0.75)
    figure.colorbar(image, ax=axes, shrink=0.8, label="D: real?" if gan.loss.probability else "D's output")
    real, fake = gan.density(np.random.default_rng(1), 300), gan.samples(300)
    axes.scatter(real[:, 0], real[:, 1], s=5, color="black", alpha=0.45, label="real")
    x, y = fake.T
    axes.scatter(x, y, s=11, color="white", edgecolors="black", linewidths=0.5, label="generated")
    at = fake[:ARROWS]
    push = gan.push(at)
    length = np.linalg.norm(push, axis=1, keepdims=True)
    longest = max(float(length.max()), 1e-12)
    arrows = push / longest * 0.35  # the longest arrow is 0.35 long, the others are in proportion
    axes.quiver(*at.T, *arrows.T, angles="xy", scale_units="xy", scale=1, width=0.004, color="black")
    axes.set(xlim=(-EXTENT, EXTENT), ylim=(-EXTENT, EXTENT), xticks=[], yticks=[])
    axes.set_title(f"step {gan.steps}: arrows are -dL/dx, where D pulls the samples", fontsize=9)
    axes.legend(loc="lower left", fontsize=8, framealpha=0.9)
    return figure


def animate(
    gan: ToyGan, steps: int = 1500, frames: int = 40, say: Callable[[str], None] = print
) -> list[np.ndarray]:
    """Train for so many steps, and return pictures: one of the start, and `frames` at equal distances.

    After every tenth picture `say` takes a line on how far it is.
    """
    pictures = [pixels(draw(gan))]
    for n in range(1, frames + 1):
        gan.train(steps * n // frames - gan.steps)
        pictures.append(pixels(draw(gan)))
        if n % 10 == 0:
            say(f"step {gan.steps} of {steps}")
    return pictures
