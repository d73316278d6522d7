"""Generative adversarial networks (Eq. 12 and 13): networks, losses, training, and what to make of samples.

Read in this order: `networks`, `losses`, `step`, `training`; then `diagnosis` for what goes wrong, `latent`
for walks through z, and `tinycnn.gan.score` for numbers to hold a generator to.
"""

from .diagnosis import Finding, Observation, Watch, diagnose
from .ema import ExponentialMovingAverage
from .latent import class_by_style, diversity, nearest, slerp, strips
from .losses import LOSSES, Loss, feature_matching, gradient_penalty
from .networks import LATENT, Discriminator, Generator, check_image_shape
from .run import GanRun
from .saved import load_discriminator, load_generator, save_networks
from .settings import GanSettings
from .step import discriminator_step, generator_step
from .training import GanTraining, sample, scale

__all__ = [
    "LATENT",
    "LOSSES",
    "Discriminator",
    "ExponentialMovingAverage",
    "Finding",
    "GanRun",
    "GanSettings",
    "GanTraining",
    "Generator",
    "Loss",
    "Observation",
    "Watch",
    "check_image_shape",
    "class_by_style",
    "diagnose",
    "discriminator_step",
    "diversity",
    "feature_matching",
    "generator_step",
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
