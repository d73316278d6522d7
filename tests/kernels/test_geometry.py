import numpy as np
import pytest

from tinycnn.kernels import im2col, loops

BOTH = pytest.mark.parametrize("kernels", [loops, im2col], ids=["loops", "im2col"])
X, W, G = np.ones((2, 4, 5, 6)), np.ones((6, 4, 3, 3)), np.ones((2, 6, 3, 4))

# What is wrong: which call with which arguments, and what the message must say.
WRONG_SIZES = [
    ("conv2d", (X[0], W), {}, r"input must be \(N, C, H, W\), got shape \(4, 5, 6\)"),
    ("conv2d", (X, W[0]), {}, r"weight must be \(K, C/G, KH, KW\), got shape \(4, 3, 3\)"),
    ("conv2d", (X, W[:, :3]), {}, r"\(2, 4, 5, 6\) has C=4 .* G=1 needs C=3; .* fits is \(K, 4, KH, KW\)"),
    ("conv2d", (X, W), {"groups": 2}, r"C=4 .* G=2 needs C=8; .* fits is \(K, 2, KH, KW\)"),
    ("conv2d", (X, W), {"groups": 3}, r"G=3 groups do not divide C=4 channels; G that fit: \[1, 2, 4\]"),
    ("conv2d", (X, W[:5, :2]), {"groups": 2}, r"G=2 .* K=5 channels; G that fit: \[1, 5\]"),
    ("conv2d", (X, W), {"groups": 0}, "groups must be at least 1, got 0"),
    ("conv2d", (X, W[:, :, :0]), {}, r"no size of the weight \(6, 4, 0, 3\) may be 0"),
    ("conv2d", (X, np.ones((1, 4, 6, 3))), {}, r"KW\)=\(6, 3\) .*\(H, W\)=\(5, 6\) .*\(PH, PW\)=\(0, 0\)"),
    ("conv2d", (X, W), {"dilation": (1, 3)}, r"\(DH, DW\)=\(1, 3\) spans \(3, 7\), .* use a smaller kernel"),
    ("conv2d", (X, W), {"stride": (1, 0)}, r"stride must be at least 1, got \(1, 0\)"),
    ("conv2d", (X, W), {"padding": (-1, 0)}, r"padding must be at least 0, got \(-1, 0\)"),
    ("conv2d", (X, W), {"dilation": (0, 1)}, r"dilation must be at least 1, got \(0, 1\)"),
    ("conv2d_input", (G[0], W, (5, 6)), {}, r"\(N, K, OH, OW\), got shape \(6, 3, 4\)"),
    ("conv2d_input", (G, W[0], (5, 6)), {}, r"\(K, C/G, KH, KW\), got shape \(4, 3, 3\)"),
    ("conv2d_input", (G, W, (5, 7)), {}, r"\(2, 6, 3, 5\) for .*=\(2, 4, 5, 7\), got \(2, 6, 3, 4\)"),
    ("conv2d_input", (G, W, (2, 6)), {}, r"spans \(3, 3\), which does not fit into .*\(H, W\)=\(2, 6\)"),
    ("conv2d_input", (G, W, (5, 6)), {"groups": 4}, r"G=4 groups do not divide K=6 .*fit: \[1, 2, 3, 6\]"),
    ("conv2d_weight", (X[0], G, (3, 3)), {}, r"\(N, C, H, W\), got shape \(4, 5, 6\)"),
    ("conv2d_weight", (X, G[0], (3, 3)), {}, r"\(N, K, OH, OW\), got shape \(6, 3, 4\)"),
    ("conv2d_weight", (X, G, (2, 3)), {}, r"shape \(2, 6, 4, 4\) .* got \(2, 6, 3, 4\)"),
    ("conv2d_weight", (X, G, (3, 3)), {"groups": 4}, r"G=4 groups do not divide K=6"),
    ("conv2d_weight", (X[:1], G, (3, 3)), {}, r"\(1, 6, 3, 4\) .* got \(2, 6, 3, 4\)"),
    ("max_pool2d", (X[0], (2, 2)), {}, r"\(N, C, H, W\), got shape \(4, 5, 6\)"),
    ("max_pool2d", (X[:, :, :0], (2, 2)), {"padding": (1, 1)}, r"H and W must be .* 1, got .*\(2, 4, 0, 6\)"),
    ("max_pool2d", (X, (6, 1)), {}, r"pooling: kernel \(KH, KW\)=\(6, 1\) .* \(H, W\)=\(5, 6\)"),
    ("min_pool2d", (X, (3, 2)), {"padding": (1, 2)}, r"PW\)=\(1, 2\) may be at most .*\(1, 1\) for kernel"),
    ("min_pool2d", (X, (0, 2)), {}, r"kernel_size must be at least 1, got \(0, 2\)"),
    ("sum_pool2d", (X, (2, 2)), {"stride": (0, 2)}, r"stride must be at least 1, got \(0, 2\)"),
    ("sum_pool2d_input", (G, (2, 2), (5, 6)), {}, r"shape \(2, 6, 2, 3\) .* got \(2, 6, 3, 4\)"),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("name", "inputs", "options", "says"), WRONG_SIZES)
def test_wrong_sizes_are_named_with_what_would_fit(kernels, name, inputs, options, says):
    with pytest.raises(ValueError, match=says):
        getattr(kernels, name)(*inputs, **options)


@BOTH
@pytest.mark.parametrize("value", [1.5, "11", (1, 2, 3), (1,), None, (1, 1.0)])
@pytest.mark.parametrize("option", ["stride", "padding", "dilation"])
def test_what_is_no_pair_of_integers_is_refused(kernels, option, value):
    with pytest.raises(TypeError, match=f"{option} must be an integer or a pair of integers, got"):
        kernels.conv2d(X, W, **{option: value})


@BOTH
def test_groups_must_be_an_integer(kernels):
    with pytest.raises(TypeError, match=r"groups must be an integer, got 2\.0"):
        kernels.conv2d(X, W, groups=2.0)


@BOTH
def test_an_integer_stands_for_both_directions(kernels):
    once = kernels.conv2d(X, W, stride=2, padding=np.int64(1), dilation=1)
    assert once.shape == kernels.conv2d(X, W, (2, 2), (1, 1), (1, 1)).shape == (2, 6, 3, 3)


@BOTH
@pytest.mark.parametrize("which", ["max_pool2d", "min_pool2d"])
def test_a_dilated_window_wholly_in_the_padding_is_refused(kernels, which):
    # Rows or columns -1 and 2 of an input that has 0 and 1: no cell could win.
    for order in slice(None), slice(None, None, -1):
        kernel_size, padding, dilation = ((1, 2)[order], (0, 1)[order], (1, 3)[order])
        with pytest.raises(ValueError, match=r"dilation .*3.* a window lies wholly in the padding"):
            getattr(kernels, which)(np.ones((1, 1, 2, 2)), kernel_size, (1, 1), padding, dilation)


@pytest.mark.parametrize("shape", [(2, 37, 12), (2, 36, 13)])
def test_columns_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"\(N, C\*KH\*KW, OH\*OW\), \(2, 36, 12\) .*\(2, 4, 5, 6\)"):
        im2col.col2im(np.ones(shape), (5, 6), (3, 3))
