"""One open page: its network, its picture, and what it may ask of them."""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn.explain import Explanation
from tinycnn.explain.document import to_dict
from tinycnn.explain.layers import Layer
from tinycnn.explain.recorder import MAX_TERMS as MOST_TERMS
from tinycnn.gan.toy import ToyGan
from tinycnn.nn.summary import summary
from tinycnn.schema import Fields, Flag, Integer, ListOf, Number, Text, plain

from . import build_commands, gan_commands, latent, toy_commands, train_commands
from . import picture as pictures
from .between import about
from .network import Network
from .onefile import one_file
from .trace import Trace, run
from .training import Trainer
from .why import subtotals, why, why_gradient
from .wire import MOST_BYTES, Array, Command, Reply, RequestError, one_picture, pack, read_request


class Session:
    """The state of one page.

    Parameters
    ----------
    network
        What it begins with. It is shared with other pages until this one changes it.
    root
        The folder below which run folders are read and written.
    """

    def __init__(self, network: Network, root: Path | None = None) -> None:
        self.id = secrets.token_urlsafe(12)
        self.network = network
        self.root = Path.cwd() if root is None else root
        self.picture = np.zeros(network.input_shape, np.float32)
        self.begins_with_picture = False  # or with a test picture, which the page chooses
        self.label: int | None = None  # the true one, of a test picture
        self.noise = 0.0
        self.trace: Trace | None = None
        self.toy: ToyGan | None = None
        self.latent: latent.Latent | None = None
        self.trainer: Trainer | None = None  # from the first step on: then the network is this page's own

    def use(self, network: Network) -> None:
        """Work with another network from here on."""
        if network.input_shape != self.network.input_shape:
            self.picture, self.label = np.zeros(network.input_shape, np.float32), None
        self.network, self.trace, self.trainer = network, None, None

    def answer(self, request: Mapping[str, Any]) -> Reply:
        """Return the answer to a request.

        Raises
        ------
        ValueError
            A sentence for the page: an unknown command, fields that do not fit, what the command refuses.
        """
        name = request["do"]
        if name not in COMMANDS:
            raise ValueError(f"there is no command {plain(name)}; there are {', '.join(COMMANDS)}")
        fields, command = COMMANDS[name]
        return command(self, fields.check(request))

    def seen(self) -> Trace:
        """Return the trace of what the page shows now."""
        if self.trace is None:
            self.trace = run(self.network.model, pictures.with_noise(self.picture, self.noise))
        return self.trace


def respond(session: Session, message: str | bytes | None) -> str | bytes:
    """Return the message that answers a message of the page, whatever it is."""
    try:
        request = read_request(message)
    except RequestError as error:
        return pack(Reply({"event": "refused", "error": str(error)}))
    try:
        reply = session.answer(request)
    except (ValueError, TypeError, OSError, ArithmeticError, MemoryError) as error:
        reply = Reply({"error": plain(str(error).replace("\n", " "), 600)})
    except Exception as error:  # a mistake in this program: the page shows it, and the server goes on
        traceback.print_exc()
        reply = Reply({"error": plain(f"the lab failed ({type(error).__name__}): {error}", 600)})
    return pack(reply, id=request["id"])


def describe(session: Session, fields: dict[str, Any]) -> Reply:
    """Return what there is to say about the network: layers, shapes, parameters, classes."""
    network = session.network
    table = summary(network.model, network.input_shape)
    trace = run(network.model, np.zeros(network.input_shape, np.float32))
    costs = {layer.name: layer for layer in table.layers}
    layers = []
    for made in trace.made:
        if made.result in trace.shown:
            layers.append(about(made))
            if isinstance(made, Layer):
                cost = costs[made.name]
                layers[-1] |= {"parameters": cost.parameters, "multiply_adds": cost.multiply_adds}
    return Reply(
        {
            "name": network.name,
            "note": network.note,
            "classes": list(network.classes),
            "input": list(network.input_shape),
            "picture": session.begins_with_picture,
            "tests": 0 if network.test is None else len(network.test),
            "layers": layers,
            "parameters": table.parameters,
            "multiply_adds": table.multiply_adds,
        }
    )


