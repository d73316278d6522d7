"""A trained GAN: from z to G's picture to D's verdict, and back; and arithmetic in the space of z."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.fit.evaluation import evaluation_mode
from tinycnn.gan.losses import logit
from tinycnn.gan.networks import Discriminator, Generator
from tinycnn.gan.sampling import sample, slerp
from tinycnn.gan.saved import load_discriminator, load_generator
from tinycnn.modes import no_grad
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .network import Network
from .trace import Trace, kept_gradients, watched

PATH = 101  # points from one z to the other
SAMPLES, CHUNK = 400, 100  # pictures of G in which those of a class are looked for


class Chain(Module):
    """G and behind it D: z (N, latent) -> D's outputs."""

    def __init__(self, G: Generator, D: Discriminator) -> None:
        self.G, self.D = G, D

    def forward(self, z: Tensor, labels: np.ndarray) -> Tensor:
        """Return what D says of G's pictures; labels go to whichever of them takes classes."""
        x = self.G(z, labels) if self.G.num_classes else self.G(z)
        return self.D(x, labels) if self.D.num_classes else self.D(x)


class Summand(NamedTuple):
    """One z of a sum: its sign, the z, and of how many samples it is the mean."""

    sign: int
    z: np.ndarray
    samples: int


class Latent:
    """A trained GAN, and the point z of its latent space that a page looks at.

    Parameters
    ----------
    folder
        The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.G: Generator = load_generator(folder)[0]
        self.D: Discriminator = load_discriminator(folder)[0]
        if self.D.image_shape != self.G.image_shape:
            raise ValueError(
                f"the discriminator of {folder.name} takes images {list(self.D.image_shape)}, its generator "
                f"makes {list(self.G.image_shape)}: they are of different runs"
            )
        self.chain = Chain(self.G, self.D)
        self.trace: Trace | None = None  # of the z that was looked at last
        self._means: tuple[Module, list[Summand | None]] | None = None

    def z(self, first: int, second: int, t: float, u: float, v: float) -> np.ndarray:
        """Return z (1, latent): at `t` on the arc between two random points, and `u`, `v` steps beside it.

        The directions of `u` and `v` are random, too, and the same for all points.
        """
        middle = slerp(self.point(first), self.point(second), PATH)[round(t * (PATH - 1))]
        across = np.random.default_rng(12345).standard_normal((2, self.G.latent)).astype(np.float32)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        return (middle + np.float32(u) * across[0] + np.float32(v) * across[1])[None].astype(np.float32)

    def point(self, seed: int) -> np.ndarray:
        """Return a random z (latent,)."""
        return np.random.default_rng(seed).standard_normal(self.G.latent, np.float32)

    def look(self, z: np.ndarray, label: int) -> Trace:
        """Run G and D on z, and back from D's verdict; the "loss" of the trace is the verdict's logit."""
        x = Tensor(z, requires_grad=True, backend="numpy")
        made, tensors, output = watched(self.chain, x, np.array([label]))
        real = F.sum(logit(tensors[output]))
        with kept_gradients(self.chain):
            real.backward()
        self.trace = Trace(made, tensors, output, loss=real.item())
        return self.trace

    @property
    def picture(self) -> str:
        """The name of G's picture in the trace."""
        assert self.trace is not None
        return next(
            made.result for made in reversed(self.trace.made) if getattr(made, "name", "").startswith("G.")
        )

    def by_seeds(self, seeds: Sequence[int]) -> list[Summand]:
        """Return a - b + c of three random points: styles, for a generator that is told the class."""
        return [Summand(sign, self.point(n), 1) for sign, n in zip((1, -1, 1), seeds, strict=True)]

    def by_classes(self, classes: Sequence[int], network: Network) -> list[Summand]:
        """Return a - b + c of the means of those z whose pictures a classifier calls a, b and c.

        Raises
        ------
        ValueError
            If the classifier takes other pictures, or calls no picture so.
        """
        if network.input_shape != self.G.image_shape:
            raise ValueError(
                f"the network of this page takes pictures {list(network.input_shape)}, and G makes "
                f"{list(self.G.image_shape)}: load a classifier for G's pictures first"
            )
        if self._means is None or self._means[0] is not network.model:
            self._means = network.model, self._means_by(network)
        found = []
        for sign, k in zip((1, -1, 1), classes, strict=True):
            mean = self._means[1][k]
            if mean is None:
                raise ValueError(
                    f"{network.name} calls none of {SAMPLES} pictures of G {network.classes[k]!r}: choose "
                    "another class"
                )
            found.append(mean._replace(sign=sign))
        return found

    def _means_by(self, network: Network) -> list[Summand | None]:
        z = np.random.default_rng(7).standard_normal((SAMPLES, self.G.latent), np.float32)
        answers = []
        for start in range(0, SAMPLES, CHUNK):
            pictures = sample(self.G, Tensor(z[start : start + CHUNK]))
            with np.errstate(all="ignore"), evaluation_mode(network.model), no_grad():
                answers.append(network.model(Tensor(pictures)).numpy().argmax(1))
        called = np.concatenate(answers)
        counts = [int((called == k).sum()) for k in range(len(network.classes))]
        return [Summand(1, z[called == k].mean(0), n) if n else None for k, n in enumerate(counts)]


def on_the_shell(z: np.ndarray) -> np.ndarray:
    """Return z (1, latent) with length sqrt(latent), which random z have nearly: G was trained there.

    Raises
    ------
    ValueError
        For the origin, which has no direction.
    """
    length = float(np.linalg.norm(z))
    if length < 1e-6:
        raise ValueError("the sum is the origin, which has no direction: choose three different ones")
    return (z * (np.sqrt(z.size) / length)).reshape(1, -1).astype(np.float32)
