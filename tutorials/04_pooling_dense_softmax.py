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
# # 4. Pooling, dense layer, softmax, cross-entropy, and why logits
#
# An hour and a quarter. You need lesson 3.
#
# At the end you know the rest of a network that classifies images, forward and backward, and why its loss
# takes logits, not probabilities.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.explain import draw, explain, show
from tinycnn.functional.linear import Linear
from tinycnn.functional.pooling import ExtremePool2d
from tinycnn.functional.softmax import LogSoftmax
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Max-pooling (Eq. 2)
#
# $$y_{n,c,oh,ow} = \max_{r,s}\ x_{n,\,c,\,oh \cdot SH + r,\,ow \cdot SW + s}$$
#
# (N, C, H, W) -> (N, C, OH, OW). It makes maps smaller and keeps what is strongest in each window. Which
# cells does y depend on? If the winner grows by a little, y grows by as much: the derivative is 1. If another
# cell grows, y stays the same, as long as that cell does not overtake the winner: the derivative is 0. So
#
# $$\frac{\partial L}{\partial x_{n,c,i,j}} = \sum_{\text{windows that } (i,j) \text{ won}} g_{n,c,oh,ow}$$

# %%
x = np.array([[[[1, 5, 2, 0], [4, 3, 7, 7], [0, 2, 1, 6], [8, 1, 3, 2]]]], np.float32)
pooled = explain(F.max_pool2d, x, 2, backward=True, gradient=np.array([[[[1, 2], [3, 4]]]]))
draw(pooled[1])

# %% [markdown]
# **What to see:** of the four cells of this window only the yellow one is kept. If the 2 or the 0 changed a
# little, y would stay the same.
#
# Two cells of the window hold the 7. One of them has to be the winner: the engine takes the first, as PyTorch
# does. Backward, g goes to the winner's place. All other cells of the window get 0:

# %%
assert pooled.arrays["dL/dx"][0, 0, 1].tolist() == [0, 0, 2, 0]
draw(pooled.steps_of("dL/dx")[6])

# %% [markdown]
# **What to see:** the whole g of the window, 2, arrives at the winner. The other 7 gets nothing.
#
# Forward is a *gather*: it reads one cell for each window. Backward is its adjoint, a *scatter*: it adds to
# one cell for each window. If windows overlap, a cell can win in two of them. Then their gradients add up:

# %%
overlapping = explain(F.max_pool2d, x[:, :, :3, :3], 2, 1, backward=True, gradient=np.ones((1, 1, 2, 2)))
print("y:", overlapping.result[0, 0].tolist(), " dL/dx:", overlapping.arrays["dL/dx"][0, 0].tolist())
assert overlapping.arrays["dL/dx"][0, 0, 1, 2] == 2  # the 7 won in two windows
print(inspect.getsource(ExtremePool2d))

# %% [markdown]
# ## Minimum, sum and mean (Eq. 2)
#
# A window has three more statistics that are used for pooling. Each derivative takes one line.
#
# **Minimum.** $\min_m x_m = -\max_m (-x_m)$. Backward, g passes both signs, and they cancel:
# $(-1) \cdot g \cdot (-1) = g$. So g goes to the winner as before; only the winner is now the smallest cell.
#
# **Sum.** $y = \sum_m x_m$, so $\partial y/\partial x_m = 1$ for every cell of the window, whatever its
# value. Each cell gets the g of every window that it lies in:
#
# $$\frac{\partial L}{\partial x_{n,c,i,j}} = \sum_{\text{windows with } (i,j)} g_{n,c,oh,ow}$$
#
# **Mean.** It is the sum divided by the number M = KH·KW of cells, and so is its derivative:
# $\partial y/\partial x_m = 1/M$.
#
# A maximum depends on one cell of the window, so its gradient is 0 for all others. A mean depends on all of
# them, and each gets a small share:

# %%
one_window = np.array([[[[3.0]]]], np.float32)
for pool in (F.max_pool2d, F.min_pool2d, F.sum_pool2d, F.avg_pool2d):
    found = explain(pool, x[:, :, :2, :2], 2, backward=True, gradient=one_window)
    print(f"{pool.__name__:10} y = {found.result.item():5.2f}, dL/dx =", found.arrays["dL/dx"].ravel())