def see(session: Session, fields: dict[str, Any]) -> Reply:
    """Take a picture, if one is given; return every array on it, with a loss also its gradient."""
    network = session.network
    said: dict[str, Any] = {}
    if "pixels" in fields:
        session.picture = pictures.from_pixels(fields["pixels"], network.input_shape)
        session.label = None
    elif "file" in fields:
        session.picture, said["inverted"] = pictures.from_file(fields["file"], network.input_shape)
        session.label = None
    elif "test" in fields:
        if network.test is None:
            raise ValueError("there are no test pictures for this network on this machine")
        if fields["test"] >= len(network.test):
            raise ValueError(f"there are {len(network.test):,} test pictures, counted from 0")
        session.picture = network.test.scaled([fields["test"]])[0]
        session.label = int(network.test.labels[fields["test"]])
    session.noise = fields.get("noise", session.noise)
    label = fields.get("loss")
    if label is not None and label >= len(network.classes):
        raise ValueError(
            f"there are {len(network.classes)} classes, counted from 0: the loss has no class {label}"
        )
    trace = run(network.model, pictures.with_noise(session.picture, session.noise), label)
    session.trace = trace
    arrays = [one_picture(name, trace.array(name)) for name in trace.shown]
    if label is not None:
        arrays += [one_picture(f"dL/d{name}", trace.array(name, gradient=True)) for name in trace.shown]
    assert trace.probabilities is not None
    p = trace.probabilities[0]
    arrays.append(Array("p", p))
    said |= {"label": session.label, "loss": trace.loss, "answer": int(p.argmax())}
    return Reply(said, arrays)


def explain_cell(session: Session, fields: dict[str, Any]) -> Reply:
    """Return the steps that compute one cell of an array, or one of its gradient."""
    array, cell, gradient = fields["array"], tuple(fields["cell"]), fields.get("gradient", False)
    if not fields.get("gan"):
        trace = session.seen()
    elif session.latent is not None and session.latent.trace is not None:
        trace = session.latent.trace
    else:
        raise ValueError("load the run folder of a GAN first: tinycnn gan trains one")
    found = (why_gradient if gradient else why)(trace, array, cell)
    p = trace.probabilities
    value = p[cell] if array == "p" and p is not None else trace.array(array, gradient)[cell]
    steps = to_dict(_without_large_panels(found.explanation), values=False)
    groups = [subtotals(step) for step in found.explanation.steps]
    return Reply({"explanation": steps, "names": found.names, "groups": groups, "value": float(value)})


def _without_large_panels(explanation: Explanation) -> Explanation:
    """Leave out the panels of long sums: their terms say which cells they read."""
    steps = tuple(
        replace(step, panels=()) if len(step.terms) > MOST_TERMS else step for step in explanation.steps
    )
    return replace(explanation, steps=steps)


def file(session: Session, fields: dict[str, Any]) -> Reply:
    """Return the page as one file, with a place for what was recorded."""
    return Reply({"html": one_file("recorded.js", recording=True)})


CELL = ListOf(Integer(0, 1 << 31), 1, 8)
COMMANDS: dict[str, Command] = {
    "describe": (Fields({}), describe),
    "file": (Fields({}), file),
    "see": (
        Fields(
            {},
            {
                "pixels": Text(MOST_BYTES),
                "file": Text(MOST_BYTES),
                "test": Integer(0),
                "noise": Number(0, below=10),
                "loss": Integer(0),
            },
        ),
        see,
    ),
    **build_commands.COMMANDS,
    **train_commands.COMMANDS,
    **toy_commands.COMMANDS,
    **gan_commands.COMMANDS,
    "why": (
        Fields({"array": Text(40), "cell": CELL}, {"gradient": Flag(), "gan": Flag(), "preview": Flag()}),
        explain_cell,
    ),
}
