"""Evaluating a classifier: its loss and accuracy on a data set, without changing it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn import backend as _backend
from tinycnn.data import DataLoader
from tinycnn.functional import cross_entropy
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import no_grad
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
CHUNK = 250  # inputs at a time


@dataclass(frozen=True)
class Evaluation:
    """How well a model does on a data set.

    `loss` is the mean, `accuracy` the fraction of right predictions; labels (N,) and logits (N, K) are NumPy.
    """

    loss: float
    accuracy: float
    labels: np.ndarray
    logits: np.ndarray

    @property
    def predictions(self) -> np.ndarray:
        """The class with the largest logit, (N,)."""
        return self.logits.argmax(axis=1)

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of the logits, (N, K)."""
        e = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


@contextmanager
def evaluation_mode(model: Module) -> Iterator[None]:
    """Switch all modules of `model` to evaluation inside the ``with`` block.

    Afterwards each module has the mode it had before: a batch norm that you froze stays frozen.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@no_grad()
def infer(
    model: Module, f: Callable[..., Tensor], inputs: Any, *others: Any, chunk: int = CHUNK
) -> np.ndarray:
    """Return ``f(inputs, *others)``, computed for `chunk` rows of each at a time, as one NumPy array.

    `model` is in evaluation mode meanwhile; `f` gets the inputs as a tensor. Raises ValueError for no inputs.
    """
    if len(inputs) == 0:
        raise ValueError(f"nothing to compute: the input has shape {inputs.shape}, N must be at least 1")
    parts = []
    with evaluation_mode(model):
        for i in range(0, len(inputs), chunk):
            x, *more = (rows[i : i + chunk] for rows in (inputs, *others))
            parts.append(f(x if isinstance(x, Tensor) else Tensor(x), *more).numpy())
    return np.concatenate(parts)


@no_grad()
def evaluate(model: Module, loader: DataLoader, loss: Loss = cross_entropy) -> Evaluation:
    """Return how well `model` does on the data, in evaluation mode; the model is as before afterwards.

    Raises ValueError if the sizes of logits or labels, but for N, differ from batch to batch.
    """
    total: Any = 0.0  # an array of the backend, so that no batch waits for a GPU
    all_logits, all_labels = [], []
    with evaluation_mode(model):
        for images, labels in loader.batches(0):
            logits = model(images)
            total = total + loss(logits, labels).data * len(labels)  # each loss is the mean of its batch
            all_logits.append(logits.data)
            all_labels.append(labels.data)
    scores, truth = _together(all_logits), _together(all_labels)
    mean_loss = _backend.numbers(total)[0] / len(truth)
    return Evaluation(mean_loss, float((scores.argmax(axis=1) == truth).mean()), truth, scores)


def _together(arrays: list[Array]) -> np.ndarray:
    """Return the batches as one NumPy array. From a GPU all of them come in one transfer."""
    for array in arrays:
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"evaluate: the results of two batches, {arrays[0].shape} and {array.shape}, cannot be put "
                "together, as their sizes differ: give all pictures one size (H, W), or evaluate those of "
                "each size by themselves"
            )
    return _backend.to_backend(array_module(arrays[0]).concatenate(arrays), "numpy")
