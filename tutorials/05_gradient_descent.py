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
# # 5. Gradient descent: SGD, momentum, Adam, decay
#
# About an hour. You need lesson 2: what a gradient is.
#
# At the end you can compute a step of every update rule by hand, and say which learning rate is too large and
# why. (Penalties for large weights are lesson 22.)

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, optim
from tinycnn.explain import draw, explain, show
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Downhill (Eq. 7)
#
# The parameters theta are numbers, the loss L(theta) is one number. Near where we are, L is almost flat:
#
# $$L(\theta + d) \approx L(\theta) + \langle g, d \rangle, \qquad g = \partial L/\partial\theta$$
#
# Among all steps d of one length, which makes $\langle g, d\rangle$ most negative? The one against g. So
#
# $$\theta \leftarrow \theta - lr \cdot g$$
#
# theta and g have the same shape, whatever it is: every number of theta has its own slope and is changed by
# it. *lr* is the learning rate.
#
# A landscape to watch it on: a bowl of two parameters, curved ten times more along the second. (a is the
# *curvature*: the slope itself, $a_i\theta_i$, changes from place to place.)
#
# $$L(\theta) = \tfrac{1}{2}\left(a_0\theta_0^2 + a_1\theta_1^2\right), \qquad
#   g = (a_0\theta_0,\; a_1\theta_1), \qquad a = (1, 10)$$

# %%
a = np.array([1.0, 10.0])
start = np.array([-4.0, 1.5])


def bowl(theta):
    """Return L, one number, of theta (2,)."""
    return (Tensor(a) * theta**2).sum() * 0.5


