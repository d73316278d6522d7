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
# # 3. Convolution: forward, backward, and why backward is convolution again
#
# About an hour. You need lessons 1 and 2: arrays (N, C, H, W), and what `backward` does.
#
# At the end you can compute every number of a convolution's forward and backward pass by hand, say why its
# three derivatives are one formula read from three sides, and why `col2im` adds.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.explain import draw, explain, show
from tinycnn.functional.convolution import Conv2d
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.im2col import col2im, im2col
from tinycnn.kernels.plain import loops
from tinycnn.tutor import check, compare

# %% [markdown]
# ## The equation (Eq. 1)
#
# N images `x` (N, C, H, W), a weight `w` (K, C, KH, KW), a bias `b` (K,), a stride (SH, SW):
#
# $$y_{n,k,oh,ow} = b_k + \sum_{c,r,s} x_{n,\,c,\,oh \cdot SH + r,\,ow \cdot SW + s}\; w_{k,c,r,s}$$
#
# In words: lay filter k on a patch of x, multiply the pairs of cells, add up. Then move by the stride. How
# often does it fit? The last window must end inside, so $OH = \lfloor (H - KH) / SH \rfloor + 1$.
#
# (With padding and dilation the row is $oh \cdot SH - PH + r \cdot DH$; nothing else changes.
# Mathematicians call this a cross-correlation, since the filter is not flipped. Every framework calls it
# convolution.)
#
# Our example, small enough for a pencil: a 5x5 image, a 3x3 filter, stride 2, so OH = OW = (5 - 3) // 2 + 1
# = 2.

# %%
x = np.array(
    [[[[1, 0, 2, 1, 0], [0, 3, 1, 0, 2], [2, 1, 4, 1, 0], [0, 2, 0, 3, 1], [1, 0, 2, 0, 1]]]], np.float32
)  # (1, 1, 5, 5)
w = np.array([[[[1, 0, -1], [2, 1, -2], [1, 0, 3]]]], np.float32)  # (1, 1, 3, 3)
b = np.array([1], np.float32)
y = F.conv2d(Tensor(x), Tensor(w), Tensor(b), stride=2)
y

# %% [markdown]
# Every step of it, as the engine computed it. Cells with the same letter are multiplied with each other.

# %%
g = np.array([[[[1, 2], [-1, 3]]]], np.float32)  # dL/dy: it comes from the layers above
steps = explain(F.conv2d, x, w, b, stride=2, backward=True, gradient=g)
draw(steps[1], "the second of four windows")

# %% [markdown]
# **What to see:** the window stands two columns further to the right than the first one. Nine letters are
# nine products.
#
# **Before you go on:** which cells of x does the window of $y_{0,0,1,1}$ read? Then look at `draw(steps[3])`.
#
# ## The code: the equation as loops
#
# This is the engine's slow, readable kernel. It runs over every product of Eq. 1 and adds it where it
# belongs. (All faster kernels are tested against it.)

# %%
print(inspect.getsource(loops.conv2d))
print(inspect.getsource(loops._conv2d_terms))

# %% [markdown]
# ## Backward: one number, three derivatives
#
# `backward` hands the convolution the array $g = \partial L / \partial y$, one number for every output.
# What are $\partial L/\partial x$ and $\partial L/\partial w$? Write down how L depends on y near where we
# are:
#
# $$\langle g, y \rangle = \sum_{n,k,oh,ow} g_{n,k,oh,ow}\, y_{n,k,oh,ow}$$
#
# and put Eq. 1 in (the bias aside):
#
# $$T(x, w, g) = \sum_{n,k,oh,ow,c,r,s} g_{n,k,oh,ow}\; w_{k,c,r,s}\;
#   x_{n,\,c,\,oh \cdot SH + r,\,ow \cdot SW + s}$$
#
# That is *one* long list of products of three numbers: a *trilinear form*. A derivative by one of the three
# arrays just leaves out its factor and keeps the products it was in:
#
# | leave out | what stays | shape | name |
# | --- | --- | --- | --- |
# | g | products x·w, sorted by output | (N, K, OH, OW) | `conv2d(x, w)`: forward |
# | x | products g·w, sorted by input cell | (N, C, H, W) | `conv2d_input(g, w)` = dL/dx |
# | w | products x·g, sorted by weight | (K, C, KH, KW) | `conv2d_weight(x, g)` = dL/dw |
#
# Count them in our example: 4 outputs with 9 products each, so the list has 36 lines. Every derivative is
# these 36 lines, sorted in another way.

# %% [markdown]
# ### dL/dx: which outputs did an input cell feed, and with which weight?
#
# Take the middle cell, $x_{0,0,2,2}$. It lies in all four windows. In window a it sits in the lower right
# corner, so it met the weight $w_{2,2}$; in window b in the lower left corner, so it met $w_{2,0}$; and so
# on. If the cell grows by 1, output a grows by $w_{2,2}$, and L by $g_a w_{2,2}$. The four changes add up.

