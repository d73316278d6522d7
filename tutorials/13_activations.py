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
# # 13. Activations: why f, and how large the first weights are
#
# About an hour. You need lessons 2 and 4. Read it before lesson 5.
#
# At the end you can say what a network without f could not learn, derive the derivative of every common f,
# and choose initial weights with which ten layers neither fade nor explode.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.explain import draw, explain
from tinycnn.functional.activation import Sigmoid, Tanh
from tinycnn.functional.relu import ReLU
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import compare

# %% [markdown]
# ## Without f, two layers are one (Eq. 5)
#
# A network is $y = f(W x + b)$, layer upon layer. Leave f out of two layers:
#
# $$W_2 (W_1 x + b_1) + b_2 = \underbrace{W_2 W_1}_{W}\, x + \underbrace{W_2 b_1 + b_2}_{b}$$
#
# That is *one* dense layer with the weights W and the bias b. A convolution is linear too (lesson 3), so the
# same holds for it. Any number of layers without f is one layer.

# %%
rng = np.random.default_rng(0)
W1, b1, W2, b2 = (rng.standard_normal(shape) for shape in ((5, 3), 5, (2, 5), 2))
x = Tensor(rng.standard_normal((4, 3)))  # (N, in)
two = F.linear(F.linear(x, Tensor(W1), Tensor(b1)), Tensor(W2), Tensor(b2))
one = F.linear(x, Tensor(W2 @ W1), Tensor(W2 @ b1 + b2))
print("largest difference:", float(np.abs(two.numpy() - one.numpy()).max()))
assert np.allclose(two.numpy(), one.numpy())

# %% [markdown]
# Why is one layer not enough? It draws one straight line between two classes. Here are points in a disc and
# points around it, and no straight line separates them. The network has 2 inputs, 16 hidden units and 1
# output. We train it without f, and with ReLU:

# %%
angle, radius = rng.uniform(0, 2 * np.pi, 400), np.repeat([0.5, 1.5], 200) + rng.uniform(-0.3, 0.3, 400)
points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)  # (400, 2)
outside = (np.arange(400)[:, None] >= 200).astype(np.float32)  # (400, 1), the class


def trained(f):
    """Return a network of two dense layers with `f` between them, trained on the points."""
    tinycnn.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 16), f, nn.Linear(16, 1))
    optimizer = optim.Adam(network.parameters(), 0.02)
    for _ in range(300):
        loss = F.binary_cross_entropy_with_logits(network(Tensor(points)), Tensor(outside))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network


networks = {"no f": trained(nn.Flatten()), "f = ReLU": trained(nn.ReLU())}  # Flatten changes nothing here
grid = np.stack(np.meshgrid(np.linspace(-2, 2, 81), np.linspace(-2, 2, 81)), axis=-1).astype(np.float32)
figure = blank_figure(10, 4.8)
right = {}
for axes, (name, network) in zip(figure.subplots(1, 2), networks.items(), strict=True):
    logits = network(Tensor(grid.reshape(-1, 2))).numpy().reshape(81, 81)
    called = network(Tensor(points)).numpy() > 0
    right[name] = float((called == (outside > 0)).mean())
    axes.contourf(grid[..., 0], grid[..., 1], logits > 0, levels=1, colors=["#cfe8f7", "#ffe2b8"])
    for part, colour, marker in ((points[:200], "#0072b2", "o"), (points[200:], "#b34e00", "^")):
        axes.plot(*part.T, marker, color=colour, markersize=4)
    axes.set_title(f"{name}: {right[name]:.0%} right", fontsize=14)
    axes.set_aspect("equal")
print(right)
assert 0.5 < right["no f"] < 0.6 and right["f = ReLU"] > 0.95
described(
    figure,
    "The same points, a disc inside a ring, twice. Without f the border between the two classes is a "
    "straight line; with ReLU it goes around the disc.",
)

