"""What compression does to a trained classifier: the accuracy and the size of each form of it."""

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import optim, plot
from tinycnn.data import Augment, DataLoader, Dataset
from tinycnn.fit import Callback, Training, evaluate, fit
from tinycnn.nn import Module, Sequential
from tinycnn.storage import save_weights

from .distillation import Distillation
from .files import save_sparse
from .int8 import quantize
from .pruning import GradualPruning, check_share, prune
from .structured import shrink

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CALIBRATION = 500  # training images that find the scales of int8
BATCH, LR = 64, 2e-3  # of the training after pruning


@dataclass(frozen=True)
class Form:
    """One form of a network."""

    name: str  #: what was done to it
    accuracy: float  #: on the test images
    sparsity: float  #: the share of its weights that are 0
    parameters: int  #: how many numbers it has, zeros included
    bytes: int  #: the size of its file
    file: str  #: the file's name


def retrain(
    model: Module,
    train: Dataset,
    epochs: int,
    callbacks: Sequence[Callback] = (),
    teacher: Module | None = None,
    seed: int = 0,
) -> None:
    """Train a network that has been trained before: Adam, one cycle of the learning rate, small shifts."""
    loader = DataLoader(train, BATCH, shuffle=True, augment=Augment(shift=2), seed=seed)
    optimizer = optim.Adam(model.parameters(), LR)
    schedule = optim.OneCycleLR(optimizer, LR, max(epochs * len(loader), 2))
    kind = Training if teacher is None else partial(Distillation, teacher=teacher)
    fit(kind(model, loader, optimizer, epochs, schedule=schedule), callbacks)


def accuracy(model: Module, test: Dataset) -> float:
    """Return the share of the images that are classified right."""
    return evaluate(model, DataLoader(test, 256)).accuracy


def calibration_images(train: Dataset, seed: int = 0) -> np.ndarray:
    """Return some training images, drawn at random, for `quantize`."""
    return train.scaled(np.random.default_rng(seed).permutation(len(train))[:CALIBRATION])


def compress(
    model: Sequential,
    train: Dataset,
    test: Dataset,
    folder: Path,
    config: dict[str, Any],
    sparsity: float = 0.9,
    scope: str = "global",
    fraction: float = 0.5,
    epochs: int = 4,
    seed: int = 0,
    done: Callable[[Form], None] = lambda form: None,
) -> list[Form]:
    """Compress a trained classifier in every way, and write each form into `folder`; `model` itself stays.

    Sparsity and scope are those of `prune`, and the fraction is that of `shrink`. After each of the two the
    network is trained for `epochs`. `config` is saved with the weights that have the network's own shapes, so
    that `load_classifier` takes them. `done` is called with each form as soon as it is there. Raises what
    `prune` and `shrink` raise, before any training.
    """
    check_share("sparsity", sparsity)
    small = shrink(model, fraction)
    forms: list[Form] = []

    def add(name: str, network: Module, file: str, save: Callable[[Path, Module], None]) -> None:
        save(folder / file, network)
        arrays = [tensor.numpy() for tensor in network.state_dict().values()]
        weights = np.concatenate([array.ravel() for array in arrays if array.ndim > 1])
        zeros, parameters = float((weights == 0).mean()), sum(array.size for array in arrays)
        size = (folder / file).stat().st_size
        forms.append(Form(name, accuracy(network, test), zeros, parameters, size, file))
        done(forms[-1])

    dense, bare = partial(save_weights, config=config), partial(save_weights, config={})
    images = calibration_images(train, seed)
    add("as it was", model, "dense.safetensors", dense)
    add("int8", quantize(model, images), "int8.safetensors", bare)
    once = copy.deepcopy(model)
    prune(once, sparsity, scope)
    add(f"{sparsity:.0%} cut, not trained", once, "cut.safetensors", save_sparse)
    pruned = copy.deepcopy(model)
    retrain(pruned, train, epochs, [GradualPruning(pruned, sparsity, scope)], seed=seed)
    add(f"{sparsity:.0%} cut in training", pruned, "pruned.safetensors", dense)
    add("the same, without zeros", pruned, "sparse.safetensors", save_sparse)
    add("the same, int8", quantize(pruned, images), "sparse_int8.safetensors", save_sparse)
    retrain(small, train, epochs, teacher=model, seed=seed)
    add(f"{fraction:.0%} of the filters gone", small, "small.safetensors", bare)
    return forms


def picture(forms: Sequence[Form]) -> "Figure":
    """Draw accuracy against the size of the file."""
    figure = plot.blank_figure(7.5, 4.2)
    axes = figure.subplots()
    for form, marker in zip(forms, itertools.cycle("osD^vPX"), strict=False):
        axes.plot(form.bytes / 1024, 100 * form.accuracy, marker, markersize=9, label=form.name)
    axes.set(xscale="log", xlabel="size of the file (KiB)", ylabel="test accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure
