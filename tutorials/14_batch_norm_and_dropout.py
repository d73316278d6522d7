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
# # 14. Batch norm and dropout
#
# About an hour. You need lessons 4 and 6.
#
# At the end you can derive the gradient of batch norm, say why a layer behaves differently in training and in
# evaluation, and find the classic mistake: a model that was left in the wrong mode.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.data import DataLoader, digits
from tinycnn.explain import draw, explain
from tinycnn.fit import evaluate
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Batch norm, forward
#
# For each channel c of x (N, C, H, W), take all its M = N·H·W numbers, in all images of the batch. Subtract
# their mean, divide by their standard deviation, and let the network choose a new scale w and a new shift b:
#
# $$m = \frac{1}{M}\sum x \qquad v = \frac{1}{M}\sum (x - m)^2 \qquad
#   \hat x = \frac{x - m}{\sqrt{v + \epsilon}} \qquad y = w\,\hat x + b$$
#
# m, v, w and b have the shape (C,). $\epsilon$ keeps the division finite if all numbers are equal.
#
# Why do we do this? During training each layer changes the size of its outputs, and the next layer has to
# adapt to it. Batch norm takes this change out again: that is the reason of Ioffe and Szegedy (2015), who
# proposed it. Whether it is the right reason is disputed (Santurkar et al. 2018). That networks learn faster
# with it is measured below.

# %%
x = np.array([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]])  # (N, C): three images, two channels
steps = explain(
    F.batch_norm,
    x,
    None,
    None,
    [2.0, 1.0],
    [0.0, 1.0],
    backward=True,
    gradient=[[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]],
)
draw(steps.steps_of("m")[0])

# %% [markdown]
# **What to see:** the mean adds up the three images of channel 0.

# %%
draw(steps.steps_of("y")[0])

# %% [markdown]
# **What to see:** 1 becomes $\hat x = -0.926$: it is 0.926 standard deviations below the mean 3. The scale 2
# makes it -1.85.
#
# ## Backward
#
# Let $s = \sqrt{v + \epsilon}$, and $\hat g = g\,w$, the gradient that arrives at $\hat x$. The
# gradients of b and w are easy. b was added to every number of its channel, and w multiplied every
# $\hat x$, so
#
# $$\frac{\partial L}{\partial b} = \sum g \qquad \frac{\partial L}{\partial w} = \sum g\,\hat x$$
#
# One $x_i$ reaches L in three ways: directly, through m, and through v.
#
# * directly: $\partial \hat x_i / \partial x_i = 1/s$ with m and v held still;
# * through m: $\partial m/\partial x_i = 1/M$, and a larger m lowers *every* $\hat x_j$ by $1/s$;
# * through v: $\partial v/\partial x_i = 2 (x_i - m)/M = 2 s\,\hat x_i / M$ (the change of m in v cancels,
#   since $\sum (x_j - m) = 0$), and $\partial \hat x_j/\partial v = -\hat x_j/(2 s^2)$.
#
# Add the three up:
#
# $$\frac{\partial L}{\partial x_i} = \frac{\hat g_i}{s} - \frac{1}{sM}\sum_j \hat g_j
#   - \frac{2 s \hat x_i}{M}\sum_j \hat g_j \frac{\hat x_j}{2 s^2}
#   = \frac{1}{s}\Big(\hat g_i - \overline{\hat g} - \hat x_i\,\overline{\hat g\,\hat x}\Big)$$
#
# The bars are means over the channel. In words: the forward pass removes the mean and the spread of x, so
# the backward pass removes from $\hat g$ the two parts that would only change them.

# %%
draw(steps.steps_of("dL/dx")[0])

# %% [markdown]
# **What to see:** $\hat g$ is 2 here, and only 0.265 goes on. The mean of $\hat g$ over the channel is 0, so
# nothing is removed for the mean. 1.43 is removed for the spread. The rest, 0.57, is divided by s = 2.16.


# %%
def batch_norm_input(g, x, w, eps=1e-5):
    """Return dL/dx of arrays (N, C), as derived."""
    s = np.sqrt(x.var(axis=0) + eps)
    normalised, arriving = (x - x.mean(axis=0)) / s, g * w
    return (arriving - arriving.mean(axis=0) - normalised * (arriving * normalised).mean(axis=0)) / s


ours = batch_norm_input(steps.arrays["g"], x, np.array([2.0, 1.0]))
print("by hand and by the engine:", ours, steps.arrays["dL/dx"], sep="\n")
assert np.allclose(ours, steps.arrays["dL/dx"], atol=1e-5)
assert np.isclose(ours[0, 0], 0.2645, atol=1e-4) and np.isclose(steps.arrays["y"][0, 0], -1.852, atol=1e-3)
checked = tinycnn.gradcheck(
    lambda x, w, b: F.batch_norm(x, None, None, w, b), [x, np.array([2.0, 1.0]), np.zeros(2)]
)
print("largest relative error, first and second order:", checked.errors)
assert max(checked.errors) < 1e-5

