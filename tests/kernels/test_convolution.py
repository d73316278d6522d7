import os
from unittest import mock

import numpy as np
import pytest
from geometries import SEEDS, arrays, convolutions
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal, assert_array_less
from scipy.signal import correlate2d

from tinycnn.kernels import cpu, im2col, loops
from tinycnn.kernels.cpu import planes

CONVOLUTIONS = pytest.mark.parametrize("kernels", [loops, im2col, cpu], ids=["loops", "im2col", "cpu"])
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
    y = loops.conv2d(x, w, **options)
    assert y.shape == y_shape
    assert_allclose(y, by_scipy(x, w, **options), rtol=1e-12, atol=1e-12)


@given(convolutions(smallest_batch=1), SEEDS)
def test_loops_equal_pytorch(torch, case, rng):
    x, w, g = (rng.standard_normal(shape) for shape in case[:3])
    options = case[3]
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    y = torch.nn.functional.conv2d(a, b, **options)
    y.backward(torch.tensor(g))
    assert_allclose(loops.conv2d(x, w, **options), y.detach().numpy(), rtol=1e-12, atol=1e-12)
    by_input = loops.conv2d_input(g, w, x.shape[2:], **options)
    assert_allclose(by_input, a.grad.numpy(), rtol=1e-12, atol=1e-12)
    by_weight = loops.conv2d_weight(x, g, w.shape[2:], **options)
    assert_allclose(by_weight, b.grad.numpy(), rtol=1e-12, atol=1e-12)


@given(convolutions(), SEEDS, st.data(), st.sampled_from([1, 2, 99]))
def test_im2col_equals_loops(case, rng, data, images_at_once):
    x, w, g = data.draw(arrays(rng, *case[:3]))
    size, kernel_size, options = x.shape[2:], w.shape[2:], case[3]
    piece_bytes = images_at_once * x.shape[1] * np.prod(kernel_size + g.shape[2:]) * x.itemsize
    with mock.patch.dict(im2col.PIECE_BYTES, numpy=piece_bytes):
        results = [
            (
                m.conv2d(x, w, **options),
                m.conv2d_input(g, w, size, **options),
                m.conv2d_weight(x, g, kernel_size, **options),
            )
            for m in (im2col, loops)
        ]
    for ours, expected in zip(*results, strict=True):
        assert ours.dtype == expected.dtype == x.dtype
        assert ours.flags.c_contiguous
        assert_allclose(ours, expected, **CLOSE[x.dtype.name])


STRIPS = st.sampled_from([1, 60, 1 << 10])
THREADS = st.sampled_from(["1", "2", "3"])


@given(convolutions(), SEEDS, st.data(), STRIPS, THREADS)
def test_cpu_equals_loops(case, rng, data, strip, threads):
    x, w, g = data.draw(arrays(rng, *case[:3]))
    check_cpu(loops, x, w, g, case[3], strip, threads)


@given(convolutions(most_channels=20, most_cells=40), SEEDS, st.data(), STRIPS, THREADS)
def test_cpu_equals_im2col_where_tiles_are_full_and_where_they_are_not(case, rng, data, strip, threads):
    x, w, g = data.draw(arrays(rng, *case[:3]))
    check_cpu(im2col, x, w, g, case[3], strip, threads)


def check_cpu(other, x, w, g, options, strip, threads):
    with (
        mock.patch.object(planes, "STRIP", strip),
        mock.patch.object(planes, "SERIAL", 1),
        mock.patch.dict(os.environ, TINYCNN_THREADS=threads),
    ):
        results = all_directions(cpu, x, w, g, options)
    exact = all_directions(other, *(a.astype("float64") for a in (x, w, g)), options)
    magnitude = all_directions(other, *(np.abs(a).astype("float64") for a in (x, w, g)), options)
    for ours, expected, largest in zip(results, exact, magnitude, strict=True):
        assert ours.dtype == x.dtype
        assert ours.flags.c_contiguous
        # Every product and every sum is rounded: in the worst case to n * eps of the sum of magnitudes.
        assert_array_less(np.abs(ours - expected), 16 * np.finfo(x.dtype).eps * (largest + 1))


def all_directions(kernels, x, w, g, options):
    bias, input_bias = (np.arange(channels, dtype=x.dtype) for channels in (w.shape[0], x.shape[1]))
    return (
        kernels.conv2d(x, w, **options),
        kernels.conv2d(x, w, **options, bias=bias),
        kernels.conv2d_input(g, w, x.shape[2:], **options),
        kernels.conv2d_input(g, w, x.shape[2:], **options, bias=input_bias),
        kernels.conv2d_weight(x, g, w.shape[2:], **options),
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
@given(case=convolutions(smallest_batch=1), rng=SEEDS)
def test_cpu_keeps_what_is_not_finite_where_it_belongs(case, rng, value):
    x_shape, w_shape, y_shape, options = case
    for i in range(3):
        x, w, g = arrays = [rng.standard_normal(shape) for shape in (x_shape, w_shape, y_shape)]
        arrays[i].flat[rng.integers(arrays[i].size)] = value
        with np.errstate(invalid="ignore"):
            results = [all_directions(m, x, w, g, options) for m in (cpu, im2col)]
        for ours, expected in zip(*results, strict=True):
            assert_allclose(ours, expected, **CLOSE["float64"])


@CONVOLUTIONS
@given(convolutions(), SEEDS)
def test_the_three_are_one_trilinear_form(kernels, case, rng):
    x, w, g = (rng.standard_normal(shape) for shape in case[:3])
    options = case[3]
    form = (kernels.conv2d(x, w, **options) * g).sum()
    assert_allclose((kernels.conv2d_input(g, w, x.shape[2:], **options) * x).sum(), form, atol=1e-10)
    assert_allclose((kernels.conv2d_weight(x, g, w.shape[2:], **options) * w).sum(), form, atol=1e-10)


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


@CONVOLUTIONS
def test_mixed_dtypes_give_the_wider_one(kernels, rng):
    x, w = rng.standard_normal((2, 1, 3, 3)).astype("float32"), rng.standard_normal((1, 1, 2, 2))
    assert kernels.conv2d(x, w).dtype == "float64"
    assert_allclose(kernels.conv2d(x, w), kernels.conv2d(x.astype("float64"), w))


@CONVOLUTIONS
def test_inputs_are_left_as_they_are(kernels, rng):
    x, w, g = (rng.standard_normal(shape) for shape in ((2, 2, 4, 4), (2, 2, 3, 3), (2, 2, 4, 4)))
    before = [a.copy() for a in (x, w, g)]
    kernels.conv2d(x, w, padding=(1, 1))
    kernels.conv2d_input(g, w, (4, 4), padding=(1, 1))
    kernels.conv2d_weight(x, g, (3, 3), padding=(1, 1))
    for a, b in zip((x, w, g), before, strict=True):
        assert_array_equal(a, b)
