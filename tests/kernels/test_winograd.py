"""Winograd's convolution: its algebra, its precision, and what is left to direct sums."""

from fractions import Fraction
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal, assert_array_less

from tests.helpers.geometries import SEEDS, misaligned
from tests.helpers.thread_counts import computing_with
from tinycnn.kernels import table
from tinycnn.kernels.cpu import winograd
from tinycnn.kernels.cpu.compiled import compiled
from tinycnn.kernels.cpu.transforms import matrices, transposed
from tinycnn.kernels.cpu.winograd_points import FORM, points_to_cells, window_to_points
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry

POINTS = [(0, 1), (0, 1, -1), (0, 1, -1, 2), (0, 1, -1, Fraction(1, 2), -2)]


@given(st.sampled_from(POINTS), st.data())
def test_the_matrices_compute_a_correlation_exactly(points, data):
    r = data.draw(st.integers(1, len(points) + 1))
    m = len(points) + 2 - r
    A, B, G = matrices(m, r, points)
    integers = st.integers(-9, 9)
    x, w = (data.draw(st.lists(integers, min_size=n, max_size=n)) for n in (m + r - 1, r))

    def times(matrix, vector):
        return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]

    products = [a * b for a, b in zip(times(G, w), times(transposed(B), x), strict=True)]
    expected = [sum(w[t] * x[o + t] for t in range(r)) for o in range(m)]
    assert times(transposed(A), products) == expected


@compiled
def to_points(lanes, source, row, column, to, to_row, to_column):
    window_to_points(lanes, source, (3, row, column), to, (5, to_row, to_column))


@compiled
def to_cells(lanes, source, row, column, to, to_row, to_column, before, wrong):
    places = (3, row, column), (5, to_row, to_column)
    points_to_cells(lanes, source, places[0], to, places[1], before, (2, 0, 0), wrong)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", [False, True])
def test_a_transform_is_a_matrix_on_both_sides(dtype, last, rng):
    matrix = np.array(transposed(FORM.A if last else FORM.B), "float64")
    (rows, columns), lanes = matrix.shape, 32
    source = rng.standard_normal(3 + columns * 400).astype(dtype)
    tile = np.lib.stride_tricks.as_strided(
        source[3:], (columns, columns, lanes), [n * source.itemsize for n in (250, 40, 1)]
    )
    expected = np.einsum("pi,ijl,qj->pql", matrix, tile, matrix)
    to, before, wrong = np.zeros(5 + rows * 500, dtype), np.ones(2 + lanes, dtype), np.zeros(lanes, dtype)
    if last:
        to_cells(lanes, source, 250, 40, to, 300, 50, before, wrong)
        expected = expected + 1
    else:
        to_points(lanes, source, 250, 40, to, 300, 50)
    strides = [n * to.itemsize for n in (300, 50, 1)]
    result = np.lib.stride_tricks.as_strided(to[5:], (rows, rows, lanes), strides)
    assert_allclose(result, expected, rtol=1e-4, atol=1e-4)
    assert np.count_nonzero(to) == rows * rows * lanes
    assert not wrong.any()


def arrays(rng, geometry, dtype):
    shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape, geometry.K, geometry.C
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@st.composite
def sizes(draw):
    """Return the geometry of a convolution that has transforms."""
    N, C, K = draw(st.integers(1, 4)), draw(st.integers(1, 40)), draw(st.integers(1, 40))
    PH, PW = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    H, W = draw(st.integers(max(1, 3 - 2 * PH), 22)), draw(st.integers(max(1, 3 - 2 * PW), 22))
    return conv2d_geometry((N, C, H, W), (K, C, 3, 3), padding=(PH, PW))


def winograd_is_possible(geometry, dtype):
    return winograd.is_possible(geometry)


BANDS = st.sampled_from([1, 1 << 15, winograd.BAND])
PARTS = st.sampled_from([1, winograd.SUMS])
THREADS = st.sampled_from([1, 2, 3])


