"""One run of a network on one picture: every array on the way, and the gradient of the loss by each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn import functional as F
from tinycnn.explain.layers import run_layers
from tinycnn.explain.watch import Watch
from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.modes import observed
from tinycnn.nn import Module, Parameter
from tinycnn.tensor import Tensor

from .between import CONSTANT, Made, in_order, inputs_of, sources_of


@dataclass(frozen=True)
class Trace:
    """What a network computed.

    Attributes
    ----------
    made
        The layers, and the operations between them, in the order they ran.
    tensors
        The picture ``a0``, the outputs ``a1``, ``a2``, ... of the layers; ``x5`` is what went into layer 5 if
        that is no layer's output, ``x5_1`` an operation on the way to it.
    output
        The name of the logits.
    probabilities
        The softmax of the logits, (1, K); None of a GAN.
    label
        The class k of the loss L = cross_entropy(logits, k), or None.
    loss
        L, if there is one: then the tensors have their gradients. Of a GAN it is D's logit.
    """

    made: list[Made]
    tensors: dict[str, Tensor]
    output: str
    probabilities: np.ndarray | None = None
    label: int | None = None
    loss: float | None = None

    @property
    def shown(self) -> list[str]:
        """The names of the arrays that a page can draw: maps (1, C, H, W) and rows (1, units)."""
        return [name for name, t in self.tensors.items() if t.ndim in (2, 4) and t.shape[0] == 1]

    def maker(self, name: str) -> Made | None:
        """Return the layer or operation that made an array; None of the picture."""
        return next((made for made in self.made if made.result == name), None)

    def users(self, name: str) -> list[tuple[Made, int]]:
        """Return what reads an array, and as which of its inputs; layers that change nothing are left out."""
        tensor = self.tensors[name]
        return [
            (made, n)
            for made in self.made
            for n, read in enumerate(inputs_of(made))
            if read is tensor and made.y is not tensor
        ]

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
    made, tensors, output = watched(model, x)
    y = tensors[output]
    if y.ndim != 2:
        raise ValueError(f"the lab shows classifiers, whose output is (N, K), got shape {y.shape}")
    probabilities = F.softmax(y.detach(), 1).numpy()
    if label is None:
        return Trace(made, tensors, output, probabilities)
    loss = F.cross_entropy(y, np.array([label]))
    with kept_gradients(model):  # the page only looks: the training keeps its gradients
        loss.backward()
    return Trace(made, tensors, output, probabilities, label, loss.item())


def watched(model: Module, x: Tensor, *others: Any) -> tuple[list[Made], dict[str, Tensor], str]:
    """Return what runs in ``model(x, *others)``, every array by its name, and the output's name."""
    with evaluation_mode(model), observed(watch := Watch()):
        layers, y = run_layers(model, x, *others)
    found, output = in_order(model, x, layers, y, watch.calls)
    tensors = {"a0": x}
    for made in found:
        for name, tensor in (*zip(sources_of(made), inputs_of(made), strict=True), (made.result, made.y)):
            if name not in tensors and name != CONSTANT and not isinstance(tensor, Parameter):
                tensors[name] = tensor
                tensor.retain_grad()
    return found, tensors, output


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
