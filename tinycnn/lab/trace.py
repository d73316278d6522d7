"""One run of a network on one picture: every array on the way, and the gradient of the loss by each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn.explain.layers import Layer, run_layers
from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.nn import Module
from tinycnn.tensor import Tensor


@dataclass(frozen=True)
class Trace:
    """What a network computed.

    Attributes
    ----------
    calls
        The layers in the order they ran.
    tensors
        The picture ``a0``, the outputs ``a1``, ``a2``, ... of the layers; ``x5`` is what went into layer 5 if
        that is no layer's output. The last one has the logits.
    probabilities
        The softmax of the logits, (1, K).
    label
        The class k of the loss L = cross_entropy(logits, k), or None.
    loss
        L, if there is a label: then the tensors have their gradients.
    """

    calls: list[Layer]
    tensors: dict[str, Tensor]
    probabilities: np.ndarray
    label: int | None = None
    loss: float | None = None

    @property
    def output(self) -> str:
        """The name of the logits."""
        return self.calls[-1].result

    def array(self, name: str, gradient: bool = False) -> np.ndarray:
        """Return the values of an array, or dL/d of it; zeros if L does not depend on it."""
        tensor = self.tensors[name]
        if not gradient:
            return tensor.numpy()
        return np.zeros(tensor.shape, tensor.dtype) if tensor.grad is None else tensor.grad.numpy()


def run(model: Module, picture: np.ndarray, label: int | None = None) -> Trace:
    """Run `model` in evaluation mode on `picture` (C, H, W); with a label also the backward pass.

    Raises
    ------
    ValueError
        As the model, if the picture does not fit, or the output is no row of logits.
    """
    x = Tensor(picture[None], requires_grad=True, backend="numpy")
    calls, tensors, y = watched(model, x)
    if y.ndim != 2:
        raise ValueError(f"the lab shows classifiers, whose output is (N, K), got shape {y.shape}")
    probabilities = F.softmax(y.detach(), 1).numpy()
    if label is None:
        return Trace(calls, tensors, probabilities)
    loss = F.cross_entropy(y, np.array([label]))
    with kept_gradients(model):  # to look is not to train
        loss.backward()
    return Trace(calls, tensors, probabilities, label, loss.item())


def watched(model: Module, x: Tensor, *others: Any) -> tuple[list[Layer], dict[str, Tensor], Tensor]:
    """Return the layers that run in ``model(x, *others)``, every array by its name, and the output."""
    with evaluation_mode(model):
        layers, y = run_layers(model, x, *others)
    tensors = {"a0": x}
    for layer in layers:
        tensors |= {layer.source: layer.x, layer.result: layer.y}
    return layers, tensors, y


@contextmanager
def kept_gradients(model: Module) -> Iterator[None]:
    """Leave the gradients of the parameters as they were before the ``with`` block."""
    parameters = list(model.parameters())
    kept = [p.grad for p in parameters]
    try:
        yield
    finally:
        for p, grad in zip(parameters, kept, strict=True):
            p.grad = grad
