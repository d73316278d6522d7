"""Networks, training steps and graphs on a test digit, or on one's own network and picture."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.data import digits
from tinycnn.tensor import Tensor

from .examples import optimizer_of
from .graph import Graph, graph
from .network import network
from .own import is_dark_on_bright, read_input
from .own import network as own_network
from .setup import Setup
from .steps import Explanation
from .training import training_step
from .walk import autograd

MODEL = ("model", "run_folder")
DARK_ON_BRIGHT = (
    "Careful: the border of the picture is brighter than its middle, so it seems to be dark on bright. The "
    "digits are bright on dark: invert the picture (--invert)."
)


class Whole(NamedTuple):
    """How a network is explained, which options that takes, and whether it has a backward."""

    explain: Callable[[Setup], Explanation]
    takes: tuple[str, ...]
    backward: bool = False


def _module(setup: Setup) -> Explanation:
    model, shape = own_network(setup.model, setup.run_folder)
    picture = _picture(setup, shape)
    steps = network(model.eval(), picture, backward=setup.backward)
    if (setup.image or setup.input) and not setup.invert and is_dark_on_bright(picture):
        first = replace(steps[0], sentence=f"{steps[0].sentence} {DARK_ON_BRIGHT}")
        steps = replace(steps, steps=(first, *steps.steps[1:]))
    return steps


def _training_step(setup: Setup) -> Explanation:
    model, shape = own_network(setup.model, setup.run_folder)
    images, labels = digit_batch(shape, setup.batch_size or 4, setup.seed)
    optimizer = optimizer_of("adam", list(model.parameters()), setup.lr)
    return training_step(model, optimizer, images, labels, repeat=setup.watch or 1)


def _autograd(setup: Setup) -> Explanation:
    def example(a: Tensor, b: Tensor) -> Tensor:
        c = a * b
        d = a + c
        return c * d

    return autograd(example, 2.0, 3.0)


WHOLE = {
    "module": Whole(_module, (*MODEL, "image", "input", "invert"), backward=True),
    "training_step": Whole(_training_step, (*MODEL, "batch_size", "lr", "watch")),
    "autograd": Whole(_autograd, ()),
}


def graph_of_loss(setup: Setup) -> Graph:
    """Return the graph of a network's cross-entropy on test digits; with gradients for `backward`."""
    model, shape = own_network(setup.model, setup.run_folder)
    images, labels = digit_batch(shape, setup.batch_size or 4, setup.seed)
    return graph(lambda: F.cross_entropy(model(Tensor(images)), labels), model, gradients=setup.backward)


def digit_batch(shape: tuple[int, int, int] | None, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return test digits (count, C, H, W) in [0, 1] and their labels.

    Raises
    ------
    ValueError
        If the network takes images of another `shape`; None stands for one that is not known.
    """
    _, test = digits()
    if shape not in (None, test.image_shape):
        raise ValueError(
            f"the network takes images (C, H, W)={shape}, the digits are {test.image_shape}: give an image"
        )
    chosen = np.random.default_rng(seed).permutation(len(test))[:count]
    return test.scaled(chosen), test.labels[chosen]


def _picture(setup: Setup, shape: tuple[int, int, int] | None) -> np.ndarray:
    """Return the picture (C, H, W) in [0, 1] that a network is shown: the user's, or a test digit."""
    from tinycnn.fit.saved import load_picture

    path = setup.image or setup.input
    if path is None:
        return digit_batch(shape, 1, setup.seed)[0][0]
    if path.suffix.lower() == ".npy":
        return read_input(path)
    return load_picture(path, shape or (1, 28, 28), setup.invert)
