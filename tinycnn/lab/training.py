"""Training on the page: one step at a time, or as many as a moment allows."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn import nn, optim
from tinycnn.data import DataLoader
from tinycnn.explain import Explanation, training_step
from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.modes import no_grad
from tinycnn.nn.summary import computing_modules
from tinycnn.optim import Optimizer
from tinycnn.tensor import Tensor

from .network import Network

BATCH_SIZE = 32
LOOKED_AT = 200  # test pictures for the accuracy, and for counting dead ReLUs
MOMENT = 0.1  # seconds that one request may train
HOPELESS = 1e3  # a loss above it is taken for divergence: guessing among ten classes costs 2.3
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")

Batch = tuple[np.ndarray, np.ndarray]


@dataclass
class Trainer:
    """A page's own copy of a network, in training.

    Attributes
    ----------
    before
        The network as it was before the first step.
    network
        The copy.
    steps, losses
        How many steps were made, and the loss of each before its update.
    diverged
        Why training cannot go on; empty if it can.
    shown
        The explanation of the last step that was shown in turn, as `tinycnn.explain.document.to_dict` has it.
    """

    before: Network
    kind: str = "sgd"
    lr: float = 0.05
    steps: int = 0
    losses: list[float] = field(default_factory=list)
    diverged: str = ""
    shown: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.network = replace(self.before, model=copy.deepcopy(self.before.model))
        self.optimizer = self._new_optimizer()
        self._batches = self._endless()

    def configure(self, kind: str, lr: float) -> None:
        """Go on with another learning rate, or with another rule, which begins anew."""
        if kind != self.kind:
            self.kind, self.lr = kind, lr
            self.optimizer = self._new_optimizer()
        elif lr != self.lr:
            self.lr = lr
            self.optimizer.lr = lr

    def batch(self) -> Batch:
        """Return the next batch of the training pictures.

        Raises
        ------
        ValueError
            If there are none.
        """
        if self.network.train is None:
            raise ValueError("there are no training pictures for this network here: train on the picture")
        return next(self._batches)

    def explain(self, batch: Batch) -> Explanation:
        """Return every step of the next training step on `batch`; nothing is changed."""
        with np.errstate(all="ignore"):
            return training_step(self.network.model, self.optimizer, *batch)

    def step(self, batch: Batch) -> float:
        """Make one training step on a batch and return the loss before it.

        Raises
        ------
        ValueError
            If training has diverged.
        """
        if self.diverged:
            raise ValueError(self.diverged)
        images, labels = batch
        model = self.network.model
        with np.errstate(all="ignore"):
            loss = F.cross_entropy(model(Tensor(images)), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
        value = loss.item()
        self.steps += 1
        self.losses.append(value)
        if not value < HOPELESS or not _finite(model):
            self.diverged = (
                f"training diverged at step {self.steps}: the loss is {value:g}, weights are huge or NaN. "
                f"A learning rate of {self.lr:g} is too high for {self.kind}. Reset, and try a lower one"
            )
        return value

    def go_on(self, batch: Batch | None, steps: int) -> list[float]:
        """Make up to so many steps, but not for longer than a moment; stop if it diverges."""
        until = time.monotonic() + MOMENT
        losses: list[float] = []
        while not losses or (len(losses) < steps and not self.diverged and time.monotonic() < until):
            losses.append(self.step(batch if batch is not None else self.batch()))
        return losses

    def loss_on(self, batch: Batch) -> float:
        """Return the loss on a batch, without a step."""
        with np.errstate(all="ignore"), no_grad():
            return F.cross_entropy(self.network.model(Tensor(batch[0])), batch[1]).item()

    def report(self) -> dict[str, Any]:
        """Return accuracy on some test pictures, and how many ReLUs are dead: 0 on all of these pictures."""
        test = self.network.test
        if test is None:
            return {"accuracy": None, "dead": None, "relus": None}
        dead, relus, removers = [], [], []

        def count(module: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> None:
            alive = (y.numpy() > 0).any(axis=(0, *range(2, y.ndim)))  # of a channel or unit
            dead.append(int((~alive).sum()))
            relus.append(alive.size)

        for module in computing_modules(self.network.model).values():
            if isinstance(module, nn.ReLU):
                removers.append(module.register_forward_hook(count))
        index = np.arange(min(LOOKED_AT, len(test)))
        try:
            with np.errstate(all="ignore"), evaluation_mode(self.network.model), no_grad():
                logits = self.network.model(Tensor(test.scaled(index))).numpy()
        finally:
            for remove in removers:
                remove()
        accuracy = float((logits.argmax(1) == test.labels[index]).mean())
        return {"accuracy": accuracy, "dead": sum(dead), "relus": sum(relus)}

    def _new_optimizer(self) -> Optimizer:
        theta = self.network.model.parameters()
        if self.kind in ("sgd", "momentum"):
            return optim.SGD(theta, self.lr, momentum=0.9 if self.kind == "momentum" else 0.0)
        return (optim.AdamW if self.kind == "adamw" else optim.Adam)(theta, self.lr)

    def _endless(self) -> Iterator[Batch]:
        assert self.network.train is not None
        loader = DataLoader(self.network.train, BATCH_SIZE, shuffle=True, seed=1)
        while True:
            for images, labels in loader:
                yield images.numpy(), labels.numpy()


def filters(model: nn.Module, most: int = 64) -> dict[str, np.ndarray]:
    """Return the filters of each convolution as maps (n, KH, KW), of large ones the first."""
    found = {}
    for name, module in computing_modules(model).items():
        if isinstance(module, nn.Conv2d):
            w = module.weight.numpy()
            found[f"{name}.weight"] = w.reshape(-1, *w.shape[2:])[:most]
    return found


def _finite(model: nn.Module) -> bool:
    return all(bool(np.isfinite(p.numpy()).all()) for p in model.parameters())
