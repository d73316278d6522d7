import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.helpers.geometries import SEEDS, pool2d_geometries
from tinycnn.kernels.geometry import pool2d_geometry
from tinycnn.kernels.plain import loops

EXAMPLES = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
AWKWARD = st.sampled_from([[0.0, 1.0, -1.0], [-np.inf, 0.0], [-np.inf], [np.nan, 2.0, -np.inf]])


@EXAMPLES
@given(pool2d_geometries(dilated=True), SEEDS, AWKWARD)
def test_winners_and_what_goes_back_to_them_equal_loops(gpu, geometry, rng, values):
    from tinycnn.kernels import cuda

    x = rng.choice(values, geometry.x_shape).astype("f")
    g = rng.standard_normal(geometry.y_shape).astype("f")
    for which in "max_pool2d", "min_pool2d":
        y, index = getattr(cuda, which)(gpu.to(x), geometry)
        expected, winners = getattr(loops, which)(x, geometry)
        assert_array_equal(gpu.back(y), expected)
        assert_array_equal(gpu.back(index), winners)
        back = gpu.back(cuda.pool_scatter(gpu.to(g), index, geometry))
        assert back.dtype == np.float32
        assert_allclose(back, loops.pool_scatter(g, winners, geometry), rtol=1e-5, atol=1e-6)


def test_more_windows_than_a_block_has_threads(gpu, rng):
    from tinycnn.kernels import cuda

    x = rng.standard_normal((1, 2, 19, 37)).astype("f")
    geometry = pool2d_geometry(x.shape, 3, 2, 1)
    y, index = cuda.max_pool2d(gpu.to(x), geometry)
    expected, winners = loops.max_pool2d(x, geometry)
    assert_array_equal(gpu.back(y), expected)
    assert_array_equal(gpu.back(index), winners)
    back = cuda.pool_scatter(y, index, geometry)
    assert_allclose(gpu.back(back), loops.pool_scatter(expected, winners, geometry), rtol=1e-6)


def test_float64_is_served_too(gpu, rng):
    from tinycnn.kernels import cuda

    x = rng.standard_normal((1, 1, 4, 4))
    geometry = pool2d_geometry(x.shape, 2)
    y, index = cuda.max_pool2d(gpu.to(x), geometry)
    expected, winners = loops.max_pool2d(x, geometry)
    assert_array_equal(gpu.back(y), expected)
    back = gpu.back(cuda.pool_scatter(y, index, geometry))
    assert_allclose(back, loops.pool_scatter(expected, winners, geometry), rtol=1e-6)
