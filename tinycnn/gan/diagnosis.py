"""Why does my GAN not learn? The classic failures, each with what was seen and what to try.

`diagnose` judges numbers; the callback `Watch` collects them while a GAN trains.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tinycnn import backend as _backend
from tinycnn.features import nearest
from tinycnn.fit.callbacks import Callback
from tinycnn.fit.trainable import Trainable
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .sampling import noise, sample, scale
from .training import GanTraining

SEPARATED = 0.95  # D(x) - D(G(z)): D is nearly always right
COLLAPSED = 0.4  # diversity relative to real images
LASTS = 3  # observations in a row until anything is said: every GAN has a bad moment now and then
GRACE = 6  # observations until a collapse counts: an untrained generator always makes the same image
SAMPLES = 64


@dataclass(frozen=True)
class Observation:
    """What can be seen at one moment; D's loss, D(x) and D(G(z)) are means over the last batches."""

    step: int  #: batches so far
    D_loss: float
    D_real: float
    D_fake: float
    G_gradient: float  #: norm of the gradient of G's weights
    diversity: float  #: see the function `diversity`
    real: tuple[float, float]  #: lowest and highest value of the real images that D sees
    fake: tuple[float, float] = (-1.0, 1.0)  #: and of the generated ones


@dataclass(frozen=True)
class Finding:
    """A failure: its name, what was seen, what to try."""

    name: str
    seen: str
    attempt: str

    def __str__(self) -> str:
        return f"{self.seen}; try {self.attempt}"


def diagnose(observations: Sequence[Observation], bounded: bool = True) -> list[Finding]:
    """Return the failures that the last observations show.

    `bounded` says whether D's output is a probability or is trained towards 0 and 1, as it is not for a
    Wasserstein critic.
    """
    return list(_findings(observations, bounded)) if observations else []


def _findings(observations: Sequence[Observation], bounded: bool) -> Iterator[Finding]:
    last, recent = observations[-1], observations[-LASTS:]
    if not np.isfinite((last.D_loss, last.D_real, last.D_fake, last.G_gradient)).all():
        yield Finding(
            "NaN",
            f"by step {last.step} a loss or a gradient is NaN or infinite (D's loss {last.D_loss:g}, norm of "
            f"G's gradient {last.G_gradient:g})",
            "a lower learning rate, and tinycnn.detect_anomaly() to find the operation it begins in",
        )
    (low, high), (reach_low, reach_high) = last.real, last.fake
    # Real images with a black and a white spot reach both ends of the range, or nearly: a tenth is allowed.
    near = 0.1 * (reach_high - reach_low)
    if not (abs(low - reach_low) <= near and abs(high - reach_high) <= near):
        yield Finding(
            "not scaled",
            f"real images lie in [{low:g}, {high:g}] and the generator's in [{reach_low:g}, {reach_high:g}], "
            "so D tells them apart by their range",
            "to scale the real ones to the generator's range: 2x - 1 for x in [0, 1], x / 127.5 - 1 for 0 to "
            "255",
        )
    if len(observations) >= GRACE and not any(o.diversity >= COLLAPSED for o in recent):
        best = max(o.diversity for o in observations)
        yield Finding(
            "collapse",
            f"the samples' diversity is {last.diversity:.2f} of that of real images (its best was "
            f"{best:.2f}): G makes few images again and again",
            "another seed, a lower learning rate for G, or --loss wgan-gp, which collapses least",
        )
    if bounded and len(recent) == LASTS and not any(o.D_real - o.D_fake < SEPARATED for o in recent):
        yield Finding(
            "D has won",
            f"D is always right (loss {last.D_loss:.3f}, D(x) {last.D_real:.2f}, D(G(z)) {last.D_fake:.2f}) "
            f"and teaches G nothing (norm of its gradient {last.G_gradient:.1e})",
            "--loss non-saturating or wgan-gp, --smoothing 0.1, a lower learning rate for D, or a narrower D",
        )


class Watch(Callback):
    """Observe a GAN while it trains, and report each kind of failure once.

    Parameters
    ----------
    say
        A function that takes the sentence.
    every
        Batches between two looks.
    """

    def __init__(self, say: Callable[[str], None] = print, every: int = 50) -> None:
        self.say, self.every = say, every
        self.observations: list[Observation] = []
        self.findings: list[Finding] = []

    def on_batch_end(self, training: Trainable) -> None:
        """Observe the GAN, if it is time."""
        assert isinstance(training, GanTraining)
        if training.steps % self.every or not training.curve:
            return
        self.observations.append(observe(training))
        for finding in diagnose(self.observations, bounded=training.gan.loss.penalty == 0):
            if finding.name not in [known.name for known in self.findings]:
                self.findings.append(finding)
                self.say(f"step {training.steps}: {finding}")


def observe(training: GanTraining) -> Observation:
    """Return an observation of the GAN as it is now. It uses none of the training's random numbers."""
    last = training.curve[-1]
    real = training.train.dataset.scaled(slice(0, SAMPLES))
    z, _ = noise(training.G, len(real))
    labels = training.train.dataset.labels[: len(real)] if training.conditional else None
    images = sample(training.sampler, z, labels)
    seen = scale(Tensor(real)).numpy()
    return Observation(
        training.steps,
        last["D_loss"],
        last["D_real"],
        last["D_fake"],
        gradient_norm(training.G),
        diversity(images, real),
        (float(seen.min()), float(seen.max())),
    )


def gradient_norm(module: Module) -> float:
    """Return the norm of dL/dtheta over all parameters, after a backward; 0 before the first."""
    gradients = [parameter.grad.data for parameter in module.parameters() if parameter.grad is not None]
    return sum(_backend.numbers(*((g * g).sum() for g in gradients))) ** 0.5


def diversity(images: np.ndarray, real: np.ndarray) -> float:
    """Return the mean distance of images to their nearest neighbours, divided by that of real images.

    Give the same number of each: the more images there are, the smaller the distances. The result is 0 if
    all images are the same.
    """
    own, others = (nearest(x, x, leave_out_self=True).distance.mean() for x in (images, real))
    return float(own / others) if others else 1.0