# %% [markdown]
# **What to see:** without f the border is a straight line, and nearly half of the points are on its wrong
# side. With ReLU each of the sixteen hidden units bends the output along a line of its own. So the border can
# have corners, and goes around the disc.
#
# ## The common ones, and their derivatives
#
# Every f works on each number alone: y has the shape of x. So $\partial L/\partial x = g \cdot f'(x)$,
# for each element by itself.
#
# **ReLU**, $y = \max(x, 0)$: the derivative is 1 for x > 0 and 0 for x < 0. At 0 there is a kink; the engine
# takes 0, as PyTorch does.
#
# **Sigmoid**, $y = 1 / (1 + e^{-x})$. By the chain rule $y' = e^{-x} / (1 + e^{-x})^2$. Now
# $e^{-x} / (1 + e^{-x}) = 1 - y$, so
#
# $$y' = y\,(1 - y)$$
#
# **Tanh**, $y = (e^x - e^{-x}) / (e^x + e^{-x})$. The quotient rule gives
# $y' = \frac{(e^x + e^{-x})^2 - (e^x - e^{-x})^2}{(e^x + e^{-x})^2}$, so
#
# $$y' = 1 - y^2$$
#
# All three derivatives can be computed from y alone. So the engine keeps y for the backward pass, and not x.

# %%
for operation in (ReLU, Sigmoid, Tanh):
    print(inspect.getsource(operation))

# %%
steps = explain(F.sigmoid, [[0.5, -2.0, 3.0]], backward=True, gradient=[[1.0, 2.0, -1.0]])
draw(steps[1])

# %% [markdown]
# **What to see:** y[0,1] is computed from x[0,1] alone.

# %%
assert np.isclose(steps.arrays["dL/dx"][0, 1], 2 * 0.105, atol=1e-3)
draw(steps.steps_of("dL/dx")[1])

# %% [markdown]
# **What to see:** backward, the gradient 2 is multiplied by 0.119 · (1 - 0.119) = 0.105, so about a tenth of
# it goes on.

# %%
at = np.linspace(-4, 4, 401)
shown = {"ReLU": F.relu, "leaky ReLU": F.leaky_relu, "sigmoid": F.sigmoid, "tanh": F.tanh}
figure = blank_figure(11, 4.2)
left, right_side = figure.subplots(1, 2)
for (name, f), style in zip(shown.items(), ("-", "-.", "--", ":"), strict=True):
    t = Tensor(at, requires_grad=True)
    y = f(t)
    (slope,) = tinycnn.grad(y.sum(), t)
    left.plot(at, y.numpy(), style, linewidth=2.5, label=name)
    right_side.plot(at, slope.numpy(), style, linewidth=2.5, label=name)
left.set(title="f(x)", ylim=(-1.5, 3))
right_side.set(title="f'(x), by backward", ylim=(-0.1, 1.2))
for axes in (left, right_side):
    axes.grid(alpha=0.3)
    axes.legend(fontsize=11)
checked = {
    name: max(tinycnn.gradcheck(f, np.array([-1.5, -0.3, 0.4, 2.0])).errors) for name, f in shown.items()
}
print("largest relative error, first and second order:", checked)
assert max(checked.values()) < 1e-5
described(
    figure,
    "Left: ReLU, leaky ReLU, sigmoid and tanh. Right: their derivatives. Those of sigmoid and tanh go to 0 "
    "on both sides.",
)

# %% [markdown]
# **What to see:** sigmoid and tanh level off on both sides, so their derivatives go to 0 there. The
# derivative of the sigmoid is nowhere above 1/4. ReLU and leaky ReLU differ only below 0.
#
# ## Gradients that vanish
#
# Backward multiplies by f' in every layer. The derivative of the sigmoid is at most 1/4 (at y = 1/2), so ten
# layers multiply the gradient by at most $4^{-10} \approx 10^{-6}$, apart from the weights. The derivative of
# tanh is 1 at x = 0 and smaller everywhere else. The derivative of ReLU is 1 for every x above 0.
#
# We measure it in ten dense layers of 100 units each. With Var(w) = 1/100 the numbers would keep their size
# if there were no f. ReLU makes half of them 0, so it gets Var(w) = 2/100. (Both are derived below.) How
# large is the gradient of each layer's weights?


# %%
def stack(f, scale, layers=10, units=100):
    """Return weights (units, units), one per layer, with variance scale / units, and a function of x."""
    generator = np.random.default_rng(1)
    weights = [
        Tensor(generator.standard_normal((units, units)) * np.sqrt(scale / units), requires_grad=True)
        for _ in range(layers)
    ]

    def network(x):
        sizes = []
        for w in weights:
            x = f(F.linear(x, w))
            sizes.append(float(x.numpy().std()))
        return x, sizes

    return weights, network


