"""The numbers a work starts from, made once and loaded by every contestant; and what it computes with them.

An input is a dict of arrays. Weights are under their PyTorch names ("0.weight"), those of the GAN with "G."
or "D." before them; the rest has no dot in its name.
"""

from collections.abc import Callable
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
    return _MAKE[work.kind](work, np.random.default_rng(seed))


def save(path: Path, arrays: Arrays) -> None:
    """Write an input; NumPy's own format, which every contestant's interpreter can read."""
    np.savez(path, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own option


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
    once for the input where a gradient is needed, which the first layer's input is not.
    """
    if work.convolution is not None:
        return work.convolution.flop
    if work.kind == "chain":
        return None
    if work.kind == "gan":
        g, g_first = _multiply_adds(Generator(), (LATENT,))
        d, d_first = _multiply_adds(Discriminator(), (1, 28, 28))
        # D learns from real and fake images. Then G does: back through D, whose own weights rest.
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


def _step(work: Work, rng: np.random.Generator) -> Arrays:
    shape = (BATCHES, work.N, *models.INPUT_SHAPES[work.network])
    labels = rng.integers(0, 10, shape[:2])
    return {"x": rng.random(shape, "float32"), "y": labels, **_weights(models.build(work.network))}


def _gan(work: Work, rng: np.random.Generator) -> Arrays:
    images = rng.random((BATCHES, work.N, 1, 28, 28), "float32") * 2 - 1
    z = rng.standard_normal((BATCHES, work.N, LATENT), "float32")
    return {"x": images, "z": z, **_weights(Generator(), "G."), **_weights(Discriminator(), "D.")}


def _inference(work: Work, rng: np.random.Generator) -> Arrays:
    images = rng.random((work.N, *models.INPUT_SHAPES[work.network]), "float32")
    return {"x": images, **_weights(models.build(work.network))}


def _chain(work: Work, rng: np.random.Generator) -> Arrays:
    # Factors about 1: a hundred of them in a row neither vanish nor explode.
    return {
        "x": rng.standard_normal(CHAIN_SIZE, "float32"),
        "a": 1 + rng.standard_normal(CHAIN_SIZE, "float32") / 100,
        "b": rng.standard_normal(CHAIN_SIZE, "float32"),
    }


def _conv(work: Work, rng: np.random.Generator) -> Arrays:
    c = work.convolution
    assert c is not None
    return {
        "x": rng.standard_normal((c.N, c.C, c.H, c.W), "float32"),
        "w": rng.standard_normal((c.K, c.C, c.KH, c.KW), "float32"),
        "g": rng.standard_normal((c.N, c.K, *c.output_size), "float32"),
    }


_MAKE: dict[str, Callable[[Work, np.random.Generator], Arrays]] = {
    "step": _step,
    "gan": _gan,
    "inference": _inference,
    "chain": _chain,
    "conv": _conv,
}
