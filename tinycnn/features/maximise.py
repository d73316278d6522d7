"""Activation maximisation: the image that a unit of a network answers to most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.nn import Module

from .attribution import slope
from .extract import on_its_backend, outputs_of


def maximise(
    model: Module,
    layer: str | int,
    units: Sequence[int],
    image_shape: tuple[int, int, int],
    steps: int = 150,
    step: float = 0.02,
    shift: int = 2,
    l2: float = 0.02,
    seed: int = 0,
) -> np.ndarray:
    """Return one image in [0, 1] for each unit, (n, C, H, W), found by gradient ascent from noise.

    ::

        x <- clip(x + step * G / rms(G), 0, 1),   G = d(a_u(x) / scale - l2 * sum x^2) / dx

    a_u is the unit's activation: of maps the mean over all places, of a dense layer the number itself; scale
    is the size of the gradient at the start. Before each step the image is moved by up to `shift` pixels,
    and back after it. Without that, and without the penalty, the image is noise that fools the network.

    Parameters
    ----------
    model
        Any module; it runs in evaluation mode, and is as before afterwards.
    layer
        Its name; activations before the ReLU climb more easily.
    units
        Numbers of maps or of outputs of that layer.
    image_shape
        (C, H, W).
    steps, step, shift, l2, seed
        See the formula; `seed` is of the noise and the shifts.

    Raises
    ------
    ValueError
        For a layer that does not exist, and units that it does not have.

    References
    ----------
    Erhan et al. 2009; Simonyan et al. 2014; Olah et al. 2017, Feature visualization.
    """
    rng = np.random.default_rng(seed)
    x = (0.2 + 0.1 * rng.random((len(units), *image_shape), np.float32)).astype(np.float32)
    rows, scale = list(range(len(units))), 0.0
    with evaluation_mode(model), outputs_of(model, layer) as seen:
        for _ in range(steps):
            dy, dx = rng.integers(-shift, shift + 1, 2)
            moved = on_its_backend(model, np.roll(x, (dy, dx), axis=(2, 3)))
            moved.requires_grad = True
            seen.clear()
            model(moved)
            activations = seen[-1] if seen[-1].ndim == 2 else seen[-1].mean(tuple(range(2, seen[-1].ndim)))
            there = activations.shape[1]
            if not all(0 <= unit < there for unit in units):
                raise ValueError(f"layer {layer} has units 0 to {there - 1}, got {list(units)}")
            g = slope(activations[rows, list(units)].sum(), moved)
            g = np.roll(g, (-dy, -dx), axis=(2, 3))
            scale = scale or float(_rms(g).mean()) or 1.0
            g = g / scale - 2 * l2 * x
            x = np.clip(x + step * g / np.maximum(_rms(g), 1e-8), 0, 1)
    return x


def _rms(g: np.ndarray) -> np.ndarray:
    """Return the root of the mean square of each image, (n, 1, 1, 1)."""
    return np.sqrt((g**2).mean(axis=(1, 2, 3), keepdims=True))
