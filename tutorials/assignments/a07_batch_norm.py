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
# # Assignment 7: batch norm
#
# You need lesson 14. x is (N, C) or (N, C, H, W). Subtract the mean of each channel, divide by sqrt(variance
# + eps), multiply by the channel's weight, and add its bias. The mean and the variance depend on x, so the
# gradient goes through them as well.

# %%
import numpy as np
from a02_broadcasting import Tensor, mul, total
from run_tests import check_gradients, run_tests


# %% your code
def batch_norm(x, weight, bias, eps=1e-5):
    """Return x normalised over all axes but 1, times weight (C,) plus bias (C,), as a Tensor."""
    raise NotImplementedError("write batch_norm: lesson 14 derives its three gradients")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def numbers(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_mean_and_spread():
    """After batch norm each channel has mean 0 and variance 1: take both over all axes but 1, and divide
    the variance by the number of values M, not by M - 1.
    """
    y = batch_norm(Tensor(numbers(0, 4, 3, 2, 2) * 5 + 7), Tensor(np.ones(3)), Tensor(np.zeros(3)), 0.0).data
    assert np.allclose(y.mean(axis=(0, 2, 3)), 0) and np.allclose(y.var(axis=(0, 2, 3)), 1)


def test_weight_and_bias():
    """Channel c is multiplied by weight[c], and bias[c] is added: give both a shape with C on axis 1."""
    x = Tensor(numbers(0, 5, 2))
    plain = batch_norm(x, Tensor([1.0, 1.0]), Tensor([0.0, 0.0])).data
    assert np.allclose(batch_norm(x, Tensor([2.0, 3.0]), Tensor([1.0, -1.0])).data, plain * [2, 3] + [1, -1])


def test_moving_a_channel_changes_nothing():
    """Adding a number to a channel of x does not change y, so the gradients of the channel sum to 0. Which
    part of the gradient goes through the mean?
    """
    x = Tensor(numbers(0, 6, 2))
    y = batch_norm(x, Tensor([2.0, 3.0]), Tensor([0.0, 0.0]))
    total(mul(y, Tensor(numbers(1, 6, 2)))).backward()
    assert np.allclose(x.grad.sum(axis=0), 0)


def test_stretching_a_channel_changes_nothing():
    """Stretching a channel of x does not change y, so <x - mean, dL/dx> is 0. Which part of the gradient
    goes through the variance?
    """
    x = Tensor(numbers(0, 6, 2))
    y = batch_norm(x, Tensor([2.0, 3.0]), Tensor([0.0, 0.0]), 0.0)
    total(mul(y, Tensor(numbers(1, 6, 2)))).backward()
    assert np.allclose(((x.data - x.data.mean(axis=0)) * x.grad).sum(axis=0), 0)


def test_gradient_check():
    """A gradient differs from finite differences. Input 0 is x, input 1 the weight, input 2 the bias."""
    g = Tensor(numbers(3, 3, 2, 2, 2))
    check_gradients(
        lambda x, w, b: total(mul(batch_norm(x, w, b), g)),
        Tensor(numbers(0, 3, 2, 2, 2)),
        Tensor(numbers(1, 2)),
        Tensor(numbers(2, 2)),
    )


if __name__ == "__main__":
    run_tests(globals())
