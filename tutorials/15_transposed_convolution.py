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
# # 15. Transposed convolution: how an image grows
#
# About 45 minutes. You need lesson 3. Read it before lesson 11.
#
# At the end you can compute a transposed convolution by hand, derive its gradients from those of convolution,
# choose sizes that fit, and explain the checkerboard that generators sometimes paint.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.explain import draw, explain
from tinycnn.functional.convolution import Conv2dInput
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Every cell lays down a copy of the kernel
#
# A convolution *reads*: each output cell looks at a window of the input. A transposed convolution *writes*:
# each input cell lays its own copy of the kernel, multiplied by its value, onto the output. The copies lie SH
# rows and SW columns apart. Where they overlap, they add up.
#
# Start with two numbers, a kernel of three, and stride 2:

# %%
x = np.array([[[[1.0, 10.0]]]])  # (N, K, OH, OW) = (1, 1, 1, 2)
w = np.array([[[[1.0, 2.0, 3.0]]]])  # (K, C, KH, KW) = (1, 1, 1, 3)
y = F.conv_transpose2d(Tensor(x), Tensor(w), stride=2)
print(y.numpy()[0, 0, 0])
by_hand = np.zeros(5)
by_hand[0:3] += 1.0 * w[0, 0, 0]  # the copy of the first cell
by_hand[2:5] += 10.0 * w[0, 0, 0]  # that of the second, two columns on
assert np.array_equal(y.numpy()[0, 0, 0], by_hand)

# %% [markdown]
# The middle cell gets 3 from the first copy and 10 from the second. Here is its step:

# %%
steps = explain(F.conv_transpose2d, x, w, stride=2, backward=True, gradient=[[[[1.0, 0.0, 2.0, 0.0, 0.0]]]])
draw(steps[2])

# %% [markdown]
# **What to see:** cells with the same letter are multiplied. Both copies cover the marked cell of y, so two
# products are added: 1·3 + 10·1 = 13.
#
# ## It is the derivative of a convolution, used forward
#
# Lesson 3 found what reaches an input cell (i, j) of a convolution in the backward pass: from each output
# cell (oh, ow) whose window covers it, g times the weight that met it:
#
# $$\frac{\partial L}{\partial x_{n,c,i,j}} = \sum_{k}\ \sum_{\substack{oh \cdot SH - PH + r \cdot DH = i\\
#   ow \cdot SW - PW + s \cdot DW = j}} g_{n,k,oh,ow}\; w_{k,c,r,s}$$
#
# Now start from g: every cell of g lays a copy of the kernel onto dL/dx. That *is* a transposed convolution
# of g. So the letters change sides: K channels go in, C channels come out, and the output is
# (H, W).

# %%
rng = np.random.default_rng(0)
image, filters = rng.standard_normal((2, 3, 7, 7)), rng.standard_normal((4, 3, 3, 3))
leaf = Tensor(image, requires_grad=True)
z = F.conv2d(leaf, Tensor(filters), stride=2)  # (2, 4, 3, 3)
g = rng.standard_normal(z.shape)
z.backward(g)
assert np.allclose(leaf.grad.numpy(), F.conv_transpose2d(Tensor(g), Tensor(filters), stride=2).numpy())
print("dL/dx of the convolution", leaf.grad.shape, "is the transposed convolution of g", g.shape)

# %% [markdown]
# ### Why "transposed"
#
# A convolution is linear, so a matrix A can do it. A has one column for every number of the image, and one
# row for every number of the output. Here is A for an image of one row of 5 numbers, and stride 2. Backward
# multiplies by the transpose $A^T$ (lesson 4). The transpose is *not* the inverse: the result has the size of
# the image, but not its numbers.

# %%
A = np.stack(
    [F.conv2d(Tensor(e.reshape(1, 1, 1, 5)), Tensor(w), stride=2).numpy().ravel() for e in np.eye(5)], 1
)
print("A, of the convolution:", A, "its transpose:", A.T, sep="\n")
assert np.array_equal(A.T @ x.ravel(), y.numpy().ravel())