batch = Tensor(np.random.default_rng(2).standard_normal((64, 100)))
arriving = {}
for name, f in (("sigmoid", F.sigmoid), ("tanh", F.tanh), ("ReLU", F.relu)):
    weights, network = stack(f, 2.0 if f is F.relu else 1.0)
    y, _ = network(batch)
    (y * Tensor(np.random.default_rng(3).standard_normal(y.shape))).sum().backward()
    arriving[name] = [float(np.abs(w.grad.numpy()).mean()) for w in weights]

figure = blank_figure(8, 4.2)
axes = figure.subplots()
for (name, sizes), style in zip(arriving.items(), ("--", ":", "-"), strict=True):
    axes.semilogy(range(1, 11), sizes, style, marker="o", linewidth=2, label=name)
axes.set_xlabel("layer", fontsize=12)
axes.set_title("mean size of dL/dW: with sigmoids the first layers get almost nothing", fontsize=12)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
for name, sizes in arriving.items():
    print(f"{name:8} layer 10: {sizes[9]:.2g}, layer 1: {sizes[0]:.2g}")
assert arriving["sigmoid"][0] < 1e-5 * arriving["sigmoid"][9] < arriving["ReLU"][0]
assert all(max(arriving[name]) < 3 * min(arriving[name]) for name in ("tanh", "ReLU"))
described(
    figure, "The mean size of dL/dW in ten layers. With sigmoids it is far smaller in the first layers."
)

# %% [markdown]
# **What to see:** with tanh and ReLU the gradients of all layers differ by less than a factor of three. With
# the sigmoid the first layer gets less than a hundred-thousandth of what the last layer gets.
#
# ## Units that die
#
# ReLU has another problem. If a unit's $Wx + b$ is negative for *every* input, its output and its derivative
# are always 0. No gradient reaches its weights. So in the first layer, where the inputs stay the same, they
# never change again: the unit is dead. Some units begin like that, and an update that is too large can do it
# to others. Count the dead units before the training, and after it with three learning rates:

# %%
dead = {}
for lr, steps in ((0.1, 0), (0.1, 50), (1.0, 50), (10.0, 50)):
    tinycnn.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = optim.SGD(network.parameters(), lr)
    for _ in range(steps):
        loss = F.binary_cross_entropy_with_logits(network(Tensor(points)), Tensor(outside))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    hidden = F.relu(network[0](Tensor(points))).numpy()  # (400, 64)
    dead[lr, steps] = int((hidden == 0).all(axis=0).sum())
    print(f"lr {lr:4}, {steps:2} steps: {dead[lr, steps]:2} of 64 units are 0 for every point")
assert dead[0.1, 0] == dead[0.1, 50] == dead[1.0, 50] < 5 and dead[10.0, 50] == 64

# %% [markdown]
# Three units are dead from the beginning. With lr 10 all of them die, and the network cannot learn any more.
# Leaky ReLU has a small slope below 0, often 0.01. So some gradient always passes, and no unit dies. The
# discriminators of GANs have it as a rule, with the slope 0.2 (DCGAN: Radford et al. 2015).
#
# ## How large should the first weights be?
#
# Let one output sum n inputs: $y = \sum_{i=1}^{n} w_i x_i$. The weights have the mean 0 and do not depend on
# x or on each other. Then every product has the mean 0 and the mean square $Var(w)\,E[x^2]$, and these add
# up:
#
# $$Var(y) = n\, Var(w)\, E[x^2]$$
#
# With tanh near 0, $f(y) \approx y$, so numbers keep their size if $Var(w) = 1/n$. (In a layer with as many
# outputs as inputs that is the rule of Glorot and Bengio 2010.) ReLU sets half of a symmetric y to 0, so
# $E[f(y)^2] = Var(y)/2$, and it needs $Var(w) = 2/n$ (He et al. 2015). Backward multiplies by W transposed,
# so the same rule keeps the size of gradients (in layers with as many outputs as inputs).
#
# Measure the size of the numbers behind every layer, with ReLU and three scales of Var(w):

# %%
figure, behind = blank_figure(8, 4.2), {}
axes = figure.subplots()
for scale, style in ((1 / 3, ":"), (2.0, "-"), (4.0, "--")):
    _, network = stack(F.relu, scale)
    _, behind[scale] = network(batch)
    axes.semilogy(
        range(1, 11), behind[scale], style, marker="o", linewidth=2, label=f"Var(w) = {scale:.3g}/n"
    )
