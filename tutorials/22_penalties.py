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
# # 22. L1 and L2: a price for large weights
#
# About 45 minutes. You need lesson 5.
#
# At the end you can say what a penalty for large weights does to the minimum and to a step, and choose
# between L1 and L2.

# %%
import inspect

import numpy as np

from tinycnn import Tensor, optim
from tinycnn.explain import draw, explain
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

start = np.array([-4.0, 1.5])


def bowl(theta):
    """Return the loss of lesson 5, of theta (2,)."""
    return (Tensor(np.array([1.0, 10.0])) * theta**2).sum() * 0.5


# %% [markdown]
# ## The penalty, and its minimum (Eq. 8)
#
# $$L'(\theta) = L(\theta) + l_1 \sum_i |\theta_i| + \tfrac{l_2}{2} \sum_i \theta_i^2
#   \qquad\Rightarrow\qquad g' = g + l_1\,\mathrm{sign}(\theta) + l_2\,\theta$$
#
# L2 pulls in proportion to the weight: large ones a lot, small ones hardly. L1 pulls with the same force
# always. So at the minimum of L', with L1 the weights that the loss hardly needs are *exactly* 0; with L2 all
# are smaller, and none is 0.
#
# Where is the new minimum? Take one parameter and the loss $\tfrac{1}{2}(\theta - c)^2$, whose minimum is
# at c:
#
# * L2: $\theta - c + l_2\theta = 0$, so $\theta = c / (1 + l_2)$;
# * L1, for $\theta > 0$: $\theta - c + l_1 = 0$, so $\theta = c - l_1$; and if $|c| \le l_1$, it is 0.
#
# The engine, for many c at once (theta and c have the shape (61,)):

# %%
c = np.linspace(-3, 3, 61)


def pulled(**penalty):
    """Return where gradient descent ends, for every c."""
    theta = Tensor(c.copy(), requires_grad=True)
    optimizer = optim.SGD([theta], lr=0.1, **penalty)
    schedule = optim.ExponentialLR(optimizer, 0.99)
    for _ in range(600):
        optimizer.zero_grad()
        (((theta - Tensor(c)) ** 2).sum() * 0.5).backward()
        optimizer.step()
        schedule.step()
    return theta.numpy()


l1, l2 = pulled(l1=1.0), pulled(weight_decay=1.0)
figure = blank_figure(7, 4.6)
axes = figure.subplots()
axes.plot(c, c, ":", color="grey", label="no penalty", linewidth=2)
axes.plot(c, l2, "--", label="L2: weight_decay=1", linewidth=2.5)
axes.plot(c, l1, "-", label="L1: l1=1", linewidth=2.5)
axes.set_xlabel("c, where the loss alone is smallest", fontsize=12)
axes.set_ylabel("theta after training", fontsize=12)
axes.set_title("L1 makes small weights zero, L2 makes all smaller", fontsize=13)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
minimum = np.sign(c) * np.maximum(np.abs(c) - 1, 0)
assert np.allclose(l2, c / 2, atol=1e-3)
assert np.allclose(l1, minimum, atol=5e-3)
described(
    figure,
    "theta after training over c. L2: a straight line with half the slope. L1: 0 between -1 and 1, and a "
    "line beside it.",
)

# %% [markdown]
# **What to see:** L2 halves every weight, and none becomes 0. L1 moves every weight by 1 towards 0, and those
# between -1 and 1 become 0.
#
# Does gradient descent *arrive* at 0? It comes close, but does not stay there. At 0 the term $|\theta|$ has a
# kink, and beside it L1 always pulls with the same force: a step of $lr\,l_1$ jumps over 0, the next one
# jumps back. In the picture above the learning rate decays, and so the swing shrinks with it. With a constant
# rate it stays.
#
# The remedy is to take the two parts of L' one after the other: first a step against g alone, then the
# *proximal step*, which moves every weight towards 0 by $lr\,l_1$ and stops there:
#
# $$d = \theta - lr \cdot g \qquad\qquad \theta \leftarrow \mathrm{sign}(d)\,\max(|d| - lr\,l_1,\; 0)$$


