"""The works on tinycnn."""

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np

import tinycnn
from tinycnn import Tensor, backend, models, no_grad, optim
from tinycnn import functional as F
from tinycnn.dispatch import kernels_for
from tinycnn.gan import Discriminator, Gan, Generator
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.nn import Sequential

from .inputs import Arrays, weights_of
from .works import Work

Run = Callable[[], Any]


class Engine:
    """tinycnn as a contestant; TINYCNN_THREADS has been set before."""

    version = tinycnn.__version__

    def __init__(self, threads: int) -> None:
        self.kinds: dict[str, Callable[[Work, Arrays], Run]] = {
            "step": _step,
            "gan": _gan,
            "inference": _inference,
            "chain": _chain,
            "conv": _conv,
        }

    def prepare(self, work: Work, arrays: Arrays) -> Run:
        """Return the function that does the work once."""
        return self.kinds[work.kind](work, arrays)

    def numbers(self, result: Any) -> np.ndarray:
        """Return the result of a run as an array; of several losses the sum."""
        if isinstance(result, tuple):
            result = np.asarray(sum(loss.item() for loss in result))
        return result.numpy() if isinstance(result, Tensor) else backend.to_backend(result, "numpy")


def _loaded(model: Sequential, weights: Arrays) -> Sequential:
    model.load_state_dict(weights)
    return model


def training_step(work: Work, arrays: Arrays) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a function that makes one training step with a batch and returns the loss."""
    model = _loaded(models.build(work.network), weights_of(arrays))
    optimizer = optim.Adam(model.parameters(), work.lr)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def _step(work: Work, arrays: Arrays) -> Run:
    step = training_step(work, arrays)
    batches = cycle([(Tensor(x), Tensor(y)) for x, y in zip(arrays["x"], arrays["y"], strict=True)])

    def run() -> Tensor:
        return step(*next(batches))

    return run


def gan_step(arrays: Arrays) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return a function that makes a step of both networks with images and z, and returns both losses."""
    G, D = _loaded(Generator(), weights_of(arrays, "G.")), _loaded(Discriminator(), weights_of(arrays, "D."))
    G_optimizer, D_optimizer = (optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for m in (G, D))
    gan = Gan(G, D, G_optimizer, D_optimizer)

    def step(real: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        judged, G_loss = gan.step(real, z)
        return judged.loss, G_loss

    return step


def _gan(work: Work, arrays: Arrays) -> Run:
    step = gan_step(arrays)
    batches = cycle([(Tensor(x), Tensor(z)) for x, z in zip(arrays["x"], arrays["z"], strict=True)])

    def run() -> tuple[Tensor, Tensor]:
        return step(*next(batches))

    return run


def _inference(work: Work, arrays: Arrays) -> Run:
    model = _loaded(models.build(work.network), weights_of(arrays))
    model.eval()
    x = Tensor(arrays["x"])

    @no_grad()
    def run() -> Tensor:
        return model(x)

    return run


def _chain(work: Work, arrays: Arrays) -> Run:
    x, a, b = (Tensor(arrays[name], requires_grad=True) for name in "xab")

    def run() -> Tensor:
        x.grad = a.grad = b.grad = None
        y = x
        for _ in range(work.N // 2):
            y = y * a + b
        y.sum().backward()
        assert a.grad is not None
        return a.grad

    return run


def _conv(work: Work, arrays: Arrays) -> Run:
    c = work.convolution
    assert c is not None
    x, w, g = (arrays[name] for name in "xwg")
    geometry = conv2d_geometry(x.shape, w.shape, c.stride, c.padding)
    kernels = kernels_for(x)
    directions: dict[str, Run] = {
        "forward": lambda: kernels.conv2d(x, w, geometry),
        "input": lambda: kernels.conv2d_input(g, w, geometry),
        "weight": lambda: kernels.conv2d_weight(x, g, geometry),
    }
    return directions[work.direction]
