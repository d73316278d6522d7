"""Convolution, max-pooling and activation in one kernel equal the three one after another."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tests.helpers.geometries import SEEDS, arrays, conv2d_geometries
from tests.helpers.thread_counts import computing_with
from tinycnn.kernels import table
from tinycnn.kernels.cpu import convolution
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry

SLOPES = st.sampled_from([0.0, 0.2, 1.0])


def one_after_another(kernels, x, w, geometry, bias, slope, pooled):
    y, index = kernels.conv2d(x, w, geometry, bias), None
    if pooled:
        y, index = kernels.max_pool2d(y, pool2d_geometry(y.shape, 2))
    if slope == 0:
        y = kernels.relu(y)
    elif slope != 1:
        y = kernels.leaky_relu(y, slope)
    return y, index


def check(ours, expected):
    (y, index), (same, winners) = ours, expected
    assert y.dtype.name == same.dtype.name
    assert_array_equal(y, same)
    assert (index is None) == (winners is None)
    if index is not None:
        assert_array_equal(index, winners)


@given(conv2d_geometries(most_channels=20, most_cells=20), SEEDS, st.data(), SLOPES, st.booleans())
def test_the_same_bits_as_kernel_after_kernel(geometry, rng, data, slope, pooled):
    """For all geometries, layouts in memory, block sizes and numbers of threads."""
    assume(not pooled or min(geometry.OH, geometry.OW) >= 2)
    x, w = data.draw(arrays(rng, geometry.x_shape, geometry.w_shape))
    bias = data.draw(st.sampled_from([None, rng.standard_normal(geometry.K).astype(x.dtype)]))
    args = x, w, geometry, bias, slope, pooled
    with (
        mock.patch.object(convolution, "BLOCK", data.draw(st.sampled_from([60, 420]))),
        mock.patch.object(convolution, "SERIAL", 1),
        computing_with(data.draw(st.sampled_from([1, 2, 3]))),
    ):
        check(table.cpu().conv2d_epilogue(*args), one_after_another(table.cpu(), *args))


@given(conv2d_geometries(most_cells=9, smallest_batch=1), SEEDS, st.data(), SLOPES)
def test_ties_and_what_is_no_number_as_the_plain_kernels_have_them(geometry, rng, data, slope):
    """Small whole numbers have no rounding: so results are the same whatever the order of a sum."""
    assume(min(geometry.OH, geometry.OW) >= 2)
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    values = [-1.0, 0.0, 1.0, *data.draw(st.sampled_from([(), (np.nan,), (np.inf,), (-np.inf, 2.0)]))]
    x, w = rng.choice(values, geometry.x_shape), rng.choice([-1.0, 0.0, 1.0], geometry.w_shape)
    slope = 0.25 if slope == 0.2 else slope
    bias = rng.choice([-1.0, 0.0], geometry.K).astype(dtype)
    args = x.astype(dtype), w.astype(dtype), geometry, bias, slope, True
    with np.errstate(invalid="ignore"):
        check(table.cpu().conv2d_epilogue(*args), one_after_another(table.PLAIN, *args))


LARGER = {
    "cnn28, first layer": ((5, 1, 28, 28), (32, 1, 3, 3), {}),
    "cnn28, second layer": ((6, 32, 13, 13), (64, 32, 3, 3), {}),
    "many blocks, odd sizes": ((2, 3, 51, 50), (19, 3, 3, 3), {"padding": 1}),
    "groups": ((12, 28, 9, 8), (34, 14, 3, 2), {"stride": (1, 2), "groups": 2}),
    "depthwise": ((2, 37, 9, 8), (37, 1, 3, 3), {"groups": 37, "padding": 1}),
    "more weights than stay near": ((1, 70, 9, 9), (20, 70, 3, 3), {}),
}


@pytest.mark.parametrize("case", LARGER)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_larger_sizes_for_every_number_of_threads(monkeypatch, set_threads, case, dtype, rng):
    monkeypatch.setattr(convolution, "SERIAL", 1)
    x_shape, w_shape, options = LARGER[case]
    geometry = conv2d_geometry(x_shape, w_shape, **options)
    x, w, bias = (rng.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape, (geometry.K,)))
    for slope, pooled in ((0.0, True), (1.0, True), (0.2, False)):
        args = x, w, geometry, bias, slope, pooled
        set_threads(1)
        expected = one_after_another(table.cpu(), *args)
        for threads in (1, 2, 3):
            set_threads(threads)
            check(table.cpu().conv2d_epilogue(*args), expected)