assert found.arrays["dL/dx"].sum() == 3  # the mean hands out exactly what it got

# %% [markdown]
# Now four windows that overlap. The middle cell lies in all of them, and gets the g of all four:

# %%
summed = explain(F.sum_pool2d, x[:, :, :3, :3], 2, 1, backward=True, gradient=np.array([[[[1, 2], [3, 4]]]]))
assert summed.arrays["dL/dx"][0, 0, 1, 1] == 1 + 2 + 3 + 4
draw(summed.steps_of("dL/dx")[4])

# %% [markdown]
# **What to see:** the four frames are the four windows. All of them hold the cell, so 1 + 2 + 3 + 4 = 10
# arrives.
#
# ## The dense layer (Eq. 3)
#
# $$y_{n,o} = b_o + \sum_i W_{o,i}\, x_{n,i}
#   \qquad (N, \text{in}) \to (N, \text{out}),\quad W\ (\text{out}, \text{in})$$
#
# It is a convolution whose window is the whole image, so lesson 3 has done the work. Again write
# $\langle g, y \rangle = \sum_{n,o,i} g_{n,o} W_{o,i}\, x_{n,i}$ and leave one factor out:
#
# $$\frac{\partial L}{\partial x_{n,i}} = \sum_o g_{n,o} W_{o,i} \qquad
#   \frac{\partial L}{\partial W_{o,i}} = \sum_n g_{n,o}\, x_{n,i} \qquad
#   \frac{\partial L}{\partial b_o} = \sum_n g_{n,o}$$
#
# With matrices: $\partial L/\partial X = g\,W$, (N, out)(out, in) -> (N, in), and
# $\partial L/\partial W = g^T X$, (out, N)(N, in) -> (out, in). If you forget which: as long as N, in and out
# are different numbers, only one order fits the shapes.

# %%
rows = np.array([[1, 2, 0], [0, 1, 3]], np.float32)  # (N, in)
W = np.array([[1, -1, 2], [0, 3, 1]], np.float32)  # (out, in)
b = np.array([1, -2], np.float32)
dense = explain(F.linear, rows, W, b, backward=True, gradient=np.array([[1, 2], [3, -1]]))
one_window_each = F.conv2d(Tensor(rows[:, None, None]), Tensor(W[:, None, None]), Tensor(b))  # (N, out, 1, 1)
assert np.array_equal(dense.result, one_window_each.numpy()[:, :, 0, 0])
draw(dense.steps_of("y")[0])

# %% [markdown]
# **What to see:** one row of W meets one row of x. Each row of W makes one output of each image.

# %%
draw(dense.steps_of("dL/dx")[1])

# %% [markdown]
# **What to see:** the cell met column 1 of W, one weight for each output. The two products are added.

# %%
draw(dense.steps_of("dL/dW")[1])

# %% [markdown]
# **What to see:** the weight was used once for each image of the batch, so there is one product for each row
# of x.

# %%
print(inspect.getsource(Linear))

# %% [markdown]
# ## Softmax (Eq. 4): from scores to shares
#
# The last dense layer gives one *logit* $z_k$ for each class: any number, larger for a likelier class.
# Softmax turns them into shares: positive numbers whose sum is 1:
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# With two classes $p_1 = 1/(1 + e^{-(z_1 - z_0)})$, the sigmoid of their difference. Only *differences* of
# logits matter. If the same number c is added to all of them, every power has the factor $e^c$, and it
# cancels. So the engine subtracts the largest logit first. Without that, $e^{1000}$ would be too large for a
# float:

# %%
z = np.array([[2.0, 0.0, -1.0]])
softmax = explain(F.softmax, z, 1, backward=True, gradient=np.array([[1.0, 0.0, 0.0]]))
draw(softmax[0])

# %% [markdown]
# **What to see:** the largest logit becomes $e^0 = 1$. No power is larger, so none can overflow.

# %%
print("shares of logits 1000, 1001:", F.softmax(Tensor([[1000.0, 1001.0]]), 1))
assert np.allclose(F.softmax(Tensor([[1000.0, 1001.0]]), 1).numpy()[0, 1], 1 / (1 + np.exp(-1)))
with np.errstate(over="ignore"):
    assert np.isinf(np.exp(1000.0))