@given(sizes(), SEEDS, BANDS, PARTS, THREADS)
def test_all_directions_are_those_of_the_plain_kernels(geometry, rng, band, parts, threads):
    x, w, g, bias, input_bias = arrays(rng, geometry, "float64")
    assert winograd.is_possible(geometry)
    winograd._cut.cache_clear()
    with (
        mock.patch.object(winograd, "BAND", band),
        mock.patch.object(winograd, "SUMS", parts),
        mock.patch.object(winograd, "SERIAL", 1),
        mock.patch.object(winograd, "serves", winograd_is_possible),
        computing_with(threads),
    ):
        y, index = winograd.conv2d_epilogue(x, w, geometry, bias, 0.5, False)
        dx = winograd.conv2d_input(g, w, geometry, input_bias)
        dw = winograd.conv2d_weight(x, g, geometry)
    winograd._cut.cache_clear()
    plain = table.PLAIN
    assert index is None
    assert_allclose(y, plain.leaky_relu(plain.conv2d(x, w, geometry, bias), 0.5), rtol=0, atol=1e-10)
    assert_allclose(dx, plain.conv2d_input(g, w, geometry, input_bias), rtol=0, atol=1e-10)
    assert_allclose(dw, plain.conv2d_weight(x, g, geometry), rtol=0, atol=1e-9)


@given(sizes(), SEEDS, BANDS)
def test_pooling_on_tiles_is_pooling_of_the_output(geometry, rng, band):
    if min(geometry.OH, geometry.OW) < 2:
        return
    x, w, _, bias, _ = arrays(rng, geometry, "float32")
    winograd._cut.cache_clear()
    with (
        mock.patch.object(winograd, "BAND", band),
        mock.patch.object(winograd, "serves", winograd_is_possible),
    ):
        y, _ = winograd.conv2d_epilogue(x, w, geometry, bias, 1, False)
        pooled, index = winograd.conv2d_epilogue(x, w, geometry, bias, 0, True)
    winograd._cut.cache_clear()
    largest, where = table.PLAIN.max_pool2d(y, pool2d_geometry(y.shape, 2))
    assert_array_equal(pooled, np.maximum(largest, 0))
    assert_array_equal(index, where)


# What `serves` says yes to, and the smallest of its kind.
SERVED = [
    conv2d_geometry((32, 32, 13, 13), (64, 32, 3, 3)),
    conv2d_geometry((88, 24, 8, 8), (24, 24, 3, 3), padding=1),
    conv2d_geometry((2, 40, 45, 30), (33, 40, 3, 3), padding=(0, 2)),
]


@pytest.mark.parametrize("geometry", SERVED)
def test_errors_are_a_few_times_those_of_direct_sums(geometry, rng):
    x, w, g, _, _ = arrays(rng, geometry, "float32")
    assert winograd.serves(geometry, x.dtype)
    cpu, plain = table.cpu(), table.PLAIN
    for kernel, a, b in (("conv2d", x, w), ("conv2d_input", g, w), ("conv2d_weight", x, g)):
        exact = getattr(plain, kernel)(a.astype("d"), b.astype("d"), geometry)
        magnitude = getattr(plain, kernel)(np.abs(a).astype("d"), np.abs(b).astype("d"), geometry)
        error = np.abs(getattr(cpu, kernel)(a, b, geometry) - exact)
        assert_array_less(error, 16 * np.finfo("f").eps * (magnitude + 1))  # the bound of all kernels
        with mock.patch.object(winograd, "serves", return_value=False):
            direct = np.abs(getattr(cpu, kernel)(a, b, geometry) - exact)
        assert 0 < direct.mean() != error.mean() < 8 * direct.mean()


