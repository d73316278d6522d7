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
# # Assignment 5: convolution, fast
#
# You need assignment 4. NumPy computes a matrix product far faster than a loop in Python does. So copy every
# patch into a column (`im2col`). Then the convolution of an image is one matrix product. In `im2col`, loop
# over the KH*KW cells of the filter and not over the outputs. Then each pass of the loop copies a whole slice
# of x: the numbers that this cell meets in all windows.

# %%
import time

import numpy as np
from a02_broadcasting import Tensor, mul, total
from a04_slow_convolution import slow_conv2d
from run_tests import check_gradients, run_tests


# %% your code
def im2col(x, kernel_size, stride):
    """Return the patches of x as columns (N, C*KH*KW, OH*OW), with rows in the order of w.reshape(K, -1)."""
    raise NotImplementedError("write im2col: one slice of x for each cell (r, s) of the filter")


def col2im(columns, size, kernel_size, stride):
    """Return the adjoint of im2col: every copy is added to the cell it came from, in (N, C, H, W)."""
    raise NotImplementedError("write col2im: the slices of im2col, but columns are added to x")


def conv2d(x, w, stride=1):
    """Return the convolution of the tensors x and w as one matrix product, as a Tensor."""
    raise NotImplementedError("write conv2d: (K, C*KH*KW) @ (C*KH*KW, OH*OW), and two products backward")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_columns():
    """The first column is the patch at the upper left, row by row, all channels one after the other."""
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    columns = im2col(x, (2, 2), 1)
    assert columns.shape == (1, 8, 6)
    assert columns[0, :, 0].tolist() == [0, 1, 4, 5, 12, 13, 16, 17]
    assert im2col(x, (2, 2), 2)[0, :, 1].tolist() == [2, 3, 6, 7, 14, 15, 18, 19]


def test_col2im_is_the_adjoint():
    """<im2col(x), c> must equal <x, col2im(c)>. A cell of x is copied into several columns: add them all."""
    for stride in (1, 2):
        x = numbers(0, 2, 2, 5, 6)
        columns = im2col(x, (3, 2), stride)
        c = numbers(1, *columns.shape)
        back = col2im(c, (5, 6), (3, 2), stride)
        assert back.shape == x.shape
        assert np.isclose((columns * c).sum(), (x * back).sum()), f"stride {stride}"


def test_it_equals_the_slow_one():
    """Your fast convolution and your slow one differ: compare the order of the columns with that of
    w.reshape.
    """
    x, w = Tensor(numbers(0, 2, 3, 6, 5)), Tensor(numbers(1, 4, 3, 3, 2))
    for stride in (1, 2):
        assert np.allclose(conv2d(x, w, stride).data, slow_conv2d(x, w, stride).data), f"stride {stride}"


def test_gradient_check():
    """Forward is right, but a gradient is not: dL/dw is a sum over the images, dL/dx comes out of col2im."""

    def loss(x, w):
        return total(mul(conv2d(x, w, 2), conv2d(x, w, 2)))

    check_gradients(loss, Tensor(numbers(0, 2, 2, 5, 4)), Tensor(numbers(1, 2, 2, 3, 2)))


if __name__ == "__main__":
    run_tests(globals())
    # How much faster? (Nothing to pass here: it depends on your machine.)
    x, w = Tensor(numbers(0, 2, 2, 10, 10)), Tensor(numbers(1, 4, 2, 3, 3))
    seconds = []
    for operation in (slow_conv2d, conv2d):
        start = time.perf_counter()
        operation(x, w)
        seconds.append(time.perf_counter() - start)
    print(f"slow {seconds[0]:.4f} s, fast {seconds[1]:.4f} s: {seconds[0] / seconds[1]:.0f} times")