def descend(rule, steps, loss=bowl):
    """Return theta after every step, (steps + 1, 2); `rule` makes an optimizer of the parameters."""
    theta = Tensor(start.copy(), requires_grad=True)
    optimizer = rule([theta])
    path = [theta.numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        loss(theta).backward()
        optimizer.step()
        path.append(theta.numpy().copy())
    return np.array(path)


print("gradient check:", tinycnn.gradcheck(bowl, start).errors)

# %% [markdown]
# One step, as the engine makes it:

# %%
theta = Tensor(start.copy(), requires_grad=True)
optimizer = optim.SGD([theta], lr=0.05)
bowl(theta).backward()
steps = explain(optimizer)
draw(steps[0], "the first parameter")

# %% [markdown]
# **What to see:** the gradient is negative, so the step goes to the right: towards 0.

# %%
moves = steps.arrays["theta'"] - steps.arrays["theta"]
assert np.allclose(steps.arrays["g"], [-4, 15]) and np.isclose(abs(moves[1] / moves[0]), 15 / 4)
draw(steps[1], "the second parameter")

# %% [markdown]
# **What to see:** the slope is 15, much steeper here. With the same lr this step is 15/4 times as long.
#
# ## Which learning rate?
#
# Put g into the step: $\theta_i \leftarrow \theta_i - lr\,a_i\,\theta_i = (1 - lr\,a_i)\,\theta_i$. So every
# step multiplies $\theta_i$ by the same factor $1 - lr\,a_i$:
#
# | factor | what happens to $\theta_i$ |
# | --- | --- |
# | just below 1 | it creeps to 0 |
# | 0 | one step, and there |
# | between -1 and 0 | it jumps from side to side, nearer every time |
# | below -1 | it jumps farther every time: the loss explodes |
#
# One *lr* has to do for all directions. The steepest sets the limit, $lr < 2 / a_1$. Then the flattest
# creeps with the factor $1 - lr\,a_0$.


# %%
def contours(axes, title):
    """Draw the bowl from above."""
    x, y = np.meshgrid(np.linspace(-5, 2.5, 80), np.linspace(-2.9, 2.9, 80))
    L = (a[0] * x**2 + a[1] * y**2) / 2
    axes.contour(x, y, L, levels=[0.1, 1, 3, 7, 13, 21], colors="grey", linewidths=0.7)
    axes.plot(0, 0, "k*", markersize=12, label="minimum")
    axes.set_title(title, fontsize=13)
    axes.set_xlabel("theta[0] (flat)", fontsize=11)
    axes.set_xlim(-5, 2.5)
    axes.set_ylim(-2.9, 2.9)


def draw_paths(*paths):
    """Draw several paths, each (title, points), side by side."""
    figure = blank_figure(12, 4)
    panels = figure.subplots(1, len(paths), sharey=True)
    for axes, (title, path) in zip(panels, paths, strict=True):
        contours(axes, title)
        axes.plot(path[:, 0], path[:, 1], ".-", color="#1f5fa8", linewidth=1.5, markersize=7)
        axes.plot(*path[0], "o", color="#c8102e", markersize=9, label="start")
    panels[0].legend(loc="lower right", fontsize=11)
    panels[0].set_ylabel("theta[1] (steep)", fontsize=11)
    return figure


rates = (0.01, 0.18, 0.203)
paths = [descend(lambda p, lr=lr: optim.SGD(p, lr), 20) for lr in rates]
names = ("too small", "as it should be", "too large")
titles = [f"lr {lr:g}: {name}" for lr, name in zip(rates, names, strict=True)]
figure = draw_paths(*zip(titles, paths, strict=True))
described(
    figure,
    "Three paths on the contour lines of the bowl. lr 0.01: it stops far from the minimum. lr 0.18: it "
    "jumps from side to side and reaches the minimum. lr 0.203: the jumps across the valley grow.",
)

# %% [markdown]
# **What to see:** on the left 20 steps do not even reach the middle. On the right the path comes near in the
# flat direction, and at the same time explodes in the steep one.

# %%
for lr, path in zip(rates, paths, strict=True):
    exact = start * (1 - lr * a) ** 20
    print(f"lr {lr:5g}: factors {1 - lr * a}, after 20 steps {path[-1]}")
    assert np.allclose(path[-1], exact)
assert paths[0][-1, 0] < start[0] / 2  # not even half of the way
assert abs(paths[2][-1, 0]) < 0.1 and abs(paths[2][-1, 1]) > abs(start[1])

# %% [markdown]
# ## In the engine
#
# `Optimizer.step` goes through the parameters; a rule is one method, `update`:

# %%
print(inspect.getsource(optim.Optimizer.step))
print(inspect.getsource(optim.SGD))

# %% [markdown]
# ## Momentum
#
# Along the valley all gradients agree; across it every one contradicts the last. So add them up, and forget
# slowly. The sum is called velocity, v, of theta's shape:
#
# $$v \leftarrow \mu\, v + g \qquad\qquad \theta \leftarrow \theta - lr \cdot v$$
#
# What is gained? Unroll v: $v_t = g_t + \mu g_{t-1} + \mu^2 g_{t-2} + \dots$ If all g are the same, that is
# $g\,(1 + \mu + \mu^2 + \dots) \to g / (1 - \mu)$: with $\mu = 0.9$ ten times the step. If their signs
# alternate, it is $g\,(1 - \mu + \mu^2 - \dots) \to g / (1 + \mu)$: about half.
#
# *Nesterov's* rule looks one such step ahead, $\theta \leftarrow \theta - lr\,(g + \mu v)$, and swings less.

# %%
print(
    f"with mu = 0.9: {1 / (1 - 0.9):.3g} times the step, or {1 / (1 + 0.9):.2f} times if the signs alternate"
)
mu = 0.8
runs = {
    "plain": descend(lambda p: optim.SGD(p, 0.05), 30),
    f"momentum {mu}": descend(lambda p: optim.SGD(p, 0.05, momentum=mu), 30),
    f"Nesterov {mu}": descend(lambda p: optim.SGD(p, 0.05, momentum=mu, nesterov=True), 30),
}
figure = draw_paths(*runs.items())
described(
    figure,
    "Three paths on the same contour lines. Plain: it is still on its way along the valley. Momentum: it "
    "swings past the minimum and comes back. Nesterov: it swings less and ends nearer to it.",
)

# %% [markdown]
# **What to see:** plain steps creep along the flat direction. Momentum is faster and runs past the minimum;
# Nesterov's rule runs past it less.

# %%
for name, path in runs.items():
    print(f"{name:14} loss after 30 steps: {bowl(Tensor(path[-1])).item():.2g}")
farthest = [path[:, 0].max() for path in runs.values()]  # above 0 is past the minimum
assert farthest[0] < 0 < farthest[2] < farthest[1]

optimizer = optim.SGD([theta], lr=0.05, momentum=mu)
optimizer.step()  # the first step: v was 0
steps = explain(optimizer)
assert np.allclose(steps.arrays["v'"], (1 + mu) * steps.arrays["g"])
draw(steps[0], "a second step with the same gradient: v has grown")

# %% [markdown]
# **What to see:** v' is 1.8 times the gradient, so this step is 1.8 times as long as a plain one.
#
# ## Adam: the same step in every direction
#
# The bowl's trouble is that one *lr* must fit two curvatures. Adam divides every gradient by its own usual
# size. It keeps two running means, of g and of g², both of theta's shape:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g \qquad v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$
#
# They start at 0, so at first they are too small. By how much? If g were the same always, m after t steps
# would be $g\,(1 - \beta_1)(1 + \beta_1 + \dots + \beta_1^{t-1}) = g\,(1 - \beta_1^t)$. Divide by that:
#
# $$\hat m = \frac{m}{1 - \beta_1^t} \qquad \hat v = \frac{v}{1 - \beta_2^t} \qquad
#   \theta \leftarrow \theta - lr\,\frac{\hat m}{\sqrt{\hat v} + \epsilon}$$
#
# In the first step $\hat m = g$ and $\hat v = g^2$, so the step is $lr \cdot g / |g|$: plus or minus *lr*,
# on a gentle slope and on a steep one.

# %%
theta = Tensor(start.copy(), requires_grad=True)
optimizer = optim.Adam([theta], lr=0.3)
bowl(theta).backward()
steps = explain(optimizer)
for step in range(len(steps)):
    show(steps, step, width=100)
moved = steps.arrays["theta'"] - steps.arrays["theta"]
print("moved by", moved, "where the gradient is", steps.arrays["g"])
assert np.allclose(np.abs(moved), optimizer.lr)

# %% [markdown]
# Multiply the loss by 100: SGD must be tuned anew, Adam makes the same steps.


# %%
def steeper(theta):
    """Return 100 L."""
    return bowl(theta) * 100


adam = descend(lambda p: optim.Adam(p, 0.3), 30)
figure = draw_paths(
    ("Adam, lr 0.3", adam),
    ("Adam, loss x 100", descend(lambda p: optim.Adam(p, 0.3), 30, steeper)),
    ("SGD, loss x 100: one step, and gone", descend(lambda p: optim.SGD(p, 0.05), 1, steeper)),
)
described(
    figure,
    "Three paths on the same contour lines. Adam's is the same for the loss and for 100 times the loss. "
    "Gradient descent leaves the picture in one step.",
)

# %% [markdown]
# **What to see:** the first two pictures are the same. Adam also runs past the minimum and comes back. In
# the third picture one step of SGD leaves the picture.

# %%
assert adam[-1, 0] < adam[:, 0].max() and adam[:, 0].max() > 0  # past the minimum, and on the way back
assert np.allclose(adam, descend(lambda p: optim.Adam(p, 0.3), 30, steeper), atol=1e-5)
print(inspect.getdoc(optim.Adam))

# %% [markdown]
# ## Mini-batches are noisy, so the learning rate decays
#
# A mini-batch's gradient is that of the whole data set plus noise. With a constant *lr* theta ends up
# jumping about the minimum, the wider the larger *lr* is. A small *lr* from the beginning would not get
# there. So begin large and end small: a *schedule*.


# %%
def noisy(schedule_of, steps=150):
    """Return the distance to the minimum after every step, over many runs; gradients have noise."""
    noise = np.random.default_rng(0)
    runs = Tensor(np.tile(start, (200, 1)), requires_grad=True)  # (runs, 2)
    optimizer = optim.SGD([runs], lr=0.15)
    schedule = schedule_of(optimizer)
    distances, rates = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        pull = Tensor(noise.standard_normal(runs.shape) * 2)
        ((Tensor(a) * runs**2).sum() * 0.5 + (pull * runs).sum()).backward()  # the gradient plus noise
        rates.append(optimizer.lr)
        optimizer.step()
        if schedule is not None:
            schedule.step()
        distances.append(np.sqrt((runs.numpy() ** 2).sum(axis=1).mean()))
    return distances, rates


schedules = {
    "constant": lambda optimizer: None,
    "steps": lambda optimizer: optim.StepLR(optimizer, 50, gamma=0.2),
    "cosine": lambda optimizer: optim.CosineAnnealingLR(optimizer, 150),
}
figure = blank_figure(11, 4)
left, right = figure.subplots(1, 2)
last = {}
for (name, schedule_of), style in zip(schedules.items(), ("-", "--", "-."), strict=True):
    distances, rates = noisy(schedule_of)
    last[name] = distances[-1]
    left.plot(rates, style, label=name, linewidth=2)
    right.semilogy(distances, style, label=name, linewidth=2)
right.set_yticks([0.2, 0.5, 1, 2, 4], ["0.2", "0.5", "1", "2", "4"])
right.minorticks_off()
left.set_title("learning rate", fontsize=13)
right.set_title("distance to the minimum (200 noisy runs)", fontsize=13)
for axes in (left, right):
    axes.set_xlabel("step", fontsize=12)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=12)
