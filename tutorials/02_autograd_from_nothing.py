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
# # 2. Autograd from nothing
#
# About an hour. You need Python, and the chain rule from school.
#
# At the end you have written automatic differentiation in fewer than 30 lines. You can answer two questions
# that many people ask: why does it need a topological order, and why do gradients accumulate?

# %%
import inspect
import sys

import numpy as np

import tinycnn
from tinycnn import Function, Tensor
from tinycnn.autograd import topological_order as order_of_the_engine
from tinycnn.explain import graph
from tinycnn.functional.arithmetic import Mul
from tinycnn.tutor import compare

# %% [markdown]
# ## Derivatives, one operation at a time
#
# Training needs an answer for every weight: if the weight grows a little, by how much does the loss L grow?
# The answer is $\partial L/\partial\theta$. L is computed by a long chain of small operations. Each of them
# has an easy derivative:
#
# | operation | its result | if a grows by 1, y grows by | if b grows by 1 |
# | --- | --- | --- | --- |
# | add | y = a + b | 1 | 1 |
# | mul | y = a · b | b | a |
#
# The chain rule multiplies along a path. Let $g = \partial L/\partial y$ be the derivative by the result,
# which is known already. Then
#
# $$\frac{\partial L}{\partial a} = \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial a}
#   \qquad\text{add: } g \cdot 1 \qquad\text{mul: } g \cdot b$$
#
# Let every operation remember its inputs, and let it compute their gradients from g. Then we can walk from L
# backwards to every weight. This is the whole program:


# %%
class Value:
    """A number that remembers which numbers it was computed from, and the slope towards each."""

    def __init__(self, data, inputs=(), slopes=()):
        self.data, self.inputs, self.slopes = data, inputs, slopes
        self.grad = 0.0

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def backward(self):
        """Add dself/d(value) to the grad of every value that self was computed from."""
        self.grad = 1.0
        for value in reversed(topological_order(self)):
            for x, slope in zip(value.inputs, value.slopes, strict=True):
                x.grad += value.grad * slope  # chain rule, and the sum over all uses


def topological_order(value, order=None, seen=None):
    """Return every value below `value`, each after all that it was computed from."""
    order, seen = ([] if order is None else order), (set() if seen is None else seen)
    if value not in seen:
        seen.add(value)
        for x in value.inputs:
            topological_order(x, order, seen)
        order.append(value)
    return order


x, w, bias = Value(3.0), Value(-2.0), Value(1.0)
y = x * w + bias
L = y * y
L.backward()
assert (y.data, L.data, y.grad, x.grad, w.grad, bias.grad) == (-5, 25, -10, 20, -30, -10)
print(f"L = {L.data},  dL/dx = {x.grad},  dL/dw = {w.grad},  dL/dbias = {bias.grad}")

# %% [markdown]
# By hand: y = 3·(-2) + 1 = -5 and L = 25. dL/dy = 2y = -10, so dL/dbias = -10, dL/dw = -10·x = -30, dL/dx =
# -10·w = 20.
#
# The engine does the same with arrays instead of numbers. Its graph has the operations as nodes. An operation
# is called a `Function`. The picture shows the graph that was recorded, and the gradients that the walk back
# found. (The arrows show the direction of forward.)

# %%
tx, tw, tb = (Tensor([v], requires_grad=True) for v in (3.0, -2.0, 1.0))
ty = tx * tw + tb
tL = (ty * ty).sum()
drawn = graph(tL, {"x": tx, "w": tw, "bias": tb}, gradients=True)
drawn.draw()

# %% [markdown]
# **What to see:** read the `grad` lines from the bottom to the top. They are the numbers that we found by
# hand.
#
# ## Why do gradients accumulate?
#
# Look at `ty * ty` in the picture. Two arrows lead from the Add to the Mul, because y is used twice. Through
# each use y changes L, and the total change is the *sum* over all uses. The shortest example:
#
# $$b = a + a \quad\Rightarrow\quad \frac{\partial b}{\partial a} = 1 + 1 = 2$$
#
# Suppose that the program said `x.grad = ...` and not `x.grad += ...`. Then the second use would overwrite
# the first, and the answer would be 1:


# %%
def with_equals(value):
    """As backward(), with = instead of +=: wrong."""
    value.grad = 1.0
    for v in reversed(topological_order(value)):
        for x, slope in zip(v.inputs, v.slopes, strict=True):
            x.grad = v.grad * slope


a = Value(5.0)
with_equals(a + a)
print("with  =:", a.grad, "(wrong)")
a = Value(5.0)
(a + a).backward()
print("with +=:", a.grad)

# %% [markdown]
# The same rule explains why you call `zero_grad()` in a training loop: a second `backward` adds its gradients
# to those that are there, as if both losses were summed. (This is useful if a large batch does not fit into
# memory: add up the gradients of several small ones.)

# %%
t = Tensor([5.0], requires_grad=True)
(t + t).sum().backward()
(t + t).sum().backward()
print("after two backward():", t.grad)

# %% [markdown]
# ## Why a topological order?
#
# `x.grad` must be *complete* before x passes it on. In `b = a + a; c = b + b` the walk must collect both
# contributions to b before it goes on to a. Another walk follows every arrow at once, and passes on one
# contribution at a time. Its answer is right, too. But it visits a once for every *path*, and 40 such lines
# have $2^{40}$ paths:


# %%
def walk_every_path(value, g):
    """Pass each contribution on at once; return how many visits that takes."""
    value.grad += g
    return 1 + sum(walk_every_path(x, g * s) for x, s in zip(value.inputs, value.slopes, strict=True))


