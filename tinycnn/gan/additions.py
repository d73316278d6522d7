"""What makes the images of a plain GAN better: objects that are added to its step, each with the reason why.

`GanWithAdditions` is the step with them: `Shift`, `NameClasses` and `ExponentialMovingAverage`. Another one,
`tinycnn.gan.kinds.Kinds`, is part of a generator.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import numpy as np

from tinycnn import functional as F
from tinycnn.nn import Module
from tinycnn.optim.recording import refuse_changing
from tinycnn.tensor import Tensor

from .losses import feature_matching, gradient_penalty, logit
from .networks import Discriminator
from .step import Gan, Judged

Network = TypeVar("Network", bound=Module)

SHIFT_RANDOM = 3  # the purpose of random numbers; the loader's and the loop's purposes are 0, 1 and 2


class Addition:
    """Base of what changes the step of a GAN: a subclass overrides the methods it needs."""

    def begin(self, seed: int, epoch: int, batch: int) -> None:
        """Prepare one step, whose random numbers depend on these three numbers only."""

    def shown(self, images: Tensor) -> Tensor:
        """Return the images as D is to see them, real ones and generated ones."""
        return images

    def to_D(self, loss: Tensor, on_real: Tensor, labels: Any) -> Tensor:
        """Return what D is to minimise, given its loss, its scores of the real images, and their labels."""
        return loss

    def to_G(self, loss: Tensor, on_fake: Tensor) -> Tensor:
        """Return what G is to minimise, given its loss and D's scores of the generated images."""
        return loss

    def after_G(self) -> None:
        """Do what follows a step of G."""


class Shift(Addition):
    """Show D all images moved by the same few pixels, at random in every step.

    Why: D learns a small data set by heart, and then its gradient teaches G nothing of use. It cannot do so
    if each image is shown at many places. Real and generated images are moved alike, so G still learns to
    put its images where the real ones are.

    Parameters
    ----------
    pixels
        The largest shift in each direction.

    References
    ----------
    Zhao et al. 2020, Differentiable augmentation for data-efficient GAN training.
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self.dy, self.dx = 0, 0

    def begin(self, seed: int, epoch: int, batch: int) -> None:
        rng = np.random.default_rng([seed, SHIFT_RANDOM, epoch, batch])
        self.dy, self.dx = map(int, rng.integers(-self.pixels, self.pixels + 1, 2))

    def shown(self, images: Tensor) -> Tensor:
        refuse_changing("Shift moves images by other numbers in every step, which a graph would not change")
        return move(images, self.dy, self.dx)


def move(images: Tensor, dy: int, dx: int) -> Tensor:
    """Return images (N, C, H, W) moved down by dy and to the right by dx; new pixels are -1, black."""
    H, W = images.shape[2:]
    y, x = abs(dy), abs(dx)
    larger = F.pad(images, (x, x, y, y), -1.0)  # (N, C, H + 2y, W + 2x)
    return larger[:, :, y - dy : y - dy + H, x - dx : x - dx + W]


class NameClasses(Addition):
    """Let D also learn to name the classes of real images, and G to make images that D can name.

    Why: to tell a 3 from an 8, D must look at the strokes and not at the noise between them, so its gradient
    is about strokes, too. And G's loss is larger for images between two classes, which no data set has. D
    needs one output per class; `tinycnn.gan.losses.logit` makes "real" of them.

    Parameters
    ----------
    weight
        Of both terms: the cross-entropy of D's names, and the `entropy` of D's names of generated images. A
        generated image has no class that D could be told.

    References
    ----------
    Odena et al. 2017, Conditional image synthesis with auxiliary classifier GANs; Springenberg 2016,
    Unsupervised and semi-supervised learning with categorical GANs.
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def to_D(self, loss: Tensor, on_real: Tensor, labels: Any) -> Tensor:
        return loss + F.cross_entropy(on_real, labels) * self.weight

    def to_G(self, loss: Tensor, on_fake: Tensor) -> Tensor:
        return loss + entropy(on_fake) * self.weight


def entropy(scores: Tensor) -> Tensor:
    """Return the mean of -sum(p log p) of p = softmax(scores) (N, K): 0 if D is sure, log K if it is not."""
    return -F.mean(F.sum(F.softmax(scores, 1) * F.log_softmax(scores, 1), 1))


