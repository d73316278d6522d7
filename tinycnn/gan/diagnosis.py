"""Why does my GAN not learn? The classic failures, each with what was seen and what to try.

`diagnose` judges numbers; the callback `Watch` collects them while a GAN trains.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinycnn import backend as _backend
from tinycnn.fit.callbacks import Callback
from tinycnn.fit.trainable import Trainable
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .latent import diversity
from .sampling import sample, scale
from .training import GanTraining

SEPARATED = 0.95  # D(x) - D(G(z)): D is nearly always right
COLLAPSED = 0.4  # diversity relative to real images
LASTS = 3  # observations in a row until anything is said: every GAN has a bad moment now and then
GRACE = 6  # observations until a collapse counts: an untrained generator always makes the same image
SAMPLES = 64


@dataclass(frozen=True)
class Observation:
    """What can be seen at one moment.

    Attributes
    ----------
    step
        Batches so far.
    D_loss, D_real, D_fake
        D's loss and the means of D(x) and D(G(z)) over the last batches.
    G_gradient
        Norm of the gradient of G's weights.
    diversity
        See `tinycnn.gan.latent.diversity`.
    real, fake
        Lowest and highest value of what D sees, real and generated.
    """

    step: int
    D_loss: float
    D_real: float
    D_fake: float
    G_gradient: float
    diversity: float
    real: tuple[float, float]
    fake: tuple[float, float] = (-1.0, 1.0)


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

    Parameters
    ----------
    bounded
        Whether D's output is a probability or is trained towards 0 and 1; False for a Wasserstein critic.
    """
    if not observations:
        return []
    checks = [_not_finite, _not_scaled, _collapsed] + ([_D_has_won] if bounded else [])
    findings = (check(observations) for check in checks)
    return [finding for finding in findings if finding is not None]


def _not_finite(observations: Sequence[Observation]) -> Finding | None:
    last = observations[-1]
    numbers = (last.D_loss, last.D_real, last.D_fake, last.G_gradient)
    if np.isfinite(numbers).all():
        return None
    return Finding(
        "NaN",
        f"by step {last.step} a loss or a gradient is NaN or infinite (D's loss {last.D_loss:g}, norm of "
        f"G's gradient {last.G_gradient:g})",
        "a lower learning rate, and tinycnn.detect_anomaly() to find the operation it begins in",
    )


def _not_scaled(observations: Sequence[Observation]) -> Finding | None:
    last = observations[-1]
    (low, high), (reach_low, reach_high) = last.real, last.fake
    span = reach_high - reach_low
    # Real images with a black and a white spot reach both ends of the range, or nearly: a tenth is allowed.
    if abs(low - reach_low) <= 0.1 * span and abs(high - reach_high) <= 0.1 * span:
        return None
    return Finding(
        "not scaled",
        f"real images lie in [{low:g}, {high:g}] and the generator's in [{reach_low:g}, {reach_high:g}], so "
        "D tells them apart by their range",
        "to scale the real ones to the generator's range: 2x - 1 for x in [0, 1], x / 127.5 - 1 for 0 to 255",
    )


def _collapsed(observations: Sequence[Observation]) -> Finding | None:
    recent = observations[-LASTS:]
    if len(observations) < GRACE or any(o.diversity >= COLLAPSED for o in recent):
        return None
    best = max(o.diversity for o in observations)
    return Finding(
        "collapse",
        f"the samples' diversity is {recent[-1].diversity:.2f} of that of real images (its best was "
        f"{best:.2f}): G makes few images again and again",
        "another seed, a lower learning rate for G, or --loss wgan-gp, which collapses least",
    )


def _D_has_won(observations: Sequence[Observation]) -> Finding | None:
    recent = observations[-LASTS:]
    if len(recent) < LASTS or any(o.D_real - o.D_fake < SEPARATED for o in recent):
        return None
    last = recent[-1]
    return Finding(
        "D has won",
        f"D is always right (loss {last.D_loss:.3f}, D(x) {last.D_real:.2f}, D(G(z)) {last.D_fake:.2f}) and "
        f"teaches G nothing (norm of its gradient {last.G_gradient:.1e})",
        "--loss non-saturating or wgan-gp, --smoothing 0.1, a lower learning rate for D, or a narrower D",
    )


class Watch(Callback):
    """Look at a GAN while it trains, and say each kind of failure once.

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
        """Look, if it is time."""
        assert isinstance(training, GanTraining)
        if training.steps % self.every or not training.curve:
            return
        self.observations.append(observe(training))
        for finding in diagnose(self.observations, bounded=training.gan.loss.penalty == 0):
            if finding.name not in [known.name for known in self.findings]:
                self.findings.append(finding)
                self.say(f"step {training.steps}: {finding}")


def observe(training: GanTraining) -> Observation:
    """Return what can be seen now. The training's random numbers are not used."""
    last, G = training.curve[-1], training.sampler
    real = training.train.dataset.scaled(slice(0, SAMPLES))
    rng = np.random.default_rng(0)
    z = Tensor(rng.standard_normal((len(real), training.G.latent), np.float32))
    labels = training.train.dataset.labels[: len(real)] if training.conditional else None
    images = sample(G, z, labels)
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
