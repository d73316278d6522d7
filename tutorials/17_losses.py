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
# # 17. Losses: yes or no, and numbers
#
# About an hour. You need lesson 4, which derives cross-entropy.
#
# At the end you can derive the loss of a yes-or-no question and the losses for numbers, say what number each
# of them asks for, and why the squared error is a bad loss for a probability.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.explain import draw, explain, show
from tinycnn.kernels.plain import elementwise_loss
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Yes or no: binary cross-entropy (Eq. 6)
#
# "Is this image real?" has two answers. One logit z is enough for it: give "no" the logit 0. Then softmax
# gives "yes" the share
#
# $$p = \frac{e^z}{e^0 + e^z} = \frac{1}{1 + e^{-z}} = \sigma(z) \qquad\qquad 1 - p = \frac{1}{1 + e^{z}}$$
#
# which is the sigmoid. Let t be the truth, 1 for yes and 0 for no. The cross-entropy of the two shares is
#
# $$L = -t \log p - (1 - t) \log (1 - p) = t \log(1 + e^{-z}) + (1 - t) \log(1 + e^{z})$$
#
# The second form never meets $\log 0$. The function $\log(1 + e^z)$ is called *softplus*. For a large z the
# power $e^z$ would overflow, so the engine computes $\max(z, 0) + \log(1 + e^{-|z|})$, which is the same.
#
# **Backward.** The derivative of $\log(1 + e^z)$ is $e^z/(1 + e^z) = p$. That of $\log(1 + e^{-z})$ is
# $-e^{-z}/(1 + e^{-z}) = p - 1$. Together:
#
# $$\frac{\partial L}{\partial z} = t\,(p - 1) + (1 - t)\,p = p - t$$
#
# The answer minus the truth, as in lesson 4. (With a mean over N answers, each gets the factor 1/N.)

# %%
assert F.softplus(Tensor([1000.0, -1000.0])).numpy().tolist() == [1000, 0]  # e^1000 is infinite in floats
answers = explain(F.binary_cross_entropy_with_logits, [2.0, -1.0], [1.0, 1.0], backward=True)
assert np.isclose(np.log1p(np.e), 1.313, atol=1e-3)
draw(answers.steps_of("L")[1])

# %% [markdown]
# **What to see:** the logit -1 says "rather no", and the truth is yes. So this answer costs
# $\log(1 + e^1) = 1.313$.

# %%
draw(answers.steps_of("dL/dz")[1])

# %% [markdown]
# **What to see:** the answer is smaller than the truth. So the derivative is negative, and gradient descent
# makes the logit larger. The other answer, the logit 2, says "yes" and is right. Its gradient is about six
# times smaller:

# %%
show(answers, len(answers) - 2, width=100)
pulls = answers.arrays["dL/dz"]
assert 6 < pulls[1] / pulls[0] < 6.5 and pulls[1] < 0

# %% [markdown]
# It is cross-entropy with two classes, with the same loss and the same gradient:

# %%
z = Tensor(np.array([2.0, -1.0]), requires_grad=True)
two = F.stack([z * 0, z], 1)  # (N, 2): the logits of no and of yes
with_softmax, with_sigmoid = F.cross_entropy(two, [1, 1]), F.binary_cross_entropy_with_logits(z, [1.0, 1.0])
(from_softmax,), (from_sigmoid,) = tinycnn.grad(with_softmax, z), tinycnn.grad(with_sigmoid, z)
print("losses:   ", with_softmax.item(), with_sigmoid.item())
print("gradients:", from_softmax.numpy(), from_sigmoid.numpy())
assert np.isclose(with_softmax.item(), with_sigmoid.item())
assert np.allclose(from_softmax.numpy(), from_sigmoid.numpy())

# %% [markdown]
# ## Numbers: the squared error (Eq. 6)
#
# How warm will it be? Where is the object? Here the output x itself is the answer, and t is a number. The
# *mean squared error* of M numbers is
#
# $$L = \frac{1}{M} \sum_m (x_m - t_m)^2$$
#
# Only one term of the sum depends on $x_m$. The square gives the factor 2 times the difference, the
# difference gives 1, and the mean divides by M:
#
# $$\frac{\partial L}{\partial x_m} = \frac{2}{M}\,(x_m - t_m)$$
#
# Twice as far off costs four times as much, and pulls twice as hard.