# %% [markdown]
# Every column of dL/dx sums to 0: if the same number is added to a whole channel, y does not change, because
# the mean is subtracted. For the same reason a bias right before a batch norm has no effect. Leave it out:
# `Conv2d(..., bias=False)`.

# %%
print(np.round(steps.arrays["dL/dx"].sum(axis=0), 6))
assert np.allclose(steps.arrays["dL/dx"].sum(axis=0), 0, atol=1e-6)
print(inspect.getdoc(F.batch_norm))

# %% [markdown]
# ## Two modes
#
# If m and v come from the batch, the answer to one image depends on the other images of its batch. In
# training this does no harm. When the network is used it does: often there is one image alone. So the layer
# keeps running means of m and v while it trains, and uses them in evaluation. `model.train()` and
# `model.eval()` choose the mode.

# %%
layer = nn.BatchNorm2d(1)
generator = np.random.default_rng(0)
for _ in range(100):
    layer(Tensor(generator.standard_normal((8, 1, 4, 4)).astype(np.float32) * 3 + 5))
print("running mean", layer.running_mean.numpy(), " running variance", layer.running_var.numpy())
one = Tensor(np.full((1, 1, 4, 4), 8.0, np.float32))
layer.eval()
print("evaluation: 8 becomes", round(float(layer(one).numpy().mean()), 2), "or about (8 - 5) / 3")
layer.train()
print("training, one image of equal numbers: 8 becomes", float(layer(one).numpy().mean()))
layer.eval()
assert abs(float(layer(one).numpy().mean()) - 1) < 0.15

# %% [markdown]
# ## Dropout
#
# In training, dropout sets every number to 0 with the probability p, and draws again in every step. It
# divides the other numbers by 1 - p, so that the mean stays the same. In evaluation it does nothing.
#
# $$y = x \cdot \frac{mask}{1 - p} \qquad E[y] = (1 - p)\,\frac{x}{1 - p} + p \cdot 0 = x
#   \qquad \frac{\partial L}{\partial x} = g \cdot \frac{mask}{1 - p}$$
#
# Forward and backward use the same mask. The idea of Srivastava et al. (2014): no unit can rely on another
# unit, because it may be missing, so the network spreads what it knows over many units.

# %%
tinycnn.manual_seed(0)
ones = Tensor(np.ones((2, 8), np.float32), requires_grad=True)
y = F.dropout(ones, 0.5)
y.sum().backward()
print("y", y.numpy(), "dL/dx", ones.grad.numpy(), sep="\n")
assert np.array_equal(y.numpy(), ones.grad.numpy())
many = F.dropout(Tensor(np.ones(100_000, np.float32)), 0.3).numpy()
print(f"of 100,000 ones, p = 0.3: mean {many.mean():.3f}, share of zeros {(many == 0).mean():.3f}")
assert abs(many.mean() - 1) < 0.01 and abs((many == 0).mean() - 0.3) < 0.01

# %% [markdown]
# ## What do they do to a training?
#
# We take only 300 digits, so that a network overfits. The three networks differ only in batch norm and
# dropout:


# %%
def network(kind):
    """Return a small network, plain or with batch norm or dropout."""
    tinycnn.manual_seed(0)
    norm = [nn.BatchNorm2d(16)] if kind == "batch norm" else []
    drop = [nn.Dropout(0.5)] if kind == "dropout" else []
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), *norm, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(*drop, nn.Linear(16 * 13 * 13, 64), nn.ReLU(), *drop, nn.Linear(64, 10)),
    )


