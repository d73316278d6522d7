import numpy as np
from geometries import SEEDS, poolings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tinycnn.kernels import loops

EXAMPLES = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
AWKWARD = st.sampled_from([[0.0, 1.0, -1.0], [-np.inf, 0.0], [-np.inf], [np.nan, 2.0, -np.inf]])


@EXAMPLES
@given(poolings(dilated=True), SEEDS, AWKWARD)
def test_winners_and_what_goes_back_to_them_equal_loops(gpu, case, rng, values):
    from tinycnn.kernels import cuda

    x = rng.choice(values, case[0]).astype("f")
    g = rng.standard_normal(case[1]).astype("f")
    window = tuple(case[2][name] for name in ("kernel_size", "stride", "padding", "dilation"))
    for which in "max_pool2d", "min_pool2d":
        y, index = getattr(cuda, which)(gpu.to(x), *window)
        expected, winners = getattr(loops, which)(x, *window)
        assert_array_equal(gpu.back(y), expected)
        assert_array_equal(gpu.back(index), winners)
        back = gpu.back(cuda.pool_scatter(gpu.to(g), index, x.shape[2:], window))
        assert back.dtype == np.float32
        assert_allclose(back, loops.pool_scatter(g, winners, x.shape[2:]), rtol=1e-5, atol=1e-6)


def test_more_windows_than_a_block_has_threads(gpu, rng):
    from tinycnn.kernels import cuda

    x, window = rng.standard_normal((1, 2, 19, 37)).astype("f"), ((3, 3), (2, 2), (1, 1), (1, 1))
    y, index = cuda.max_pool2d(gpu.to(x), *window)
    expected, winners = loops.max_pool2d(x, *window)
    assert_array_equal(gpu.back(y), expected)
    assert_array_equal(gpu.back(index), winners)
    back = cuda.pool_scatter(y, index, (19, 37), window)
    assert_allclose(gpu.back(back), loops.pool_scatter(expected, winners, (19, 37)), rtol=1e-6)


def test_float64_and_an_unknown_window_are_served_too(gpu, rng):
    from tinycnn.kernels import cuda

    x = rng.standard_normal((1, 1, 4, 4))
    y, index = cuda.max_pool2d(gpu.to(x), (2, 2))
    expected, winners = loops.max_pool2d(x, (2, 2))
    assert_array_equal(gpu.back(y), expected)
    narrow = gpu.to(expected.astype("f"))
    back = gpu.back(cuda.pool_scatter(narrow, index, (4, 4)))
    assert_allclose(back, loops.pool_scatter(expected, winners, (4, 4)), rtol=1e-6)
