"""A trained classifier from a file: load it, evaluate it, use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn import models
from tinycnn.data import DataLoader, Dataset
from tinycnn.data.picture import read_picture
from tinycnn.models.layers import LAYERS, plan
from tinycnn.modes import no_grad
from tinycnn.nn import Sequential
from tinycnn.schema import Choice, Fields, Integer, ListOf, Text, plain
from tinycnn.storage import FileError, load_weights
from tinycnn.tensor import Tensor

from .classifier import TEST_BATCH, load_data
from .evaluation import Evaluation, evaluate, evaluation_mode
from .folder import WEIGHTS
from .run import PICTURES, names_of
from .settings import MOST_CLASSES, SEED, MissingRun, RunError
from .state import check_finite

CLASSES = ListOf(Text(1000), 2, MOST_CLASSES)
OPTIONAL = {"data": Text(), "pictures": PICTURES, "patience": Integer(), "seed": SEED}
CONFIG = Fields({"model": Choice(tuple(models.MODELS)), "classes": CLASSES}, OPTIONAL)
# Of a network that has no name, but was put together from layers, as the lab does.
LISTED = Fields({"layers": LAYERS, "input": ListOf(Integer(1, 1024), 3, 3), "classes": CLASSES}, OPTIONAL)


@dataclass(frozen=True)
class SavedClassifier:
    """A trained network with what is needed to use it."""

    model: Sequential
    name: str  #: its name in `tinycnn.models.MODELS`; of a list of layers, its folder's
    input_shape: tuple[int, int, int]  #: (C, H, W) of the images it takes
    classes: tuple[str, ...]  #: the K classes' names
    data: str  #: the data it was trained on; empty if the file does not name them
    path: Path  #: the file
    config: Mapping[str, Any] = field(default_factory=dict)  #: what else the file says of its training

    @property
    def made_from(self) -> dict[str, Any]:
        """Facts about the network, its classes and its data, which loading its weights needs."""
        known = ("model", "layers", "input", "classes", "data")
        return {name: self.config[name] for name in known if name in self.config}

    def data_sets(self, source: str | None = None) -> tuple[Dataset, Dataset, str]:
        """Return training and test part of `source`, by default of the data it was trained on, and a note.

        Labels are numbers of this network's classes. The note says how they were matched; see `in_classes`.
        Raises RunError if there are no such data, or they have other classes.
        """
        source = source or self.data
        if not source:
            raise RunError(f"{self.path} does not say what it was trained on: name the data")
        train, test = load_data(source, self.input_shape)
        (train, _), (test, note) = in_classes(train, self.classes), in_classes(test, self.classes)
        return train, test, note

    def test_data(self, source: str | None = None) -> tuple[Dataset, str]:
        """Return the test part of `data_sets`, and the note."""
        return self.data_sets(source)[1:]

    def evaluate(self, test: Dataset) -> Evaluation:
        """Return how well it does on data that `test_data` returned."""
        return evaluate(self.model, DataLoader(test, TEST_BATCH))

    @no_grad()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return the softmax of its logits, (N, K), for images (N, C, H, W) in [0, 1]."""
        with evaluation_mode(self.model):
            return F.softmax(self.model(Tensor(images)), 1).numpy()


def load_classifier(run: str | Path) -> SavedClassifier:
    """Return the trained network of a run folder, or of a weights file.

    Raises MissingRun if there are no weights, and ValueError if the file is damaged or of another network, or
    has weights that are NaN or infinite.
    """
    run = Path(run)
    path = run / WEIGHTS if run.is_dir() else run
    if not path.is_file():
        raise MissingRun(
            f"{run}: there are no weights; name a run folder with a {WEIGHTS} in it, or such a file"
        )
    arrays, config = load_weights(path)
    try:
        config = (LISTED if "layers" in config else CONFIG).check(config)
    except ValueError as error:
        raise FileError(f"{path} does not say which network it belongs to: {error}") from None
    try:
        model, name, shape = _network(config, path)
        check_finite(arrays)
        model.load_state_dict(arrays)
    except ValueError as error:
        raise FileError(f"{path}: {plain(error, 2000)}") from error
    return SavedClassifier(model, name, shape, tuple(config["classes"]), config.get("data", ""), path, config)


def _network(config: Mapping[str, Any], path: Path) -> tuple[Sequential, str, tuple[int, int, int]]:
    """Return the network that a file's config names or lists, its name and the (C, H, W) that it takes."""
    K = len(config["classes"])
    if "layers" in config:
        C, H, W = config["input"]
        model = Sequential(*(planned.module for planned in plan(config["layers"], (C, H, W), K)))
        return model, plain(path.parent.name, 60), (C, H, W)
    return models.build(config["model"], K), config["model"], models.INPUT_SHAPES[config["model"]]


def in_classes(dataset: Dataset, classes: Sequence[str]) -> tuple[Dataset, str]:
    """Return a data set with its labels as numbers of `classes`, matched by their names, and a note.

    If one side has no names but only the numbers 0 to K-1, classes are matched by their order. The note says
    so in a sentence; otherwise it is empty. Raises RunError if a class of the data is not one of `classes`.
    """
    if dataset.classes == tuple(classes):
        return dataset, ""
    numbers = {name: k for k, name in enumerate(classes)}
    unknown = [name for name in dataset.classes if name not in numbers]
    if not unknown:
        matched = np.array([numbers[name] for name in dataset.classes])
        return replace(dataset, labels=matched[dataset.labels], classes=tuple(classes)), ""
    if len(dataset.classes) == len(classes) and (unnamed(dataset.classes) or unnamed(classes)):
        note = f"{names_of(dataset.classes)} are taken for {names_of(classes)}, in this order"
        return replace(dataset, classes=tuple(classes)), note
    raise RunError(
        f"the network knows {len(classes)} classes ({names_of(classes)}), {plain(dataset.name)} has "
        f"{len(dataset.classes)}, of which it does not know {names_of(unknown)}"
    )


def unnamed(classes: Sequence[str]) -> bool:
    """Return whether the names of classes are only their numbers."""
    return list(classes) == [str(k) for k in range(len(classes))]


def load_picture(path: str | Path, shape: tuple[int, int, int], invert: bool = False) -> np.ndarray:
    """Return a picture as (C, H, W) = `shape` in [0, 1], grey or RGB and resized as a network needs it.

    `invert` makes dark bright, and bright dark. Raises FileNotFoundError or ValueError if there is no such
    file, it is a folder or a device, or Pillow cannot read it.
    """
    path = Path(path)
    if path.is_dir():
        raise FileError(f"{path} is a folder: name the picture files in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no picture {path}")
    if not path.is_file():
        raise FileError(f"{path} is no file")
    C, H, W = shape
    array = read_picture(path, (H, W), C).reshape(H, W, C).astype(np.float32) / 255
    return np.moveaxis(1 - array if invert else array, 2, 0)
