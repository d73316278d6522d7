import numpy as np
import pytest
from geometries import SEEDS, arrays, poolings
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tinycnn.kernels import cpu, im2col, loops

BOTH = pytest.mark.parametrize("kernels", [loops, im2col, cpu], ids=["loops", "im2col", "cpu"])
# Few different values, so that windows have ties; and what is not a number.
AWKWARD = st.sampled_from(
    [[0.0, 1.0, -1.0], [-np.inf, 0.0], [-np.inf], [np.inf, 1.0], [np.nan, 2.0, -np.inf]]
)


@BOTH
@given(poolings(dilated=True, smallest_batch=1), SEEDS, AWKWARD)
def test_max_and_its_winner_equal_pytorch(kernels, torch, case, rng, values):
    assume(all(k >= 2 * P for P, k in zip(case[2]["padding"], case[2]["kernel_size"], strict=True)))
    x = rng.choice([*values, *rng.standard_normal(2)], case[0])
    expected, winners = torch.nn.functional.max_pool2d(torch.tensor(x), **case[2], return_indices=True)
    y, index = kernels.max_pool2d(x, **case[2])
    assert_array_equal(y, expected.numpy())
    assert_array_equal(index, winners.numpy())


@BOTH
@given(poolings(dilated=True), SEEDS, AWKWARD)
def test_min_is_the_max_of_the_negative(kernels, case, rng, values):
    x = rng.choice(values, case[0])
    (y, index), (negative, winners) = kernels.min_pool2d(x, **case[2]), kernels.max_pool2d(-x, **case[2])
    assert_array_equal(y, -negative)
    assert_array_equal(index, winners)


FAST = pytest.mark.parametrize("fast", [im2col, cpu], ids=["im2col", "cpu"])


@FAST
@given(poolings(dilated=True), SEEDS, st.data())
def test_winners_equal_loops(fast, case, rng, data):
    x, g = data.draw(arrays(rng, *case[:2]))
    for which in "max_pool2d", "min_pool2d":
        (y, index), (expected, winners) = (getattr(m, which)(x, **case[2]) for m in (fast, loops))
        assert y.dtype == x.dtype
        assert_array_equal(y, expected)
        assert_array_equal(index, winners)
        assert_array_equal(fast.pool_gather(x, index), loops.pool_gather(x, index))
        scattered = fast.pool_scatter(g, index, x.shape[2:])
        assert scattered.dtype == x.dtype
        assert_allclose(scattered, loops.pool_scatter(g, index, x.shape[2:]), rtol=1e-5, atol=1e-6)


@FAST
@given(poolings(), SEEDS, st.data())
def test_sums_equal_loops(fast, case, rng, data):
    x, g = data.draw(arrays(rng, *case[:2]))
    kernel_size, window = case[2].pop("kernel_size"), case[2]
    sums, expected = (m.sum_pool2d(x, kernel_size, **window) for m in (fast, loops))
    assert sums.dtype == x.dtype
    assert_allclose(sums, expected, rtol=1e-5, atol=1e-6)
    back, expected = (m.sum_pool2d_input(g, kernel_size, x.shape[2:], **window) for m in (fast, loops))
    assert back.dtype == x.dtype
    assert_allclose(back, expected, rtol=1e-5, atol=1e-6)


@BOTH
@given(poolings(smallest_batch=1), SEEDS)
def test_sums_equal_pytorch(kernels, torch, case, rng):
    x = rng.standard_normal(case[0])
    expected = torch.nn.functional.avg_pool2d(torch.tensor(x), **case[2], divisor_override=1)
    assert_allclose(kernels.sum_pool2d(x, **case[2]), expected.numpy(), atol=1e-12)


@BOTH
@given(poolings(dilated=True), SEEDS)
def test_scatter_is_the_adjoint_of_gather(kernels, case, rng):
    x, g = (rng.standard_normal(shape) for shape in case[:2])
    y, index = kernels.max_pool2d(x, **case[2])
    assert_array_equal(kernels.pool_gather(x, index), y)
    back = kernels.pool_scatter(g, index, x.shape[2:])
    assert_allclose((y * g).sum(), (x * back).sum(), atol=1e-12)


@BOTH
@given(poolings(), SEEDS)
def test_sum_pool2d_input_is_the_adjoint_of_sum_pool2d(kernels, case, rng):
    x, g = (rng.standard_normal(shape) for shape in case[:2])
    kernel_size, window = case[2].pop("kernel_size"), case[2]
    y = kernels.sum_pool2d(x, kernel_size, **window)
    back = kernels.sum_pool2d_input(g, kernel_size, x.shape[2:], **window)
    assert_allclose((y * g).sum(), (x * back).sum(), atol=1e-10)


@BOTH
def test_of_equal_cells_the_first_wins(kernels):
    _, index = kernels.max_pool2d(np.ones((1, 1, 4, 4)), (3, 3), (1, 1))
    assert_array_equal(index[0, 0], [[0, 1], [4, 5]])


@BOTH
def test_windows_that_share_a_winner_add_up(kernels):
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 9
    _, index = kernels.max_pool2d(x, (2, 2), (1, 1))
    assert_array_equal(kernels.pool_scatter(np.ones((1, 1, 2, 2)), index, (3, 3)), x / 9 * 4)


@BOTH
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_integers_at_the_ends_of_their_range(kernels, dtype):
    limits = np.iinfo(dtype)
    x = np.array([limits.min, limits.max], dtype).reshape(1, 1, 1, 2)
    assert kernels.max_pool2d(x, (1, 2))[0].item() == limits.max
    assert kernels.min_pool2d(x, (1, 2))[0].item() == limits.min
    low = np.full((1, 1, 1, 1), limits.min, dtype)
    assert kernels.max_pool2d(low, (2, 2), (1, 1), (1, 1))[1].max() == 0
