"""The two networks of the DCGAN step, for 28x28 grey images."""

from tinycnn.nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Tanh,
    Unflatten,
)

LATENT = 100  # numbers z that an image is made from


def generator() -> Sequential:
    """Return G: z (N, 100) -> images (N, 1, 28, 28) in [-1, 1].

    References
    ----------
    Radford et al. 2015, Unsupervised representation learning with deep convolutional generative adversarial
    networks.
    """
    return Sequential(
        Linear(LATENT, 128 * 7 * 7),
        Unflatten(1, (128, 7, 7)),  # 128x7x7
        BatchNorm2d(128),
        ReLU(),
        ConvTranspose2d(128, 64, 4, stride=2, padding=1),  # 64x14x14
        BatchNorm2d(64),
        ReLU(),
        ConvTranspose2d(64, 1, 4, stride=2, padding=1),  # 1x28x28
        Tanh(),
    )


def discriminator() -> Sequential:
    """Return D: images (N, 1, 28, 28) -> logits (N, 1), positive for "real"."""
    return Sequential(
        Conv2d(1, 64, 4, stride=2, padding=1),  # 64x14x14
        LeakyReLU(0.2),
        Conv2d(64, 128, 4, stride=2, padding=1),  # 128x7x7
        BatchNorm2d(128),
        LeakyReLU(0.2),
        Flatten(),
        Linear(128 * 7 * 7, 1),
    )
