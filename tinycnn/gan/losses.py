"""The losses of the two players, side by side: what D minimises, and what G does.

D's take its logits of real and of generated images, G's those of generated ones; D(x) = sigmoid(logit), and
E is the mean over the batch. log D = -softplus(-logit) and log(1 - D) = -softplus(logit) never meet log(0).

============== ======================================== ================================== =================
name           D minimises                              G minimises                        source
============== ======================================== ================================== =================
minimax        -E log D(x) - E log(1 - D(G(z)))         E log(1 - D(G(z)))                 Goodfellow 2014
non-saturating as minimax                               -E log D(G(z))                     Goodfellow 2014
least squares  E (d(x) - 1)^2 / 2 + E d(G(z))^2 / 2     E (d(G(z)) - 1)^2 / 2              Mao 2017
Wasserstein    E d(G(z)) - E d(x) + 10 * penalty        -E d(G(z))                         Gulrajani 2017
feature match. as minimax                               mean square of E f(x) - E f(G(z))  Salimans 2016
============== ======================================== ================================== =================

d is the logit itself, f are D's features: the input of its last layer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tinycnn import functional as F
from tinycnn.autograd import grad
from tinycnn.tensor import Tensor


def discriminator_minimax(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return -E log D(x) - E log(1 - D(G(z))) (Eq. 12), from logits.

    Parameters
    ----------
    real, fake
        D's logits of real and generated images.
    smoothing
        The truth of real images is 1 - `smoothing`: D is kept from growing sure, while that of generated
        images stays 0 (one-sided label smoothing, Salimans et al. 2016).
    """
    if not smoothing:
        return F.mean(F.softplus(-real)) + F.mean(F.softplus(fake))
    likely = F.mean(F.softplus(-real)) * (1 - smoothing) + F.mean(F.softplus(real)) * smoothing
    return likely + F.mean(F.softplus(fake))


def generator_minimax(fake: Tensor) -> Tensor:
    """Return E log(1 - D(G(z))) (Eq. 12): its gradient vanishes where D is sure, which it is at first."""
    return -F.mean(F.softplus(fake))


def generator_non_saturating(fake: Tensor) -> Tensor:
    """Return -E log D(G(z)): the same goal as minimax, with the most gradient where D is sure."""
    return F.mean(F.softplus(-fake))


def discriminator_least_squares(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return E (d(x) - 1)^2 / 2 + E d(G(z))^2 / 2, with 1 - `smoothing` in place of 1 (Mao et al. 2017)."""
    return (F.mean((real - (1 - smoothing)) ** 2) + F.mean(fake**2)) * 0.5


def generator_least_squares(fake: Tensor) -> Tensor:
    """Return E (d(G(z)) - 1)^2 / 2."""
    return F.mean((fake - 1) ** 2) * 0.5


def critic_wasserstein(real: Tensor, fake: Tensor) -> Tensor:
    """Return E d(G(z)) - E d(x); the critic d must not be steep: see `gradient_penalty`."""
    return F.mean(fake) - F.mean(real)


def generator_wasserstein(fake: Tensor) -> Tensor:
    """Return -E d(G(z))."""
    return -F.mean(fake)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Return ``E (|d critic(x)/dx| - 1)^2`` at x = mix * real + (1 - mix) * fake.

    The penalty contains a gradient, so its own gradient is of second order: through D's convolutions.

    Parameters
    ----------
    critic
        Images to logits, each image by itself (no batch norm).
    real, fake
        (N, ...), the same shape; no gradient flows to them.
    mix
        N numbers from U(0, 1), as (N, 1, ...).

    References
    ----------
    Gulrajani et al. 2017, Improved training of Wasserstein GANs.
    """
    x = Tensor(real.data * mix.data + fake.data * (1 - mix.data), requires_grad=True, backend=real.backend)
    (slope,) = grad(F.sum(critic(x)), x, create_graph=True)
    assert slope is not None
    squares = F.sum(F.reshape(slope, len(x), -1) ** 2, 1)  # (N,)
    norm = F.sqrt(squares + 1e-12)  # the root's derivative at 0 is infinite
    return F.mean((norm - 1) ** 2)


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean square of E f(x) - E f(G(z)), for features (N, features) of D.

    References
    ----------
    Salimans et al. 2016, Improved techniques for training GANs.
    """
    return F.mean((F.mean(real, 0) - F.mean(fake, 0)) ** 2)


@dataclass(frozen=True)
class Loss:
    """What each player minimises.

    Attributes
    ----------
    discriminator
        Of D's logits of real and generated images, and of the smoothing where it is `smoothable`.
    generator
        Of D's logits of generated images; None where G matches features instead.
    penalty
        The gradient penalty's factor, lambda.
    critic_steps
        Steps of D for one of G.
    smoothable
        Whether there is a truth to smooth.
    """

    discriminator: Callable[..., Tensor]
    generator: Callable[[Tensor], Tensor] | None
    penalty: float = 0.0
    critic_steps: int = 1
    smoothable: bool = True

    @property
    def probability(self) -> bool:
        """Whether sigmoid(logit) is D(x), a probability."""
        return self.discriminator is discriminator_minimax


LOSSES = {
    "non-saturating": Loss(discriminator_minimax, generator_non_saturating),
    "minimax": Loss(discriminator_minimax, generator_minimax),
    "least-squares": Loss(discriminator_least_squares, generator_least_squares),
    "wgan-gp": Loss(critic_wasserstein, generator_wasserstein, 10.0, 5, smoothable=False),
    "feature-matching": Loss(discriminator_minimax, None),
}
