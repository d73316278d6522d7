"""A GAN's run explained: what z changes, and the training images that are nearest to samples by features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinycnn import plot
from tinycnn.data import Dataset
from tinycnn.features import Index, Nearest, features, last_hidden
from tinycnn.features.pictures import frame
from tinycnn.fit import RunError, load_classifier
from tinycnn.schema import plain

from .coordinates import Effects, effects, walk
from .features import pooled_features
from .networks import Generator
from .run import load_gan_data
from .sampling import noise, sample
from .saved import load_discriminator, load_generator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Describe = Callable[[np.ndarray], np.ndarray]  # images (N, C, H, W) to feature vectors (N, D)
STEPS = 9  # images of a walk
KNOWN = 4000  # training images at most


def explain_run(
    folder: str | Path,
    samples: int = 8,
    coordinates: int = 8,
    classifier: str | Path | None = None,
    seed: int = 0,
    say: Callable[[str], None] = print,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Print and draw what the coordinates of z change, and the training images nearest to samples.

    `folder` is the run folder of a GAN; ``coordinates.png`` and ``nearest_features.png`` go to `out`, by
    default the same. If `classifier` names the run folder of a classifier of such images, its features are
    used, and it says which coordinates change the class. Else the features are those of the discriminator.

    Raises RunError if there is no such run, its discriminator asks for the class and no classifier is given,
    or the classifier takes other images; ValueError if a file is damaged.
    """
    folder = Path(folder)
    out = folder if out is None else Path(out)
    G, config = load_generator(folder)
    if "data" not in config:
        raise RunError(f"{folder} does not say which data its generator was trained on")
    train, _ = load_gan_data(config["data"], conditional=False)
    known = train.subset(slice(0, KNOWN))
    describe, what, classify = _features(folder, G, classifier)
    found = effects(G, seed=seed, classify=classify)
    chosen = [int(i) for i in found.order[:coordinates]]
    say(f"of {G.latent} coordinates of z these change most, from -1.5 to 1.5 (in deviations of the samples):")
    for i in chosen:
        say(f"  z[{i}]: pixels {found.pixels[i]:.3f}, {found.describe(i)}")
    out.mkdir(parents=True, exist_ok=True)
    plot.save(coordinates_figure(G, found, chosen, seed), out / "coordinates.png")
    images, x = sample(G, *noise(G, samples, seed)), known.scaled(slice(None))
    near = Index(describe(x), "cosine").search(describe(images), 3)
    by_pixels = Index(x).search(images, 3)
    plot.save(neighbours_figure(images, known, near, by_pixels, what), out / "nearest_features.png")
    shared = float((near.index[:, 0] == by_pixels.index[:, 0]).mean())
    say(f"nearest of {len(known):,} images of {plain(train.name)} by {what}; pixels agree for {shared:.0%}")
    say(f"drawn in {out / 'coordinates.png'} and {out / 'nearest_features.png'}")
    return {
        "coordinates": [
            {
                "coordinate": i,
                "pixels": float(found.pixels[i]),
                "attributes": {name: float(effect[i]) for name, effect in found.attributes.items()},
                "classes": None if found.classes is None else float(found.classes[i]),
            }
            for i in chosen
        ],
        "features": what,
        "nearest": near.index[:, 0].tolist(),
        "nearest_by_pixels": by_pixels.index[:, 0].tolist(),
    }


def _features(
    folder: Path, G: Generator, classifier: str | Path | None
) -> tuple[Describe, str, Callable[[np.ndarray], np.ndarray] | None]:
    """Return what describes images, what it is called, and what classifies them, if there is a classifier."""
    if classifier is not None:
        saved = load_classifier(classifier)
        if saved.input_shape != G.image_shape:
            raise RunError(
                f"{classifier} takes images {saved.input_shape}, the generator makes {G.image_shape}"
            )
        layer = last_hidden(saved.model, G.image_shape)
        name = f"layer {layer} of {saved.name}"
        return lambda images: features(saved.model, images, layer), name, saved.probabilities
    D, _ = load_discriminator(folder)
    if D.num_classes:
        raise RunError(
            f"{folder} is conditional: its discriminator asks for the class of every image; name a run of "
            "tinycnn train on such images as the classifier"
        )
    return lambda images: pooled_features(D, images), "the discriminator's features", None


def coordinates_figure(G: Generator, found: Effects, chosen: list[int], seed: int = 0) -> Figure:
    """Draw a walk along each of the chosen coordinates, a row each, and what it changes."""
    figure = plot.blank_figure(0.95 * STEPS + 3.4, 1.0 * len(chosen) + 0.7)
    figure.suptitle("one coordinate of z goes from -2.5 to 2.5, the others stay", fontsize=11)
    grid = figure.subplots(len(chosen), STEPS + 1, squeeze=False, width_ratios=[3.2, *[1] * STEPS])
    for row, i in zip(grid, chosen, strict=True):
        row[0].axis("off")
        words = found.describe(i).replace(", ", "\n")
        row[0].text(1, 0.5, f"z[{i}]\n{words}", ha="right", va="center", fontsize=8)
        for axes, image in zip(row[1:], walk(G, i, STEPS, seed=seed), strict=True):
            plot.show_image(axes, image)
    return figure


def neighbours_figure(
    images: np.ndarray, known: Dataset, near: Nearest, by_pixels: Nearest, what: str
) -> Figure:
    """Draw each sample, the training images nearest to it by features, and those nearest by pixels."""
    N, k = near.index.shape
    figure = plot.blank_figure(1.0 * (2 * k + 1) + 0.4, 1.15 * N + 0.7)
    figure.suptitle(f"left: a sample; then the nearest by {what} (cosine); then by pixels", fontsize=10)
    for row, image, n in zip(figure.subplots(N, 2 * k + 1, squeeze=False), images, range(N), strict=True):
        plot.show_image(row[0], image)
        frame(row[0])
        found = [*near.index[n], *by_pixels.index[n]], [*near.distance[n], *by_pixels.distance[n]]
        for axes, m, distance in zip(row[1:], *found, strict=True):
            plot.show_image(axes, known.scaled([m])[0])
            axes.set_title(f"{distance:.2g}", fontsize=7, pad=2)
    return figure