# %%
squared = explain(F.mse_loss, [3.0, 0.0, -1.0], [1.0, 0.0, 0.0], backward=True)
assert np.isclose(squared.arrays["dL/dx"][0], 4 / 3)
draw(squared.steps_of("dL/dx")[0])

# %% [markdown]
# **What to see:** the first x is 3 and its truth is 1, so it is 2 too large. There are M = 3 numbers, and the
# gradient is 2/3 of the difference: 1.333. It is positive, so gradient descent makes x smaller.
#
# ### Which number does it ask for?
#
# Often the same input has several truths: ten people guess the age of one face. The network has to give one
# answer x to all of them. The loss has one minimum, where its derivative is 0:
#
# $$\sum_m 2\,(x - t_m) = 0 \quad\Rightarrow\quad x = \frac{1}{M} \sum_m t_m$$
#
# the *mean*. The *absolute error* $|x - t|$ has the derivative $\operatorname{sign}(x - t)$: 1 if x is too
# large, -1 if it is too small, however far it is off. The sum of these is 0 if as many truths lie below x as
# above: at the *median*. So one wild guess moves the mean, which is the answer that the squared error asks
# for. It hardly moves the median.

# %%
guesses = np.array([31.0, 33, 34, 34, 35, 36, 37, 38, 40, 92])
tried = np.arange(25, 60, 0.25)
losses = {
    "squared error": [F.mse_loss(Tensor(np.full(10, x)), guesses).item() for x in tried],
    "absolute error": [F.l1_loss(Tensor(np.full(10, x)), guesses).item() for x in tried],
}
figure = blank_figure(10, 3.6)
for axes, (name, values) in zip(figure.subplots(1, 2), losses.items(), strict=True):
    best = tried[np.isclose(values, min(values))]  # every x of the smallest loss
    axes.plot(tried, values, linewidth=2.5)
    axes.plot(best, np.full(len(best), min(values)), "o", markersize=9, color="#c8102e")
    where = f"at {best[0]:g}" if len(best) == 1 else f"from {best[0]:g} to {best[-1]:g}"
    axes.set_title(f"{name}: best {where}", fontsize=13)
    axes.set_xlabel("one answer for all ten guesses", fontsize=12)
    axes.grid(alpha=0.3)
print("mean of the guesses:", guesses.mean(), "  median:", np.median(guesses))
print("without the guess 92: mean", guesses[:-1].mean().round(2), "  median:", np.median(guesses[:-1]))
assert tried[np.argmin(losses["squared error"])] == guesses.mean() == 41 > max(guesses[:-1])
assert (best[0], best[-1]) == (35, 36) and best[0] < np.median(guesses) < best[-1]
described(
    figure,
    "The mean loss over the one answer that is given. Squared error: a parabola, lowest at the mean of the "
    "guesses, 41. Absolute error: straight pieces, lowest from 35 to 36, with the median in the middle.",
)

# %% [markdown]
# **What to see:** nine people guess between 31 and 40, one guesses 92. The squared error is smallest at the
# mean, 41, which is more than any of the nine said: one guess has pulled it there. The absolute error is
# smallest between the two middle guesses, 35 and 36. Every x between them is equally good, and the median is
# by convention the middle one. Without the guess 92 the mean is 35.33 and the median 35.
#
# ## Why not the squared error for a probability?
#
# Take $(\sigma(z) - t)^2$. Its derivative by the logit has one more factor, the slope of the sigmoid,
# $\sigma' = p\,(1 - p)$:
#
# $$\frac{\partial}{\partial z} (p - t)^2 = 2\,(p - t)\;p\,(1 - p)$$
#
# Take an answer that is wrong and very sure: p near 0, and t = 1. There the new factor is near 0, so the
# network learns almost nothing from its worst mistakes. Cross-entropy does not have this fault: its
# derivative by p is $(p - t) / (p\,(1 - p))$, and the factor p (1 - p) cancels.

# %%
logits = np.linspace(-8, 8, 161)
truth = np.ones(161)
slopes = {}
for name, loss in {
    "binary cross-entropy: p - t": lambda z: F.binary_cross_entropy_with_logits(z, truth, reduction="sum"),
    "squared error of p: 2 (p - t) p (1 - p)": lambda z: F.mse_loss(F.sigmoid(z), truth, "sum"),
}.items():
    at = Tensor(logits, requires_grad=True)
    (slope,) = tinycnn.grad(loss(at), at)
    slopes[name] = slope.numpy()
