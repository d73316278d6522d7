# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Assignment 4: convolution, slow and readable
#
# You need lesson 3. Write convolution and its two gradients as loops, first for arrays, then as an operation
# for your `Tensor`. There is no padding, and the stride is one number for both directions. x is (N, C, H, W),
# w (K, C, KH, KW), and y and g (N, K, OH, OW), with OH = (H - KH) // stride + 1 and OW = (W - KW) // stride +
# 1.

# %%
import numpy as np
from a02_broadcasting import Tensor, mul, total
from run_tests import check_gradients, run_tests

from tinycnn import Tensor as EngineTensor
from tinycnn import functional as F


# %% your code
def conv2d_loops(x, w, stride):
    """Return y: y[n,k,oh,ow] is the sum over c,r,s of x[n, c, oh*stride + r, ow*stride + s] * w[k,c,r,s]."""
    raise NotImplementedError("write conv2d_loops")


def conv2d_input_loops(g, w, size, stride):
    """Return dL/dx (N, C, H, W), for size = (H, W)."""
    raise NotImplementedError(
        "write conv2d_input_loops: add g * w to the place that x has in the forward loops"
    )


def conv2d_weight_loops(x, g, kernel_size, stride):
    """Return dL/dw (K, C, KH, KW), for kernel_size = (KH, KW)."""
    raise NotImplementedError(
        "write conv2d_weight_loops: add x * g to the place that w has in the forward loops"
    )


def slow_conv2d(x, w, stride=1):
    """Return the convolution of the tensors x and w, as a Tensor."""
    raise NotImplementedError("write slow_conv2d, with the three functions above")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_with_a_pencil():
    """Lay the filter on the image, multiply the pairs, add up; then move it one column to the right."""
    x = np.array([[[[1.0, 2, 3], [4, 5, 6]]]])
    assert conv2d_loops(x, np.array([[[[1.0, -1], [0, 2]]]]), 1).tolist() == [[[[9, 11]]]]


def test_the_engine_agrees():
    """The engine gets another result: does the window move by the stride, and do you add all channels?"""
    x, w = numbers(0, 2, 3, 7, 6), numbers(1, 4, 3, 3, 2)
    for stride in (1, 2):
        expected = F.conv2d(EngineTensor(x), EngineTensor(w), stride=stride).numpy()
        assert np.allclose(conv2d_loops(x, w, stride), expected), f"stride {stride}"


def test_input_gradient():
    """<g, conv(x, w)> must equal <x, dL/dx>. A cell of x in several windows gets something from each: add."""
    for stride in (1, 2):
        x, w = numbers(0, 2, 2, 5, 5), numbers(1, 3, 2, 3, 3)
        y = conv2d_loops(x, w, stride)
        g = numbers(2, *y.shape)
        dx = conv2d_input_loops(g, w, (5, 5), stride)
        assert dx.shape == x.shape
        assert np.isclose((g * y).sum(), (x * dx).sum()), f"stride {stride}"


def test_weight_gradient():
    """<g, conv(x, w)> must equal <w, dL/dw>. A weight is used in every window of every image: add all.
    Where does each window begin?
    """
    for stride in (1, 2):
        x, w = numbers(0, 2, 2, 5, 5), numbers(1, 3, 2, 3, 3)
        y = conv2d_loops(x, w, stride)
        g = numbers(2, *y.shape)
        dw = conv2d_weight_loops(x, g, (3, 3), stride)
        assert dw.shape == w.shape
        assert np.isclose((g * y).sum(), (w * dw).sum()), f"stride {stride}"


def test_gradient_check():
    """The three functions are right, but the operation is not: does it return (dL/dx, dL/dw), in this
    order?
    """

    def loss(x, w):
        return total(mul(slow_conv2d(x, w, 2), slow_conv2d(x, w, 2)))

    check_gradients(loss, Tensor(numbers(0, 1, 2, 5, 4)), Tensor(numbers(1, 2, 2, 3, 2)))


if __name__ == "__main__":
    run_tests(globals())