# %% [markdown]
# ## Its gradients
#
# The trilinear form of lesson 3 holds here too, with x in the place of g:
#
# $$\langle g, y \rangle = \sum g_{n,\,c,\,oh \cdot SH - PH + r \cdot DH,\,ow \cdot SW - PW + s \cdot DW}\;
#   w_{k,c,r,s}\; x_{n,k,oh,ow}$$
#
# The derivative by x is what stands beside x: the convolution of g with w. The derivative by w is what stands
# beside w: the weight gradient of that convolution, with g as the image and x as the gradient. So the engine
# needs no new derivative:

# %%
print(inspect.getsource(Conv2dInput))
draw(steps.steps_of("dL/dx")[0])

# %% [markdown]
# **What to see:** this is a convolution of g. The kernel lies on the first three cells of g, and three
# products add up to 7.

# %%
assert steps.arrays["dL/dx"][0, 0, 0, 0] == 7
small = [rng.standard_normal((1, 2, 2, 3)), rng.standard_normal((2, 2, 3, 3)), rng.standard_normal(2)]
checked = tinycnn.gradcheck(lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1), small)
print("largest relative error, first and second order:", checked.errors)
assert max(checked.errors) < 1e-5

# %% [markdown]
# ## Sizes
#
# There are OH copies, SH rows apart. The last one is KH rows long (with dilation DH·(KH - 1) + 1), and PH
# rows are cut off at both ends:
#
# $$H = (OH - 1) \cdot SH - 2\,PH + DH \cdot (KH - 1) + 1 + \text{output\_padding}$$
#
# What is output_padding for? With stride 2 and a 3x3 kernel, images of 7 rows and of 8 rows both become 3
# rows. On the way back you say which size you want: output_padding = 1 adds the row that the convolution did
# not use.
#
# A DCGAN doubles its image in each layer. Kernel 4, stride 2, padding 1: $H = (OH - 1) \cdot 2 - 2 + 4 = 2
# \cdot OH$.

# %%
for size in (7, 8):
    print(
        size,
        "rows ->",
        F.conv2d(Tensor(np.zeros((1, 1, size, size))), Tensor(np.zeros((1, 1, 3, 3))), stride=2).shape[2],
    )
for extra in (0, 1):
    back = F.conv_transpose2d(
        Tensor(np.zeros((1, 1, 3, 3))), Tensor(np.zeros((1, 1, 3, 3))), stride=2, output_padding=extra
    )
    print(f"3 rows -> {back.shape[2]} with output_padding={extra}")
    assert back.shape[2] == 7 + extra
seven = Tensor(np.ones((1, 1, 7, 7)))
doubled = F.conv_transpose2d(seven, Tensor(np.ones((1, 1, 4, 4))), stride=2, padding=1)
print("7 -> ", doubled.shape[2], "with kernel 4, stride 2, padding 1")
assert doubled.shape[2] == 14

# %% [markdown]
# ## The checkerboard
#
# How many copies cover an output cell? If the stride does not divide the kernel's size, some cells have more
# copies than others. So they are sums of more products than their neighbours, whatever the image is, and the
# generator has to learn weights that make up for it (Odena, Dumoulin and Olah 2016). Count the copies, with
# an image and a kernel of ones:

# %%
figure = blank_figure(11, 3.9)
seen = {}
choices = {"kernel 3, stride 2": (3, 0), "kernel 4, stride 2": (4, 1), "upsample, then kernel 3": None}
for axes, (name, choice) in zip(figure.subplots(1, 3), choices.items(), strict=True):
    if choice is None:
        counted = F.conv2d(F.upsample_nearest(seven, 2), Tensor(np.ones((1, 1, 3, 3))), padding=1)
    else:
        kernel, padding = choice
        counted = F.conv_transpose2d(
            seven, Tensor(np.ones((1, 1, kernel, kernel))), stride=2, padding=padding
        )
    inside = counted.numpy()[0, 0, 3:11, 3:11]
    seen[name] = np.unique(inside).tolist()
    axes.imshow(inside, cmap="gray", vmin=0, vmax=inside.max())
    for (i, j), number in np.ndenumerate(inside):
        colour = "black" if number > 0.4 * inside.max() else "#ffd34d"
        axes.text(j, i, f"{number:.0f}", ha="center", va="center", color=colour, fontsize=11)
    axes.set_title(name, fontsize=13)
    axes.set_xticks([])
    axes.set_yticks([])
