"""GANs on the page: the toy of the plane, step by step, and a trained one, from z to picture to verdict."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import functional as F
from tinycnn.gan.latent import slerp
from tinycnn.gan.losses import LOSSES, logit
from tinycnn.gan.networks import Discriminator, Generator
from tinycnn.gan.saved import GENERATOR, load_discriminator, load_generator
from tinycnn.gan.toy import DENSITIES, EXTENT, ToyGan
from tinycnn.schema import Choice, Fields, Integer, Number, Text
from tinycnn.tensor import Tensor

from .folders import below
from .trace import kept_gradients, watched
from .wire import Array, Command, Reply

if TYPE_CHECKING:
    from .session import Session

MOMENT = 0.1  # seconds that one request may train
POINTS, ARROWS = 300, 60
PATH = 101  # points from one z to the other
SMALL = 1 << 16  # numbers of one array of maps that are sent
TOY_LOSSES = tuple(name for name, rule in LOSSES.items() if not rule.matches_features)


def new_toy(session: Session, fields: dict[str, Any]) -> Reply:
    """Begin the toy anew."""
    session.toy = ToyGan.of(fields["density"], fields["loss"], fields.get("seed", 0))
    return _toy(session.toy)


def step_toy(session: Session, fields: dict[str, Any]) -> Reply:
    """Train the toy for so many steps, but not for longer than a moment."""
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


class Latent:
    """A trained GAN and the point z of its latent space that a page looks at.

    Parameters
    ----------
    folder
        The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.G: Generator = load_generator(folder)[0]
        self.D: Discriminator = load_discriminator(folder)[0]

    def z(self, first: int, second: int, t: float, u: float, v: float) -> np.ndarray:
        """Return z (1, latent): at `t` on the arc between two random points, and `u`, `v` steps beside it.

        The directions of `u` and `v` are random, too, and the same for all points.
        """
        ends = [
            np.random.default_rng(seed).standard_normal(self.G.latent, np.float32) for seed in (first, second)
        ]
        middle = slerp(ends[0], ends[1], PATH)[round(t * (PATH - 1))]
        across = np.random.default_rng(12345).standard_normal((2, self.G.latent)).astype(np.float32)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        return (middle + np.float32(u) * across[0] + np.float32(v) * across[1])[None].astype(np.float32)

    def look(self, z: np.ndarray, label: int) -> Reply:
        """Return G's picture and maps for z, D's verdict on it, and the verdict's gradient by the picture."""
        labels = np.array([label])
        g_labels = labels if self.G.num_classes else None
        calls, tensors, output = watched(self.G, Tensor(z), *(() if g_labels is None else (g_labels,)))
        made = tensors[output]
        image = Tensor(made.numpy().copy(), requires_grad=True)
        D = self.D
        verdict = D(image, labels) if D.num_classes else D(image)
        with kept_gradients(D):
            real = logit(verdict)
            F.sum(real).backward()
        assert image.grad is not None
        arrays = [Array("picture", (made.numpy()[0] + 1) / 2), Array("dD", image.grad.numpy()[0])]
        for call in calls:
            values = tensors[call.result].numpy()[0]
            if values.ndim == 3:
                most = max(1, SMALL // (values.shape[1] * values.shape[2]))
                arrays.append(Array(call.title, values[: min(most, 32)], {"channels": len(values)}))
        value = float(real.numpy().ravel()[0])
        return Reply({"logit": value, "real": float(F.sigmoid(Tensor(np.array([value]))).item())}, arrays)


def gan_runs(session: Session, fields: dict[str, Any]) -> Reply:
    """Return the run folders that have a generator, and what the toy can be."""
    found = sorted((session.root / "runs").glob(f"*/{GENERATOR}"))[:200]
    runs = [str(path.parent.relative_to(session.root)) for path in found]
    return Reply({"runs": runs, "densities": list(DENSITIES), "losses": list(TOY_LOSSES)})


def load_gan(session: Session, fields: dict[str, Any]) -> Reply:
    """Load a GAN's run folder."""
    session.latent = Latent(below(session.root, fields["folder"]))
    return Reply({"latent": session.latent.G.latent, "classes": session.latent.G.num_classes})


def look(session: Session, fields: dict[str, Any]) -> Reply:
    """Return what G makes of a z, and what D says of it."""
    if session.latent is None:
        raise ValueError("load the run folder of a GAN first: tinycnn gan trains one")
    label = fields.get("label", 0)
    if label and label >= session.latent.G.num_classes:
        raise ValueError(f"the generator knows {session.latent.G.num_classes} classes, counted from 0")
    z = session.latent.z(fields["first"], fields["second"], fields["t"], fields["u"], fields["v"])
    return session.latent.look(z, label)


_STEP = Number(-20, below=20)
COMMANDS: dict[str, Command] = {
    "toy": (
        Fields({"density": Choice(tuple(DENSITIES)), "loss": Choice(TOY_LOSSES)}, {"seed": Integer(0)}),
        new_toy,
    ),
    "toy-step": (Fields({"steps": Integer(1, 1000)}), step_toy),
    "gan-runs": (Fields({}), gan_runs),
    "gan-load": (Fields({"folder": Text(1000)}), load_gan),
    "gan-look": (
        Fields(
            {
                "first": Integer(0),
                "second": Integer(0),
                "t": Number(0, below=1.0000001),
                "u": _STEP,
                "v": _STEP,
            },
            {"label": Integer(0)},
        ),
        look,
    ),
}
