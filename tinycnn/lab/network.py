"""A network with what the page needs to know about it; and the small one to begin with."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

import tinycnn
from tinycnn import data, nn, optim
from tinycnn import functional as F
from tinycnn.data import DataLoader, Dataset

Shape = tuple[int, int, int]

EPOCHS, BATCH_SIZE, LR = 1, 32, 4e-3  # of the small network: a few seconds, about 94 % on the test digits


@dataclass(frozen=True)
class Network:
    """A classifier, its classes, and pictures to try it on.

    Attributes
    ----------
    model
        The network.
    name
        What the page calls it.
    classes
        The K classes' names.
    input_shape
        (C, H, W).
    train, test
        Pictures of this shape with labels of these classes; None if there are none on this machine.
    note
        What is to be said of it; empty otherwise.
    kind
        Its name in `tinycnn.models.MODELS`; empty for another one.
    data
        What it was trained on; empty if that is not known.
    """

    model: nn.Module
    name: str
    classes: tuple[str, ...]
    input_shape: Shape
    train: Dataset | None = None
    test: Dataset | None = None
    note: str = ""
    kind: str = ""
    data: str = ""


def small_network(seed: int = 0) -> Network:
    """Return an untrained network for the embedded digits whose maps all fit on a screen."""
    train, test = data.digits()
    tinycnn.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3),  # 8x26x26
        nn.ReLU(),
        nn.MaxPool2d(2),  # 8x13x13
        nn.Conv2d(8, 16, 3),  # 16x11x11
        nn.ReLU(),
        nn.MaxPool2d(2),  # 16x5x5
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 10),
    )
    shape = train.image_shape
    return Network(model, "small network", train.classes, shape, train, test, data="digits")


@dataclass
class Start:
    """The training of the small network, in slices, so that the page is served meanwhile.

    Attributes
    ----------
    network
        It is trained in place.
    done, total
        Steps.
    loss, accuracy
        Means of the last steps.
    """

    network: Network
    done: int = 0
    total: int = 0
    loss: float = float("nan")
    accuracy: float = float("nan")

    def __post_init__(self) -> None:
        assert self.network.train is not None
        self._loader = DataLoader(self.network.train, BATCH_SIZE, shuffle=True, seed=0)
        self.total = EPOCHS * len(self._loader)
        self._optimizer = optim.Adam(self.network.model.parameters(), LR)
        self._schedule = optim.OneCycleLR(self._optimizer, LR, self.total)
        self._batches = iter(batch for epoch in range(EPOCHS) for batch in self._loader.batches(epoch))

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.done >= self.total

    def advance(self, seconds: float) -> None:
        """Train for about so long."""
        until = time.monotonic() + seconds
        model = self.network.model
        while not self.finished and time.monotonic() < until:
            images, labels = next(self._batches)
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self._schedule.step()
            self.done += 1
            right = float(np.mean(logits.numpy().argmax(1) == labels.numpy()))
            if self.done == 1:
                self.loss, self.accuracy = loss.item(), right
            self.loss += 0.1 * (loss.item() - self.loss)
            self.accuracy += 0.1 * (right - self.accuracy)
        if self.finished:
            model.zero_grad()
