"""The page's requests about training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn.explain.document import to_dict
from tinycnn.schema import Choice, Fields, Flag, Integer, Number

from . import picture as pictures
from .training import OPTIMIZERS, Batch, Trainer, filters
from .wire import Array, Command, Reply

if TYPE_CHECKING:
    from .session import Session

MOST_STEPS = 1000  # of one request
MOST_HIGHEST = 1e6  # learning rate


def train(session: Session, fields: dict[str, Any]) -> Reply:
    """Make steps, on the picture or on batches; with `explain`, one step that is shown."""
    trainer = trainer_of(session)
    trainer.configure(fields["optimizer"], fields["lr"])
    fixed = None
    if fields["on"] == "picture":
        fixed = _picture(session, fields.get("label"))
    said: dict[str, Any] = {}
    if fields.get("explain"):
        fixed = fixed or trainer.batch()
        if not trainer.diverged:
            explanation = trainer.explain(fixed)
            said["explanation"] = trainer.shown = to_dict(explanation, values=False)
        losses = [trainer.step(fixed)]
        said["after"] = trainer.loss_on(fixed)
    else:
        losses = trainer.go_on(fixed, fields["steps"])
    session.trace = None
    said |= {"losses": losses, "steps": trainer.steps, "diverged": trainer.diverged, **trainer.report()}
    return Reply(said, _filters(session))


def training(session: Session, fields: dict[str, Any]) -> Reply:
    """Return all losses and the last step shown, for a page that was loaded again."""
    trainer = session.trainer
    if trainer is None:
        return Reply({"steps": 0})
    said = {"steps": trainer.steps, "optimizer": trainer.kind, "lr": trainer.lr, "diverged": trainer.diverged}
    said |= {"explanation": trainer.shown, **trainer.report()}
    return Reply(said, [Array("losses", np.array(trainer.losses, np.float32)), *_filters(session)])


def reset(session: Session, fields: dict[str, Any]) -> Reply:
    """Go back to the network as it was before its first step."""
    if session.trainer is not None:
        session.network, session.trainer, session.trace = session.trainer.before, None, None
    return Reply({"steps": 0}, _filters(session))


def trainer_of(session: Session) -> Trainer:
    """Return the session's trainer; the first call makes one, with a copy of the network."""
    if session.trainer is None:
        session.trainer = Trainer(session.network)
        session.network = session.trainer.network
    return session.trainer


def _picture(session: Session, label: int | None) -> Batch:
    label = session.label if label is None else label
    if label is None:
        raise ValueError("choose the true class of the picture first: training needs it")
    if label >= len(session.network.classes):
        raise ValueError(f"there are {len(session.network.classes)} classes, counted from 0")
    x = pictures.with_noise(session.picture, session.noise)[None]
    return x, np.array([label])


def _filters(session: Session) -> list[Array]:
    return [Array(name, w) for name, w in filters(session.network.model).items()]


COMMANDS: dict[str, Command] = {
    "train": (
        Fields(
            {
                "steps": Integer(1, MOST_STEPS),
                "on": Choice(("picture", "batch")),
                "optimizer": Choice(OPTIMIZERS),
                "lr": Number(0, included=False, below=MOST_HIGHEST),
            },
            {"label": Integer(0), "explain": Flag()},
        ),
        train,
    ),
    "training": (Fields({}), training),
    "reset": (Fields({}), reset),
}