everything, test = digits()
few = everything.subset(slice(0, None, len(everything) // 300))
held_out = DataLoader(test.subset(slice(0, 1000)), batch_size=250)
curves = {}
for kind in ("plain", "batch norm", "dropout"):
    model = network(kind)
    optimizer = optim.Adam(model.parameters(), 2e-3)
    curves[kind] = []
    for _ in range(12):
        model.train()
        for images, labels in DataLoader(few, batch_size=50, shuffle=True):
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        result = evaluate(model, held_out)
        curves[kind].append((evaluate(model, DataLoader(few, 100)).loss, result.loss, result.accuracy))

figure = blank_figure(11, 4.2)
left, right = figure.subplots(1, 2)
for (kind, numbers), style in zip(curves.items(), ("-", "--", ":"), strict=True):
    on_few, on_held_out, _ = np.array(numbers).T
    left.semilogy(range(1, 13), on_few, style, linewidth=2.5, label=kind)
    right.plot(range(1, 13), on_held_out, style, linewidth=2.5, label=kind)
left.set_title("loss on the 300 training images", fontsize=13)
right.set_title("loss on 1,000 held-out images", fontsize=13)
for axes in (left, right):
    axes.set_xlabel("epoch", fontsize=12)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=11)
for kind, numbers in curves.items():
    print(
        f"{kind:10} training loss {numbers[-1][0]:.3f}, held out {numbers[-1][1]:.3f}, "
        f"{numbers[-1][2]:.1%} right"
    )
assert curves["batch norm"][2][0] < curves["plain"][2][0]  # it learns faster
assert curves["batch norm"][2][1] < curves["plain"][2][1] < curves["dropout"][2][1]
assert curves["dropout"][-1][0] > curves["plain"][-1][0]  # it learns the training images less by heart
assert np.ptp([numbers[-1][1] for numbers in curves.values()]) < 0.15
described(
    figure,
    "The loss of three networks over 12 epochs, on the 300 training images and on 1,000 others: plain, "
    "with batch norm, with dropout.",
)

# %% [markdown]
# **What to see:** with batch norm both losses fall fastest in the first epochs. With dropout the training
# loss is the largest at the end: the network learns fewer images by heart. On the right the three losses
# come close to each other, so after these 12 epochs dropout does not help. Lesson 21 measures it on a network
# that is trained for longer.
#
# ## The classic mistake
#
# It is easy to forget `model.eval()`. Then a network with dropout gives other answers each time, and the
# answers of one with batch norm depend on the batch, as above (8 became 0). Here is the one with dropout:

# %%
model.train()
image = Tensor(test.scaled(slice(0, 1)))
with tinycnn.no_grad():
    answers = [model(image).argmax(1).item() for _ in range(20)]
    noisy = np.ptp([model(image).numpy() for _ in range(20)], axis=0).max()
    model.eval()
    quiet = np.ptp([model(image).numpy() for _ in range(20)], axis=0).max()
print(f"the same image 20 times: logits vary by {noisy:.2f} in training mode, by {quiet} in evaluation")
print("answers in training mode:", answers)
assert quiet == 0 < noisy

# %% [markdown]
# ## Exercises
#
# **1.** Write batch norm's forward for x (N, C, H, W), with the weight gamma and the bias beta (C,).


# %%
def batch_norm(x, gamma, beta, eps):
    """Return y, of x's shape."""
    return None  # your code


check("batch_norm", batch_norm)

# %% [markdown]
# **2.** The running variance is an estimate of the variance of *all* data, from batches of M numbers. The
# engine (like PyTorch) first multiplies the v of the batch by M/(M - 1). How large is that factor for a batch
# of 2 images of one number each?

# %%
factor = None  # your number
v_of_two = np.mean([generator.standard_normal(2).var() for _ in range(200_000)])  # the true variance is 1
compare(factor, round(1 / v_of_two, 1), tolerance=0.02)

# %% [markdown]
# **3.** Write the backward pass of dropout: dL/dx from g, and from x and y of the forward pass. (How can you
# see in y where the mask was 0?)


# %%
def dropout_input(g, x, y, p):
    """Return dL/dx; no x is 0."""
    return None  # your code


x3 = Tensor(generator.standard_normal(50) + 10, requires_grad=True)
y3 = F.dropout(x3, 0.4)
g3 = generator.standard_normal(50)
y3.backward(g3)
compare(dropout_input(g3, x3.numpy(), y3.numpy(), 0.4), x3.grad.numpy())

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Batch norm</summary>
#
# ```python
# def batch_norm(x, gamma, beta, eps):
#     m, v = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
#     return gamma[:, None, None] * (x - m) / np.sqrt(v + eps) + beta[:, None, None]
#
# assert check("batch_norm", batch_norm)
# ```
#
# </details>
#
# <details><summary>2. The factor</summary>
#
# M/(M - 1) is 2 for M = 2. The sum of the squared distances is smallest from the mean of the two numbers
# themselves. From the true mean it would be larger. So v is too small: on average it is half of the variance.
#
# ```python
# assert compare(2, round(1 / v_of_two, 1), tolerance=0.02)
# ```
#
# </details>
#
# <details><summary>3. Dropout</summary>
#
# ```python
# def dropout_input(g, x, y, p):
#     return np.where(y == 0, 0, g / (1 - p))
#
# assert compare(dropout_input(g3, x3.numpy(), y3.numpy(), 0.4), x3.grad.numpy())
# ```
#
# </details>
