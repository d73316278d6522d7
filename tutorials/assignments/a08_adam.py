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
# # Assignment 8: Adam
#
# You need lesson 5. Write Adam. It keeps two running means for each parameter: m of the gradients, and v of
# their squares. Both begin at 0, so at first they are too small. Adam corrects that before it uses them.

# %%
import numpy as np
from a02_broadcasting import Tensor, add, mul, total
from run_tests import check_gradients, run_tests

import tinycnn
from tinycnn import optim


# %% your code
class Adam:
    """Adam for a list of tensors."""

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.lr, self.betas, self.eps = parameters, lr, betas, eps
        self.t = 0
        self.m = [np.zeros(p.data.shape) for p in parameters]
        self.v = [np.zeros(p.data.shape) for p in parameters]

    def step(self):
        """Change the parameters by their gradients."""
        raise NotImplementedError("write Adam.step; t counts from 1")

    def zero_grad(self):
        """Set the gradients to None."""
        raise NotImplementedError("write Adam.zero_grad")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def test_the_first_step_goes_downhill():
    """A parameter with a positive gradient becomes smaller, one with a negative gradient larger."""
    p = Tensor([1.0, 1.0])
    p.grad = np.array([2.0, -2.0])
    Adam([p], lr=0.1).step()
    assert p.data[0] < 1 < p.data[1], f"from [1, 1], with the gradients [2, -2], to {p.data}"


def test_the_first_step_has_the_size_lr():
    """The first step has the size lr, however large the gradient is: count t from 1, and divide m by
    1 - beta1^t and v, the mean of the squares, by 1 - beta2^t.
    """
    for size in (1.0, 30.0, 1000.0):
        p = Tensor([1.0, 1.0])
        p.grad = np.array([size, -size])
        Adam([p], lr=0.1).step()
        assert np.allclose(p.data, [0.9, 1.1], atol=1e-5), f"gradient {size}: {p.data}"


def test_the_engine_agrees():
    """After five steps the engine has other numbers: is eps added to the root (not under it), and do m and
    v remember the steps before, without the correction?
    """
    rng = np.random.default_rng(0)
    ours, theirs = Tensor(np.ones((2, 3))), tinycnn.Tensor(np.ones((2, 3)), requires_grad=True)
    optimizer, engine = Adam([ours], 0.1, (0.8, 0.95), 0.05), optim.Adam([theirs], 0.1, (0.8, 0.95), 0.05)
    for _ in range(5):
        ours.grad = rng.standard_normal((2, 3))
        theirs.grad = tinycnn.Tensor(ours.grad)
        optimizer.step()
        engine.step()
    assert np.allclose(ours.data, theirs.numpy())


def test_zero_grad():
    """After zero_grad the gradients must be None. Otherwise the next backward adds to the old ones."""
    p = Tensor([1.0])
    p.grad = np.ones(1)
    Adam([p]).zero_grad()
    assert p.grad is None


def bowl(p):
    """Return (p0 - 3)^2 + 100 (p1 + 1)^2: narrow in one direction, wide in the other."""
    d = add(p, Tensor([-3.0, 1.0]))
    return total(mul(mul(d, d), Tensor([1.0, 100.0])))


def test_it_finds_the_bottom():
    """It does not arrive at (3, -1): does each number of the parameter have its own m and v?"""
    p = Tensor([0.0, 0.0])
    optimizer = Adam([p], 0.05)
    for _ in range(500):
        optimizer.zero_grad()
        bowl(p).backward()
        optimizer.step()
    assert np.allclose(p.data, [3, -1], atol=0.05), f"it is at {p.data}"


def test_gradient_check():
    """The gradients of the bowl are wrong: that is assignment 2, add and mul."""
    check_gradients(bowl, Tensor([0.5, 0.3]))


if __name__ == "__main__":
    run_tests(globals())