@pytest.mark.parametrize("geometry", SERVED)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("where", ["x", "w", "g"])
def test_infinity_and_nan_are_where_they_are_in_direct_sums(geometry, value, where, rng):
    named = dict(zip("xwg", arrays(rng, geometry, "float32"), strict=False))
    named[where].flat[named[where].size // 2] = value
    with np.errstate(invalid="ignore"):
        for kernel, pair in (("conv2d", "xw"), ("conv2d_input", "gw"), ("conv2d_weight", "xg")):
            ours, expected = (
                getattr(kernels, kernel)(*(named[name] for name in pair), geometry)
                for kernels in (table.cpu(), table.PLAIN)
            )
            assert_array_equal(np.isnan(ours), np.isnan(expected))
            assert_array_equal(np.isposinf(ours), np.isposinf(expected))
            assert_array_equal(np.isneginf(ours), np.isneginf(expected))


def test_numbers_so_large_that_only_transforms_overflow(rng):
    geometry = SERVED[0]
    x, w, *_ = arrays(rng, geometry, "float32")
    x *= 1e38 / np.abs(x).max()  # a window's transform adds numbers up
    y = table.cpu().conv2d(x, w * np.float32(1e-3), geometry)
    assert np.isfinite(y).all()
    exact = table.PLAIN.conv2d(x.astype("d"), w.astype("d") * 1e-3, geometry)
    assert_allclose(y, exact, rtol=1e-3, atol=1e32)


@pytest.mark.parametrize("geometry", SERVED)
def test_the_same_bits_for_every_number_of_threads(geometry, rng):
    x, w, g, bias, _ = arrays(rng, geometry, "float32")
    results = []
    for threads in (1, 2, 3, 5):
        with mock.patch.object(winograd, "SERIAL", 1), computing_with(threads):
            results.append(
                [
                    winograd.conv2d_epilogue(x, w, geometry, bias, 0, True)[0],
                    winograd.conv2d_input(g, w, geometry, None),
                    winograd.conv2d_weight(x, g, geometry),
                ]
            )
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)


NOT_SERVED = {
    "float64": (conv2d_geometry((32, 32, 13, 13), (64, 32, 3, 3)), "d"),
    "few channels": (conv2d_geometry((32, 3, 13, 13), (64, 3, 3, 3)), "f"),
    "few filters": (conv2d_geometry((32, 64, 13, 13), (3, 64, 3, 3)), "f"),
    "few tiles": (conv2d_geometry((1, 200, 10, 9), (400, 200, 3, 3)), "f"),
    "little work": (conv2d_geometry((8, 32, 13, 13), (64, 32, 3, 3)), "f"),
    "tiles that are mostly border": (conv2d_geometry((64, 32, 3, 3), (64, 32, 3, 3)), "f"),
    "a stride": (conv2d_geometry((32, 32, 13, 13), (64, 32, 3, 3), stride=2), "f"),
    "a dilation": (conv2d_geometry((32, 32, 13, 13), (64, 32, 3, 3), dilation=2), "f"),
    "groups": (conv2d_geometry((32, 64, 13, 13), (64, 32, 3, 3), groups=2), "f"),
    "another filter": (conv2d_geometry((32, 32, 13, 13), (64, 32, 5, 5)), "f"),
    "no image": (conv2d_geometry((0, 32, 13, 13), (64, 32, 3, 3)), "f"),
    "an image beyond all windows": (SERVED[0]._replace(OH=10), "f"),
}


@pytest.mark.parametrize("case", NOT_SERVED)
def test_all_else_is_summed_up_directly(case, rng):
    geometry, dtype = NOT_SERVED[case]
    x, w, g, bias, _ = arrays(rng, geometry, dtype)
    assert not winograd.serves(geometry, x.dtype)
    with mock.patch.object(winograd, "_cut", side_effect=AssertionError("transformed")):
        winograd.conv2d(x, w, geometry, bias)
        winograd.conv2d_input(g, w, geometry)
        winograd.conv2d_weight(x, g, geometry)


WAYS = {
    "byte-swapped": lambda a: a.astype(">f4"),
    "by columns": np.asfortranarray,
    "backwards": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    "misaligned": misaligned,
}


@pytest.mark.parametrize("way", WAYS)
def test_arrays_may_lie_in_memory_as_they_like(way, rng):
    geometry, lie = SERVED[0], WAYS[way]
    x, w, g, _, _ = arrays(rng, geometry, "float32")
    for kernel, a, b in (("conv2d", x, w), ("conv2d_input", g, w), ("conv2d_weight", x, g)):
        compute = getattr(winograd, kernel)
        assert_array_equal(compute(lie(a), lie(b), geometry), compute(a, b, geometry))