axes.set_xlabel("layer", fontsize=12)
axes.set_title("size of the numbers behind each ReLU", fontsize=13)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
for scale, sizes in behind.items():
    factor = (sizes[-1] / sizes[0]) ** (1 / 9)
    print(f"Var(w) = {scale:.3g}/n: a factor of {factor:.2f} per layer; expected {np.sqrt(scale / 2):.2f}")
    assert abs(factor - np.sqrt(scale / 2)) < 0.1
assert max(behind[2.0]) < 2 * min(behind[2.0]) and nn.LeakyReLU().negative_slope == 0.01
described(
    figure, "The numbers behind each of ten ReLUs, for three sizes of the weights: they shrink, stay, grow."
)

# %% [markdown]
# **What to see:** with He's rule, the solid line, the ten sizes differ by less than a factor of two. With
# smaller weights the numbers shrink from layer to layer, with larger weights they grow.

# %%
print(inspect.getsource(nn.layers.fan_in_bound))

# %% [markdown]
# The engine draws from $U(-1/\sqrt n, 1/\sqrt n)$, as PyTorch does. The variance of U(-a, a) is $a^2/3$, so
# that is $Var(w) = 1/(3n)$: the dotted line, a factor of 0.41 per layer. cnn28 has only four layers with
# weights, and learns well from there (lesson 6). In deeper networks use He's rule, or batch norm (lesson 14),
# which gives the numbers a new size in every layer.
#
# ## Exercises
#
# **1.** Leaky ReLU has the slope a below 0. Write its gradient dL/dx, from g = dL/dy and x.


# %%
def leaky_relu_input(g, x, a):
    """Return dL/dx for y = x where x > 0, else a * x."""
    return None  # your code


values, g = rng.standard_normal(20), rng.standard_normal(20)
t = Tensor(values, requires_grad=True)
F.leaky_relu(t, 0.2).backward(g)
compare(leaky_relu_input(g, values, 0.2), t.grad.numpy())

# %% [markdown]
# **2.** Softplus is $y = \log(1 + e^x)$, a smooth ReLU. Derive and write its gradient.


# %%
def softplus_input(g, x):
    """Return dL/dx."""
    return None  # your code


t = Tensor(values, requires_grad=True)
F.softplus(t).backward(g)
compare(softplus_input(g, values), t.grad.numpy())

# %% [markdown]
# **3.** A convolution has C input channels and a KH x KW kernel, and ReLU follows. Which standard deviation
# does He's rule give its weights? (How many products does one output sum?)


# %%
def he(C, KH, KW):
    """Return the standard deviation of the weights."""
    return None  # your formula


outputs = F.conv2d(
    Tensor(rng.standard_normal((20, 8, 12, 12))),
    Tensor(rng.standard_normal((500, 8, 3, 3)) * (he(8, 3, 3) or 0)),
)
compare(he(8, 3, 3) and float(outputs.numpy().std()), np.sqrt(2), tolerance=0.05)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Leaky ReLU</summary>
#
# ```python
# def leaky_relu_input(g, x, a):
#     return np.where(x > 0, g, a * g)
#
# assert compare(leaky_relu_input(g, values, 0.2), F.leaky_relu(Tensor(values), 0.2).numpy() / values * g)
# ```
#
# </details>
#
# <details><summary>2. Softplus</summary>
#
# $y' = e^x / (1 + e^x) = 1 / (1 + e^{-x})$: the sigmoid.
#
# ```python
# def softplus_input(g, x):
#     return g / (1 + np.exp(-x))
#
# assert compare(softplus_input(g, values), t.grad.numpy())
# ```
#
# </details>
#
# <details><summary>3. He's rule</summary>
#
# One output sums C·KH·KW products.
#
# ```python
# def he(C, KH, KW):
#     return np.sqrt(2 / (C * KH * KW))
#
# outputs = F.conv2d(
#     Tensor(rng.standard_normal((20, 8, 12, 12))), Tensor(rng.standard_normal((500, 8, 3, 3)) * he(8, 3, 3))
# )
# assert compare(float(outputs.numpy().std()), np.sqrt(2), tolerance=0.05)
# ```
#
# </details>