described(
    figure,
    "Three squares of 8x8 counts. Kernel 3 with stride 2: a checkerboard of 1, 2 and 4. Kernel 4 with "
    "stride 2, and upsampling first: the same number everywhere.",
)

# %% [markdown]
# **What to see:** with kernel 3 there are cells with 1, 2 and 4 copies: the checkerboard. With kernel 4 every
# cell inside has 4 copies. The third way first repeats every cell (`upsample_nearest`) and then convolves, so
# every cell inside is a sum of 9 products.

# %%
print(seen)
assert list(seen.values()) == [[1, 2, 4], [4], [9]]

# %% [markdown]
# ## Exercises
#
# **1.** Write a transposed convolution: x (N, K, OH, OW), w (K, C, KH, KW), pairs stride and padding. Hint:
# begin with one image of one channel; a loop over n and k makes it all of them.


# %%
def conv_transpose2d(x, w, stride, padding):
    """Return y, (N, C, H, W)."""
    return None  # your code


check("conv_transpose2d", conv_transpose2d)

# %% [markdown]
# **2.** G begins with 4x4 and should end with 32x32. It has three layers of stride 2 and padding 1. Which
# kernel size do they need?

# %%
kernel = None  # your number


def grown(kernel):
    """Return the size after three layers."""
    size = Tensor(np.zeros((1, 1, 4, 4)))
    for _ in range(3):
        size = F.conv_transpose2d(size, Tensor(np.zeros((1, 1, kernel, kernel))), stride=2, padding=1)
    return size.shape[2]


compare(kernel and grown(kernel), 32)

# %% [markdown]
# **3.** A transposed convolution of stride 2 is also a convolution of stride 1. Put one zero between all
# neighbours of x, and KW - 1 zeros on each side. Then convolve with the kernel turned by 180°. Write it for
# one row: x (OW,), w (KW,).


# %%
def by_zeros(x, w):
    """Return y, (2·(OW - 1) + KW,), by np.correlate."""
    return None  # your code: np.correlate(a, v, "valid") slides v over a


row, taps = rng.standard_normal(4), rng.standard_normal(3)
right = F.conv_transpose2d(Tensor(row[None, None, None]), Tensor(taps[None, None, None]), stride=(1, 2))
compare(by_zeros(row, taps), right.numpy()[0, 0, 0])

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Copies of the kernel</summary>
#
# ```python
# def conv_transpose2d(x, w, stride, padding):
#     (N, K, OH, OW), (_, C, KH, KW) = x.shape, w.shape
#     (SH, SW), (PH, PW) = stride, padding
#     H, W = (OH - 1) * SH + KH, (OW - 1) * SW + KW
#     y = np.zeros((N, C, H, W))
#     for n, k, oh, ow in np.ndindex(N, K, OH, OW):
#         y[n, :, oh * SH : oh * SH + KH, ow * SW : ow * SW + KW] += x[n, k, oh, ow] * w[k]
#     return y[:, :, PH : H - PH, PW : W - PW]
#
# assert check("conv_transpose2d", conv_transpose2d)
# ```
#
# </details>
#
# <details><summary>2. Doubled three times</summary>
#
# $(OH - 1) \cdot 2 - 2 + KH = 2 \cdot OH$ for KH = 4: each layer doubles.
#
# ```python
# kernel = 4
# assert compare(grown(kernel), 32)
# ```
#
# </details>
#
# <details><summary>3. Zeros between</summary>
#
# ```python
# def by_zeros(x, w):
#     spread = np.zeros(2 * len(x) - 1)
#     spread[::2] = x
#     return np.correlate(np.pad(spread, len(w) - 1), w[::-1], "valid")
#
# assert compare(by_zeros(row, taps), right.numpy()[0, 0, 0])
# ```
#
# </details>
