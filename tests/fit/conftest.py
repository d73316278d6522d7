import numpy as np
import pytest

import tinycnn
from tinycnn import nn, optim
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.fit import Training


@pytest.fixture(scope="session")
def few_digits():
    """The first 192 training and 100 test digits."""
    train, test = digits()
    return train.subset(np.arange(192)), test.subset(np.arange(0, 2000, 20))


@pytest.fixture
def make_training(few_digits):
    """A small run with everything random in it: order, shifts, dropout; the same at every call."""

    def make(epochs=3, lr=3e-3, kind=optim.Adam, schedule=True, validation=True, seed=0):
        train, test = few_digits
        tinycnn.manual_seed(seed)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 5, stride=2),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(4 * 6 * 6, 10),
        )
        loader = DataLoader(train, 32, shuffle=True, augment=Augment(shift=1), seed=seed)
        optimizer = kind(model.parameters(), lr)
        one_cycle = optim.OneCycleLR(optimizer, lr, epochs * len(loader)) if schedule else None
        held_out = DataLoader(test, 64) if validation else None
        return Training(model, loader, optimizer, epochs, held_out, one_cycle)

    return make
