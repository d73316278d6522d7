"""The losses of both players side by side: what D minimises, and what G minimises.

D's losses take its logits of real and of generated images, G's losses those of generated images. D(x) is
sigmoid(logit), and E is the mean over the batch. log D = -softplus(-logit) and log(1 - D) = -softplus(logit),
so nothing takes the logarithm of 0.

============== ======================================== ================================== =================
name           D minimises                              G minimises                        source
============== ======================================== ================================== =================
minimax        -E log D(x) - E log(1 - D(G(z)))         E log(1 - D(G(z)))                 Goodfellow 2014
non-saturating as minimax                               -E log D(G(z))                     Goodfellow 2014
least squares  E (d(x) - 1)^2 / 2 + E d(G(z))^2 / 2     E (d(G(z)) - 1)^2 / 2              Mao 2017
Wasserstein    E d(G(z)) - E d(x) + 10 * penalty        -E d(G(z))                         Gulrajani 2017
feature match. as minimax                               mean square of E f(x) - E f(G(z))  Salimans 2016
============== ======================================== ================================== =================

d is the logit itself, and f are D's features, the input of its last layer. `LOSSES` calls the last two
"wgan-gp" and "feature-matching".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import tinycnn
from tinycnn import functional as F
from tinycnn.autograd import grad
from tinycnn.tensor import Tensor


def discriminator_minimax(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return -E log D(x) - E log(1 - D(G(z))) (Eq. 12), from D's logits of real and generated images.

    The label of real images is 1 - `smoothing`, so that D does not become too sure; that of generated images
    stays 0 (one-sided label smoothing, Salimans et al. 2016).
    """
    if not smoothing:
        return F.mean(F.softplus(-real)) + F.mean(F.softplus(fake))
    likely = F.mean(F.softplus(-real)) * (1 - smoothing) + F.mean(F.softplus(real)) * smoothing
    return likely + F.mean(F.softplus(fake))


def generator_minimax(fake: Tensor) -> Tensor:
    """Return E log(1 - D(G(z))) (Eq. 12). Its gradient is nearly 0 if D recognises the generated images."""
    return -F.mean(F.softplus(fake))


def generator_non_saturating(fake: Tensor) -> Tensor:
    """Return -E log D(G(z)): the goal of minimax, but a large gradient if D recognises the images."""
    return F.mean(F.softplus(-fake))


def discriminator_least_squares(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return E (d(x) - 1)^2 / 2 + E d(G(z))^2 / 2, with 1 - `smoothing` in place of 1 (Mao et al. 2017)."""
    return (F.mean((real - (1 - smoothing)) ** 2) + F.mean(fake**2)) * 0.5


def generator_least_squares(fake: Tensor) -> Tensor:
    """Return E (d(G(z)) - 1)^2 / 2."""
    return F.mean((fake - 1) ** 2) * 0.5


def critic_wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """Return E d(G(z)) - E d(x); the slope of the critic d must be limited: see `gradient_penalty`."""
    return F.mean(fake) - F.mean(real)


def generator_wasserstein(fake: Tensor) -> Tensor:
    """Return -E d(G(z))."""
    return -F.mean(fake)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor | None = None
) -> Tensor:
    """Return ``E (|d critic(x)/dx| - 1)^2`` at x = mix * real + (1 - mix) * fake.

    The penalty contains a gradient, so its own gradient is of second order. It goes through D's convolutions.

    Parameters
    ----------
    critic
        Images -> logits. It must look at each image by itself (no batch norm).
    real, fake
        (N, ...), of the same shape. No gradient flows to them.
    mix
        N numbers from U(0, 1), as (N, 1, ...); drawn by default.

    References
    ----------
    Gulrajani et al. 2017, Improved training of Wasserstein GANs.
    """
    if mix is None:
        mix = tinycnn.rand(len(real), *(1,) * (real.ndim - 1))
    x = Tensor(real.data * mix.data + fake.data * (1 - mix.data), requires_grad=True, backend=real.backend)
    (slope,) = grad(F.sum(critic(x)), x, create_graph=True)
    assert slope is not None
    squares = F.sum(F.reshape(slope, len(x), -1) ** 2, 1)  # (N,)
    norm = F.sqrt(squares + 1e-12)  # the derivative of the root is infinite at 0
    return F.mean((norm - 1) ** 2)


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean square of E f(x) - E f(G(z)), for D's features (N, features).

    References
    ----------
    Salimans et al. 2016, Improved techniques for training GANs.
    """
    return F.mean((F.mean(real, 0) - F.mean(fake, 0)) ** 2)


def logit(scores: Tensor) -> Tensor:
    """Return D's logits (N, 1) for "real", given its outputs, (N, 1) or (N, K).

    A D with K outputs has a score l for each class. An image is real if it is likely to be of any class::

        D(x) = sum(e^l) / (sum(e^l) + 1),   so its logit is log(sum(e^l))

    References
    ----------
    Salimans et al. 2016, Improved techniques for training GANs, section 5.
    """
    return scores if scores.shape[1] == 1 else F.logsumexp(scores, 1, keepdim=True)


@dataclass(frozen=True)
class Loss:
    """What each player minimises."""

    name: str  #: its name in `LOSSES`
    discriminator: Callable[..., Tensor]  #: of D's logits of real and generated images, and of the smoothing
    generator: Callable[[Tensor], Tensor]  #: of D's logits of generated images
    penalty: float = 0.0  #: the gradient penalty's factor, lambda
    critic_steps: int = 1  #: steps of D for one step of G
    smoothable: bool = True  #: whether D's loss has labels that can be smoothed
    probability: bool = True  #: whether sigmoid(logit) is D(x), a probability
    matches_features: bool = False  #: whether G minimises `feature_matching` instead, of D's features

    @property
    def is_plain(self) -> bool:
        """Whether D's logits are all that the two losses need."""
        return not (self.penalty or self.matches_features)

    def smoothed(self, smoothing: float) -> "Loss":
        """Return this loss with label smoothing in [0, 1); see `discriminator_minimax`.

        Raises ValueError if it is out of range, or the loss has no labels to smooth.
        """
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing must be at least 0 and below 1, got {smoothing}")
        if not smoothing:
            return self
        if not self.smoothable:
            raise ValueError(f"smoothing {smoothing}: the loss {self.name} has no labels to smooth")
        return replace(self, discriminator=partial(self.discriminator, smoothing=smoothing))


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("non-saturating", discriminator_minimax, generator_non_saturating),
        Loss("minimax", discriminator_minimax, generator_minimax),
        Loss("least-squares", discriminator_least_squares, generator_least_squares, probability=False),
        Loss(
            "wgan-gp", critic_wasserstein, generator_wasserstein, 10.0, 5, smoothable=False, probability=False
        ),
        Loss("feature-matching", discriminator_minimax, generator_non_saturating, matches_features=True),
    )
}