# %% [markdown]
# Its derivative is easiest from the logarithm, $\log p_j = z_j - \log \sum_i e^{z_i}$. The first term has the
# derivative $[j = k]$ by $z_k$: 1 if j = k, else 0. The second has $e^{z_k} / \sum_i e^{z_i} = p_k$. And the
# derivative of $\log p_j$ is that of $p_j$, divided by $p_j$. So
# $\partial p_j/\partial z_k = p_j([j = k] - p_k)$: a share grows with its own logit, and shrinks with every
# other. With g above it:
#
# $$\frac{\partial L}{\partial z_k} = \sum_j g_j\, p_j ([j = k] - p_k)
#   = p_k \Big(g_k - \sum_j g_j\, p_j\Big)$$

# %%
show(softmax, len(softmax) - 1, width=100)

# %% [markdown]
# ## Cross-entropy (Eq. 6), and why it takes logits
#
# How bad is an answer p if the truth is class t? $L = -\log p_t$: it is 0 if the right class has the share 1,
# and grows without limit as that share goes to 0. Put softmax in, and simplify:
#
# $$L = -\log \frac{e^{z_t}}{\sum_j e^{z_j}} = \log \sum_j e^{z_j} - z_t$$
#
# **Forward.** In two steps, softmax and then log, a very small share rounds to 0, and its log is $-\infty$.
# The formula on the right computes no share, and stays right:

# %%
logits = Tensor(np.array([[0.0, 200.0]], np.float32), requires_grad=True)
with np.errstate(divide="ignore"):
    print("log(softmax(z)) in two steps:", np.log(F.softmax(logits, 1).numpy()))
print("from logits, in one step:    ", F.log_softmax(logits, 1).numpy())
print("cross-entropy, truth 0:      ", F.cross_entropy(logits, [0]).item())
assert F.softmax(logits, 1).numpy()[0, 0] == 0 and F.cross_entropy(logits, [0]).item() == 200

# %% [markdown]
# **Backward.** The derivative of $\log\sum_j e^{z_j}$ by $z_k$ is $e^{z_k}/\sum_j e^{z_j} = p_k$. So
#
# $$\frac{\partial L}{\partial z_k} = p_k - [k = t]$$
#
# *the answer minus the truth*. Each number lies between -1 and 1, so the gradient cannot explode. And it does
# not vanish while the answer is wrong: then $p_t$ is at most 1/2, because another share is at least as large.
# So the gradient of the right logit is -1/2 or below. (With a mean over N images, each gets the factor 1/N.)

# %%
loss = explain(F.cross_entropy, np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]]), [0, 2], backward=True)
share = 1 / (1 + np.exp(-2) + np.exp(-3))  # of class 0, after the largest logit is subtracted
assert np.allclose([share, -np.log(share)], [0.844, 0.17], atol=5e-4)
draw(loss.steps_of("L")[0])

# %% [markdown]
# **What to see:** the right class has the share 0.844. The loss is its logarithm with the sign changed,
# 0.17.

# %%
assert np.isclose(loss.arrays["dL/dz"][0, 0], 0.5 * (share - 1))
draw(loss.steps_of("dL/dz")[0])

# %% [markdown]
# **What to see:** the share is 0.844 and the truth is 1, so the gradient is negative: a step of gradient
# descent raises this logit. The factor 0.5 is 1/N.

# %%
print(inspect.getsource(LogSoftmax))

# %% [markdown]
# ## A gradient check
#
# Pooling, dense layer, softmax and cross-entropy as one little network, from a picture to the loss:


# %%
def network(x, W, b):
    """Pool, flatten, dense, cross-entropy."""
    return F.cross_entropy(F.linear(F.flatten(F.max_pool2d(x, 2), 1), W, b), [1])


weights = np.random.default_rng(0).standard_normal((2, 4))
image = np.array([[[[1, 5, 2, 0], [4, 3, 7, 6], [0, 2, 1, 6], [8, 1, 3, 2]]]], float)
result = tinycnn.gradcheck(network, [image, weights, np.zeros(2)])
print("largest relative error, first and second order:", result.errors)
assert max(result.errors) < 1e-6

# %% [markdown]
# ## Exercises
#
# **1.** A network has ten classes and no idea: all logits are equal. What is its cross-entropy?

# %%
no_idea = None  # your number

