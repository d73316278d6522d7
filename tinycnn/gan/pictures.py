"""Pictures of a GAN's run: samples and their animation, curves, walks through z, and nearest images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.features import nearest
from tinycnn.fit.callbacks import Callback
from tinycnn.pictures import save_gif, save_png, tile
from tinycnn.plot import blank_figure, show_image

from .networks import Generator
from .sampling import class_by_style, noise, sample, strips
from .training import GanTraining

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinycnn.fit.trainable import Trainable

SIDE = 10  # rows and columns of the sample grid
STEPS = 12  # of an interpolation strip
ZOOM = 3  # each pixel becomes 3 x 3 pixels of the file
FRAME_ZOOM = 2


def fixed_noise(G: Generator, rows: int = SIDE) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the z of every sample grid, and labels if G is conditional: each column has one class."""
    columns = G.num_classes if 0 < G.num_classes <= SIDE else SIDE
    z, labels = noise(G, rows * columns)
    return z, None if labels is None else np.tile(labels[:columns], rows)


def sample_grid(G: Generator) -> np.ndarray:
    """Return the samples of the fixed noise as one picture."""
    z, labels = fixed_noise(G)
    return tile(sample(G, z, labels), len(z) // SIDE)


class SampleGrids(Callback):
    """Write a sample grid into a run folder after `every` batches, as samples/step-000000.png and so on."""

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder / "samples", every

    def on_fit_begin(self, training: Trainable) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if training.epoch == training.batch == 0:
            self.on_batch_end(training)  # the images of the untrained generator

    def on_batch_end(self, training: Trainable) -> None:
        assert isinstance(training, GanTraining)
        if training.steps % self.every == 0:
            training.check()  # NaN cannot be drawn
            path = self.folder / f"step-{training.steps:06}.png"
            save_png(sample_grid(training.sampler), path, FRAME_ZOOM)


def save_animation(folder: Path) -> None:
    """Write training.gif from the sample grids in samples/."""
    from PIL import Image

    frames = []
    for path in sorted((folder / "samples").glob("step-*.png")):
        with Image.open(path) as image:
            frames.append(np.asarray(image))
    if frames:
        save_gif(frames, folder / "training.gif")


def interpolations(G: Generator, rows: int = 8, seed: int = 0) -> np.ndarray:
    """Return a picture: each row walks from one random z to another, for one class if G is conditional."""
    z = strips(rows, STEPS, G.latent, seed)
    labels = np.repeat(np.arange(rows) % G.num_classes, STEPS) if G.num_classes else None
    return tile(sample(G, z, labels), STEPS)


def classes_by_styles(G: Generator, styles: int = 8, seed: int = 0) -> np.ndarray:
    """Return a picture of a conditional generator: each row has one z, each column one class."""
    z, labels = class_by_style(G.num_classes, styles, G.latent, seed)
    return tile(sample(G, z, labels), G.num_classes)


def neighbours(images: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> Figure:
    """Draw samples above their nearest training images, to show whether G copies them.

    All are (N, C, H, W) in [0, 1]. A distance can be compared with those of the held-out real images.
    """
    found, real = nearest(images, train), nearest(held_out, train)
    columns, rows = 10, -(-len(images) // 10)
    figure = blank_figure(columns * 0.95, rows * 2.2 + 0.9)
    figure.suptitle(
        "above: samples; below: the nearest training image, and its distance\n"
        f"median distance {np.median(found.distance):.2f}; of real images not trained on "
        f"{np.median(real.distance):.2f}; a copy has 0",
        fontsize=10,
    )
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in grid.ravel():
        axes.axis("off")
    for n, image in enumerate(images):
        row, column = divmod(n, columns)
        above, below = grid[2 * row : 2 * row + 2, column]
        show_image(above, image)
        show_image(below, train[found.index[n]])
        below.set_title(f"{found.distance[n]:.1f}", fontsize=8, pad=2)
    return figure


def loss_curves(training: GanTraining) -> Figure:
    """Draw both losses, and what D says of real and generated images, over the steps."""
    figure = blank_figure(9, 3.6)
    losses, opinions = figure.subplots(1, 2)
    for axes, name, label, colour in (
        (losses, "D_loss", "D", "#c8102e"),
        (losses, "G_loss", "G", "#1f5fa8"),
        (opinions, "D_real", "real, D(x)", "#2a7f3f"),
        (opinions, "D_fake", "generated, D(G(z))", "#e08a00"),
    ):
        _curve(axes, training.curve, name, label, colour)
    losses.set_title(f"loss ({training.gan.loss.name})")
    probability = training.gan.loss.probability
    opinions.set_title("how D judges" + (": probability of real" if probability else ": its output"))
    if probability:
        opinions.set_ylim(0, 1)
        losses.axhline(2 * np.log(2), color="grey", linestyle=":", linewidth=1, label="D cannot tell: 2 ln 2")
        opinions.axhline(0.5, color="grey", linestyle=":", linewidth=1)
    for axes in (losses, opinions):
        axes.set_xlabel("step (one batch)")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure


def _curve(axes: Axes, curve: Sequence[dict[str, float]], name: str, label: str, colour: str) -> None:
    """Draw every point faintly, and their running mean."""
    points = [(point["step"], point[name]) for point in curve if name in point]
    if not points:
        return
    x, y = np.array(points).T
    width = max(len(y) // 40, 1)
    smooth = np.convolve(y, np.ones(width) / width, "valid")
    axes.plot(x, y, color=colour, alpha=0.25, linewidth=0.7)
    axes.plot(x[width - 1 :], smooth, color=colour, label=label)
