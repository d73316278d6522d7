"""One step of a plain GAN (Eq. 12 and 13): D learns to tell real images, then G learns to be taken for real.

This is what ``tinycnn gan --plain`` runs. What makes the images of ``tinycnn gan`` better is added to it in
`tinycnn.gan.additions`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from tinycnn.nn import Module
from tinycnn.optim import Optimizer
from tinycnn.tensor import Tensor

from .losses import LOSSES, Loss


class Judged(NamedTuple):
    """D on a batch: its loss, its logits of real and generated images, and the number that it minimises."""

    loss: Tensor
    real: Tensor
    fake: Tensor
    whole: Tensor  # the loss, and what an addition adds to it


@dataclass
class Gan:
    """A generator G and a discriminator D, and how both learn from one batch."""

    G: Module  #: z (N, latent) -> images (N, C, H, W) in [-1, 1]
    D: Module  #: images -> logits (N, 1) for "real"
    G_optimizer: Optimizer
    D_optimizer: Optimizer
    loss: Loss = LOSSES["non-saturating"]  #: what the two minimise

    def __post_init__(self) -> None:
        """Raise ValueError if networks or loss need more than the plain step."""
        if getattr(self.G, "num_classes", 0) or getattr(self.D, "outputs", 1) > 1 or not self.loss.is_plain:
            raise ValueError(
                f"labels, a D with several outputs, and the loss {self.loss.name!r} if it is wgan-gp or "
                "feature-matching: for these use GanWithAdditions instead of Gan"
            )

    def step(self, real: Tensor, z: Tensor, labels: Any = None) -> tuple[Judged, Tensor]:
        """Let D learn, then G; return what D made of the batch, and G's loss."""
        fake = self.generate(z, labels)
        return self.train_D(real, fake, labels), self.train_G(real, fake, labels)

    def generate(self, z: Tensor, labels: Any = None) -> Tensor:
        """Return x = G(z)."""
        return self.G(z)

    def train_D(self, real: Tensor, fake: Tensor, labels: Any = None) -> Judged:
        """Let D learn to tell real images from generated ones."""
        if real.shape != fake.shape:
            raise ValueError(f"real images have shape {real.shape}, generated ones {fake.shape}: not equal")
        judged = self.D_loss(real, fake.detach(), labels)  # detach: no gradient flows on, into G
        self.D_optimizer.zero_grad()
        judged.whole.backward()
        self.D_optimizer.step()
        return judged

    def D_loss(self, real: Tensor, fake: Tensor, labels: Any) -> Judged:
        """Return what D minimises: -E log D(x) - E log(1 - D(G(z))), or that of another `loss`."""
        on_real, on_fake = self.D(real), self.D(fake)
        loss = self.loss.discriminator(on_real, on_fake)
        return Judged(loss, on_real, on_fake, loss)

    def train_G(self, real: Tensor, fake: Tensor, labels: Any = None) -> Tensor:
        """Let G, which made `fake`, learn to be taken for real; return its loss."""
        with frozen(self.D):  # the gradient flows through D, back to G, and changes nothing in D
            loss, whole = self.G_loss(real, fake, labels)
            self.G_optimizer.zero_grad()
            whole.backward()
        self.G_optimizer.step()
        return loss

    def G_loss(self, real: Tensor, fake: Tensor, labels: Any) -> tuple[Tensor, Tensor]:
        """Return G's loss, -E log D(G(z)) or that of another `loss`, and what it minimises: the same."""
        loss = self.loss.generator(self.D(fake))
        return loss, loss


@contextmanager
def frozen(module: Module) -> Iterator[None]:
    """Let no gradients flow to a module's weights inside the ``with`` block."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad = True