# %%
draw(steps.steps_of("dL/dx")[2 * 5 + 2])

# %% [markdown]
# **What to see:** four windows hold the cell, so four numbers of g come back, each times another corner of
# the filter.
#
# A cell in the corner lies in one window only, a cell on an edge between two windows in two. Look at them
# all:

# %%
draw(steps.steps_of("dL/dx")[0])

# %% [markdown]
# **What to see:** one window, one product.

# %%
assert steps.arrays["dL/dx"][0, 0, 0, 2] == 1
draw(steps.steps_of("dL/dx")[2])

# %% [markdown]
# **What to see:** two windows, two products. Their sum is the 1 at the right.
#
# As a formula: $x_{n,c,i,j}$ is in the products with $oh \cdot SH + r = i$ and $ow \cdot SW + s = j$, so
#
# $$\frac{\partial L}{\partial x_{n,c,i,j}}
#   = \sum_{k}\ \sum_{oh \cdot SH + r = i}\ \sum_{ow \cdot SW + s = j} g_{n,k,oh,ow}\, w_{k,c,r,s}$$
#
# ### dL/dw: every place where a weight was used
#
# A weight is used once in every window. Each use contributes the cell it met times g there:
#
# $$\frac{\partial L}{\partial w_{k,c,r,s}} = \sum_{n,oh,ow} x_{n,\,c,\,oh \cdot SH + r,\,ow \cdot SW + s}\;
#   g_{n,k,oh,ow}$$

# %%
draw(steps.steps_of("dL/dw")[4])

# %% [markdown]
# **What to see:** one weight met four cells, one in each window. They are two cells apart, as the stride is
# 2.
#
# ### dL/db: the sum of g
#
# The bias is added to every output with the factor 1:

# %%
assert steps.arrays["dL/db"].item() == 5 == g.sum()
draw(steps.steps_of("dL/db")[0])

# %% [markdown]
# **What to see:** all four numbers of g are added: 5.
#
# The same steps as text. In a terminal, `tinycnn explain conv --size 5 --kernel 3 --stride 2 --backward`
# lets you go through all of them with the keyboard, and `--out steps.gif` makes a film.

# %%
show(steps, 4 + 12, width=100)

# %% [markdown]
# In the browser: `tinycnn lab` shows the same sum for a whole network. Open the address that it prints,
# with this behind it, in a new tab: you see one cell of the first layer, and every product that it is made
# of.
# `#{"path":[{"array":"a1","cell":[0,2,9,9]}]}`
#
# ### In the engine
#
# Three `Function`s, one for each way to sort the products. See how each one's `backward` is the other two:
# that closes the circle, and gradients of gradients come for free.

# %%
print(inspect.getsource(Conv2d))
print(inspect.getsource(loops.conv2d_input))
print(inspect.getsource(loops.conv2d_weight))

# %% [markdown]
# The three kernels agree on T, whichever factor is left out:

# %%
geometry = conv2d_geometry(x.shape, w.shape, stride=2)
forms = [
    (g * loops.conv2d(x, w, geometry)).sum(),
    (x * loops.conv2d_input(g, w, geometry)).sum(),
    (w * loops.conv2d_weight(x, g, geometry)).sum(),
]
print("T =", *forms)
assert len(set(map(float, forms))) == 1 and y.numel() * w.size == 36  # as many lines as were counted above

# %% [markdown]
# ## im2col: convolution as one matrix product
#
# Loops in Python are slow; a matrix product is the fastest thing a computer does. So write every patch down
# as one column (Eq. 1 as documented has them as rows; here both stand transposed):
#
# * `columns` (C·KH·KW, OH·OW): one patch per column;
# * `w` as a matrix (K, C·KH·KW): one filter per row;
# * `w @ columns` (K, OH·OW): every filter on every patch, which only needs reshaping to (K, OH, OW).

# %%
columns = im2col(x, (3, 3), stride=(2, 2))  # (1, 9, 4)
product = w.reshape(1, 9) @ columns[0] + b[:, None]  # (K, C*KH*KW) @ (C*KH*KW, OH*OW) -> (K, OH*OW)
print(product.reshape(y.shape))
assert np.array_equal(product.reshape(y.shape), y.numpy())

patches = explain(im2col, x, (3, 3), stride=(2, 2))
draw(patches[3])

# %% [markdown]
# **What to see:** the patch on the left is written down as one column on the right, row by row.
#
# Backward of the product $Y = W\,\mathrm{cols}$ is two products (lesson 4 derives the same two for a dense
# layer, there with W transposed): $\partial L/\partial W = g\,\mathrm{cols}^T$ and $\partial
# L/\partial\,\mathrm{cols} = W^T g$. But we want $\partial L/\partial x$, and the columns hold *copies* of x:
# the middle cell stands in all four.
#
# ## col2im is the adjoint, not the inverse
#
# Every copy brings its own gradient home. They must be **added**: `+=`, never `=`. That is what `col2im`
# does:

