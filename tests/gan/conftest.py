import numpy as np
import pytest

import tinycnn
from tinycnn import optim
from tinycnn.data import DataLoader, digits
from tinycnn.gan import (
    LOSSES,
    Discriminator,
    ExponentialMovingAverage,
    Gan,
    GanTraining,
    GanWithAdditions,
    Generator,
    Shift,
)


@pytest.fixture(scope="session")
def some_digits():
    """192 training digits."""
    train, _ = digits()
    return train.subset(np.arange(0, 9600, 50))


@pytest.fixture
def make_gan(some_digits):
    """A small run of a GAN; the same at every call."""

    def make(
        loss="non-saturating", conditional=False, epochs=2, seed=0, lr=1e-3, shift=0, smoothing=0, plain=False
    ):
        tinycnn.manual_seed(seed)
        K = 10 if conditional else 0
        norm = "instance" if LOSSES[loss].penalty else "batch"
        G, D = Generator(width=4, latent=8, num_classes=K), Discriminator(width=4, num_classes=K, norm=norm)
        optimizers = [optim.Adam(network.parameters(), lr, (0.5, 0.999)) for network in (G, D)]
        loader = DataLoader(some_digits, 16, shuffle=True, seed=seed, drop_last=True)
        schedules = [optim.CosineAnnealingLR(optimizer, epochs * len(loader)) for optimizer in optimizers]
        additions = [ExponentialMovingAverage(G, 0.99)]
        additions += [Shift(shift)] if shift else []
        rule = LOSSES[loss].smoothed(smoothing)
        gan = Gan(G, D, *optimizers, rule) if plain else GanWithAdditions(G, D, *optimizers, rule, additions)
        return GanTraining(gan, loader, epochs, schedules)

    return make
