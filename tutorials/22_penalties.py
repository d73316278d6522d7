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
# L2 pulls in proportion to the weight: a large weight strongly, a small one weakly. L1 pulls every weight
# that is not 0 with the same force.
#
# Where is the new minimum? Take one parameter and the loss $\tfrac{1}{2}(\theta - c)^2$, whose minimum is
# at c:
#
# * L2: $\theta - c + l_2\theta = 0$, so $\theta = c / (1 + l_2)$. It is smaller than c, and only 0 if c is 0;
# * L1, for $\theta > 0$: $\theta - c + l_1 = 0$, so $\theta = c - l_1$. If $|c| \le l_1$, the loss pulls no
#   harder than the penalty, and the minimum is *exactly* 0.
#
# (In a network the weights depend on each other, so a single weight may even grow when there is a penalty.
# But the sum of all $\theta_i^2$ with L2, and of all $|\theta_i|$ with L1, is never larger than at the
# minimum of L: nowhere is L smaller than there, so L' can only be smaller elsewhere if the penalty is.)
#
# Train with the engine, for many c at once (theta and c have the shape (61,)):

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
axes.set_title("L1 makes small weights zero, L2 halves them all", fontsize=13)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
minimum = np.sign(c) * np.maximum(np.abs(c) - 1, 0)
assert np.allclose(l2, c / 2, atol=1e-3)
assert np.allclose(l1, minimum, atol=5e-3)
described(
    figure,
    "theta after training over c. L2: a straight line through 0 with the slope 1/2. L1: 0 between -1 and 1, "
    "and on both sides of that a line with the slope 1.",
)

# %% [markdown]
# **What to see:** L2 halves every weight: none becomes 0 that was not 0 before. L1 moves every weight by 1
# towards 0, and those between -1 and 1 become 0 (up to 0.005).
#
# Does gradient descent *arrive* at 0? It comes close, but it does not stay there. At 0 the term $|\theta|$
# has a kink, and beside it L1 always pulls with the same force. So near 0 a step of about $lr\,l_1$ jumps
# over 0, and a later one jumps back. In the picture above the learning rate decays, so these jumps become
# smaller and smaller. With a constant rate they do not.
#
# The remedy is to take the two parts of L' one after the other: first a step against g alone, then the
# *proximal step*, which moves every weight towards 0 by $lr\,l_1$, and to 0 if it is nearer than that:
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
assert 0.1 < np.abs(ends[by_subgradient][small]).max() < 0.2

# %% [markdown]
# **What to see:** with a constant rate, the optimizer's step leaves weights that should be 0 at up to 0.14.
# That is a little more than one jump, $lr\,l_1 = 0.1$. The proximal step makes all of them 0.
#
# The penalty can be a part of the loss, or an option of the optimizer. The step is the same:

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
assert np.isclose(option.numpy()[0], -4 - 0.05 * (-4 - 0.4 - 0.2))
draw(steps[0], "weight decay and L1 are added to the gradient")

# %% [markdown]
# **What to see:** L2 adds -0.4 to the gradient -4, and L1 adds -0.2: together -4.6.
#
# In Adam the penalty's gradient is divided by $\sqrt{\hat v}$ like the rest. So the weights whose gradients
# are large decay less. `AdamW` (Loshchilov and Hutter 2019) lets all weights decay alike, outside of that
# division. Try it: two weights begin at 1. Their gradients have the mean 0, so without a penalty both would
# stay near 1. The gradients of the second weight are 100 times larger:

# %%
print(inspect.getsource(optim.AdamW.update))
remains = {}
for kind in (optim.Adam, optim.AdamW):
    theta = Tensor(np.ones(2), requires_grad=True)
    optimizer = kind([theta], lr=0.001, weight_decay=0.1)
    for step in range(2000):
        theta.grad = Tensor(np.array([0.1, 10.0]) * (-1) ** step)
        optimizer.step()
    remains[kind] = theta.numpy()
    print(f"{kind.__name__:5} leaves {remains[kind][0]:.3f} and {remains[kind][1]:.3f}")
assert np.allclose(remains[optim.AdamW], (1 - 0.001 * 0.1) ** 2000, atol=2e-3)
assert remains[optim.Adam][0] < 0.5 and remains[optim.Adam][1] > 0.95

# %% [markdown]
# **What to see:** with `AdamW` both weights lose a fifth, a factor $1 - lr \cdot l_2$ in each of 2000 steps.
# With `Adam` the first one loses most of its size, and the second one almost nothing.

# %% [markdown]
# ## Exercises
#
# **1.** The loss $\tfrac{1}{2}(\theta - c)^2$ gets both penalties, l1 and l2. Let c be larger than l1. Where
# is the minimum?


# %%
def elastic(c, l1, l2):
    """Return theta at the minimum."""
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
