from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal, assert_array_less
from scipy.signal import correlate2d

from tests.helpers.geometries import SEEDS, arrays, conv2d_geometries, convolutions
from tests.helpers.thread_counts import computing_with
from tinycnn.kernels import im2col, table
from tinycnn.kernels.cpu import convolution
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.transposed import conv_transpose2d_geometry

LOOPS = table.LOOPS
SETS = [table.PLAIN, table.LOOPS, table.IM2COL, table.cpu()]
EVERY_SET = pytest.mark.parametrize("kernels", SETS, ids=lambda kernels: kernels.name)
# The products' order differs from one implementation to the other, and with it the rounding.
CLOSE = {"float32": {"rtol": 1e-5, "atol": 1e-5}, "float64": {"rtol": 1e-12, "atol": 1e-12}}


def by_scipy(x, w, stride, padding, dilation, groups):
    """Sum SciPy's two-dimensional correlations over the channels of each filter's group."""
    (PH, PW), (DH, DW), (SH, SW) = padding, dilation, stride
    x = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    K, C_per_group, KH, KW = w.shape
    spread = np.zeros((K, C_per_group, DH * (KH - 1) + 1, DW * (KW - 1) + 1))
    spread[..., ::DH, ::DW] = w

    def plane(image, k):
        first = k // (K // groups) * C_per_group
        channels = range(C_per_group)
        return sum(correlate2d(image[first + c], spread[k, c], "valid")[::SH, ::SW] for c in channels)

    return np.array([[plane(image, k) for k in range(K)] for image in x])


@given(convolutions(smallest_batch=1), SEEDS)
def test_loops_equal_scipy(case, rng):
    x_shape, w_shape, y_shape, options = case
    x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
    y = LOOPS.conv2d(x, w, conv2d_geometry(x_shape, w_shape, **options))
    assert y.shape == y_shape
    assert_allclose(y, by_scipy(x, w, **options), rtol=1e-12, atol=1e-12)


@given(convolutions(smallest_batch=1), SEEDS)
def test_loops_equal_pytorch(torch, case, rng):
    x, w, g = (rng.standard_normal(shape) for shape in case[:3])
    geometry = conv2d_geometry(x.shape, w.shape, **case[3])
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = torch.nn.functional.conv2d(a, b, **case[3])
    y.backward(torch.tensor(g))
    assert_allclose(LOOPS.conv2d(x, w, geometry), y.detach().numpy(), rtol=1e-12, atol=1e-12)
    assert_allclose(LOOPS.conv2d_input(g, w, geometry), a.grad.numpy(), rtol=1e-12, atol=1e-12)
    assert_allclose(LOOPS.conv2d_weight(x, g, geometry), b.grad.numpy(), rtol=1e-12, atol=1e-12)


def draw_arrays(data, rng, geometry):
    """Return x, w and g."""
    return data.draw(arrays(rng, geometry.x_shape, geometry.w_shape, geometry.y_shape))


def all_directions(kernels, x, w, g, geometry):
    bias, input_bias = (np.arange(channels, dtype=x.dtype) for channels in (geometry.K, geometry.C))
    return (
        kernels.conv2d(x, w, geometry),
        kernels.conv2d(x, w, geometry, bias),
        kernels.conv2d_input(g, w, geometry),
        kernels.conv2d_input(g, w, geometry, bias=input_bias),
        kernels.conv2d_weight(x, g, geometry),
    )


def check(kernels, oracle, x, w, g, geometry):
    """Compare all directions with those of the oracle in float64."""
    results = all_directions(kernels, x, w, g, geometry)
    exact = all_directions(oracle, *(a.astype("float64") for a in (x, w, g)), geometry)
    magnitude = all_directions(oracle, *(np.abs(a).astype("float64") for a in (x, w, g)), geometry)
    for ours, expected, largest in zip(results, exact, magnitude, strict=True):
        assert ours.dtype.name == x.dtype.name
        assert ours.flags.c_contiguous
        # Every product and every sum is rounded: in the worst case to n * eps of the sum of magnitudes.
        assert_array_less(np.abs(ours - expected), 16 * np.finfo(x.dtype).eps * (largest + 1))


@EVERY_SET
@given(conv2d_geometries(), SEEDS, st.data())
def test_every_set_equals_loops(kernels, geometry, rng, data):
    check(kernels, LOOPS, *draw_arrays(data, rng, geometry), geometry)


BLOCKS = st.sampled_from([60, 420])
THREADS = st.sampled_from([1, 2, 3])


