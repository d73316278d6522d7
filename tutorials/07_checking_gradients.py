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
# # 7. Checking gradients: finite differences, kinks, ties, float32
#
# About 45 minutes. You need lesson 2.
#
# At the end you can check any derivative, and you know which step to take and why. You can tell a wrong
# gradient from a place that has no gradient.

# %%
import inspect
import warnings

import numpy as np

import tinycnn
from tinycnn import Function, Tensor
from tinycnn import functional as F
from tinycnn.explain import explain, show
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Two ways to the same number
#
# A derivative is a limit, so take a small h instead:
#
# $$f'(x) \approx \frac{f(x + h) - f(x)}{h} \quad\text{(one-sided)} \qquad
#   f'(x) \approx \frac{f(x + h) - f(x - h)}{2h} \quad\text{(central)}$$
#
# How good are they? Taylor:
# $f(x \pm h) = f(x) \pm h f' + \tfrac{h^2}{2} f'' \pm \tfrac{h^3}{6} f''' + \dots$ Put in:
#
# * one-sided: $f' + \tfrac{h}{2} f'' + \dots$, an error of order h;
# * central: the $h^2$ terms cancel, $f' + \tfrac{h^2}{6} f''' + \dots$, an error of order $h^2$.
#
# Should h be tiny, then? No. f itself is rounded to about 16 digits (float64). If you subtract two nearly
# equal numbers, only their last digits are left. This error is about $10^{-16}/h$: it *grows* if h shrinks.

# %%
x = 1.0
steps = np.logspace(-15, -0.5, 59)
true = np.exp(x)
one_sided = [abs((np.exp(x + h) - np.exp(x)) / h - true) for h in steps]
central = [abs((np.exp(x + h) - np.exp(x - h)) / (2 * h) - true) for h in steps]
x32 = np.float32(x)
single = [
    abs(float((np.exp(x32 + np.float32(h)) - np.exp(x32 - np.float32(h))) / np.float32(2 * h)) - true)
    for h in steps
]

figure = blank_figure(9, 5)
axes = figure.subplots()
axes.loglog(steps, one_sided, "s--", label="one-sided, float64", markersize=4)
axes.loglog(steps, central, "o-", label="central, float64", markersize=4)
axes.loglog(steps, single, "^:", label="central, float32", markersize=4)
axes.set_xlabel("step h", fontsize=13)
axes.set_ylabel("error of the derivative of e^x at 1", fontsize=13)
axes.set_title("too small is as bad as too large", fontsize=14)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
described(
    figure,
    "The error of three difference quotients over the step h, both on logarithmic scales. Each curve is a "
    "V: the error is large for tiny steps, smallest in between, and large for large steps.",
)

# %% [markdown]
# **What to see:** follow one curve from right to left. At first the error falls: the steps get shorter. Then
# it rises again: rounding. The central difference falls twice as steeply and gets lower; float32 never gets
# low.

# %%
best = steps[int(np.argmin(central))]
print(f"central differences, float64: best h about {best:.0e}, error {min(central):.0e}")
print(f"digits of float64: {np.finfo(float).precision} are safe, eps = {np.finfo(float).eps:.1e}")
print(f"central differences, float32: error {min(single):.0e} at best")
assert min(central) < 1e-9 < 1e-6 < min(single)
at = np.searchsorted(steps, [1e-3, 1e-1])  # where rounding is small
for errors, order in ((one_sided, 1), (central, 2)):  # on these scales, the order is the slope
    assert abs(np.diff(np.log(np.array(errors)[at])) / np.diff(np.log(steps[at])) - order).item() < 0.05

# %% [markdown]
# **float32 cannot check a gradient**: compare the two best errors. So `gradcheck` computes with float64
# copies of all inputs.
#
# ## Many inputs: ask for one direction at a time
#
# A weight array can have millions of entries. One difference for each would take millions of evaluations.
# Instead, choose a random v (a number for each output) and a random u (a number for each input entry). Then
# compute *one* number in two ways:
#
# $$\langle u, \tfrac{\partial}{\partial x}\langle v, f(x)\rangle \rangle \quad\text{by backward} \qquad
#   \frac{\langle v, f(x + hu)\rangle - \langle v, f(x - hu)\rangle}{2h} \quad\text{by differences}$$
#
# If the gradient is wrong, the two differ with probability one. It takes two evaluations of f for each input,
# and the size of the input does not matter:


# %%
def projected_check(f, x, h=1e-5, seed=0):
    """Return <u, dL/dx> by backward and by central differences, L = <v, f(x)>."""
    rng = np.random.default_rng(seed)
    t = Tensor(x, requires_grad=True)
    y = f(t)
    u, v = rng.standard_normal(x.shape), rng.standard_normal(y.shape)
    (gradient,) = tinycnn.grad(y, t, v)
    differences = (v * (f(Tensor(x + h * u)).numpy() - f(Tensor(x - h * u)).numpy())).sum() / (2 * h)
    return float((u * gradient.numpy()).sum()), float(differences)


rng = np.random.default_rng(0)
image, w = rng.standard_normal((2, 3, 8, 8)), Tensor(rng.standard_normal((4, 3, 3, 3)))
by_backward, by_differences = projected_check(lambda t: F.conv2d(t, w, stride=2), image)
print(by_backward, by_differences)
assert abs(by_backward - by_differences) < 1e-6

# %% [markdown]
# `tinycnn.gradcheck` does this for every input, to second order. If the numbers differ, it divides the input
# into halves again and again to find the wrong entries. Here is an operation with a common mistake, `g * x`
# in place of $g \cdot 2x$:


# %%
class Square(Function):
    """y = x^2, with a wrong derivative."""

    keeps = "x"

    def forward(self, x):
        return x * x

    def backward(self, g, x):
        return g * x


try:
    tinycnn.gradcheck(lambda x: Square()(x), np.array([1.0, 2.0]))
except tinycnn.GradcheckError as error:
    print("GradcheckError:", error)
else:
    raise AssertionError("a wrong derivative was not found")

# %% [markdown]
# ## Kinks: where there is no derivative
#
# ReLU bends at 0. Its slope is 0 on the left and 1 on the right, and *at* 0 it has no derivative. Backward
# may use either slope. Central differences give the mean of both, 1/2. The code has no error here, so a check
# must not call it wrong:

# %%
at_the_kink, by_differences = projected_check(F.relu, np.array([0.0]))
u, v = np.random.default_rng(0).standard_normal(2)
print(f"slope by backward {at_the_kink / (u * v):g}, by differences {by_differences / (u * v):g}")

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    result = tinycnn.gradcheck(F.relu, np.array([0.0, 1.0]))
assert np.isclose(by_differences / (u * v), 1 / 2)
print("kinks that gradcheck reports:", result.kinks)
assert result.kinks

# %% [markdown]
# gradcheck notices that the difference from the left is not the difference from the right. It reports a kink,
# and does not fail. In your own tests, keep the inputs away from kinks: if a kink is closer than h, the
# difference is useless.
#
# ## Ties
#
# Max-pooling has a kink if the two largest cells of a window are equal. Step through such a window: the
# *first* of the two winners gets the whole gradient.

# %%
tie = explain(F.max_pool2d, np.array([[[[7.0, 7.0]]]]), (1, 2), backward=True)
for step in range(len(tie)):
    show(tie, step, width=90)

# %%
with warnings.catch_warnings(record=True):
    warnings.simplefilter("always")
    result = tinycnn.gradcheck(lambda x: F.max_pool2d(x, (1, 2)), np.array([[[[7.0, 7.0, 1.0, 2.0]]]]))
print(result.kinks)
assert result.kinks

# %% [markdown]
# ## In the engine
#
# Every operation of the engine passes `tinycnn gradcheck`, to second order. The top of its file says how it
# judges:

# %%
print(inspect.getdoc(inspect.getmodule(tinycnn.gradcheck)))

# %% [markdown]
# ## Exercises
#
# **1.** Approximate the gradient of f at x with central differences. f takes an array and returns a number.


# %%
def numerical_gradient(f, x, h):
    """Return an array of x's shape, in float64, whatever the dtype of x."""
    return None  # your code


check("numerical_gradient", numerical_gradient)

# %% [markdown]
# **2.** f has values near 1 and a third derivative near 1. Then the rounding error is about $10^{-16}/h$, and
# the error of central differences is $h^2/6$. For which h is the sum of both smallest? (Take the derivative
# by h, or look at the figure.)

# %%
best_step = None  # your number

tried = np.logspace(-9, -1, 801)
compare(best_step, tried[np.argmin(1e-16 / tried + tried**2 / 6)], tolerance=0.7)

# %% [markdown]
# **3.** Repair `Square`: write its derivative, so that gradcheck finds no difference, of first and of second
# order.


# %%
class Repaired(Function):
    """y = x^2."""

    keeps = "x"

    def forward(self, x):
        return x * x

    def backward(self, g, x):
        return None  # your code


def gradients(f):
    """Return the gradient of y = f(t) for a g that is not 1, and its gradient; None without an answer."""
    t, g = Tensor([3.0, -1.0], requires_grad=True), Tensor([0.5, 4.0])
    (first,) = tinycnn.grad(f(t), t, g, create_graph=True, allow_unused=True)
    if first is None or not first.requires_grad:  # no answer, or its graph is cut
        return None if first is None else [first.numpy(), [0, 0]]
    (second,) = tinycnn.grad(first.sum(), t)
    return [first.numpy(), second.numpy()]


compare(gradients(lambda t: Repaired()(t)), gradients(lambda t: t * t))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Central differences</summary>
#
# ```python
# def numerical_gradient(f, x, h):
#     x, gradient = x.astype(float), np.zeros(x.shape)
#     for i in np.ndindex(*x.shape):
#         step = np.zeros(x.shape)
#         step[i] = h
#         gradient[i] = (f(x + step) - f(x - step)) / (2 * h)
#     return gradient
#
# assert check("numerical_gradient", numerical_gradient)
# ```
#
# </details>
#
# <details><summary>2. The best step</summary>
#
# The derivative of $10^{-16}/h + h^2/6$ is $-10^{-16}/h^2 + h/3$. It is 0 where $h^3 = 3 \cdot 10^{-16}$,
# so h is about 7e-6.
#
# ```python
# assert compare((3e-16) ** (1 / 3), tried[np.argmin(1e-16 / tried + tried**2 / 6)], tolerance=0.7)
# ```
#
# </details>
#
# <details><summary>3. The derivative of a square</summary>
#
# ```python
# class Repaired(Function):
#     keeps = "x"
#
#     def forward(self, x):
#         return x * x
#
#     def backward(self, g, x):
#         return g * 2 * x
#
# assert compare(gradients(lambda t: Repaired()(t)), gradients(lambda t: t * t))
# assert max(tinycnn.gradcheck(lambda x: Repaired()(x), np.array([3.0, -1.0])).errors) < 1e-6
# ```
#
# </details>
