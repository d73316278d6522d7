"""The page's requests about the toy: a GAN on points of the plane, step by step."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.gan.losses import LOSSES
from tinycnn.gan.toy import DENSITIES, EXTENT, ToyGan
from tinycnn.schema import Choice, Fields, Integer

from .wire import Array, Command, Reply

if TYPE_CHECKING:
    from .session import Session

MOMENT = 0.1  # seconds that one request may train
POINTS, ARROWS = 300, 60
TOY_LOSSES = tuple(name for name, rule in LOSSES.items() if not rule.matches_features)


def new_toy(session: Session, fields: dict[str, Any]) -> Reply:
    """Begin the toy anew."""
    session.toy = ToyGan.of(fields["density"], fields["loss"], fields.get("seed", 0))
    return _toy(session.toy)


def step_toy(session: Session, fields: dict[str, Any]) -> Reply:
    """Train the toy for the steps asked for, but for at most `MOMENT` seconds: the page waits."""
    if session.toy is None:
        session.toy = ToyGan.of()
    toy, until = session.toy, time.monotonic() + MOMENT
    end = toy.steps + fields["steps"]
    with np.errstate(all="ignore"):
        while toy.steps < end:
            toy.train(1)
            if time.monotonic() > until:
                break
    return _toy(toy)


def _toy(toy: ToyGan) -> Reply:
    """Return D everywhere, real and generated points, and the pull on some of these."""
    fake = toy.samples(POINTS)
    arrays = [
        Array("belief", toy.belief()),
        Array("real", toy.density(np.random.default_rng(1), POINTS)),
        Array("fake", fake),
        Array("push", toy.push(fake[:ARROWS])),
    ]
    return Reply({"steps": toy.steps, "extent": EXTENT, "probability": toy.loss.probability}, arrays)


COMMANDS: dict[str, Command] = {
    "toy": (
        Fields({"density": Choice(tuple(DENSITIES)), "loss": Choice(TOY_LOSSES)}, {"seed": Integer(0)}),
        new_toy,
    ),
    "toy-step": (Fields({"steps": Integer(1, 1000)}), step_toy),
}