@given(conv2d_geometries(most_channels=20, most_cells=40), SEEDS, st.data(), BLOCKS, THREADS)
def test_cpu_equals_im2col_where_tiles_are_full_and_where_they_are_not(geometry, rng, data, block, threads):
    x, w, g = draw_arrays(data, rng, geometry)
    with (
        mock.patch.object(convolution, "BLOCK", block),
        mock.patch.object(convolution, "SERIAL", 1),
        computing_with(threads),
    ):
        check(table.cpu(), table.IM2COL, x, w, g, geometry)


# (N, C, H, W), (K, C/G, KH, KW) and options: what small sizes do not meet.
LARGER = {
    "several images in a block": ((32, 16, 7, 6), (40, 16, 3, 3), {"padding": 1}),
    "several images, each read where it lies": ((48, 14, 5, 5), (33, 14, 2, 2), {}),
    "several images and groups": ((36, 28, 6, 5), (34, 14, 3, 2), {"stride": 2, "padding": 1, "groups": 2}),
    "many blocks of an image": ((2, 3, 50, 51), (5, 3, 3, 3), {"stride": (1, 2)}),
    "more weights than stay near": ((2, 70, 9, 9), (20, 70, 3, 3), {}),
    "planes that would crowd in the cache": ((2, 24, 16, 16), (24, 24, 3, 3), {}),
    "parts of the batch": ((8, 32, 26, 26), (32, 32, 3, 3), {}),
    "parts of an image": ((1, 32, 66, 66), (32, 32, 3, 3), {"padding": 1}),
    "few channels of a large image": ((2, 3, 60, 61), (33, 3, 3, 3), {"padding": 1, "dilation": 2}),
    "few channels, planes shorter than a vector": ((3, 2, 4, 4), (18, 2, 3, 3), {}),
    "depthwise": ((2, 20, 12, 13), (20, 1, 3, 3), {"groups": 20, "padding": 1}),
    "depthwise, several panels, no border": ((3, 70, 9, 8), (70, 1, 3, 2), {"groups": 70}),
    "depthwise, several blocks": ((2, 5, 25, 60), (5, 1, 3, 3), {"groups": 5, "padding": (2, 0)}),
    "depthwise, stride and dilation": (
        (2, 40, 17, 19),
        (40, 1, 5, 4),
        {"groups": 40, "stride": (2, 3), "padding": (3, 5), "dilation": (2, 3)},
    ),
    "depthwise, parts of the batch": ((9, 33, 60, 61), (33, 1, 5, 7), {"groups": 33, "padding": (2, 3)}),
    "depthwise, two filters a channel": ((2, 20, 9, 9), (40, 1, 3, 3), {"groups": 20, "padding": 1}),
}


@pytest.mark.parametrize("case", LARGER)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_larger_sizes_on_the_cpu(monkeypatch, set_threads, case, dtype, rng):
    monkeypatch.setattr(convolution, "SERIAL", 1)
    x_shape, w_shape, options = LARGER[case]
    geometry = conv2d_geometry(x_shape, w_shape, **options)
    shapes = x_shape, w_shape, geometry.y_shape
    x, w, g = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        results.append(all_directions(table.cpu(), x, w, g, geometry))
    for other in results[1:]:
        for one, same in zip(results[0], other, strict=True):
            assert_array_equal(one, same)
    check(table.cpu(), table.IM2COL, x, w, g, geometry)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kernels", [table.PLAIN, table.cpu()], ids=lambda kernels: kernels.name)
@given(geometry=conv2d_geometries(smallest_batch=1), rng=SEEDS)
def test_what_is_not_finite_stays_where_it_belongs(kernels, geometry, rng, value):
    for i in range(3):
        shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape
        x, w, g = arrays = [rng.standard_normal(shape) for shape in shapes]
        arrays[i].flat[rng.integers(arrays[i].size)] = value
        with np.errstate(invalid="ignore"):
            results = [all_directions(m, x, w, g, geometry) for m in (kernels, table.IM2COL)]
        for ours, expected in zip(*results, strict=True):
            assert_allclose(ours, expected, **CLOSE["float64"])


@EVERY_SET
@given(conv2d_geometries(), SEEDS)
def test_the_three_are_one_trilinear_form(kernels, geometry, rng):
    shapes = geometry.x_shape, geometry.w_shape, geometry.y_shape
    x, w, g = (rng.standard_normal(shape) for shape in shapes)
    form = (kernels.conv2d(x, w, geometry) * g).sum()
    assert_allclose((kernels.conv2d_input(g, w, geometry) * x).sum(), form, atol=1e-10)
    assert_allclose((kernels.conv2d_weight(x, g, geometry) * w).sum(), form, atol=1e-10)


