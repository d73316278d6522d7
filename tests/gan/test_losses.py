import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tinycnn import functional as F
from tinycnn.gan import LOSSES, Discriminator, Generator, feature_matching, gradient_penalty, losses
from tinycnn.tensor import Tensor

D_LOSSES = ("discriminator_minimax", "discriminator_least_squares", "critic_wasserstein")
G_LOSSES = (
    "generator_minimax",
    "generator_non_saturating",
    "generator_least_squares",
    "generator_wasserstein",
)


def theirs(torch, name, real, fake, smoothing=0.0):
    """The same in PyTorch, from the equations of the papers."""
    bce, mse = torch.nn.functional.binary_cross_entropy_with_logits, torch.nn.functional.mse_loss
    one, zero = torch.ones_like(fake), torch.zeros_like(fake)
    return {
        "discriminator_minimax": lambda: bce(real, one - smoothing) + bce(fake, zero),
        "discriminator_least_squares": lambda: (mse(real, one - smoothing) + mse(fake, zero)) / 2,
        "critic_wasserstein": lambda: fake.mean() - real.mean(),
        "generator_minimax": lambda: torch.log(1 - torch.sigmoid(fake)).mean(),
        "generator_non_saturating": lambda: -torch.log(torch.sigmoid(fake)).mean(),
        "generator_least_squares": lambda: mse(fake, one) / 2,
        "generator_wasserstein": lambda: -fake.mean(),
    }[name]()


@pytest.mark.parametrize(
    ("name", "smoothing"),
    [*((name, 0.0) for name in (*D_LOSSES, *G_LOSSES)), *((name, 0.1) for name in D_LOSSES[:2])],
)
def test_each_loss_and_its_gradients_equal_pytorchs(name, smoothing, torch, rng):
    arrays = rng.standard_normal((2, 5, 1)) * 3
    ours = [Tensor(a, requires_grad=True) for a in arrays]
    others = [torch.tensor(a, requires_grad=True) for a in arrays]
    options = (smoothing,) if smoothing else ()
    loss = getattr(losses, name)(*(ours if name in D_LOSSES else ours[1:]), *options)
    expected = theirs(torch, name, *others, smoothing)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    for tensor, other in zip(ours, others, strict=True):
        if other.grad is not None:
            assert_allclose(tensor.grad.numpy(), other.grad.numpy(), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", [*D_LOSSES, *G_LOSSES])
def test_a_sure_discriminator_gives_no_infinity(name):
    sure = [Tensor([[200.0]], requires_grad=True), Tensor([[-200.0]], requires_grad=True)]
    for real, fake in (sure, sure[::-1]):
        loss = getattr(losses, name)(*((real, fake) if name in D_LOSSES else (fake,)))
        loss.backward()
        assert np.isfinite(loss.item())


def test_where_d_is_sure_minimax_teaches_g_nothing_and_non_saturating_does():
    slopes = []
    for loss in (losses.generator_minimax, losses.generator_non_saturating):
        fake = Tensor([[-20.0]], requires_grad=True)
        loss(fake).backward()
        slopes.append(abs(fake.grad.item()))
    assert slopes[0] < 1e-8
    assert slopes[1] == pytest.approx(1)


def test_feature_matching_compares_means(rng):
    real, fake = rng.standard_normal((6, 3)), rng.standard_normal((4, 3))
    loss = feature_matching(Tensor(real), Tensor(fake))
    assert loss.item() == pytest.approx(((real.mean(0) - fake.mean(0)) ** 2).mean())
    assert feature_matching(Tensor(real), Tensor(real[::-1].copy())).item() == pytest.approx(0, abs=1e-30)


def test_the_penalty_of_a_linear_critic_is_known(rng):
    w = rng.standard_normal((12, 1))
    real, fake = (Tensor(rng.standard_normal((3, 12))) for _ in range(2))
    mix = Tensor(rng.random((3, 1)))
    penalty = gradient_penalty(lambda x: F.matmul(x, Tensor(w)), real, fake, mix)
    assert penalty.item() == pytest.approx((np.linalg.norm(w) - 1) ** 2)


def test_a_critic_without_slope_has_a_finite_gradient():
    w = Tensor(np.zeros((2, 1)), requires_grad=True)
    x = Tensor(np.ones((3, 2)))
    gradient_penalty(lambda x: F.matmul(x, w), x, x, Tensor(np.ones((3, 1)))).backward()
    assert np.isfinite(w.grad.numpy()).all()


def test_every_loss_has_its_row_in_the_table():
    table = losses.__doc__.split("\n==")[2]
    for name in LOSSES:
        assert name.replace("-", " ").split()[0] in table.replace("Wasserstein", "wgan").replace("-", " ")


def test_the_players_start_level():
    """An undecided D loses 2 ln 2, the value of the game at its equilibrium."""
    zeros = tinycnn.zeros(4, 1)
    assert losses.discriminator_minimax(zeros, zeros).item() == pytest.approx(2 * np.log(2))
    tinycnn.manual_seed(0)
    G, D = Generator(width=4), Discriminator(width=4)
    loss = losses.discriminator_minimax(D(tinycnn.rand(4, 1, 28, 28)), D(G(tinycnn.randn(4, 100))))
    assert loss.item() == pytest.approx(2 * np.log(2), abs=0.8)
