"""Sums, means and variances of channels, against float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinycnn.kernels.cuda import channel_sums
from tinycnn.kernels.cuda.channel_sums import BOTH, DOT, SUM, moments, plan_moments, plan_sums, sums

SHAPES = [(2, 3, 5, 7), (1, 1, 1, 1), (5, 2, 1, 1), (1, 4, 9, 8), (9, 3, 4, 3)]
THREADS = [4, 16]  # with 4 a channel of these is several pieces, some of them not full


def float64(a):
    return a.astype("d").sum((0, 2, 3))


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_of_channels(gpu, rng, shape, threads):
    x, y = (rng.standard_normal(shape).astype("f") for _ in range(2))
    bound = 1e-6 * (1 + x.size // x.shape[1])
    count = x.size // x.shape[1]
    exact = {SUM: float64(x), DOT: float64(x.astype("d") * y)}
    exact[BOTH] = np.stack(list(exact.values()))
    for of, expected in exact.items():
        for divisor in (1, count):
            ours = gpu.back(sums(of, gpu.to(x), gpu.to(y), divisor, threads))
            assert ours.dtype == np.float32
            assert ours.shape == expected.shape
            assert_allclose(ours, expected / divisor, atol=bound)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mean", [0, 1e4])
def test_mean_and_variance_in_one_reading(gpu, rng, shape, threads, mean):
    """Where the mean is large, the mean of squares minus the square of the mean has no digit left."""
    x = (rng.standard_normal(shape) + mean).astype("f")
    x[:, :1] *= 3
    ours = [gpu.back(a) for a in moments(gpu.to(x), threads)]
    wide = x.astype("d")
    assert_allclose(ours[0], wide.mean((0, 2, 3)), rtol=1e-6, atol=1e-6)
    assert_allclose(ours[1], wide.var((0, 2, 3)), rtol=1e-5, atol=1e-9)
    naive = (x * x).mean((0, 2, 3)) - x.mean((0, 2, 3)) ** 2
    if mean and x.size > 100:
        assert not np.allclose(naive, wide.var((0, 2, 3)), rtol=1e-2)


def test_a_first_number_that_is_far_from_the_others(gpu, rng):
    """Each thread subtracts it from all its numbers."""
    x = rng.standard_normal((2, 1, 9, 9)).astype("f")
    x[0, 0, 0, 0] = 1e4
    mean, variance = (gpu.back(a) for a in moments(gpu.to(x), 4))
    assert_allclose(mean, x.astype("d").mean((0, 2, 3)), rtol=1e-5)
    assert_allclose(variance, x.astype("d").var((0, 2, 3)), rtol=1e-5)


def test_what_is_not_finite_stays_in_its_channel(gpu):
    x = np.ones((2, 3, 4, 4), "f")
    x[1, 1, 2, 2] = np.nan
    ours = [gpu.back(a) for a in (*moments(gpu.to(x), 4), *sums(BOTH, gpu.to(x), gpu.to(x), 1, 4))]
    for a in ours:
        assert np.isnan(a).tolist() == [False, True, False]


def test_twice_the_same_bits(gpu, rng):
    x = gpu.to(rng.standard_normal((3, 2, 7, 5)).astype("f"))
    first, second = (gpu.back(sums(SUM, x, x, 1, 4)).tobytes() for _ in range(2))
    assert first == second


def test_enough_blocks_and_one_launch_for_few_cells():
    large = plan_sums(64, 64, 112 * 112, SUM)
    C, pieces = large.first.grid
    assert C == 64
    assert C * pieces >= 132  # an H100's multiprocessors
    assert large.second is not None
    assert plan_sums(32, 64, 1, SUM).second is None
    assert plan_sums(64, 3, 224 * 224, BOTH).first.grid[1] <= channel_sums.THREADS
    assert plan_moments(64, 1, 28 * 28).parts_shape[0] > 1