class ExponentialMovingAverage(Addition, Generic[Network]):
    """A copy of G whose weights follow the trained ones slowly; samples come from it.

    ::

        average <- average + (1 - d) * (theta - average),   d = min(decay, (1 + t) / (10 + t))

    at step t, so that the weights of the first steps, which make no good images, are soon forgotten. Running
    statistics are averaged, too: they belong to the weights.

    Why: G and D run after each other in circles, so what G makes changes from step to step. The average stays
    near the middle of the circle. ``model`` is the copy, ``steps`` counts its updates.

    References
    ----------
    Yazici et al. 2019, The unusual effectiveness of averaging in GAN training.
    """

    def __init__(self, model: Network, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, got {decay}")
        self.model: Network = copy.deepcopy(model)
        self.decay, self.steps = decay, 0
        self.model.eval()
        mine, trained = ([*m.named_parameters(), *m.named_buffers()] for m in (self.model, model))
        self._pairs = [(average, theta) for (_, average), (_, theta) in zip(mine, trained, strict=True)]

    def after_G(self) -> None:
        self.update()

    def update(self) -> None:
        """Move the average towards the weights of the trained network."""
        refuse_changing(
            "ExponentialMovingAverage weighs every step with another number, which a graph would not change: "
            "call its update() outside, behind every call"
        )
        self.steps += 1
        d = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for average, theta in self._pairs:
            if average.dtype.kind == "f":
                average.data += (1 - d) * (theta.data - average.data)
            else:
                average.data[...] = theta.data


@dataclass
class GanWithAdditions(Gan):
    """A GAN whose step has labels, a gradient penalty, features to match, or additions (in their order)."""

    additions: Sequence[Addition] = ()

    def __post_init__(self) -> None:
        """Check nothing: this step does what a plain GAN refuses."""

    @property
    def moving_average(self) -> ExponentialMovingAverage[Any] | None:
        """The moving average of G, if that is one of the additions."""
        return next((a for a in self.additions if isinstance(a, ExponentialMovingAverage)), None)

    def generate(self, z: Tensor, labels: Any = None) -> Tensor:
        """Return x = G(z), or G(z, labels)."""
        return self.G(z, *self._told(labels))

    def D_loss(self, real: Tensor, fake: Tensor, labels: Any) -> Judged:
        """Return what D minimises."""
        y, real, fake = self._told(labels), self._shown(real), self._shown(fake)
        scores, on_fake = self.D(real, *y), logit(self.D(fake, *y))
        on_real = logit(scores)
        loss = self.loss.discriminator(on_real, on_fake)
        if self.loss.penalty:
            loss = loss + self.loss.penalty * gradient_penalty(lambda x: logit(self.D(x, *y)), real, fake)
        whole = loss
        for addition in self.additions:
            whole = addition.to_D(whole, scores, labels)
        return Judged(loss, on_real, on_fake, whole)

    def G_loss(self, real: Tensor, fake: Tensor, labels: Any) -> tuple[Tensor, Tensor]:
        """Return G's loss, and what it minimises."""
        y, fake = self._told(labels), self._shown(fake)
        if self.loss.matches_features:
            look = cast(Discriminator, self.D).features
            loss = feature_matching(look(self._shown(real), *y), look(fake, *y))
            return loss, loss
        scores = self.D(fake, *y)
        whole = loss = self.loss.generator(logit(scores))
        for addition in self.additions:
            whole = addition.to_G(whole, scores)
        return loss, whole

    def train_G(self, real: Tensor, fake: Tensor, labels: Any = None) -> Tensor:
        """Let G, which made `fake`, learn to be taken for real; return its loss."""
        loss = super().train_G(real, fake, labels)
        for addition in self.additions:
            addition.after_G()
        return loss

    def _told(self, labels: Any) -> tuple[Any, ...]:
        """Return the labels if the networks are conditional: they get them beside their input."""
        return (labels,) if getattr(self.G, "num_classes", 0) else ()

    def _shown(self, images: Tensor) -> Tensor:
        """Return the images as D is to see them."""
        for addition in self.additions:
            images = addition.shown(images)
        return images
