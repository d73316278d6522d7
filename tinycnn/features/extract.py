"""Feature vectors: what a layer of a network makes of images (Eq. 14)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn import functional as F
from tinycnn.data import Dataset
from tinycnn.fit.evaluation import CHUNK, infer
from tinycnn.nn import Module, Sequential
from tinycnn.nn.summary import summary
from tinycnn.schema import plain
from tinycnn.tensor import Tensor

POOLS = ("mean", "max", "gram")
MOST_LISTED = 60  # layers in a message

Pool = str | int | None


def layer_names(model: Module) -> list[str]:
    """Return the names of all layers inside a model, "0", "1", "block.conv", ... as in ``state_dict``."""
    return [name for name, _ in model.named_modules() if name]


def find_layer(model: Module, layer: str | int) -> Module:
    """Return the layer of a name; of a Sequential also by number, -1 is the last.

    Raises ValueError if there is no such layer; the message lists those that exist.
    """
    if isinstance(layer, int) and isinstance(model, Sequential):
        layers = model.layers
        if -len(layers) <= layer < len(layers):
            return layers[layer]
    there = {name: module for name, module in model.named_modules() if name}
    if str(layer) not in there:
        listed = [f"{name} ({type(there[name]).__name__})" for name in list(there)[:MOST_LISTED]]
        more = ", …" * (len(there) > MOST_LISTED)
        raise ValueError(f"there is no layer {plain(layer)!r}; there are {', '.join(listed) or 'none'}{more}")
    return there[str(layer)]


@contextmanager
def outputs_of(model: Module, layer: str | int) -> Iterator[list[Tensor]]:
    """Collect what a layer returns, call by call, inside the ``with`` block."""
    seen: list[Tensor] = []
    remove = find_layer(model, layer).register_forward_hook(lambda _, inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        remove()


def features(
    model: Module, images: Any, layer: str | int, pool: Pool = None, chunk: int = CHUNK
) -> np.ndarray:
    """Return the feature vector of every image, (N, D): the activations of a layer (Eq. 14).

    ::

        F(x) = f(W_F x + b_F)

    The model runs in evaluation mode and is as before afterwards. Raises ValueError for a layer that does not
    exist or did not run, no images, and `pool` of what are no maps.

    Parameters
    ----------
    images
        (N, C, H, W), an array, a tensor or a `Dataset` (whose images are scaled to [0, 1]); the model takes
        `chunk` of them at a time.
    layer
        Its name, see `layer_names`; of a Sequential also its number.
    pool
        What to do with maps (N, K, OH, OW): None flattens them, D = K*OH*OW. "mean" and "max" keep one
        number of each map, D = K. A whole number n keeps the largest numbers of n x n windows. "gram" keeps
        how maps go together, see `gram_matrix`, and forgets where: D = K*(K+1)/2.
    """
    images = images.scaled(slice(None)) if isinstance(images, Dataset) else images
    if len(images) == 0:
        raise ValueError("there are no images")

    def vectors(part: Tensor) -> Tensor:
        seen.clear()
        model(on_its_backend(model, part))
        if not seen:
            raise ValueError(f"layer {layer} exists, but the model's forward does not call it")
        return pooled(seen[-1], pool)

    with outputs_of(model, layer) as seen:
        return infer(model, vectors, images, chunk=chunk)


def pooled(maps: Tensor, pool: Pool = None) -> Tensor:
    """Return activations (N, ...) as vectors (N, D); `pool` as of `features`."""
    if pool is None or maps.ndim == 2:
        return F.flatten(maps, 1) if maps.ndim > 2 else maps
    if maps.ndim != 4:
        raise ValueError(f"pool={pool!r} needs maps (N, K, OH, OW), the layer returns {maps.shape}")
    if pool == "mean":
        return maps.mean((2, 3))
    if pool == "max":
        return F.flatten(F.global_max_pool2d(maps), 1)
    if pool == "gram":
        gram = gram_matrix(maps)
        rows, columns = np.triu_indices(gram.shape[1])
        return gram[:, rows.tolist(), columns.tolist()]
    if isinstance(pool, int) and pool > 0:
        return _grid(maps, pool)
    raise ValueError(f"pool must be None, {', '.join(map(repr, POOLS))} or a whole number, got {pool!r}")


def _grid(maps: Tensor, n: int) -> Tensor:
    """Return maps (N, K, OH, OW) max-pooled to (N, K*n*n): windows overlap if n does not divide OH.

    Maps that are not larger stay as they are.
    """
    OH, OW = maps.shape[2:]
    if min(OH, OW) <= n:
        return F.flatten(maps, 1)
    stride = (OH // n, OW // n)
    kernel = (OH - stride[0] * (n - 1), OW - stride[1] * (n - 1))
    return F.flatten(F.max_pool2d(maps, kernel, stride), 1)


def on_its_backend(model: Module, images: Any) -> Tensor:
    """Return images as a tensor that lives where the model's weights do."""
    parameter = next(model.parameters(), None)
    backend = _backend.current() if parameter is None else parameter.backend
    return images.to(backend) if isinstance(images, Tensor) else Tensor(images, backend=backend)


def last_hidden(model: Module, image_shape: tuple[int, ...]) -> str:
    """Return the name of the layer whose output the last layer with weights reads: the usual features.

    One image of zeros (C, H, W) is sent through. Raises ValueError if there is no such layer.
    """
    layers = summary(model, image_shape).layers  # in the order in which they run
    last = max((i for i, layer in enumerate(layers) if layer.parameters), default=0)
    if last == 0:
        raise ValueError("there is no layer before the last one with weights: name the layer")
    return layers[last - 1].name


def last_maps(model: Module, image_shape: tuple[int, ...]) -> str | None:
    """Return the name of the last layer that returns maps (N, K, OH, OW) of more than one cell, or None."""
    shapes = {layer.name: layer.output_shape for layer in summary(model, image_shape).layers}
    maps = [name for name, shape in shapes.items() if name and len(shape) == 3 and shape[1] * shape[2] > 1]
    return maps[-1] if maps else None


def gram_matrix(maps: Tensor) -> Tensor:
    """Return the Gram matrices of maps, (N, K, K): which features occur together, wherever that is.

    ::

        G[n, i, j] = sum_p A[n, i, p] * A[n, j, p] / (OH*OW)        p runs over the places of the map

    An image whose parts are moved about has the same Gram matrix, so it describes texture and not shape.
    Gradients flow back to the maps, (N, K, OH, OW). Raises ValueError if they are none.

    References
    ----------
    Gatys et al. 2016, Image style transfer using convolutional neural networks.
    """
    if maps.ndim != 4:
        raise ValueError(f"gram_matrix needs maps (N, K, OH, OW), got {maps.shape}")
    rows = F.flatten(maps, 2)  # (N, K, OH*OW)
    return rows @ rows.transpose(1, 2) / rows.shape[2]


def colour_statistics(images: Any) -> np.ndarray:
    """Return mean and standard deviation of every channel, (N, 2*C), of images (N, C, H, W)."""
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"colour_statistics needs images (N, C, H, W), got {images.shape}")
    return np.concatenate([images.mean(axis=(2, 3)), images.std(axis=(2, 3))], axis=1)