# %%
copies = w.reshape(1, 9).T @ g.reshape(1, 4)  # dL/dcolumns, (C*KH*KW, OH*OW)
back = explain(col2im, copies[None], (5, 5), (3, 3), stride=(2, 2))
assert np.array_equal(back.result, steps.arrays["dL/dx"]) and back.result[0, 0, 2, 2] == 9
draw(back[12])

# %% [markdown]
# **What to see:** the four marked cells are copies of one cell of x, one in each column. Their gradients are
# added to 9, the number that we found above.
#
# *Adjoint* means: $\langle \mathrm{im2col}(x), c\rangle = \langle x, \mathrm{col2im}(c) \rangle$ for all x
# and c. And it is no inverse: `col2im(im2col(x))` counts every cell as often as it was copied.

# %%
c = np.random.default_rng(0).standard_normal(columns.shape).astype(np.float32)
left, right = (columns * c).sum(), (x * col2im(c, (5, 5), (3, 3), stride=(2, 2))).sum()
print("<im2col(x), c> =", left, "  <x, col2im(c)> =", right)
print("how often each cell was copied:")
print(col2im(im2col(np.ones_like(x), (3, 3), (2, 2)), (5, 5), (3, 3), (2, 2))[0, 0].astype(int))
print(inspect.getsource(col2im))

# %% [markdown]
# ## A gradient check
#
# Believe no derivative that was not compared with finite differences (lesson 7 says how this works):

# %%
result = tinycnn.gradcheck(lambda x, w, b: F.conv2d(x, w, b, stride=2), [x, w, b])
print("largest relative error, first and second order:", result.errors)
assert max(result.errors) < 1e-6

# %% [markdown]
# ## Exercises
#
# Fill in the functions and run the cell. The engine checks your answer; solutions are at the end.
#
# **1.** Compute $\partial L/\partial x_{0,0,2,4}$ of the example above with a pencil. Which windows does
# the cell lie in?

# %%
pencil = None  # your number

compare(pencil, steps.arrays["dL/dx"][0, 0, 2, 4])

# %% [markdown]
# **2.** Write the input gradient as loops, for any stride and padding. Hint: take Eq. 1's loops and change
# one line. (`check` runs your function on many small calls. If it is wrong, it looks for the mistake.)


# %%
def conv2d_input(g, w, size, stride, padding):
    """Return dL/dx (N, C, H, W) for g (N, K, OH, OW), w (K, C, KH, KW) and size (H, W)."""
    dx = None  # your code
    return dx


check("conv2d_input", conv2d_input)

# %% [markdown]
# **3.** With stride 1, $\partial L/\partial x$ is itself a convolution of g, with padding 2 and with a
# changed filter. Write it with `F.conv2d`. What has to be done to w? (Look at where the letters stand in
# the pictures of dL/dx.)


# %%
def as_convolution(g, w):
    """Return dL/dx for stride 1, g (1, 1, OH, OW) and w (1, 1, 3, 3), by one call of F.conv2d."""
    dx = None  # your code
    return dx


g1 = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
one = explain(F.conv2d, x, w, backward=True, gradient=g1)
compare(as_convolution(g1, w), one.arrays["dL/dx"])

# %% [markdown]
# ## Solutions
#
# <details><summary>1. With a pencil</summary>
#
# The cell in row 2, column 4 lies in the windows of $y_{0,1}$ (as its right lower corner, $w_{2,2} = 3$)
# and $y_{1,1}$ (as its right upper corner, $w_{0,2} = -1$): $2 \cdot 3 + 3 \cdot (-1) = 3$.
#
# ```python
# assert compare(2 * 3 + 3 * -1, steps.arrays["dL/dx"][0, 0, 2, 4])
# ```
#
# </details>
#
# <details><summary>2. Loops</summary>
#
# ```python
# def conv2d_input(g, w, size, stride, padding):
#     N, K, OH, OW = g.shape
#     _, C, KH, KW = w.shape
#     (H, W), (SH, SW), (PH, PW) = size, stride, padding
#     dx = np.zeros((N, C, H + 2 * PH, W + 2 * PW))
#     for n, k, oh, ow, c, r, s in np.ndindex(N, K, OH, OW, C, KH, KW):
#         dx[n, c, oh * SH + r, ow * SW + s] += g[n, k, oh, ow] * w[k, c, r, s]
#     return dx[:, :, PH : PH + H, PW : PW + W]
#
# assert check("conv2d_input", conv2d_input)
# ```
#
# </details>
#
# <details><summary>3. As a convolution</summary>
#
# Window a, the first that a cell lies in, meets it with its *last* weight. So the filter is turned by 180
# degrees; the padding lets the windows reach beyond the edges of g.
#
# ```python
# def as_convolution(g, w):
#     turned = w[:, :, ::-1, ::-1].copy()
#     return F.conv2d(Tensor(g), Tensor(turned), padding=2).numpy()
#
# assert compare(as_convolution(g1, w), one.arrays["dL/dx"])
# ```
#
# </details>
