"""The whole step of both players against PyTorch, with the same weights and numbers."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tinycnn import functional as F
from tinycnn import optim
from tinycnn.gan import (
    LOSSES,
    Discriminator,
    Gan,
    GanWithAdditions,
    Generator,
    NameClasses,
    gradient_penalty,
)
from tinycnn.gan.step import frozen
from tinycnn.tensor import Tensor

torch = pytest.importorskip("torch", reason="PyTorch is the oracle: extra 'oracle'")

from tests.helpers.gan_twins import in_float64, twin  # noqa: E402 (needs PyTorch)

N = 4
LR = 1e-3


def compare(network, other):
    parameters = dict(other.named_parameters())
    scale = max(float(p.grad.abs().max()) for p in parameters.values() if p.grad is not None)
    for name, p in network.named_parameters():
        g = parameters[name].grad
        if p.grad is None:  # the last bias of a critic: the penalty's slope does not depend on it
            assert g is None or float(g.abs().max()) == 0
        else:
            assert_allclose(p.grad.numpy(), g.numpy(), rtol=1e-5, atol=1e-8 * scale, err_msg=name)


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 32, 32)], ids=str)
def test_the_gradient_penalty_and_its_gradients_equal_pytorchs(image_shape, rng):
    tinycnn.manual_seed(0)
    D = in_float64(Discriminator(image_shape, width=4, norm="instance"))
    other = twin(D)
    real, fake = rng.standard_normal((2, N, *image_shape))
    mix = rng.random((N, 1, 1, 1))
    penalty = gradient_penalty(D, Tensor(real), Tensor(fake), Tensor(mix))
    penalty.backward()
    x = torch.tensor(mix * real + (1 - mix) * fake, requires_grad=True)
    (slope,) = torch.autograd.grad(other(x).sum(), x, create_graph=True)
    expected = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
    expected.backward()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-9)
    compare(D, other)


def players(loss):
    tinycnn.manual_seed(1)
    norm = "instance" if LOSSES[loss].penalty else "batch"
    return in_float64(Generator(width=4, latent=6)), in_float64(Discriminator(width=4, norm=norm))


def their_losses(loss, D, real, fake, mix):
    """D's loss and G's in PyTorch, as functions, from the equations."""
    softplus = torch.nn.functional.softplus

    def penalty():
        x = (mix * real + (1 - mix) * fake.detach()).requires_grad_()
        (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
        return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()

    def minimax():
        return softplus(-D(real)).mean() + softplus(D(fake.detach())).mean()

    def matching():
        return ((D[:-1](real).mean(0) - D[:-1](fake).mean(0)) ** 2).mean()

    return {
        "minimax": (minimax, lambda: torch.log(1 - torch.sigmoid(D(fake))).mean()),
        "non-saturating": (minimax, lambda: -torch.log(torch.sigmoid(D(fake))).mean()),
        "least-squares": (
            lambda: ((D(real) - 1) ** 2).mean() / 2 + (D(fake.detach()) ** 2).mean() / 2,
            lambda: ((D(fake) - 1) ** 2).mean() / 2,
        ),
        "wgan-gp": (
            lambda: D(fake.detach()).mean() - D(real).mean() + 10 * penalty(),
            lambda: -D(fake).mean(),
        ),
        "feature-matching": (minimax, matching),
    }[loss]


@pytest.mark.parametrize("loss", LOSSES)
def test_both_players_gradients_and_weights_equal_pytorchs(loss, rng, monkeypatch):
    G, D = players(loss)
    their_G, their_D = twin(G), twin(D)
    real, z, mix = rng.uniform(-1, 1, (N, 1, 28, 28)), rng.standard_normal((N, 6)), rng.random((N, 1, 1, 1))
    monkeypatch.setattr(tinycnn, "rand", lambda *shape: Tensor(mix.reshape(shape)))
    optimizers = [optim.SGD(network.parameters(), LR) for network in (G, D)]
    theirs = [torch.optim.SGD(network.parameters(), LR) for network in (their_G, their_D)]

    fake, their_fake = G(Tensor(z)), their_G(torch.tensor(z))
    gan = GanWithAdditions(G, D, *optimizers, LOSSES[loss])
    D_value = gan.train_D(Tensor(real), fake).loss
    D_loss, G_loss = their_losses(loss, their_D, torch.tensor(real), their_fake, torch.tensor(mix))
    expected = D_loss()
    expected.backward()
    assert D_value.item() == pytest.approx(expected.item(), rel=1e-9)
    compare(D, their_D)
    assert all(p.grad is None for p in G.parameters())  # D's step is none of G's business
    theirs[1].step()

    G_value = gan.train_G(Tensor(real), fake)
    theirs[0].zero_grad()
    expected = G_loss()
    expected.backward()
    assert G_value.item() == pytest.approx(expected.item(), rel=1e-9)
    compare(G, their_G)
    theirs[0].step()
    for network, other in ((G, their_G), (D, their_D)):
        for name, t in other.state_dict().items():
            assert_allclose(network.state_dict()[name].numpy(), t.numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


def test_a_discriminator_that_names_classes_equals_pytorchs(rng):
    tinycnn.manual_seed(0)
    D = in_float64(Discriminator(width=4, outputs=3))
    other = twin(D)
    real, fake = rng.uniform(-1, 1, (2, N, 1, 28, 28))
    classes = np.array([2, 0, 1, 1])
    optimizer = optim.SGD(D.parameters(), LR)
    gan = GanWithAdditions(Generator(width=4), D, optimizer, optimizer, additions=[NameClasses(0.7)])
    value, on_real, _, _ = gan.train_D(Tensor(real), Tensor(fake), classes)

    scores, on_fake = other(torch.tensor(real)), other(torch.tensor(fake))
    likely = scores.exp().sum(1)  # D(x) = likely / (likely + 1)
    unlikely = on_fake.exp().sum(1)
    expected = -(likely / (likely + 1)).log().mean() - (1 / (unlikely + 1)).log().mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    assert_allclose(on_real.numpy()[:, 0], likely.log().detach().numpy(), rtol=1e-9)
    (expected + 0.7 * torch.nn.functional.cross_entropy(scores, torch.tensor(classes))).backward()
    compare(D, other)


def test_in_float32_too(rng):
    tinycnn.manual_seed(0)
    G, D = Generator(width=16, latent=20), Discriminator(width=16)
    their_G, their_D = twin(G), twin(D)
    real = rng.uniform(-1, 1, (8, 1, 28, 28)).astype(np.float32)
    z = rng.standard_normal((8, 20)).astype(np.float32)
    optimizers = [optim.SGD(network.parameters(), 0.0) for network in (G, D)]
    Gan(G, D, *optimizers).step(Tensor(real), Tensor(z))
    their_fake = their_G(torch.tensor(z).double())
    pair = their_losses("non-saturating", their_D, torch.tensor(real).double(), their_fake, None)
    pair[0]().backward()
    pair[1]().backward(inputs=list(their_G.parameters()))
    for network, other in ((G, their_G), (D, their_D)):
        scale = max(float(q.grad.abs().max()) for q in other.parameters())
        for (name, p), q in zip(network.named_parameters(), other.parameters(), strict=True):
            assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=0, atol=1e-5 * scale, err_msg=name)


def test_frozen_weights_get_no_gradient_and_thaw_after_an_error():
    D = Discriminator(width=4)
    with pytest.raises(ZeroDivisionError), frozen(D):
        assert not any(p.requires_grad for p in D.parameters())
        raise ZeroDivisionError
    assert all(p.requires_grad for p in D.parameters())


def test_what_a_step_refuses():
    D = Discriminator(width=4)
    optimizer = optim.SGD(D.parameters(), 0.1)
    x = tinycnn.zeros(4, 1, 28, 28)
    with pytest.raises(
        ValueError, match=r"real images have shape \(4, 1, 28, 28\), generated ones \(2, 1, 28"
    ):
        Gan(Generator(width=4), D, optimizer, optimizer).train_D(x, x[:2])
    for G, D_, loss in (
        (Generator(width=4, num_classes=3), Discriminator(width=4, num_classes=3), "minimax"),
        (Generator(width=4), Discriminator(width=4, outputs=3), "minimax"),
        (Generator(width=4), D, "wgan-gp"),
        (Generator(width=4), D, "feature-matching"),
    ):
        with pytest.raises(ValueError, match="for these use GanWithAdditions instead of Gan"):
            Gan(G, D_, optimizer, optimizer, LOSSES[loss])
    with pytest.raises(ValueError, match=r"smoothing 0.1: the loss wgan-gp has no labels to smooth"):
        LOSSES["wgan-gp"].smoothed(0.1)
    with pytest.raises(ValueError, match="smoothing must be at least 0 and below 1, got 1"):
        LOSSES["minimax"].smoothed(1)


def test_a_generator_that_minimises_the_classes_entropy_equals_pytorchs(rng):
    tinycnn.manual_seed(0)
    G, D = in_float64(Generator(width=4, latent=6)), in_float64(Discriminator(width=4, outputs=3))
    their_G, their_D = twin(G), twin(D)
    real, z = rng.uniform(-1, 1, (N, 1, 28, 28)), rng.standard_normal((N, 6))
    optimizer = optim.SGD(G.parameters(), LR)
    fake = G(Tensor(z))
    value = GanWithAdditions(G, D, optimizer, optimizer, additions=[NameClasses(0.7)]).train_G(
        Tensor(real), fake
    )

    scores = their_D(their_G(torch.tensor(z)))
    likely = scores.exp().sum(1)
    expected = -(likely / (likely + 1)).log().mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-9)
    (expected + 0.7 * torch.distributions.Categorical(logits=scores).entropy().mean()).backward()
    compare(G, their_G)


def test_weights_that_were_frozen_stay_frozen():
    D = Discriminator(width=4)
    first = next(D.parameters())
    first.requires_grad = False
    with frozen(D):
        pass
    assert [p.requires_grad for p in D.parameters()].count(False) == 1
    assert not first.requires_grad


def test_the_plain_step_is_the_loop_that_books_show(rng):
    """D's loss, D's step; G's loss, G's step: written out, with the same bits."""
    z = Tensor(rng.standard_normal((N, 6)).astype(np.float32))
    real = Tensor(rng.uniform(-1, 1, (N, 1, 28, 28)).astype(np.float32))
    pairs = []
    for _ in range(2):
        tinycnn.manual_seed(0)
        G, D = Generator(width=4, latent=6), Discriminator(width=4)
        pairs.append((G, D, *(optim.Adam(network.parameters(), LR) for network in (G, D))))
    G, D, G_optimizer, D_optimizer = pairs[1]
    for _ in range(3):
        Gan(*pairs[0]).step(real, z)

        fake = G(z)
        D_loss = F.mean(F.softplus(-D(real))) + F.mean(F.softplus(D(fake.detach())))
        D_optimizer.zero_grad()
        D_loss.backward()
        D_optimizer.step()
        G_loss = F.mean(F.softplus(-D(fake)))
        G_optimizer.zero_grad()
        G_loss.backward()
        G_optimizer.step()
    tinycnn.manual_seed(0)
    G, D = Generator(width=4, latent=6), Discriminator(width=4)
    richer = GanWithAdditions(G, D, *(optim.Adam(network.parameters(), LR) for network in (G, D)))
    for _ in range(3):
        richer.step(real, z)
    others = [*zip(pairs[0][:2], pairs[1][:2], strict=True), *zip((G, D), pairs[1][:2], strict=True)]
    for network, other in others:
        for name, t in network.state_dict().items():
            np.testing.assert_array_equal(t.numpy(), other.state_dict()[name].numpy(), err_msg=name)
