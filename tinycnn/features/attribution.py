"""Which pixels does an answer depend on? Saliency, SmoothGrad, occlusion, Grad-CAM.

All take images (N, C, H, W) and one class, or one per image; by default the likeliest one. The model
runs in evaluation mode and is as before afterwards. s_k(x) is the logit of class k.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import tinycnn
from tinycnn.fit.evaluation import CHUNK, evaluation_mode, infer
from tinycnn.host import as_numpy
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .extract import on_its_backend, outputs_of


class Occlusion(NamedTuple):
    """How far a class's lead falls if a patch is covered."""

    drop: np.ndarray  #: (N, rows, columns), one number for each place of the patch
    #: (N,), s_k - max_{j != k} s_j without a patch. If the drop is larger, another class wins.
    lead: np.ndarray
    side: int  #: of the patch, in pixels
    stride: int  #: it begins at pixel (row * stride, column * stride)


def saliency(model: Module, images: Any, classes: Any = None) -> np.ndarray:
    """Return how much the logit would change with each pixel, G = ds_k/dx, (N, C, H, W).

    References
    ----------
    Simonyan et al. 2014, Deep inside convolutional networks.
    """
    x = _images(images)
    with evaluation_mode(model):
        return _slopes(model, x, _classes(model, x, classes))


def smooth_grad(
    model: Module, images: Any, classes: Any = None, samples: int = 25, noise: float = 0.15, seed: int = 0
) -> np.ndarray:
    """Return the mean saliency of noisy copies of each image, (N, C, H, W).

    ::

        1/samples * sum_i ds_k/dx (x + e_i),   e_i ~ N(0, (noise * (max x - min x))^2)

    References
    ----------
    Smilkov et al. 2017, SmoothGrad: removing noise by adding noise.
    """
    if samples < 1 or noise < 0:
        raise ValueError(f"samples must be at least 1 and noise at least 0, got {samples} and {noise:g}")
    x, rng = _images(images), np.random.default_rng(seed)
    reach = np.ptp(x.reshape(len(x), -1), axis=1)[:, None, None, None]
    with evaluation_mode(model):
        k = _classes(model, x, classes)
        total = np.zeros_like(x)
        for _ in range(samples):
            total += _slopes(model, x + noise * reach * rng.standard_normal(x.shape, np.float32), k)
    return total / samples


def occlusion(
    model: Module, images: Any, classes: Any = None, side: int = 7, stride: int = 3, value: float = 0.0
) -> Occlusion:
    """Return how far the lead of a class falls if a patch is covered, for every place of the patch.

    Parameters
    ----------
    model, images, classes
        As of the module.
    side, stride
        Of the patch, in pixels.
    value
        What it is covered with.

    Raises
    ------
    ValueError
        If the patch does not fit into the image.

    References
    ----------
    Zeiler and Fergus 2014, Visualizing and understanding convolutional networks.
    """
    x = _images(images)
    _, _, H, W = x.shape
    if not 1 <= side <= min(H, W) or stride < 1:
        raise ValueError(f"side={side}, stride={stride}: the patch must fit into the image, {H}x{W}")
    places = [(i, j) for i in range(0, H - side + 1, stride) for j in range(0, W - side + 1, stride)]
    columns = (W - side) // stride + 1
    k = _classes(model, x, classes)
    whole = _lead(model, x, k)
    drops = []
    for image, of, lead in zip(x, k, whole, strict=True):
        covered = np.repeat(image[None], len(places), axis=0)
        for n, (i, j) in enumerate(places):
            covered[n, :, i : i + side, j : j + side] = value
        drops.append(lead - _lead(model, covered, np.full(len(places), of)))
    return Occlusion(np.stack(drops).reshape(len(x), -1, columns), whole, side, stride)


def grad_cam(model: Module, images: Any, layer: str | int, classes: Any = None) -> np.ndarray:
    """Return where a layer's maps speak for the class, (N, OH, OW), of the size of the maps.

    ::

        a[n, k'] = mean_p dL/dA[n, k', p]        how much map k' matters, L the class's logit
        cam[n, p] = max(0, sum_k' a[n, k'] * A[n, k', p])

    Parameters
    ----------
    model, images, classes
        As of the module.
    layer
        The name of a layer that returns maps (N, K', OH, OW); the last convolution is usual.

    Raises
    ------
    ValueError
        If there is no such layer, or it returns no maps.

    References
    ----------
    Selvaraju et al. 2017, Grad-CAM.
    """
    x = _images(images)
    with evaluation_mode(model), outputs_of(model, layer) as seen:
        k = _classes(model, x, classes)
        seen.clear()
        inputs = on_its_backend(model, x)
        inputs.requires_grad = True  # so that the maps have a gradient even if all weights are frozen
        logits = model(inputs)
        maps = seen[-1] if seen else None
        if maps is None or maps.ndim != 4:
            raise ValueError(f"Grad-CAM needs a layer with maps (N, K, OH, OW), {layer} is none")
        weights = slope(_chosen(logits, k).sum(), maps).mean(axis=(2, 3), keepdims=True)
    return np.maximum((weights * maps.numpy()).sum(axis=1), 0)


def slope(y: Tensor, x: Tensor) -> np.ndarray:
    """Return dy/dx as a NumPy array, for y of one element."""
    (gradient,) = tinycnn.grad(y, x)
    assert gradient is not None  # unused inputs are an error
    return gradient.numpy()


def _slopes(model: Module, x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return ds_k/dx; the logits of different images do not touch each other."""
    parts = []
    for start in range(0, len(x), CHUNK):
        inputs = on_its_backend(model, x[start : start + CHUNK])
        inputs.requires_grad = True
        parts.append(slope(_chosen(model(inputs), k[start : start + CHUNK]).sum(), inputs))
    return np.concatenate(parts)


def _chosen(logits: Tensor, k: np.ndarray) -> Tensor:
    return logits[list(range(len(k))), k.tolist()]


def _logits(model: Module, x: np.ndarray) -> np.ndarray:
    return infer(model, lambda part: model(on_its_backend(model, part)), x)


def _lead(model: Module, x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return by how much class k's logit leads, (N,); below 0 another class does."""
    logits = _logits(model, x).astype(np.float64)
    rows = np.arange(len(k))
    own = logits[rows, k]
    logits[rows, k] = -np.inf
    return own - logits.max(axis=1)


def _images(images: Any) -> np.ndarray:
    x = np.asarray(as_numpy(images))
    if x.ndim != 4 or not len(x):
        raise ValueError(f"images must be (N, C, H, W), N at least 1, got {x.shape}; image[None] adds N")
    return x.astype(np.result_type(x.dtype, np.float32))  # a copy


def _classes(model: Module, x: np.ndarray, classes: Any) -> np.ndarray:
    """Return one class per image, (N,); by default the likeliest."""
    logits = _logits(model, x)
    if logits.ndim != 2:
        raise ValueError(f"the model must return logits (N, K), it returns {logits.shape}")
    if classes is None:
        return logits.argmax(axis=1)
    k = np.asarray(as_numpy(classes))
    if k.shape not in ((), (len(logits),)):
        raise ValueError(
            f"classes must be one number, or one for each of N={len(logits)} images, got {classes}"
        )
    k = np.broadcast_to(k, len(logits))
    if k.dtype.kind not in "iu" or k.min() < 0 or k.max() >= logits.shape[1]:
        raise ValueError(f"classes must be whole numbers, 0 to K-1={logits.shape[1] - 1}, got {classes}")
    return k
