"""What the coordinates of z change in the images of a generator (Eq. 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .networks import Generator
from .sampling import noise, sample

Classify = Callable[[np.ndarray], np.ndarray]  # images (N, C, H, W) in [0, 1] to probabilities (N, K)


def attributes(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return numbers that describe images (N, C, H, W) in [0, 1], each (N,): moments of their brightness.

    "brightness" is the mean; "right" and "down" are where its centre lies, "width" and "height" how far it
    spreads from there, all in pixels; "slant" is how many pixels it moves to the right from one row to the
    next one above.
    """
    grey = images.mean(axis=1) + 1e-9  # (N, H, W); a black image has its centre in the middle
    _, H, W = grey.shape
    total = grey.sum(axis=(1, 2))
    row, column = np.arange(H)[:, None], np.arange(W)
    down, right = ((grey * place).sum(axis=(1, 2)) / total for place in (row, column))
    rows, columns = row - down[:, None, None], column - right[:, None, None]  # (N, H, 1), (N, 1, W)
    height2, width2, both = (
        (grey * product).sum(axis=(1, 2)) / total for product in (rows**2, columns**2, rows * columns)
    )
    return {
        "brightness": total / (H * W),
        "right": right,
        "down": down,
        "width": np.sqrt(width2),
        "height": np.sqrt(height2),
        "slant": -both / np.maximum(height2, 1e-9),
    }


@dataclass(frozen=True)
class Effects:
    """What each coordinate of z changes, on average over random z: numbers of shape (latent,).

    A coordinate goes from -step to +step. `pixels` is the root of the mean squared change of a pixel, each of
    `attributes` moves by so many standard deviations of the samples, and `classes` is the fraction of samples
    whose likeliest class changes; None without a classifier.
    """

    pixels: np.ndarray
    attributes: dict[str, np.ndarray]
    classes: np.ndarray | None

    @property
    def order(self) -> np.ndarray:
        """The coordinates, the one that changes most pixels first."""
        return np.argsort(-self.pixels, kind="stable")

    def describe(self, coordinate: int, least: float = 0.3) -> str:
        """Return in words what a coordinate changes: attributes that move by at least so many deviations."""
        moves = {name: float(effect[coordinate]) for name, effect in self.attributes.items()}
        strongest = sorted(moves, key=lambda name: -abs(moves[name]))
        said = [f"{name} {moves[name]:+.1f}" for name in strongest if abs(moves[name]) >= least][:3]
        if self.classes is not None:
            said.append(f"class of {self.classes[coordinate]:.0%}")
        return ", ".join(said) or "no attribute much"


def effects(
    G: Generator, samples: int = 24, step: float = 1.5, seed: int = 0, classify: Classify | None = None
) -> Effects:
    """Return what each coordinate of z changes.

    ::

        change_i(z) = G(z with z_i = +step) - G(z with z_i = -step)

    N(0, 1) lies between -1.5 and 1.5 in 87 % of cases. If G is conditional, every sample has a class of its
    own, which stays. With `classify` one sees which coordinates change the class. Raises ValueError for fewer
    than 2 samples, or a step that is not above 0.
    """
    if samples < 2 or step <= 0:
        raise ValueError(f"samples must be at least 2 and step above 0, got {samples} and {step:g}")
    z, labels = noise(G, samples, seed)
    spread = {name: values.std() for name, values in attributes(sample(G, z, labels)).items()}
    pixels, classes = np.empty(G.latent), np.empty(G.latent)
    moves = {name: np.empty(G.latent) for name in spread}
    for i in range(G.latent):
        low, high = (sample(G, at(z, i, place), labels) for place in (-step, step))
        pixels[i] = np.sqrt(((high - low) ** 2).mean())
        before, after = attributes(low), attributes(high)
        for name, deviation in spread.items():
            moves[name][i] = (after[name] - before[name]).mean() / max(float(deviation), 1e-9)
        if classify is not None:
            classes[i] = (classify(low).argmax(axis=1) != classify(high).argmax(axis=1)).mean()
    return Effects(pixels, moves, None if classify is None else classes)


def at(z: np.ndarray, coordinate: int, value: float) -> np.ndarray:
    """Return z (N, latent) with one coordinate replaced."""
    moved = z.copy()
    moved[:, coordinate] = value
    return moved


def walk(G: Generator, coordinate: int, steps: int = 9, reach: float = 2.5, seed: int = 0) -> np.ndarray:
    """Return images (steps, C, H, W) along one coordinate, from -reach to +reach; the others stay."""
    z = noise(G, 1, seed)[0].repeat(steps, axis=0)
    z[:, coordinate] = np.linspace(-reach, reach, steps)
    return sample(G, z, np.zeros(steps, int) if G.num_classes else None)
