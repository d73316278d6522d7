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
# # 12. Second-order gradients
#
# About 45 minutes. You need lessons 2 and 7.
#
# At the end you can differentiate a derivative, and say what an engine must do for it. Lesson 23 trains a GAN
# whose loss contains a gradient.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Function, Tensor
from tinycnn import functional as F
from tinycnn.explain import graph
from tinycnn.functional.activation import Tanh
from tinycnn.models import cnn28
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import compare

# %% [markdown]
# ## A gradient is a function like any other
#
# $y = x^3$ has the derivative $3x^2$, and that has the derivative $6x$. An engine can compute this, too. Its
# backward pass must consist of operations that have derivatives themselves. Then the walk back is recorded as
# a graph, and a second walk goes back through *that* graph. `create_graph=True` asks for the record:

# %%
x = Tensor(np.array([2.0]), requires_grad=True)
y = x**3
(first,) = tinycnn.grad(y, x, create_graph=True)
(second,) = tinycnn.grad(first, x, create_graph=True)
(third,) = tinycnn.grad(second, x)
print(y.item(), first.item(), second.item(), third.item())
assert [first.item(), second.item(), third.item()] == [3 * 2**2, 6 * 2, 6]

# %% [markdown]
# The graph of $\tanh x$ has one operation. The graph of its derivative was recorded during backward:

# %%
(slope,) = tinycnn.grad(x.tanh(), x, create_graph=True)
drawn = graph(slope, {"x": x})
assert [node.name for node in drawn.nodes] == ["x", "Tanh", "Mul", "Sub", "Mul", "Mul"]
assert np.isclose(slope.item(), 1 - np.tanh(2) ** 2)
drawn.draw()

# %% [markdown]
# **What to see:** x leads to one operation, tanh. All below it was recorded while backward ran. The result y
# of tanh is used twice, for y·y.
#
# Three operations are the engine's rule for tanh, $g\,(1 - y^2)$: y·y, 1 - y·y, and the product with g, which
# is 1 here. The last one multiplies by 1: it is a copy, so that the result is an array of its own. Every line
# of `backward` computes with tensors, never with bare arrays:

# %%
print(inspect.getsource(Tanh))


# %%
def derivatives(f, at, orders):
    """Return f and its derivatives at every point, (orders + 1, points)."""
    x = Tensor(at, requires_grad=True)
    results = [f(x)]
    for _ in range(orders):
        results += tinycnn.grad(results[-1].sum(), x, create_graph=True)
    return np.array([result.numpy() for result in results])


at = np.linspace(-3, 3, 201)
curves = derivatives(lambda x: x.tanh(), at, 3)
t = np.tanh(at)
assert np.allclose(curves[1:], [1 - t**2, -2 * t * (1 - t**2), (6 * t**2 - 2) * (1 - t**2)])  # by the rules
assert at[curves[1].argmax()] == 0 == curves[2][100] and curves[3].argmin() == 100
figure = blank_figure(9, 4.6)
axes = figure.subplots()
names = ("tanh x", "first derivative", "second", "third")
for name, curve, style in zip(names, curves, ("-", "--", "-.", ":"), strict=True):
    axes.plot(at, curve, style, label=name, linewidth=2.5)
axes.set_title("each curve is the slope of the one before, by backward", fontsize=14)
axes.set_xlabel("x", fontsize=13)
axes.grid(alpha=0.3)
axes.legend(fontsize=12)
described(
    figure,
    "Tanh x and its first three derivatives from -3 to 3. Where a curve is highest or lowest, the next one "
    "is 0.",
)

# %% [markdown]
# **What to see:** where tanh is steepest, at 0, its derivative is highest, and the second derivative is 0.
# The third is lowest there.
#
# ## Many inputs: the Hessian, and why nobody writes it down
#
# If theta has P numbers, the gradient g has P numbers, too. Each of them has a derivative by each number of
# theta. These second derivatives are a matrix, the Hessian
# $H_{ij} = \partial^2 L / \partial\theta_i\,\partial\theta_j$, of shape (P, P). For a network that is far too
# large. But H *times a vector* u needs no matrix. Let u not depend on theta. Then number i of the product is
#
# $$(H u)_i = \sum_j \frac{\partial g_j}{\partial\theta_i}\, u_j
#   = \frac{\partial}{\partial\theta_i}\,\langle g(\theta), u \rangle$$
#
# So it takes one gradient, one product, and one more gradient, and the matrix is never made. Check it
# on a loss whose Hessian is known: $\tfrac{1}{2}\langle\theta, A\theta\rangle$ with A symmetric has g = A
# theta and H = A.

# %%
A = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 4.0]])
u = np.array([1.0, -1.0, 2.0])
theta = Tensor(np.array([0.5, 1.0, -2.0]), requires_grad=True)
L = (theta * (Tensor(A) @ theta)).sum() * 0.5
(g,) = tinycnn.grad(L, theta, create_graph=True)
(Hu,) = tinycnn.grad((g * Tensor(u)).sum(), theta)
print("by two gradients:", Hu.numpy(), "  A @ u:", A @ u)
assert np.allclose(Hu.numpy(), A @ u)
P = sum(p.numel() for p in cnn28().parameters())
print(f"the Hessian of cnn28 would have {P:,} x {P:,} = {P * P:.1e} numbers")

