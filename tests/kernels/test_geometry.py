import numpy as np
import pytest

from tinycnn.kernels import im2col
from tinycnn.kernels.geometry import conv2d_geometry, pool2d_geometry
from tinycnn.kernels.transposed import conv_transpose2d_geometry

X, W, G = (2, 4, 5, 6), (6, 4, 3, 3), (2, 6, 3, 4)

# What is wrong: which geometry of which arguments, and what the message must say.
WRONG_SIZES = [
    (conv2d_geometry, (X[1:], W), {}, r"input must be \(N, C, H, W\), got shape \(4, 5, 6\)"),
    (conv2d_geometry, (X, W[1:]), {}, r"weight must be \(K, C/G, KH, KW\), got shape \(4, 3, 3\)"),
    (conv2d_geometry, (X, (6, 3, 3, 3)), {}, r"has C=4 .* G=1 needs C=3; .* fits is \(K, 4, KH, KW\)"),
    (conv2d_geometry, (X, W), {"groups": 2}, r"C=4 .* G=2 needs C=8; .* fits is \(K, 2, KH, KW\)"),
    (conv2d_geometry, (X, W), {"groups": 3}, r"G=3 .* not divide C=4 channels; G that fit: \[1, 2, 4\]"),
    (conv2d_geometry, (X, (5, 2, 3, 3)), {"groups": 2}, r"G=2 .* K=5 channels; G that fit: \[1, 5\]"),
    (conv2d_geometry, (X, W), {"groups": 0}, "groups must be at least 1, got 0"),
    (conv2d_geometry, (X, (6, 4, 0, 3)), {}, r"no size of the weight \(6, 4, 0, 3\) may be 0"),
    (conv2d_geometry, (X, (1, 4, 6, 3)), {}, r"KW\)=\(6, 3\) .*\(H, W\)=\(5, 6\) .*\(PH, PW\)=\(0, 0\)"),
    (conv2d_geometry, (X, W), {"dilation": (1, 3)}, r"DW\)=\(1, 3\) spans \(3, 7\), .* use a smaller kernel"),
    (conv2d_geometry, (X, W), {"stride": (1, 0)}, r"stride must be at least 1, got \(1, 0\)"),
    (conv2d_geometry, (X, W), {"padding": (-1, 0)}, r"padding must be at least 0, got \(-1, 0\)"),
    (conv2d_geometry, (X, W), {"padding": (1, 1 << 31)}, r"would be \(7, 4294967302\); .* use less"),
    (conv2d_geometry, (X, W), {"padding": 1 << 62, "stride": 1 << 62}, "2,147,483,647 cells: use less"),
    (conv2d_geometry, (X, W), {"dilation": (0, 1)}, r"dilation must be at least 1, got \(0, 1\)"),
    (conv_transpose2d_geometry, (G[1:], W), {}, r"input must be \(N, K, OH, OW\) .*, got \(6, 3, 4\)"),
    (conv_transpose2d_geometry, (G, W[1:]), {}, r"the weight \(K, C/G, KH, KW\), got .* and \(4, 3, 3\)"),
    (conv_transpose2d_geometry, (X, W), {}, r"\(2, 4, 5, 6\) has K=4 channels, .*=\(6, 4, 3, 3\) takes K=6"),
    (conv_transpose2d_geometry, (G, W), {"groups": 4}, r"G=4 groups do not divide K=6 .*fit: \[1, 2, 3, 6\]"),
    (conv_transpose2d_geometry, (G, W), {"padding": 3}, r"output H would be -1 .* use less padding"),
    (conv_transpose2d_geometry, (G, W), {"output_padding": 1}, r"\(1, 1\) must be less than stride \(1, 1\)"),
    (pool2d_geometry, (X[1:], 2), {}, r"\(N, C, H, W\), got shape \(4, 5, 6\)"),
    (pool2d_geometry, ((2, 4, 0, 6), 2), {"padding": 1}, r"H and W must be .* 1, got .*\(2, 4, 0, 6\)"),
    (pool2d_geometry, (X, (6, 1)), {}, r"pooling: kernel \(KH, KW\)=\(6, 1\) .* \(H, W\)=\(5, 6\)"),
    (pool2d_geometry, (X, (3, 2)), {"padding": (1, 2)}, r"PW\)=\(1, 2\) may be at most .*\(1, 1\)"),
    (pool2d_geometry, (X, (0, 2)), {}, r"kernel_size must be at least 1, got \(0, 2\)"),
    (pool2d_geometry, (X, (2, 2)), {"stride": (0, 2)}, r"stride must be at least 1, got \(0, 2\)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "inputs", "options", "says"), WRONG_SIZES)
def test_wrong_sizes_are_named_with_what_would_fit(make, inputs, options, says):
    with pytest.raises(ValueError, match=says):
        make(*inputs, **options)


@pytest.mark.parametrize("value", [1.5, "11", (1, 2, 3), (1,), None, (1, 1.0), True, (1, True), np.array(3)])
@pytest.mark.parametrize("option", ["stride", "padding", "dilation"])
def test_what_is_no_pair_of_integers_is_refused(option, value):
    with pytest.raises(TypeError, match=f"{option} must be an integer or a pair of integers, got"):
        conv2d_geometry(X, W, **{option: value})


@pytest.mark.parametrize("groups", [2.0, True, None])
def test_groups_must_be_an_integer(groups):
    with pytest.raises(TypeError, match=f"groups must be an integer, got {groups}"):
        conv2d_geometry(X, W, groups=groups)


def test_an_integer_stands_for_both_directions():
    geometry = conv2d_geometry(X, W, stride=2, padding=np.int64(1), dilation=1)
    assert geometry == conv2d_geometry(X, W, (2, 2), (1, 1), (1, 1))
    assert geometry.y_shape == (2, 6, 3, 3)


def test_the_shapes_are_those_it_was_made_of():
    geometry = conv2d_geometry((2, 4, 5, 6), (6, 2, 3, 3), padding=(1, 0), groups=2)
    assert (geometry.x_shape, geometry.w_shape) == ((2, 4, 5, 6), (6, 2, 3, 3))
    assert (geometry.y_shape, geometry.padded_shape) == ((2, 6, 5, 4), (2, 4, 7, 6))
    back = conv_transpose2d_geometry((2, 6, 5, 4), (6, 2, 3, 3), padding=(1, 0), groups=2)
    assert back == geometry
    pool = pool2d_geometry((2, 4, 5, 6), (2, 3), 1, 1)
    assert (pool.x_shape, pool.y_shape, pool.padded_shape) == ((2, 4, 5, 6), (2, 4, 6, 6), (2, 4, 7, 8))


def test_a_step_between_single_places_counts_as_one():
    far = conv2d_geometry(X, (6, 4, 3, 1), (2**40, 2), 0, (1, 2**40))
    assert (far.SH, far.SW, far.DH, far.DW) == (1, 2, 1, 1)
    assert pool2d_geometry(X, 4, 2**31) == pool2d_geometry(X, 4, 4)
    assert conv_transpose2d_geometry((1, 6, 1, 2), W, (2**31, 3)).SH == 1


def test_a_dilated_window_wholly_in_the_padding_is_refused():
    # Rows or columns -1 and 2 of an input that has 0 and 1: no cell could win.
    for order in slice(None), slice(None, None, -1):
        kernel_size, padding, dilation = ((1, 2)[order], (0, 1)[order], (1, 3)[order])
        with pytest.raises(ValueError, match=r"dilation .*3.* a window lies wholly in the padding"):
            pool2d_geometry((1, 1, 2, 2), kernel_size, (1, 1), padding, dilation)


@pytest.mark.parametrize("shape", [(2, 37, 12), (2, 36, 13)])
def test_columns_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(N, C\*KH\*KW, OH\*OW\), \(2, 36, 12\) .*\(2, 4, 5, 6\)"):
        im2col.col2im(np.ones(shape), (5, 6), (3, 3))
