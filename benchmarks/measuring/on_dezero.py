"""Training steps and inference on DeZero, the engine of the book "Deep Learning from Scratch 3"."""

import importlib
from collections.abc import Callable
from importlib import metadata
from itertools import cycle
from typing import Any

import numpy as np

from .inputs import Arrays, weights_of
from .works import Work

Run = Callable[[], Any]

EPSILON = 1e-9  # in DeZero's Adam, in the first steps, about what 1e-8 is in PyTorch's


class Engine:
    """DeZero as a contestant; it has no threads but those of NumPy's matrix products."""

    def __init__(self, threads: int) -> None:
        # DeZero 0.0.13 mentions this name at import, which NumPy removed in 1.24.
        vars(np).setdefault("int", int)
        importlib.import_module("dezero")
        self.version = metadata.version("dezero")

    def prepare(self, work: Work, arrays: Arrays) -> Run:
        """Return the function that does the work once."""
        model = _network(arrays)
        return _inference(model, arrays) if work.kind == "inference" else _step(work, model, arrays)

    def numbers(self, result: Any) -> np.ndarray:
        """Return the result of a run as an array."""
        return np.asarray(result)


def _step(work: Work, model: Any, arrays: Arrays) -> Run:
    from dezero import functions as F
    from dezero import optimizers

    optimizer = optimizers.Adam(work.lr, eps=EPSILON).setup(model)
    batches = cycle(list(zip(arrays["x"], arrays["y"], strict=True)))

    def run() -> float:
        x, y = next(batches)
        loss = F.softmax_cross_entropy(model(x), y)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return float(loss.data)

    return run


def _inference(model: Any, arrays: Arrays) -> Run:
    import dezero

    x = arrays["x"]

    def run() -> np.ndarray:
        with dezero.no_grad(), dezero.test_mode():
            return model(x).data

    return run


def _network(arrays: Arrays) -> Any:
    """Return the network that the weights describe: convolutions, each with pooling, then dense layers."""
    from dezero import functions as F
    from dezero import layers as L
    from dezero.models import Model

    weights = list(weights_of(arrays).values())

    class Network(Model):
        def __init__(self) -> None:
            super().__init__()
            self.layers = []
            for i, (w, b) in enumerate(zip(weights[::2], weights[1::2], strict=True)):
                if w.ndim == 4:  # (K, C, KH, KW)
                    layer = L.Conv2d(w.shape[0], w.shape[2:])
                    layer.W.data = w.copy()
                else:  # (out, in), in DeZero (in, out)
                    layer = L.Linear(w.shape[0])
                    layer.W.data = np.ascontiguousarray(w.T)
                layer.b.data = b.copy()
                setattr(self, f"layer{i}", layer)  # DeZero finds parameters through attributes
                self.layers.append(layer)

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                if isinstance(layer, L.Conv2d):
                    x = F.pooling(F.relu(layer(x)), 2, 2)
                else:
                    x = layer(x if x.ndim == 2 else F.flatten(x))
                    x = x if layer is self.layers[-1] else F.relu(x)
            return x

    return Network()