for lines in (1, 2, 5, 10, 15):
    a = value = Value(1.0)
    for _ in range(lines):
        value = value + value
    visits = walk_every_path(value, 1.0)
    assert a.grad == 2**lines  # each path brings 1
    print(f"{lines:2} lines: {visits:6} visits by path, {lines + 1:2} in topological order; dL/da={a.grad:g}")

# %% [markdown]
# A walk that visits each node once, but too early, is wrong: it passes on a gradient that is not complete
# yet. In *reversed topological order* every node comes after all nodes that use it. This is the purpose of
# the order.
#
# The engine builds the order with a list, not with recursion, because Python allows only about a thousand
# calls inside each other. And its list is reversed already: our list begins with the inputs and is read from
# the end, the engine's list begins with the result.

# %%
print(inspect.getsource(order_of_the_engine))

# %%
print("Python's limit of calls inside each other:", sys.getrecursionlimit())
deep = t
for _ in range(5000):
    deep = deep + 1
(gradient,) = tinycnn.grad(deep.sum(), t)
print("through 5000 additions:", gradient)

# %% [markdown]
# ## An operation in the engine
#
# A `Function` is forward and derivative, side by side. `keeps` names what the derivative needs besides `g`:
# inputs, or the result `"y"`. The engine keeps these arrays, and gives them to `backward` after `g`. (PyTorch
# has `ctx.save_for_backward` and `ctx.saved_tensors` for this.) The derivative is written in differentiable
# operations itself, so that gradients can be differentiated again.

# %%
print(inspect.getsource(Mul))

# %% [markdown]
# (If broadcasting repeated an input, the engine adds the gradients of all copies. This is the sum over all
# uses again.)
#
# ## A step-through, and a gradient check
#
# `graph` has the numbers of every node. Go along the arrows backwards and multiply by the slopes: each node's
# `grad` is the sum over the arrows that leave it.

# %%
a = Tensor([2.0], requires_grad=True)
b = a + a
c = b * b + a
step_through = graph(c.sum(), {"a": a}, gradients=True)
for node in step_through.nodes:
    print(f"{node.name:6} {node.value:6} grad {node.gradient}")
assert [node.gradient for node in step_through.nodes[:2]] == ["= 17", "= 8"]
step_through.draw()

# %% [markdown]
# **What to see:** two arrows lead from the first Add to the Mul, so its gradient 8 is 4 + 4. The arrows from
# a lead to the first Add (twice) and to the second one: 8 + 8 + 1 = 17.

# %%
result = tinycnn.gradcheck(lambda a: (a + a) * (a + a) + a, np.array([2.0, -1.0]))
print("largest relative error, first and second order:", result.errors)
assert max(result.errors) < 1e-6

# %% [markdown]
# ## Exercises
#
# **1.** With a pencil, without running code: what is dc/da of `b = a * a; c = b * a + b` at a = 2?

# %%
pencil = None  # your number

a = Tensor([2.0], requires_grad=True)
b = a * a
(engine,) = tinycnn.grad((b * a + b).sum(), a)
compare(pencil, engine.item())

# %% [markdown]
# **2.** Teach `Value` the exponential function: return a `Value` with the right slope.


# %%
def exp(value):
    """Return e^value."""
    return None  # your code


def slope_of_exp():
    v = Value(1.5)
    y = exp(v * v)
    if y is None:
        return None
    y.backward()
    return v.grad


t = Tensor([1.5], requires_grad=True)
(engine_exp,) = tinycnn.grad((t * t).exp().sum(), t)
compare(slope_of_exp(), engine_exp.item())

# %% [markdown]
# **3.** Write an operation for the engine: y = x³. Its `backward` must return $g \cdot 3x^2$, written with
# tensors. (The check takes the gradient of the gradient, too.)


# %%
class Cube(Function):
    """y = x^3. dL/dx = g * 3 * x^2."""

    keeps = "x"

    def forward(self, x):
        return x * x * x

    def backward(self, g, x):
        return None  # your code


def gradients(f):
    """Return the gradient of y = f(t) for a g that is not 1, and its gradient; None without an answer."""
    t, g = Tensor([2.0, -1.0], requires_grad=True), Tensor([0.5, 4.0])
    (first,) = tinycnn.grad(f(t), t, g, create_graph=True, allow_unused=True)
    if first is None or not first.requires_grad:  # no answer, or its graph is cut
        return None if first is None else [first.numpy(), [0, 0]]
    (second,) = tinycnn.grad(first.sum(), t)
    return [first.numpy(), second.numpy()]


compare(gradients(lambda t: Cube()(t)), gradients(lambda t: t**3))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. With a pencil</summary>
#
# c = a³ + a², so dc/da = 3a² + 2a = 12 + 4 = 16. Along the graph: c uses b twice (slopes a and 1) and a
# once (slope b), b uses a twice: (2 + 1)·(2 + 2) + 4 = 16.
#
# ```python
# assert compare(16, engine.item())
# ```
#
# </details>
#
# <details><summary>2. The exponential function</summary>
#
# ```python
# def exp(value):
#     y = float(np.exp(value.data))
#     return Value(y, (value,), (y,))  # its slope is itself
#
# assert compare(slope_of_exp(), engine_exp.item())
# ```
#
# </details>
#
# <details><summary>3. The cube</summary>
#
# ```python
# class Cube(Function):
#     keeps = "x"
#
#     def forward(self, x):
#         return x * x * x
#
#     def backward(self, g, x):
#         return g * 3 * x * x
#
# assert compare(gradients(lambda t: Cube()(t)), gradients(lambda t: t**3))
# tinycnn.gradcheck(lambda x: Cube()(x), np.array([2.0, -1.0]))
# ```
#
# </details>
