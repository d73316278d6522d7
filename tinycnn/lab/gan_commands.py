"""The page's requests about a trained GAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import functional as F
from tinycnn.gan.sampling import sample
from tinycnn.gan.saved import GENERATOR
from tinycnn.gan.toy import DENSITIES
from tinycnn.schema import Fields, Integer, ListOf, Number, Text
from tinycnn.tensor import Tensor

from .between import about
from .folders import below
from .latent import Latent, on_the_shell
from .toy_commands import TOY_LOSSES
from .wire import Array, Command, Reply, one_picture

if TYPE_CHECKING:
    from .session import Session


def gan_runs(session: Session, fields: dict[str, Any]) -> Reply:
    """Return the run folders that have a generator, and what the toy can be."""
    found = sorted((session.root / "runs").glob(f"*/{GENERATOR}"))[:200]
    runs = [str(path.parent.relative_to(session.root)) for path in found]
    return Reply({"runs": runs, "densities": list(DENSITIES), "losses": list(TOY_LOSSES)})


def load_gan(session: Session, fields: dict[str, Any]) -> Reply:
    """Load a GAN's run folder, and say what there is to say about its networks."""
    session.latent = view = Latent(below(session.root, fields["folder"]))
    trace = view.look(np.zeros((1, view.G.latent), np.float32), 0)
    layers = [about(made) for made in trace.made if made.result in trace.shown]
    said = {"latent": view.G.latent, "classes": view.G.num_classes, "layers": layers}
    return Reply(said | {"input": [view.G.latent], "picture": view.picture})


def look(session: Session, fields: dict[str, Any]) -> Reply:
    """Return what G makes of a z on the way from one point to another, and what D says of it."""
    view, label = _view(session, fields)
    z = view.z(fields["first"], fields["second"], fields["t"], fields["u"], fields["v"])
    return _seen(view, z, label)


def add_up(session: Session, fields: dict[str, Any]) -> Reply:
    """Return what G makes of a - b + c: of means of classes, or of three z if G is told the class."""
    view, label = _view(session, fields)
    if view.G.num_classes:
        parts = view.by_seeds(fields["of"])
    else:
        classes = len(session.network.classes)
        if any(k >= classes for k in fields["of"]):
            raise ValueError(f"there are {classes} classes, counted from 0")
        parts = view.by_classes(fields["of"], session.network)
    zs = np.concatenate([on_the_shell(part.z) for part in parts])
    total = on_the_shell(np.sum([part.sign * part.z for part in parts], axis=0))
    reply = _seen(view, total, label)
    labels = np.full(len(parts), label) if view.G.num_classes else None
    pictures = sample(view.G, Tensor(zs), labels)
    arrays = [*reply.arrays, *(Array(f"part{n}", picture) for n, picture in enumerate(pictures))]
    return Reply({**reply.fields, "samples": [part.samples for part in parts]}, arrays)


def _view(session: Session, fields: dict[str, Any]) -> tuple[Latent, int]:
    if session.latent is None:
        raise ValueError("load the run folder of a GAN first: tinycnn gan trains one")
    label = fields.get("label", 0)
    if label and label >= session.latent.G.num_classes:
        raise ValueError(f"the generator knows {session.latent.G.num_classes} classes, counted from 0")
    return session.latent, label


def _seen(view: Latent, z: np.ndarray, label: int) -> Reply:
    """Return every array from z to D's verdict, and the verdict's gradient by each."""
    trace = view.look(z, label)
    arrays = [one_picture(name, trace.array(name)) for name in trace.shown]
    arrays += [one_picture(f"dL/d{name}", trace.array(name, gradient=True)) for name in trace.shown]
    picture = view.picture
    arrays.append(Array("picture", (trace.array(picture)[0] + 1) / 2))
    arrays.append(Array("dD", trace.array(picture, gradient=True)[0]))
    assert trace.loss is not None
    real = float(F.sigmoid(Tensor(np.array([trace.loss]))).item())
    return Reply({"logit": trace.loss, "real": real}, arrays)


_STEP = Number(-20, below=20)
_OPTIONS = {"label": Integer(0)}
COMMANDS: dict[str, Command] = {
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
            _OPTIONS,
        ),
        look,
    ),
    "gan-sum": (Fields({"of": ListOf(Integer(0, 1 << 31), 3, 3)}, _OPTIONS), add_up),
}
