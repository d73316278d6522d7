"""What a page may ask about the architecture, and about run folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinycnn.models.layers import KINDS, LAYERS, RefusedLayer, layers_of, plan, python_of
from tinycnn.schema import Fields, Text, plain

from . import folders
from .build import build
from .wire import Command, Reply

if TYPE_CHECKING:
    from .session import Session


def architecture(session: Session, fields: dict[str, Any]) -> Reply:
    """Return the network as layers that the page can change (null if it cannot), and the kinds there are."""
    kinds = {name: list(kind.required) for name, (kind, _) in KINDS.items()}
    return Reply({"layers": layers_of(session.network.model), "kinds": kinds})


def planned(session: Session, fields: dict[str, Any]) -> Reply:
    """Return the shapes and costs of some layers, and their Python; or which is refused, and why."""
    network = session.network
    layers = fields["layers"]
    try:
        made = plan(layers, network.input_shape, len(network.classes))
    except RefusedLayer as refused:
        return Reply({"refused": {"at": refused.at, "says": plain(str(refused), 600)}})
    rows = [
        {"shape": list(p.shape), "parameters": p.parameters, "multiply_adds": p.multiply_adds} for p in made
    ]
    return Reply({"rows": rows, "python": python_of(made)})


def use(session: Session, fields: dict[str, Any]) -> Reply:
    """Work with the network of some layers, untrained."""
    session.use(build(fields["layers"], session.network))
    return Reply({})


def runs(session: Session, fields: dict[str, Any]) -> Reply:
    """Return the run folders that can be loaded."""
    return Reply({"runs": folders.runs_in(session.root)})


def load(session: Session, fields: dict[str, Any]) -> Reply:
    """Work with the network of a run folder."""
    session.use(folders.load(session.root, fields["folder"]))
    return Reply({})


def export(session: Session, fields: dict[str, Any]) -> Reply:
    """Write the network as a run folder."""
    return Reply({"folder": folders.export(session.root, fields["name"], session.network)})


COMMANDS: dict[str, Command] = {
    "architecture": (Fields({}), architecture),
    "plan": (Fields({"layers": LAYERS}), planned),
    "build": (Fields({"layers": LAYERS}), use),
    "runs": (Fields({}), runs),
    "load": (Fields({"folder": Text(1000)}), load),
    "export": (Fields({"name": Text(60)}), export),
}
