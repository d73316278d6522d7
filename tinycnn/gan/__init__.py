"""Generative adversarial networks (Eq. 12 and 13): networks, losses, training, and what to make of samples.

Read in this order: `networks`, `losses`, `step` (a plain GAN), `additions` (what makes it better) and
`training`; then `diagnosis` for what goes wrong, `sampling` for walks through z, and `tinycnn.gan.score` for
numbers that judge a generator.
"""

from tinycnn.features import nearest

from .additions import Addition, ExponentialMovingAverage, GanWithAdditions, NameClasses, Shift
from .diagnosis import Finding, Observation, Watch, diagnose, diversity
from .losses import LOSSES, Loss, feature_matching, gradient_penalty
from .networks import LATENT, Discriminator, Generator, check_image_shape
from .run import GanRun, GanSettings
from .sampling import class_by_style, sample, scale, slerp, strips
from .saved import load_discriminator, load_generator, save_networks
from .step import Gan
from .training import GanTraining

__all__ = [
    "LATENT",
    "LOSSES",
    "Addition",
    "Discriminator",
    "ExponentialMovingAverage",
    "Finding",
    "Gan",
    "GanRun",
    "GanSettings",
    "GanTraining",
    "GanWithAdditions",
    "Generator",
    "Loss",
    "NameClasses",
    "Observation",
    "Shift",
    "Watch",
    "check_image_shape",
    "class_by_style",
    "diagnose",
    "diversity",
    "feature_matching",
    "gradient_penalty",
    "load_discriminator",
    "load_generator",
    "nearest",
    "sample",
    "save_networks",
    "scale",
    "slerp",
    "strips",
]
