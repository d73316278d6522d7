"""The numbers a work starts from, made once and loaded by every contestant; and how many operations it takes.

An input is a dict of arrays. Weights are under their PyTorch names ("0.weight"), those of the GAN with "G."
or "D." before them; the other names have no dot.
"""

from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import models
from tinycnn.gan.networks import LATENT, Discriminator, Generator
from tinycnn.nn import Sequential
from tinycnn.nn.summary import summary

from .works import CHAIN_SIZE, Work

Arrays = dict[str, np.ndarray]

BATCHES = 4  # different ones; training goes through them again and again


def make(work: Work, seed: int = 0) -> Arrays:
    """Return the input of `work`.

    =========== =======================================================================================
    "step"      x (batches, N, C, H, W) in [0, 1), y (batches, N) labels, weights
    "gan"       x (batches, N, 1, 28, 28) in [-1, 1), z (batches, N, 100), weights of G and D
    "inference" x (N, C, H, W), weights
    "chain"     x, a, b (32,)
    "conv"      x (N, C, H, W), w (K, C, KH, KW), g (N, K, OH, OW)
    =========== =======================================================================================
    """
    tinycnn.manual_seed(seed)
    rng = np.random.default_rng(seed)
    if work.kind == "gan":
        x = rng.random((BATCHES, work.N, 1, 28, 28), "float32") * 2 - 1
        z = rng.standard_normal((BATCHES, work.N, LATENT), "float32")
        return {"x": x, "z": z, **_weights(Generator(), "G."), **_weights(Discriminator(), "D.")}
    if work.kind == "chain":
        # Factors about 1: a hundred of them in a row neither vanish nor explode.
        x, a, b = (rng.standard_normal(CHAIN_SIZE, "float32") for _ in "xab")
        return {"x": x, "a": 1 + a / 100, "b": b}
    if work.convolution:
        c = work.convolution
        shapes = {
            "x": (c.N, c.C, c.H, c.W),
            "w": (c.K, c.C, c.KH, c.KW),
            "g": (c.N, c.K, *c.output_size),
        }
        return {name: rng.standard_normal(shape, "float32") for name, shape in shapes.items()}
    weights = _weights(models.build(work.network))
    shape = (work.N, *models.INPUT_SHAPES[work.network])
    if work.kind == "inference":
        return {"x": rng.random(shape, "float32"), **weights}
    labels = rng.integers(0, 10, (BATCHES, work.N))
    return {"x": rng.random((BATCHES, *shape), "float32"), "y": labels, **weights}


def save(path: Path, arrays: Arrays) -> None:
    """Write an input in NumPy's own format, which every contestant's interpreter can read."""
    np.savez(path, **arrays)


def load(path: Path) -> Arrays:
    """Read an input."""
    with np.load(path) as file:
        return dict(file)


def weights_of(arrays: Arrays, prefix: str = "") -> Arrays:
    """Return the weights whose names begin with `prefix`, without it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix) and "." in name
    }


def flop(work: Work) -> int | None:
    """Return the additions and multiplications of one run; None for the chain, which has hardly any.

    Counted are products of layers with weights: the forward once, the backward once for the weights and
    once for the input if its gradient is needed. The first layer's input needs none.
    """
    if work.convolution is not None:
        return work.convolution.flop
    if work.kind == "chain":
        return None
    if work.kind == "gan":
        g, g_first = _multiply_adds(Generator(), (LATENT,))
        d, d_first = _multiply_adds(Discriminator(), (1, 28, 28))
        # D learns from real and fake images. Then G learns: back through D, whose own weights rest.
        per_image = 2 * (3 * d - d_first) + (3 * g - g_first) + 2 * d
    else:
        whole, first = _multiply_adds(models.build(work.network), models.INPUT_SHAPES[work.network])
        per_image = whole if work.kind == "inference" else 3 * whole - first
    return 2 * work.N * per_image


def _multiply_adds(model: Sequential, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the forward's of all layers and of the first one, for one image."""
    table = summary(model, shape)
    return table.multiply_adds, table.layers[0].multiply_adds


def _weights(model: Sequential, prefix: str = "") -> Arrays:
    return {f"{prefix}{name}": tensor.numpy() for name, tensor in model.state_dict().items()}