@EVERY_SET
@pytest.mark.parametrize("huge", [2**31, 2**40, 5_000])
def test_a_stride_beyond_the_input_is_no_stride(kernels, huge, rng):
    x, w = rng.standard_normal((1, 1, 32, 32)), rng.standard_normal((4, 1, 3, 3))
    geometry = conv2d_geometry(x.shape, w.shape, huge, 1)
    assert geometry.y_shape == (1, 4, 1, 1)
    y = kernels.conv2d(x, w, geometry)
    assert_allclose(y[0, :, 0, 0], (x[0, 0, :2, :2] * w[:, 0, 1:, 1:]).sum((1, 2)))
    dx = kernels.conv2d_input(np.ones_like(y), w, geometry)
    assert_allclose(dx[0, 0, :2, :2], w[:, 0, 1:, 1:].sum(0))
    assert np.count_nonzero(dx) == 4
    dw = kernels.conv2d_weight(x, np.ones_like(y), geometry)
    assert_allclose(dw[:, 0, 1:, 1:], np.tile(x[:, 0, :2, :2], (4, 1, 1)))
    assert np.count_nonzero(dw) == 16


@EVERY_SET
def test_a_huge_dilation_of_a_single_cell_is_no_dilation(kernels, rng):
    x, w = rng.standard_normal((1, 2, 4, 5)), rng.standard_normal((3, 2, 1, 1))
    y = kernels.conv2d(x, w, conv2d_geometry(x.shape, w.shape, dilation=2**40))
    assert_allclose(y, np.einsum("nchw,kc->nkhw", x, w[:, :, 0, 0]))


@EVERY_SET
def test_an_output_padding_of_more_than_a_stride(kernels, torch, rng):
    x, w = rng.standard_normal((2, 3, 2, 4)), rng.standard_normal((3, 2, 2, 3))
    options = {"stride": (2, 1), "padding": (0, 1), "output_padding": (1, 2), "dilation": (1, 3)}
    expected = torch.nn.functional.conv_transpose2d(*map(torch.tensor, (x, w)), **options).numpy()
    geometry = conv_transpose2d_geometry(x.shape, w.shape, **options)
    assert_allclose(kernels.conv2d_input(x, w, geometry), expected, atol=1e-12)


@given(convolutions(), SEEDS)
def test_col2im_is_the_adjoint_of_im2col(case, rng):
    x_shape, w_shape, _, options = case
    del options["groups"]
    x = rng.standard_normal(x_shape)
    columns = im2col.im2col(x, w_shape[2:], **options)
    other = rng.standard_normal(columns.shape)
    back = im2col.col2im(other, x.shape[2:], w_shape[2:], **options)
    assert_allclose((columns * other).sum(), (x * back).sum(), atol=1e-10)


def test_im2col_lays_one_patch_a_column():
    columns = im2col.im2col(np.arange(9.0).reshape(1, 1, 3, 3), (2, 2))
    assert_array_equal(columns[0].T, [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])


def test_col2im_adds_where_patches_overlap():
    counts = im2col.col2im(np.ones((1, 4, 4)), (3, 3), (2, 2))
    assert_array_equal(counts[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@EVERY_SET
def test_mixed_dtypes_give_the_wider_one(kernels, rng):
    x, w = rng.standard_normal((2, 1, 3, 3)).astype("float32"), rng.standard_normal((1, 1, 2, 2))
    geometry = conv2d_geometry(x.shape, w.shape)
    assert kernels.conv2d(x, w, geometry).dtype == "float64"
    assert_allclose(kernels.conv2d(x, w, geometry), kernels.conv2d(x.astype("float64"), w, geometry))


@EVERY_SET
def test_inputs_are_left_as_they_are(kernels, rng):
    x, w, g = (rng.standard_normal(shape) for shape in ((2, 2, 4, 4), (2, 2, 3, 3), (2, 2, 4, 4)))
    geometry = conv2d_geometry(x.shape, w.shape, padding=1)
    before = [a.copy() for a in (x, w, g)]
    kernels.conv2d(x, w, geometry)
    kernels.conv2d_input(g, w, geometry)
    kernels.conv2d_weight(x, g, geometry)
    for a, b in zip((x, w, g), before, strict=True):
        assert_array_equal(a, b)
