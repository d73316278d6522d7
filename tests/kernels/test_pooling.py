import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.geometries import SEEDS, arrays, pool2d_geometries, poolings
from tinycnn.kernels import table
from tinycnn.kernels.geometry import pool2d_geometry

LOOPS = table.LOOPS
SETS = [table.PLAIN, table.LOOPS, table.cpu()]
EVERY_SET = pytest.mark.parametrize("kernels", SETS, ids=lambda kernels: kernels.name)
# Few different values, so that windows have ties; and what is not a number.
AWKWARD = st.sampled_from(
    [[0.0, 1.0, -1.0], [-np.inf, 0.0], [-np.inf], [np.inf, 1.0], [np.nan, 2.0, -np.inf]]
)


@EVERY_SET
@given(poolings(dilated=True, smallest_batch=1), SEEDS, AWKWARD)
def test_max_and_its_winner_equal_pytorch(kernels, torch, case, rng, values):
    assume(all(k >= 2 * P for P, k in zip(case[2]["padding"], case[2]["kernel_size"], strict=True)))
    x = rng.choice([*values, *rng.standard_normal(2)], case[0])
    expected, winners = torch.nn.functional.max_pool2d(torch.tensor(x), **case[2], return_indices=True)
    y, index = kernels.max_pool2d(x, pool2d_geometry(x.shape, **case[2]))
    assert_array_equal(y, expected.numpy())
    assert_array_equal(index, winners.numpy())


@EVERY_SET
@given(pool2d_geometries(dilated=True), SEEDS, AWKWARD)
def test_min_is_the_max_of_the_negative(kernels, geometry, rng, values):
    x = rng.choice(values, geometry.x_shape)
    (y, index), (negative, winners) = kernels.min_pool2d(x, geometry), kernels.max_pool2d(-x, geometry)
    assert_array_equal(y, -negative)
    assert_array_equal(index, winners)


@EVERY_SET
@given(pool2d_geometries(dilated=True), SEEDS, st.data())
def test_winners_equal_loops(kernels, geometry, rng, data):
    x, g = data.draw(arrays(rng, geometry.x_shape, geometry.y_shape))
    for ours, loops in (
        (kernels.max_pool2d, LOOPS.max_pool2d),
        (kernels.min_pool2d, LOOPS.min_pool2d),
    ):
        (y, index), (expected, winners) = ours(x, geometry), loops(x, geometry)
        assert y.dtype.name == x.dtype.name
        assert_array_equal(y, expected)
        assert_array_equal(index, winners)
        assert_array_equal(kernels.pool_gather(x, index), LOOPS.pool_gather(x, index))
        scattered = kernels.pool_scatter(g, index, geometry)
        assert scattered.dtype.name == x.dtype.name
        assert_allclose(scattered, LOOPS.pool_scatter(g, index, geometry), rtol=1e-5, atol=1e-6)


@EVERY_SET
@given(pool2d_geometries(), SEEDS, st.data())
def test_sums_equal_loops(kernels, geometry, rng, data):
    x, g = data.draw(arrays(rng, geometry.x_shape, geometry.y_shape))
    sums = kernels.sum_pool2d(x, geometry)
    assert sums.dtype.name == x.dtype.name
    assert_allclose(sums, LOOPS.sum_pool2d(x, geometry), rtol=1e-5, atol=1e-6)
    back = kernels.sum_pool2d_input(g, geometry)
    assert back.dtype.name == x.dtype.name
    assert_allclose(back, LOOPS.sum_pool2d_input(g, geometry), rtol=1e-5, atol=1e-6)


@EVERY_SET
@given(poolings(smallest_batch=1), SEEDS)
def test_sums_equal_pytorch(kernels, torch, case, rng):
    x = rng.standard_normal(case[0])
    expected = torch.nn.functional.avg_pool2d(torch.tensor(x), **case[2], divisor_override=1)
    sums = kernels.sum_pool2d(x, pool2d_geometry(x.shape, **case[2]))
    assert_allclose(sums, expected.numpy(), atol=1e-12)


@EVERY_SET
@given(pool2d_geometries(dilated=True), SEEDS)
def test_scatter_is_the_adjoint_of_gather(kernels, geometry, rng):
    x, g = rng.standard_normal(geometry.x_shape), rng.standard_normal(geometry.y_shape)
    y, index = kernels.max_pool2d(x, geometry)
    assert_array_equal(kernels.pool_gather(x, index), y)
    back = kernels.pool_scatter(g, index, geometry)
    assert_allclose((y * g).sum(), (x * back).sum(), atol=1e-12)


@EVERY_SET
@given(pool2d_geometries(), SEEDS)
def test_sum_pool2d_input_is_the_adjoint_of_sum_pool2d(kernels, geometry, rng):
    x, g = rng.standard_normal(geometry.x_shape), rng.standard_normal(geometry.y_shape)
    y, back = kernels.sum_pool2d(x, geometry), kernels.sum_pool2d_input(g, geometry)
    assert_allclose((y * g).sum(), (x * back).sum(), atol=1e-10)


@EVERY_SET
@pytest.mark.parametrize("options", [(4, 4, 0), (6, 1, 1), (4, 4, 1), (4, 9, 2), (5, 4, 1)])
def test_the_gradient_of_a_single_window(kernels, rng, options):
    """The window may hold all cells of the image, or leave some out that lie behind it."""
    geometry = pool2d_geometry((3, 5, 4, 4), *options)  # window, stride, padding
    assert geometry.y_shape == (3, 5, 1, 1)
    g = rng.standard_normal(geometry.y_shape)
    assert_array_equal(kernels.sum_pool2d_input(g, geometry), LOOPS.sum_pool2d_input(g, geometry))


@EVERY_SET
def test_of_equal_cells_the_first_wins(kernels):
    _, index = kernels.max_pool2d(np.ones((1, 1, 4, 4)), pool2d_geometry((1, 1, 4, 4), 3, 1))
    assert_array_equal(index[0, 0], [[0, 1], [4, 5]])


@EVERY_SET
def test_windows_that_share_a_winner_add_up(kernels):
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 9
    geometry = pool2d_geometry(x.shape, 2, 1)
    _, index = kernels.max_pool2d(x, geometry)
    assert_array_equal(kernels.pool_scatter(np.ones((1, 1, 2, 2)), index, geometry), x / 9 * 4)


@EVERY_SET
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_integers_at_the_ends_of_their_range(kernels, dtype):
    limits = np.iinfo(dtype)
    x = np.array([limits.min, limits.max], dtype).reshape(1, 1, 1, 2)
    geometry = pool2d_geometry(x.shape, (1, 2))
    assert kernels.max_pool2d(x, geometry)[0].item() == limits.max
    assert kernels.min_pool2d(x, geometry)[0].item() == limits.min
    low = np.full((1, 1, 1, 1), limits.min, dtype)
    assert kernels.max_pool2d(low, pool2d_geometry(low.shape, 2, 1, 1))[1].max() == 0
