"""A GAN's training step as a CUDA graph, on the stand-in: D learns and then G, with numbers drawn outside."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinycnn
from tests.helpers import cxx_kernels, strict_cupy, strict_graphs
from tinycnn import Tensor, optim
from tinycnn.gan import (
    LOSSES,
    Discriminator,
    ExponentialMovingAverage,
    Gan,
    GanWithAdditions,
    Generator,
    NameClasses,
    Shift,
)

pytestmark = pytest.mark.skipif(cxx_kernels.COMPILER is None, reason="there is no C++ compiler")

N, STEPS = 4, 7


def networks(outputs=1, norm="batch"):
    tinycnn.manual_seed(0)
    G, D = Generator(width=4, latent=8), Discriminator(width=4, outputs=outputs, norm=norm)
    return G, D, *(optim.Adam(network.parameters(), 1e-3, (0.5, 0.999)) for network in (G, D))


def plain():
    return Gan(*networks())


def batches(gan):
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        real = rng.random((N, *gan.D.image_shape), "f") * 2 - 1
        yield Tensor(real), tinycnn.randn(N, gan.G.latent), rng.integers(0, 10, N)


def train(gan, step, schedules=(), labels=False):
    """Return both losses and the weights after some steps; z is drawn before each, on the GPU."""
    tinycnn.manual_seed(3)
    losses = []
    for real, z, y in batches(gan):
        judged, G_loss = step(real, z, *([Tensor(y)] if labels else []))
        losses += [judged.loss, G_loss]
        for schedule in schedules:
            schedule.step()
    arrays = [t.numpy() for network in (gan.G, gan.D) for t in network.state_dict().values()]
    return [loss.item() for loss in losses], arrays


def same(found, expected):
    assert_allclose(found[0], expected[0], rtol=1e-5)
    for ours, theirs in zip(found[1], expected[1], strict=True):
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def graph_of(gan, labels=False):
    real, z, y = next(batches(gan))
    return tinycnn.graphed(gan.step, real, z, *([y] if labels else []))


def schedules(gan):
    return [optim.CosineAnnealingLR(rule, STEPS) for rule in (gan.D_optimizer, gan.G_optimizer)]


def test_a_graph_makes_the_same_steps(gpu):
    """Every step has other images and another z; both learning rates change."""
    gan, twin = plain(), plain()
    expected = train(twin, twin.step, schedules(twin))
    fast = graph_of(gan)
    found = train(gan, fast, schedules(gan))
    assert fast.reason is None
    assert len(strict_graphs.launched) == STEPS - 3
    same(found, expected)
    assert gan.D_optimizer.steps == twin.D_optimizer.steps
    assert gan.G_optimizer.steps == twin.G_optimizer.steps
    assert all(p.requires_grad for p in gan.D.parameters())  # D is frozen only while G learns


def test_a_replay_starts_little_and_waits_for_nothing(gpu):
    gan = plain()
    fast = graph_of(gan)
    real, z, _ = next(batches(gan))
    for _ in range(5):
        fast(real, z)
    for noted in (strict_cupy.launches, strict_cupy.waits, strict_cupy.uploads):
        noted.clear()
    fast(real, z)
    # Two batches are copied in, the numbers of two optimizers written, five results copied out.
    copies = ["ndarray.copy"] * 5
    assert strict_cupy.launches == ["setitem", "setitem", "tinycnn_write", "tinycnn_write", *copies]
    assert strict_cupy.waits == strict_cupy.uploads == []


def test_losses_without_a_penalty_and_names_of_classes_can_be_recorded(gpu):
    def made():
        return GanWithAdditions(*networks(outputs=10), LOSSES["least-squares"], [NameClasses(0.5)])

    gan, twin = made(), made()
    expected = train(twin, twin.step, labels=True)
    fast = graph_of(gan, labels=True)
    found = train(gan, fast, labels=True)
    assert fast.reason is None
    same(found, expected)


REFUSED = {
    "average": (
        lambda G: ExponentialMovingAverage(G, 0.9),
        "ExponentialMovingAverage weighs every step with another number.* call its update",
    ),
    "shift": (lambda G: Shift(2), "Shift moves images by other numbers in every step"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_addition_with_numbers_of_its_own_goes_on_without_a_graph(gpu, what):
    add, reason = REFUSED[what]

    def made():
        G, *others = networks()
        return GanWithAdditions(G, *others, additions=[add(G)])

    gan, twin = made(), made()
    expected = train(twin, twin.step)
    fast = graph_of(gan)
    with pytest.warns(RuntimeWarning, match=f"graphed: {reason}.*; the step is called as it is") as told:
        found = train(gan, fast)
    assert len(told) == 1
    assert not strict_graphs.launched
    assert not strict_graphs.capturing
    same(found, expected)
    if what == "average":  # the recording that was given up counted nothing
        assert gan.additions[0].steps == STEPS


def test_the_average_of_g_follows_outside_of_the_graph(gpu):
    gan, twin = plain(), plain()
    average, expected = (ExponentialMovingAverage(each.G, 0.9) for each in (gan, twin))
    fast = graph_of(gan)
    for real, z, _ in batches(gan):
        fast(real, z)
        average.update()
        twin.step(real, z)
        expected.update()
    assert fast.reason is None
    for ours, theirs in zip(average.model.parameters(), expected.model.parameters(), strict=True):
        assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)
