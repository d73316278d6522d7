"""Networks, training steps and graphs on a test digit, or on your own network and picture."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn import nn
from tinycnn.data import digits
from tinycnn.gan import Gan
from tinycnn.generate.rules import checkerboard
from tinycnn.optim import SGD
from tinycnn.optim.schedule import CosineAnnealingLR
from tinycnn.tensor import Tensor

from .adversarial import gan_step, penalty
from .examples import optimizer_of
from .features import features
from .graph import Graph, graph
from .images import random_pixels, rule_pixels
from .layers import network
from .own import is_dark_on_bright, read_input
from .own import network as own_network
from .pruning import pruning
from .schedule import schedule
from .scores import scores
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
    optimizer = optimizer_of("adam", list(model.parameters()), setup.lr or 1e-3)
    return training_step(model, optimizer, images, labels, repeat=setup.watch or 1)


def _autograd(_: Setup) -> Explanation:
    def example(a: Tensor, b: Tensor) -> Tensor:
        c = a * b
        d = a + c
        return c * d

    return autograd(example, 2.0, 3.0)


def _schedule(setup: Setup) -> Explanation:
    optimizer = SGD([Tensor([0.0], requires_grad=True)], setup.lr or 0.1)
    return schedule(CosineAnnealingLR(optimizer, T_max=setup.size or 8), count=(setup.size or 8) + 1)


def _scores(setup: Setup) -> Explanation:
    """Explain the scores of predictions of which two thirds are right."""
    labels = setup.rng.integers(0, 3, setup.batch_size or 12)
    wrong = setup.rng.random(len(labels)) < 1 / 3
    return scores(labels, np.where(wrong, setup.rng.integers(0, 3, len(labels)), labels))


def _gan_step(setup: Setup) -> Explanation:
    """Explain a step of a GAN of points: real ones lie around (2, 1)."""
    N = setup.batch_size or 3
    G, D = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    G_rule, D_rule = (optimizer_of("sgd", list(net.parameters()), setup.lr or 0.5) for net in (G, D))
    real = np.round(setup.rng.normal((2, 1), 0.5, (N, 2)), 1)
    return gan_step(Gan(G, D, G_rule, D_rule), real, np.round(setup.rng.standard_normal((N, 2)), 1))


def _penalty(setup: Setup) -> Explanation:
    N = setup.batch_size or 3
    critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    real, fake = (np.round(setup.rng.normal(mean, 1, (N, 2)), 1) for mean in (1, -1))
    return penalty(critic, real, fake, np.round(setup.rng.random(N), 2))


def _pruning(setup: Setup) -> Explanation:
    if setup.model or setup.run_folder:
        return pruning(own_network(setup.model, setup.run_folder)[0], setup.sparsity or 0.5)
    return pruning(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), setup.sparsity or 0.5)


def _features(setup: Setup) -> Explanation:
    """Explain the features of small images behind one dense layer, or of digits in a network."""
    N = setup.batch_size or 3
    if setup.model or setup.run_folder:
        model, shape = own_network(setup.model, setup.run_folder)
        images, _ = digit_batch(shape, N, setup.seed)
        return features(model, images, setup.layer, backward=setup.backward)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    for p in model.parameters():
        p.data = setup.factors(p.shape)
    return features(model, setup.some((N, 1, 2, 2), 0, 5), setup.layer, backward=setup.backward)


WHOLE = {
    "module": Whole(_module, (*MODEL, "image", "input", "invert"), backward=True),
    "training_step": Whole(_training_step, (*MODEL, "batch_size", "lr", "watch")),
    "autograd": Whole(_autograd, ()),
    "gan_step": Whole(_gan_step, ("batch_size", "lr")),
    "gradient_penalty": Whole(_penalty, ("batch_size",)),
    "features": Whole(_features, (*MODEL, "batch_size", "layer"), backward=True),
    "pruning": Whole(_pruning, (*MODEL, "sparsity")),
    "schedule": Whole(_schedule, ("size", "lr")),
    "random_image": Whole(lambda n: random_pixels(n.size or 3, n.size or 3, n.seed), ("size",)),
    "rule_image": Whole(lambda n: rule_pixels(checkerboard, n.size or 4, n.size or 4, side=2), ("size",)),
    "scores": Whole(_scores, ("batch_size",)),
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