p = 1 / (1 + np.exp(-logits))
assert np.allclose(list(slopes.values()), [p - 1, 2 * (p - 1) * p * (1 - p)])
for name, slope in slopes.items():
    print(f"{name:39} = {slope[0]:.4f} at z = -8")

figure = blank_figure(9, 3.8)
axes = figure.subplots()
for (name, slope), style in zip(slopes.items(), ("-", "--"), strict=True):
    axes.plot(logits, slope, style, linewidth=2.5, label=name)
axes.set_xlabel("logit z; the truth is t = 1, so the left is wrong", fontsize=12)
axes.set_ylabel("dL/dz", fontsize=12)
axes.grid(alpha=0.3)
axes.legend(fontsize=11)
described(
    figure,
    "dL/dz over the logit z. Binary cross-entropy: near -1 for a sure wrong answer. Squared error: near 0 "
    "there, so almost nothing is learnt.",
)

# %% [markdown]
# **What to see:** at the left edge, z = -8, the answer is as wrong as it gets in this picture. Cross-entropy
# has the slope -0.9997 there, nearly its largest. The squared error has -0.0007: it hardly pulls.
#
# ## In the engine
#
# The squared error is written in operations that have derivatives already (lesson 2), so it needs none of its
# own. It is $g\,(p - t)$, with the gradient g that arrives. The engine computes it as
# $g\,\big((1 - t)\,\sigma(z) - t\,\sigma(-z)\big)$, which is the same, since $1 - \sigma(z) = \sigma(-z)$.
# For a large z the difference $\sigma(z) - 1$ would be rounded to 0.

# %%
print(inspect.getsource(F.mse_loss).split('"""')[2])
print(
    inspect.getsource(elementwise_loss.binary_cross_entropy),
    inspect.getsource(elementwise_loss.binary_cross_entropy_input),
    sep="\n",
)

# %% [markdown]
# ## A gradient check

# %%
targets = np.array([1.0, 0.0, 0.3])
for loss in (F.binary_cross_entropy_with_logits, F.mse_loss, F.l1_loss):
    result = tinycnn.gradcheck(lambda z, loss=loss: loss(z, targets), [np.array([2.0, -1.0, 0.5])])
    print(f"{loss.__name__}: largest relative error {max(result.errors):.1e}")
    assert max(result.errors) < 1e-6

# %% [markdown]
# ## Exercises
#
# **1.** A network has to say whether an image is real. It has no idea, so its logit is 0. What is its loss,
# for the truth 1 and for the truth 0?

# %%
no_idea = None  # your number

compare(no_idea, F.binary_cross_entropy_with_logits(Tensor([0.0]), [1.0]).item())

# %% [markdown]
# **2.** Write binary cross-entropy and its gradient, so that large logits do no harm.


# %%
def binary_cross_entropy(z, t):
    """Return the mean loss of the answers sigmoid(z), for logits z (N,) and truths t (N,)."""
    return None  # your code


def binary_cross_entropy_input(z, t):
    """Return dL/dz (N,)."""
    return None  # your code


check("binary_cross_entropy", binary_cross_entropy)
check("binary_cross_entropy_input", binary_cross_entropy_input)

# %% [markdown]
# **3.** Write the gradient of the squared error.


# %%
def mse_loss_input(x, t):
    """Return dL/dx of the mean of (x - t)^2 over all elements, for x and t (N, D)."""
    return None  # your code


check("mse_loss_input", mse_loss_input)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. No idea</summary>
#
# Both shares are 1/2. So the loss is -log(1/2) = log 2 = 0.693 for either truth.
#
# ```python
# assert compare(np.log(2), F.binary_cross_entropy_with_logits(Tensor([0.0]), [1.0]).item())
# ```
#
# </details>
#
# <details><summary>2. Binary cross-entropy</summary>
#
# `np.logaddexp(0, z)` is $\log(e^0 + e^z)$, computed without overflow.
#
# ```python
# def binary_cross_entropy(z, t):
#     return (t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z)).mean()
#
# def binary_cross_entropy_input(z, t):
#     p = np.exp(-np.logaddexp(0, -z))  # the sigmoid
#     return (p - t) / len(z)
#
# assert check("binary_cross_entropy", binary_cross_entropy)
# assert check("binary_cross_entropy_input", binary_cross_entropy_input)
# ```
#
# </details>
#
# <details><summary>3. The squared error</summary>
#
# ```python
# def mse_loss_input(x, t):
#     return 2 * (x - t) / x.size
#
# assert check("mse_loss_input", mse_loss_input)
# ```
#
# </details>
