"""Pictures of what a network has learned to see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.plot import WRONG, blank_figure, cells, name_style, show_image, shown

from .neighbours import Nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinycnn.data import Dataset

MOST_TEXTS = 20  # classes that are told apart by colour


def retrieval_figure(queries: Dataset, known: Dataset, found: Nearest, title: str) -> Figure:
    """Draw each query, framed, and the known images nearest to it; another class than the query's is red.

    Both may have classes of their own; `found`, (N, k), is what `Index.search` returned.
    """
    N, k = found.index.shape
    figure = blank_figure(1.15 * (k + 1), 1.35 * N + 0.6)
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(N, k + 1, squeeze=False)
    for n in range(N):
        label = queries.classes[queries.labels[n]]
        show_image(grid[n][0], queries.scaled([n])[0])
        grid[n][0].set_title(shown(label), fontsize=9, weight="bold", **name_style())
        frame(grid[n][0])
        for axes, m, distance in zip(grid[n][1:], found.index[n], found.distance[n], strict=True):
            other = known.classes[known.labels[m]]
            show_image(axes, known.scaled([m])[0])
            same = other == label
            text = f"{'' if same else '✗ '}{shown(other)}  {distance:.3g}"
            axes.set_title(text, fontsize=8, color="black" if same else WRONG, **name_style())
    return figure


def projection_figure(points: Mapping[str, np.ndarray], labels: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw points of the plane, (N, 2), side by side under their titles; colours are classes.

    Classes with names of one or two letters are written in the places of their points.
    """
    from matplotlib import colormaps

    figure = blank_figure(6.2 * len(points), 5.8)
    colours = colormaps["tab20" if len(classes) > 10 else "tab10"]
    written = max(map(len, classes)) <= 2
    centred = {"ha": "center", "va": "center", "weight": "bold", "fontsize": 7}
    grid = figure.subplots(1, len(points), squeeze=False)[0]
    for axes, (title, xy) in zip(grid, points.items(), strict=True):
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=12)
        for k in np.unique(labels):
            (x, y), colour, name = xy[labels == k].T, colours(k % MOST_TEXTS), shown(classes[k])
            axes.scatter(x, y, s=0 if written else 9, color=colour, label=name)
            for at in zip(x, y, strict=True) if written else ():
                axes.text(*at, name, color=colour, **centred)
        if not written and len(classes) <= MOST_TEXTS:
            axes.legend(fontsize=7, prop={"size": 7, "family": name_style()["family"]})
    return figure


def attribution_figure(
    images: np.ndarray, maps: Mapping[str, Sequence[np.ndarray]], titles: Sequence[str]
) -> Figure:
    """Draw images (N, C, H, W) in the first row, and what was computed of each in the others.

    The images are in [0, 1]. `maps` has for each row its title, and N maps (h, w) of any size, which are
    stretched over the image; negative numbers are blue, positive ones red.
    """
    N, _, H, W = images.shape
    figure = blank_figure(1.7 * N + 0.6, 1.8 * (1 + len(maps)) + 0.3)
    grid = figure.subplots(1 + len(maps), N, squeeze=False)
    for axes, image, title in zip(grid[0], images, titles, strict=True):
        show_image(axes, image)
        axes.set_title(title, fontsize=9, **name_style())
    for row, (what, of_images) in zip(grid[1:], maps.items(), strict=True):
        row[0].set_ylabel(what, fontsize=9)
        for axes, values, image in zip(row, of_images, images, strict=True):
            reach = max(float(np.abs(values).max()), 1e-12)
            extent = (-0.5, W - 0.5, H - 0.5, -0.5)
            axes.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach, extent=extent)
            grey = image.mean(axis=0)
            if np.ptp(grey) > 0:
                level = [(grey.min() + grey.max()) / 2]
                axes.contour(grey, levels=level, colors="black", linewidths=0.7, alpha=0.6)
            axes.set(xticks=[], yticks=[])
    return figure


def image_grid(images: np.ndarray, titles: Sequence[str], heading: str, columns: int = 10) -> Figure:
    """Draw images (N, C, H, W), each stretched to its own darkest and brightest number, with titles above."""
    columns = min(columns, len(images))
    figure = blank_figure(1.15 * columns + 0.2, 1.35 * math.ceil(len(images) / columns) + 0.5)
    figure.suptitle(heading, fontsize=11)
    for axes, image, title in zip(cells(figure, len(images), columns), images, titles, strict=True):
        low, high = image.min(), image.max()
        show_image(axes, (image - low) / max(high - low, 1e-12))
        axes.set_title(title, fontsize=8, **name_style())
    return figure


def frame(axes: Axes) -> None:
    """Draw a frame around an image: the one that others are compared with."""
    for spine in axes.spines.values():
        spine.set(color="#1f5fa8", linewidth=4)