# %% [markdown]
# ## Is the second derivative of a network of ReLUs 0?
#
# ReLU is made of two straight lines, so its second derivative is 0 everywhere but at the kink. Yet a loss
# that contains a gradient can be trained with it. Take $y = v \cdot \mathrm{ReLU}(w x)$ with w x > 0. Its
# derivative by x is v w. That has the derivative 0 by x, but v by w, and w by v:

# %%
x, w, v = (Tensor(np.array([number]), requires_grad=True) for number in (1.5, 2.0, -3.0))
(by_x,) = tinycnn.grad(v * F.relu(w * x), x, create_graph=True)
again_by_x, by_w, by_v = tinycnn.grad(by_x, (x, w, v), allow_unused=True)
print("dy/dx:", by_x.item(), "  its derivatives by x, w and v:", again_by_x, by_w.item(), by_v.item())
assert (by_x.item(), again_by_x, by_w.item(), by_v.item()) == (-3 * 2, None, -3, 2)

# %% [markdown]
# `None` says that no path of the graph leads from dy/dx back to x: the derivative is 0 for every such x.
# Lesson 23 trains a network of leaky ReLUs with a loss that contains a gradient.
#
# ## Checking it
#
# gradcheck's second order checks the *gradient* as a function of the input, and of the g that came from
# above. Convolution passes, because its derivatives are operations that have derivatives themselves (lesson
# 3):

# %%
rng = np.random.default_rng(0)
image, w = rng.standard_normal((2, 2, 5, 5)), rng.standard_normal((3, 2, 3, 3))
checked = tinycnn.gradcheck(lambda x, w: F.conv2d(x, w, stride=2), [image, w])
print("convolution, first and second order:", checked.errors)
assert max(checked.errors) < 1e-6

# %% [markdown]
# And here is a common fault: the first order is right, and the second is wrong. This `backward` computes with
# bare arrays. So no operation is recorded, and to the second walk the derivative looks like a constant:


# %%
class Cube(Function):
    """y = x^3, with a derivative that cannot be differentiated."""

    keeps = "x"

    def forward(self, x):
        return x**3

    def backward(self, g, x):
        return g * Tensor(3 * x.numpy() ** 2)  # the values are right, the graph is cut


points = np.array([1.0, 2.0])
print("first order:", tinycnn.gradcheck(lambda x: Cube()(x), points, order=1).errors)
try:
    tinycnn.gradcheck(lambda x: Cube()(x), points, order=2)
except tinycnn.GradcheckError as error:
    print("second order: GradcheckError:", error)
else:
    raise AssertionError("a cut graph was not found")

# %% [markdown]
# ## Exercises
#
# **1.** Write the product of a Hessian and a vector, for any loss.


# %%
def hessian_times(loss_of, theta, u):
    """Return H u as an array, for arrays theta and u of one shape; loss_of takes a tensor."""
    return None  # your code


def rosenbrock(t):
    """Return (1 - t0)^2 + 100 (t1 - t0^2)^2."""
    return (1 - t[0]) ** 2 + (t[1] - t[0] ** 2) ** 2 * 100


a, b = 0.5, -1.0
H = np.array([[2 - 400 * b + 1200 * a**2, -400 * a], [-400 * a, 200.0]])  # with a pencil
compare(hessian_times(rosenbrock, np.array([a, b]), np.array([1.0, 2.0])), H @ [1.0, 2.0])

# %% [markdown]
# **2.** Newton's method looks for a place where the derivative is 0: $x \leftarrow x - f'(x)/f''(x)$. (It is
# a minimum if $f''$ is positive there.) Write one step.


# %%
def newton_step(f, x):
    """Return the next x, a number; f takes a tensor."""
    return None  # your code


# The minimum of e^x - 2x is at log 2; three steps from 1 come very near.
position = 1.0
for _ in range(3):
    position = None if position is None else newton_step(lambda x: x.exp() - x * 2, position)
compare(position, np.log(2), tolerance=1e-4)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Hessian times vector</summary>
#
# ```python
# def hessian_times(loss_of, theta, u):
#     t = Tensor(theta, requires_grad=True)
#     (g,) = tinycnn.grad(loss_of(t), t, create_graph=True)
#     (product,) = tinycnn.grad((g * Tensor(u)).sum(), t)
#     return product.numpy()
#
# assert compare(hessian_times(rosenbrock, np.array([a, b]), np.array([1.0, 2.0])), H @ [1.0, 2.0])
# ```
#
# </details>
#
# <details><summary>2. Newton</summary>
#
# ```python
# def newton_step(f, x):
#     t = Tensor(np.array([x]), requires_grad=True)
#     (first,) = tinycnn.grad(f(t), t, create_graph=True)
#     (second,) = tinycnn.grad(first, t)
#     return x - first.item() / second.item()
#
# position = 1.0
# for _ in range(3):
#     position = newton_step(lambda x: x.exp() - x * 2, position)
# assert compare(position, np.log(2), tolerance=1e-4)
# ```
#
# </details>
