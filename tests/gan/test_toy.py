import numpy as np
import pytest

from tinycnn.gan.toy import DENSITIES, EXTENT, GRID, ToyGan, draw, ring
from tinycnn.plot import pixels


@pytest.mark.parametrize("name", DENSITIES)
def test_densities_fill_the_square_that_is_drawn(name):
    points = DENSITIES[name](np.random.default_rng(0), 2000)
    assert points.shape == (2000, 2)
    assert np.abs(points).max() < EXTENT
    assert np.ptp(points, axis=0).min() > 1.5


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "steps"), [("non-saturating", 750), ("wgan-gp", 400)])
def test_it_finds_all_eight_modes(loss, steps):
    gan = ToyGan.of("ring", loss)
    gan.train(steps)
    samples = gan.samples(800)
    modes = np.stack([np.cos(2 * np.pi * np.arange(8) / 8), np.sin(2 * np.pi * np.arange(8) / 8)], axis=1)
    distances = np.linalg.norm(samples[:, None] - modes, axis=2)
    near = distances.min(1) < 0.3
    assert near.mean() > 0.7
    assert (np.bincount(distances.argmin(1)[near], minlength=8) > 20).all()


def test_the_arrows_are_the_gradients_g_gets():
    gan = ToyGan.of("two-moons", seed=1)
    gan.train(5, batch_size=32)
    at = np.float32([[0.3, -0.2], [1.0, 1.0]])
    push = gan.push(at)
    for n in range(2):
        for axis in range(2):
            step = np.zeros((2, 2), np.float32)
            step[n, axis] = 1e-2
            plus, minus = (loss_of(gan, at + sign * step) for sign in (1, -1))
            assert push[n, axis] == pytest.approx(-(plus - minus) / 2e-2, rel=0.05, abs=2e-3)
    assert all(p.grad is None or p.requires_grad for p in gan.D.parameters())


def loss_of(gan, points):
    from tinycnn.tensor import Tensor

    return gan.loss.generator(gan.D(Tensor(points))).item()


def test_the_picture_shows_d_everywhere():
    gan = ToyGan.of("ring", "wgan-gp")
    gan.train(1, batch_size=16)
    assert gan.belief().shape == (GRID, GRID)
    image = pixels(draw(gan))
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.std() > 20


def test_the_same_seed_is_the_same_run():
    runs = [ToyGan.of("ring", seed=3), ToyGan.of("ring", seed=3)]
    for gan in runs:
        gan.train(3, batch_size=16)
        draw(gan)  # looking changes nothing
        gan.train(2, batch_size=16)
    np.testing.assert_array_equal(runs[0].samples(5), runs[1].samples(5))


def test_what_is_refused():
    with pytest.raises(ValueError, match="unknown density 'cube'; there are ring, two-moons, spiral"):
        ToyGan.of("cube")
    with pytest.raises(ValueError, match="'feature-matching' does not fit points"):
        ToyGan.of("ring", "feature-matching")
    assert ring(np.random.default_rng(0), 3).shape == (3, 2)