described(
    figure,
    "Left: a constant learning rate, one in steps, and a cosine that falls to 0. Right: the distance to "
    "the minimum falls at first; the constant rate stays at the largest distance.",
)

# %% [markdown]
# **What to see:** with a constant rate the distance stops falling: the noise throws theta about. As soon as
# a schedule lowers the rate, the distance falls further.

# %%
print({name: round(float(distance), 3) for name, distance in last.items()})
assert last["cosine"] < last["constant"] / 2

# %% [markdown]
# ## Exercises
#
# **1.** The bowl has the curvatures a = (1, 10). Which learning rate brings it down fastest, that is, makes
# the *larger* of $|1 - lr\,a_0|$ and $|1 - lr\,a_1|$ smallest? (One factor is positive, the other negative.
# When are they equally large?)

# %%
fastest = None  # your number

tried = np.linspace(0.1, 0.2, 1001)
losses = [np.abs(1 - lr * a).max() for lr in tried]
compare(fastest, tried[int(np.argmin(losses))], tolerance=1e-3)

# %% [markdown]
# **2.** Write Adam's step.


# %%
def adam_step(theta, g, m, v, t, lr, beta1, beta2, eps):
    """Return the new theta, m and v; t counts from 1."""
    return None  # your code


check("adam_step", adam_step)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. The fastest learning rate</summary>
#
# $1 - lr\,a_0 = -(1 - lr\,a_1)$, so $lr = 2 / (a_0 + a_1)$.
#
# ```python
# assert compare(2 / (a[0] + a[1]), tried[int(np.argmin(losses))], tolerance=1e-3)
# ```
#
# </details>
#
# <details><summary>2. Adam</summary>
#
# ```python
# def adam_step(theta, g, m, v, t, lr, beta1, beta2, eps):
#     m = beta1 * m + (1 - beta1) * g
#     v = beta2 * v + (1 - beta2) * g**2
#     mean, square = m / (1 - beta1**t), v / (1 - beta2**t)
#     return theta - lr * mean / (np.sqrt(square) + eps), m, v
#
# assert check("adam_step", adam_step)
# ```
#
# </details>
