"""What the features of a classifier are worth: numbers and pictures of one layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tinycnn import plot
from tinycnn.data import Dataset
from tinycnn.nn import Module
from tinycnn.schema import plain

from .attribution import grad_cam, occlusion, saliency, smooth_grad
from .extract import Pool, features, find_layer, last_hidden, last_maps, layer_names
from .maximise import maximise
from .neighbours import METRICS, Index
from .pictures import attribution_figure, image_grid, projection_figure, retrieval_figure
from .projection import PCA, tsne, umap

QUERIES, NEAREST, EXPLAINED, UNITS = 6, 7, 6, 20  # images, or units, in a picture


@dataclass(frozen=True)
class FeatureReport:
    """The features of a layer of a classifier, of images that it knows (training) and of new ones (test)."""

    model: Module
    known: Dataset
    new: Dataset
    layer: str
    pool: Pool = None

    @cached_property
    def known_features(self) -> np.ndarray:
        """Feature vectors of the known images, (M, D)."""
        return features(self.model, self.known, self.layer, self.pool)

    @cached_property
    def new_features(self) -> np.ndarray:
        """Feature vectors of the new images, (N, D)."""
        return features(self.model, self.new, self.layer, self.pool)

    def same_class(self, metric: str, pixels: bool = False) -> float:
        """Return how often the known image that is nearest to a new one has its class."""
        known, new = self.known_features, self.new_features
        if pixels:
            known, new = self.known.scaled(slice(None)), self.new.scaled(slice(None))
        found = Index(known, metric).search(new).index[:, 0]
        return float((self.known.labels[found] == self.new.labels).mean())

    def retrieval(self, metric: str) -> Any:
        """Return a picture of new images, one of each class, and the known images nearest to them."""
        chosen = one_of_each(self.new.labels, QUERIES)
        k = min(NEAREST, len(self.known))
        found = Index(self.known_features, metric).search(self.new_features[chosen], k)
        title = f"framed: a new image; then the known ones nearest to it by layer {self.layer}, {metric}"
        return retrieval_figure(self.new.subset(chosen), self.known, found, title)

    def projection(self, with_tsne: bool = False, with_umap: bool = False) -> tuple[Any, PCA]:
        """Return a picture of the new images in two dimensions, by pixels and by features; and the PCA."""
        pixels = self.new.scaled(slice(None)).reshape(len(self.new), -1)
        pca = PCA.fit(self.new_features)
        points = {
            "pixels: two principal directions": PCA.fit(pixels).transform(pixels),
            f"layer {self.layer}: two principal directions": pca.transform(self.new_features),
        }
        others = len(self.new) - 1
        if with_tsne:
            points[f"layer {self.layer}: t-SNE"] = tsne(self.new_features, min(30.0, others / 3))
        if with_umap:
            points[f"layer {self.layer}: UMAP"] = umap(self.new_features, min(15, others))
        return projection_figure(points, self.new.labels, self.new.classes), pca

    def attribution(self, maps_layer: str | None = None) -> Any:
        """Return a picture of which pixels the answers for some new images depend on."""
        chosen = self.new.subset(one_of_each(self.new.labels, EXPLAINED))
        images, k = chosen.scaled(slice(None)), chosen.labels
        covered = occlusion(self.model, images, k, side=max(images.shape[2] // 4, 1))
        rows = {
            "saliency": saliency(self.model, images, k).sum(axis=1),
            "SmoothGrad": smooth_grad(self.model, images, k).sum(axis=1),
            "occlusion": covered.drop,
        }
        maps_layer = maps_layer or last_maps(self.model, chosen.image_shape)
        if maps_layer is not None:
            rows[f"Grad-CAM, layer {maps_layer}"] = grad_cam(self.model, images, maps_layer, k)
        return attribution_figure(images, rows, [chosen.classes[label] for label in k])

    def maximised(self, layer: str) -> Any:
        """Return a picture of the images that the first units of a layer answer to most."""
        width = features(self.model, self.new.subset([0]), layer, "mean").shape[1]
        units = list(range(min(width, UNITS)))
        images = maximise(self.model, layer, units, self.new.image_shape)
        named = width == len(self.new.classes)
        titles = [plot.shown(self.new.classes[unit]) if named else f"unit {unit}" for unit in units]
        heading = f"what the units of layer {layer} ({kind_of(self.model, layer)}) answer to most"
        return image_grid(images, titles, heading)

    def save(
        self,
        folder: Path,
        say: Callable[[str], None],
        metric: str = "euclidean",
        with_tsne: bool = False,
        with_umap: bool = False,
    ) -> dict[str, Any]:
        """Print the numbers, write the pictures into `folder`, and return both.

        Raises ImportError for t-SNE without scikit-learn, and UMAP without umap-learn.
        """
        D = self.new_features.shape[1]
        say(f"layer {self.layer} ({kind_of(self.model, self.layer)}): {D:,} numbers for each image")
        say(", ".join(f"{len(data):,} images of {plain(data.name)}" for data in (self.new, self.known)))
        same = {name: self.same_class(name) for name in METRICS}
        by_pixels = self.same_class(metric, pixels=True)
        listed = ", ".join(f"{name} {share:.2%}" for name, share in same.items())
        say(f"the nearest known image has the same class: by features {listed}; by pixels {by_pixels:.2%}")
        projection, pca = self.projection(with_tsne, with_umap)
        say(f"two of {D:,} directions hold {pca.variance_share.sum():.1%} of the features' variance")
        figures = {
            "nearest.png": self.retrieval(metric),
            "projection.png": projection,
            "attribution.png": self.attribution(),
            "maximised.png": self.maximised(layer_names(self.model)[-1]),
        }
        for name, figure in figures.items():
            plot.save(figure, folder / name)
        say(f"pictures are in {folder}/: {', '.join(figures)}")
        return {
            "layer": self.layer,
            "numbers": D,
            "same_class": same,
            "same_class_by_pixels": by_pixels,
            "variance_of_two_directions": float(pca.variance_share.sum()),
            "pictures": [str(folder / name) for name in figures],
        }


def report(
    model: Module, known: Dataset, new: Dataset, layer: str | int | None = None, pool: Pool = None
) -> FeatureReport:
    """Return the report on a layer; by default the one that the last layer with weights reads."""
    name = last_hidden(model, new.image_shape) if layer is None else str(layer)
    find_layer(model, name)
    return FeatureReport(model, known, new, name, pool)


def kind_of(model: Module, layer: str) -> str:
    """Return what kind of layer it is: "Conv2d"."""
    return type(find_layer(model, layer)).__name__


def one_of_each(labels: np.ndarray, most: int) -> np.ndarray:
    """Return the places of the first image of each class, at most so many."""
    _, first = np.unique(labels, return_index=True)
    return first[:most]
