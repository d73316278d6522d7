"""Run folders that a page may read and write: those below the folder that the lab was started in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tinycnn import data
from tinycnn.data import Dataset
from tinycnn.fit import load_classifier
from tinycnn.fit.classifier import load_data
from tinycnn.fit.folder import WEIGHTS
from tinycnn.models.layers import layers_of, plan, python_of
from tinycnn.schema import plain
from tinycnn.storage import save_weights, write_atomically

from .network import Network, Shape

RUNS = "runs"
MOST_LISTED = 200


def runs_in(root: Path) -> list[str]:
    """Return the folders in ``runs/`` with a trained network, as paths from `root`."""
    found = sorted((root / RUNS).glob(f"*/{WEIGHTS}"))
    return [str(path.parent.relative_to(root)) for path in found[:MOST_LISTED]]


def load(root: Path, folder: str) -> Network:
    """Return the network of a run folder below `root`.

    Raises
    ------
    ValueError
        If it lies elsewhere (links are followed), is no run folder, or its weights do not fit.
    """
    return load_network(below(root, folder))


def below(root: Path, folder: str) -> Path:
    """Return a path below `root`; raise ValueError if it leads elsewhere, links followed."""
    path = (root / folder).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ValueError(f"{plain(folder)} is not below the folder that the lab was started in")
    return path


def load_network(run: str | Path) -> Network:
    """Return the network of a run folder: of ``tinycnn train``, or exported by the lab.

    Nothing is downloaded: its pictures may be missing, and its note says so.

    Raises
    ------
    ValueError, OSError
        If it is no run folder, its file is damaged or of another network, or weights are NaN or infinite.
    """
    saved = load_classifier(run)
    train, test, note = _pictures(saved.data, saved.input_shape, saved.classes)
    kind = saved.config.get("model", "")
    folder = plain(saved.path.parent.name, 60)
    name = f"{kind} of {folder}" if kind else folder
    return Network(saved.model, name, saved.classes, saved.input_shape, train, test, note, kind, saved.data)


def _pictures(
    source: str, shape: Shape, classes: tuple[str, ...]
) -> tuple[Dataset | None, Dataset | None, str]:
    """Return training and test pictures for a network, as far as they are on this machine, and a note."""
    note = ""
    if source in data.NAMED and source != "digits":
        note = f"It was trained on {source}, which is not loaded here."
    elif source:
        try:
            train, test = load_data(source, shape)
        except (ValueError, OSError) as error:
            note = f"Its data cannot be read: {plain(error, 300)}."
        else:
            if train.classes == classes:
                return train, test, ""
            note = "Its data have other classes now."
    train, test = data.digits()
    if (train.image_shape, train.classes) != (shape, classes):
        return None, None, note
    return train, test, f"{note} The pictures are the embedded digits.".strip()


def export(root: Path, name: str, network: Network) -> str:
    """Write a network as the new run folder ``runs/NAME``, and return its path from `root`.

    It holds the weights, as `tinycnn.fit.load_classifier` reads them. If the network was built on the page,
    it also holds ``model.py``, the Python that builds it.

    Raises
    ------
    ValueError
        If the name has other characters than letters, digits, - and _, or there is such a folder, or the
        network can be written in no form that is read again.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):
        raise ValueError("the name of a run has 1 to 60 letters, digits, - and _, and begins with no sign")
    config: dict[str, Any] = {
        "classes": list(network.classes),
        **({"data": network.data} if network.data else {}),
    }
    script = ""
    if network.kind:
        config["model"] = network.kind
    else:
        layers = layers_of(network.model)
        if layers is None:
            raise ValueError("this network has layers that the lab cannot write down")
        config |= {"layers": layers, "input": list(network.input_shape)}
        script = python_of(plan(layers, network.input_shape, len(network.classes)))
    path = root / RUNS / name
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise ValueError(f"there is a folder {RUNS}/{name} already: choose another name") from None
    if script:
        write_atomically(path / "model.py", script.encode())
    save_weights(path / WEIGHTS, network.model, config)
    return f"{RUNS}/{name}"