compare(no_idea, F.cross_entropy(Tensor(np.zeros((1, 10), np.float32)), [3]).item())

# %% [markdown]
# **2.** Write cross-entropy and its gradient for a batch, in NumPy and without a loop, so that large logits
# do no harm.


# %%
def cross_entropy(z, labels):
    """Return the mean loss, for z (N, K) and labels (N,)."""
    return None  # your code


def cross_entropy_input(z, labels):
    """Return dL/dz (N, K)."""
    return None  # your code


check("cross_entropy", cross_entropy)
check("cross_entropy_input", cross_entropy_input)

# %% [markdown]
# **3.** Mean-pooling with 2x2 windows side by side is a convolution. Which filter and which stride?

# %%
kernel, stride = None, None  # your answer: an array (1, 1, KH, KW) and an int


def as_convolution():
    if kernel is None:
        return None
    return F.conv2d(Tensor(x), Tensor(kernel), stride=stride).numpy()


compare(as_convolution(), F.avg_pool2d(Tensor(x), 2).numpy())

# %% [markdown]
# **4.** The gradients of the other statistics, minimum and sum.


# %%
def min_pool2d_input(g, x, kernel_size, stride):
    """Return dL/dx of min-pooling, for g (N, C, OH, OW), x (N, C, H, W), (KH, KW) and (SH, SW)."""
    return None  # your code


def sum_pool2d_input(g, size, kernel_size, stride):
    """Return dL/dx of sum-pooling, for g (N, C, OH, OW), (H, W), (KH, KW) and (SH, SW)."""
    return None  # your code


check("min_pool2d_input", min_pool2d_input)
check("sum_pool2d_input", sum_pool2d_input)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. No idea</summary>
#
# Every share is 1/10, and -log(1/10) = log(10) = 2.303. If the loss of a new network is far above that, its
# first weights are too large, or its images are not scaled.
#
# ```python
# assert compare(np.log(10), F.cross_entropy(Tensor(np.zeros((1, 10), np.float32)), [3]).item())
# ```
#
# </details>
#
# <details><summary>2. Cross-entropy in NumPy</summary>
#
# ```python
# def log_softmax(z):
#     shifted = z - z.max(axis=1, keepdims=True)
#     return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
#
# def cross_entropy(z, labels):
#     return -log_softmax(z)[np.arange(len(z)), labels].mean()
#
# def cross_entropy_input(z, labels):
#     dz = np.exp(log_softmax(z))
#     dz[np.arange(len(z)), labels] -= 1
#     return dz / len(z)
#
# assert check("cross_entropy", cross_entropy)
# assert check("cross_entropy_input", cross_entropy_input)
# ```
#
# </details>
#
# <details><summary>3. Mean-pooling as a convolution</summary>
#
# ```python
# kernel, stride = np.full((1, 1, 2, 2), 0.25, np.float32), 2
# assert compare(as_convolution(), F.avg_pool2d(Tensor(x), 2).numpy())
# ```
#
# (With C channels each needs its own filter: groups = C.)
#
# </details>
#
# <details><summary>4. Minimum and sum</summary>
#
# ```python
# def windows(shape, kernel_size, stride):
#     """Yield each output's index, and the slice of its window."""
#     N, C, OH, OW = shape
#     (KH, KW), (SH, SW) = kernel_size, stride
#     for n, c, oh, ow in np.ndindex(N, C, OH, OW):
#         yield (n, c, oh, ow), np.s_[n, c, oh * SH : oh * SH + KH, ow * SW : ow * SW + KW]
#
# def min_pool2d_input(g, x, kernel_size, stride):
#     dx = np.zeros(x.shape)
#     for at, window in windows(g.shape, kernel_size, stride):
#         r, s = np.unravel_index(x[window].argmin(), kernel_size)
#         dx[window][r, s] += g[at]  # a slice is a view: this changes dx
#     return dx
#
# def sum_pool2d_input(g, size, kernel_size, stride):
#     dx = np.zeros((*g.shape[:2], *size))
#     for at, window in windows(g.shape, kernel_size, stride):
#         dx[window] += g[at]
#     return dx
#
# assert check("min_pool2d_input", min_pool2d_input)
# assert check("sum_pool2d_input", sum_pool2d_input)
# ```
#
# </details>
