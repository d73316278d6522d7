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
# # Assignment 6: max-pooling, and a row of numbers
#
# You need lesson 4. The windows lie side by side, so H and W are multiples of the window's size. If cells are
# equal, the first one wins (row by row). `flatten` makes one row of numbers of every image, for the dense
# layer.

# %%
import numpy as np
from a02_broadcasting import Tensor, mul, total
from run_tests import check_gradients, run_tests


# %% your code
def max_pool2d(x, size):
    """Return the maximum of each window of size*size cells of x (N, C, H, W), as a Tensor."""
    raise NotImplementedError("write max_pool2d: reshape so that each window has an axis of its own")


def flatten(x):
    """Return x (N, ...) as a Tensor (N, everything else)."""
    raise NotImplementedError("write flatten: which shape must the gradient have?")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def distinct():
    """Return an array whose cells are far from equal, so that no winner changes within a step."""
    return np.random.default_rng(0).permutation(2 * 2 * 6 * 6).reshape(2, 2, 6, 6) / 10


def test_the_maxima():
    """Take the maximum over the cells of each window. The first window has rows 0 and 1, columns 0 and 1."""
    x = Tensor(np.arange(16.0).reshape(1, 1, 4, 4))
    assert max_pool2d(x, 2).data.tolist() == [[[[5, 7], [13, 15]]]]


def test_the_winner_gets_all():
    """g goes to the cell that won its window, at that cell's place; all others get 0."""
    x = Tensor([[[[1.0, 5], [2, 3]]]])
    total(mul(max_pool2d(x, 2), Tensor([[[[7.0]]]]))).backward()
    assert x.grad.tolist() == [[[[0, 7], [0, 0]]]]


def test_a_tie():
    """If cells are equal, the first one gets g, and the others get nothing."""
    x = Tensor(np.ones((1, 1, 2, 2)))
    total(max_pool2d(x, 2)).backward()
    assert x.grad.tolist() == [[[[1, 0], [0, 0]]]]


def test_flatten():
    """flatten changes the shape, and its gradient, a tuple of one array, has the shape of x again."""
    x = Tensor(np.arange(12.0).reshape(2, 3, 2, 1))
    y = flatten(x)
    assert y.data.tolist() == [list(range(6)), list(range(6, 12))]
    total(mul(y, y)).backward()
    assert x.grad.shape == x.data.shape


def test_gradient_check():
    """The gradient differs from finite differences: is each g in its own image, channel and window?"""
    x = Tensor(distinct())
    check_gradients(lambda x: total(mul(flatten(max_pool2d(x, 3)), flatten(max_pool2d(x, 3)))), x)


if __name__ == "__main__":
    run_tests(globals())
