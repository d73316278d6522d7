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
# # Assignment 2: arrays, and broadcasting
#
# You need assignment 1. Now every node holds an array. A node remembers its parents and one function,
# `gradients`: it takes g = dL/dy and returns a tuple of arrays, one for each parent. (A tuple of one array is
# written `(array,)`, with a comma.) `backward` calls it, and adds each array to the `grad` of its parent. All
# later assignments are built from this `Tensor`.
#
# Something is new: NumPy *broadcasts*. In `x + b` with x (N, K) and b (K,), each number of b is used N times.
# So its gradient is the sum of N numbers. `unbroadcast(g, shape)` gets the gradient g of the broadcast array.
# It adds up what belongs to the same number of the array, and returns an array of that shape.

# %%
import numpy as np
from run_tests import check_gradients, run_tests


# %% your code
class Tensor:
    """An array, its gradient, its parents, and the function that makes gradients for them."""

    def __init__(self, data, parents=(), gradients=None):
        self.data, self.grad, self.parents, self.gradients = np.asarray(data, float), None, parents, gradients

    def backward(self):
        """Set grad of this tensor, which is a single number, to 1, and that of all tensors it was made of."""
        raise NotImplementedError("write Tensor.backward, as in assignment 1")


def unbroadcast(g, shape):
    """Return the gradient of an array of this shape, for the gradient g of the broadcast array."""
    raise NotImplementedError("write unbroadcast: sum the axes that were added, then those of length 1")


def add(a, b):
    """Return a + b."""
    raise NotImplementedError("write add: Tensor(..., (a, b), gradients)")


def mul(a, b):
    """Return a * b."""
    raise NotImplementedError("write mul")


def total(a):
    """Return the sum of all numbers of a."""
    raise NotImplementedError("write total: each number of a gets the same gradient")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def test_unbroadcast():
    """An axis that was added in front is summed away; an axis of length 1 is summed and kept."""
    assert unbroadcast(np.ones((4, 3)), (3,)).tolist() == [4, 4, 4]
    assert unbroadcast(np.ones((4, 3)), (4, 1)).tolist() == [[3]] * 4
    assert unbroadcast(np.ones((2, 4, 3)), (1, 3)).tolist() == [[8, 8, 8]]
    assert unbroadcast(np.ones((2, 3)), ()).item() == 6


def test_total():
    """Every number of the sum gets g, which is 3 here and not 1: return (array,), one array in a tuple."""
    x = Tensor(numbers(2, 3))
    y = total(x)
    (gradient,) = y.gradients(np.array(3.0))
    assert gradient.tolist() == [[3, 3, 3], [3, 3, 3]]


def test_a_bias():
    """b is used once for every row, so its gradient is the sum over the rows, of b's own shape."""
    x, b = Tensor(numbers(4, 3)), Tensor(numbers(3))
    total(add(x, b)).backward()
    assert b.grad.tolist() == [4, 4, 4]


def test_gradient_of_a_product():
    """For y = a * b, dL/da is g * b and dL/db is g * a."""
    a, b = Tensor([2.0, 5.0]), Tensor([3.0, 7.0])
    total(mul(mul(a, b), Tensor([10.0, 1.0]))).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([30, 7], [20, 5])


def test_a_tensor_that_is_used_twice():
    """A tensor that is used twice gets the sum of both gradients: add to what is there."""
    x = Tensor([1.0, 2.0])
    total(add(mul(x, x), x)).backward()
    assert x.grad.tolist() == [3, 5]


def test_the_order_of_the_walk():
    """A tensor hands its gradient on too early, or twice: visit it once, after all tensors that used it."""
    x = Tensor([2.0])
    y = mul(x, x)
    z = mul(y, Tensor([3.0]))
    total(add(add(y, z), mul(z, y))).backward()
    assert x.grad.tolist() == [4 * (1 + 3 + 2 * 3 * 4)]


def test_gradient_check():
    """The gradients differ from finite differences. Try each operation alone: which one is wrong?"""
    check_gradients(lambda a, b: total(mul(add(a, b), b)), Tensor(numbers(2, 3)), Tensor(numbers(3)))
    check_gradients(lambda a, b: total(mul(a, mul(b, b))), Tensor(numbers(2, 3)), Tensor(numbers(2, 1)))


if __name__ == "__main__":
    run_tests(globals())