# %%
def by_subgradient(theta, g, lr=0.1, l1=1.0):
    """Return theta after a step against g + l1 sign(theta), as the optimizer's option makes it."""
    return theta - lr * (g + l1 * np.sign(theta))


def by_proximal_step(theta, g, lr=0.1, l1=1.0):
    """Return theta after a step against g, then lr * l1 towards 0, but not past it."""
    d = theta - lr * g
    return np.sign(d) * np.maximum(np.abs(d) - lr * l1, 0)


small = np.abs(c) < 0.95  # for these c the minimum is at 0
ends = {}
for rule in (by_subgradient, by_proximal_step):
    theta = c.copy()
    for _ in range(600):  # the learning rate is constant
        theta = rule(theta, theta - c)
    ends[rule] = theta
    zeros = int((theta[small] == 0).sum())
    largest = np.abs(theta[small]).max()
    print(f"{rule.__name__}: {zeros} of {small.sum()} weights are 0, the largest is {largest:.3f}")
assert np.all(ends[by_proximal_step][small] == 0)
assert np.allclose(ends[by_proximal_step], minimum)
assert (ends[by_subgradient][small] == 0).sum() < small.sum() / 4

# %% [markdown]
# The penalty as part of the loss, or as the optimizer's option: the same step.

# %%
print(inspect.getsource(optim.Optimizer.penalised))
written, option = (Tensor(start.copy(), requires_grad=True) for _ in range(2))
(bowl(written) + (written**2).sum() * (0.1 / 2) + written.abs().sum() * 0.2).backward()
bowl(option).backward()
optim.SGD([written], lr=0.05).step()
by_option = optim.SGD([option], lr=0.05, weight_decay=0.1, l1=0.2)
steps = explain(by_option)
by_option.step()
assert np.allclose(written.numpy(), option.numpy())
assert np.isclose(option.numpy()[0], -4 - 0.05 * (-4.6))
draw(steps[0], "weight decay and L1 are added to the gradient")

# %% [markdown]
# **What to see:** L2 adds -0.4 to the gradient -4, and L1 adds -0.2: together -4.6.
#
# In Adam the penalty's gradient is divided by $\sqrt{\hat v}$ with the rest: weights with large gradients
# hardly decay. `AdamW` lets all weights decay alike, outside of that division:

# %%
print(inspect.getsource(optim.AdamW.update))

# %% [markdown]
# ## Exercises
#
# **1.** A loss $\tfrac{1}{2}(\theta - c)^2$ with both penalties, l1 and l2, and c > l1. Where is its
# minimum?


# %%
def elastic(c, l1, l2):
    """Return theta."""
    return None  # your formula


far = c > 0.6
compare(elastic(c[far], 0.5, 1.0), pulled(l1=0.5, weight_decay=1.0)[far], tolerance=1e-3)

# %% [markdown]
# **2.** Write the gradient of both penalties.


# %%
def l2_l1_grad(theta, l1, l2):
    """Return the gradient of l1 * sum |theta| + l2/2 * sum theta^2; at 0 that of |theta| is 0."""
    return None  # your code


check("l2_l1_grad", l2_l1_grad)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Both penalties</summary>
#
# For $\theta > 0$ the derivative is $\theta - c + l_1 + l_2\theta$. It is 0 at
# $\theta = (c - l_1)/(1 + l_2)$.
#
# ```python
# def elastic(c, l1, l2):
#     return (c - l1) / (1 + l2)
#
# assert compare(elastic(c[far], 0.5, 1.0), pulled(l1=0.5, weight_decay=1.0)[far], tolerance=1e-3)
# ```
#
# </details>
#
# <details><summary>2. Both gradients</summary>
#
# ```python
# def l2_l1_grad(theta, l1, l2):
#     return l1 * np.sign(theta) + l2 * theta
#
# assert check("l2_l1_grad", l2_l1_grad)
# ```
#
# </details>
