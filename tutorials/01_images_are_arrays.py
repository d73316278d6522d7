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
# # 1. Images are arrays
#
# About 45 minutes. You need a little Python and NumPy.
#
# At the end you can say where a pixel stands in memory. You can make images by chance and by a rule, look at
# a data set before you train on it, and compute with images, by hand and with the engine.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.data import digits
from tinycnn.explain import draw, explain
from tinycnn.plot import blank_figure, described, sample_grid
from tinycnn.tutor import compare

# %% [markdown]
# ## A grey image is a matrix
#
# Each pixel is one number: 0 is black, 255 is white. The numbers are whole and have 8 bits: `uint8`. The row
# i counts downwards, the column j counts to the right.

# %%
train, test = digits()
image = train.images[7, 0]  # (H, W)
print(image.shape, image.dtype, "from", image.min(), "to", image.max())
print(image[4:16, 4:16])

# %% [markdown]
# A coloured image has three such matrices, its channels: red, green and blue, so C = 3. And a network takes N
# images at once. So the engine's images have four dimensions, in this order:
#
# $$(N, C, H, W)$$
#
# In memory, all numbers stand in one long line. The pixel in row h and column w of channel c of image n
# stands at the place
#
# $$((n \cdot C + c) \cdot H + h) \cdot W + w$$
#
# Read it from the right. One step along W leads to the next number. One step along H jumps over a row of W
# numbers. One step along C jumps over a matrix of H·W numbers.

# %%
N, C, H, W = train.images.shape
print(f"(N, C, H, W) = {(N, C, H, W)}")
n, c, h, w = 7, 0, 10, 14
assert train.images.ravel()[((n * C + c) * H + h) * W + w] == train.images[n, c, h, w]

# %% [markdown]
# ## Look at the data first: the 5x5 grid
#
# Look at 25 images with their labels. You see mistakes that no statistics show: labels that are shifted by
# one, images that lie on their side, classes that are all the same.

# %%
labels = train.labels[:25]
assert np.count_nonzero(labels == 4) == 3
described(
    sample_grid(train.scaled(slice(0, 25)), labels, train.classes),
    "Twenty-five handwritten digits, white on black, in five rows. The label above each names the digit.",
)

# %% [markdown]
# **What to see:** every label fits its image. Digits of one class differ a lot: compare the three images
# labelled 4.
#
# A network learns badly from numbers up to 255. This code of the engine turns the bytes into floats in [0,
# 1]:

# %%
print(inspect.getsource(type(train).scaled))

# %% [markdown]
# ## Images by chance (Eq. 9)
#
# $$x_{ij} = U(0, 255)$$
#
# Every pixel is drawn by itself, and all values are equally likely. There are $256^{784}$ such images of
# 28x28 pixels. You will never see a digit among them, because only a tiny part of all arrays look like
# digits. (In lesson 11 a network learns to make images in this part.)

# %%
rng = np.random.default_rng(0)
random_images = rng.integers(0, 256, (4, 1, 28, 28), dtype=np.uint8)
assert 28 * 28 == 784
print(f"256^784 has {len(str(256**784)):,} digits")
print("mean", random_images.mean().round(1), "- the mean of U(0, 255) is 127.5")
assert abs(random_images.mean() - 127.5) < 3

# %% [markdown]
# ## Images by rule (Eq. 10)
#
# $$x_{ij} = f(i, j)$$
#
# A rule computes the grey of every pixel from its place. `np.indices` returns all i and all j at once, so f
# is computed for the whole image without a loop:

# %%
i, j = np.indices((28, 28))  # two matrices (28, 28): i[h, w] = h and j[h, w] = w
rules = {
    "f = 9 j": 9 * j,
    "chessboard": 255 * ((i // 4 + j // 4) % 2),
    "rings": 127.5 * (1 + np.cos(np.hypot(i - 13.5, j - 13.5))),
    "a disc": 255 * (np.hypot(i - 13.5, j - 13.5) < 9),
}
pictures = np.stack([rule.astype(np.uint8) for rule in rules.values()])[:, None]  # (4, 1, 28, 28)
both = np.concatenate([pictures, random_images]) / 255
names = [*rules, *["U(0, 255)"] * 4]
described(
    sample_grid(both, np.arange(8), names),
    "Eight grey images. Four by rule: a ramp from black to light grey, a chessboard, rings, a white disc. "
    "Four of noise, which all look the same.",
)

# %% [markdown]
# **What to see:** a rule gives an image with an order in it. The four random images look alike: no pixel
# knows anything of its neighbours.
#
# ## Computing with an image: half its size
#
# To make an image smaller, replace every 2x2 block by its mean. This is the first operation that you watch
# step by step. Lesson 4 calls it mean-pooling.
#
# $$y_{n,c,oh,ow} = \tfrac{1}{4} \sum_{r=0}^{1} \sum_{s=0}^{1} x_{n,\,c,\,2 oh + r,\,2 ow + s}$$
#
# Shapes: (N, C, H, W) -> (N, C, H/2, W/2).

# %%
corner = image[8:14, 10:16].astype(np.float32)[None, None]  # (1, 1, 6, 6)
halved = explain(F.avg_pool2d, corner, 2, backward=True)
draw(halved[1])

# %% [markdown]
# **What to see:** one cell of the small image is the sum of four cells of the large one, each divided by 4.

# %%
small = F.avg_pool2d(Tensor(train.scaled(slice(7, 8))), 2).numpy()  # (1, 1, 14, 14)
assert small.shape == (1, 1, 14, 14) and train.labels[7] == 3
figure = blank_figure(7, 3.6)
for axes, picture in zip(figure.subplots(1, 2), (image / 255, small[0, 0]), strict=True):
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes.set_title(f"{picture.shape[0]}x{picture.shape[1]}", fontsize=14)
described(
    figure,
    "The digit 3 twice: with 28x28 pixels, and with 14x14, where it is coarser and its edges are grey.",
)

# %% [markdown]
# **What to see:** the smaller image still is a 3. Its edges are grey, because a block there holds bright and
# dark pixels.
#
# ## And backwards
#
# By how much does the small image change if one pixel of the large image grows by 1? The mean of its block
# grows by 1/4, and all other means stay the same. *Backward* answers this question, for every operation of a
# network:

# %%
draw(halved.steps_of("dL/dx")[2])

# %% [markdown]
# **What to see:** the cell lies in one block only. So one number of g comes back, divided by 4.
#
# Do not believe it, measure it: change a pixel and look at the change of the result. That is a *gradient
# check*. `gradcheck` does it for all pixels at once (lesson 7).

# %%
changed = corner.copy()
changed[0, 0, 0, 2] += 1
difference = F.avg_pool2d(Tensor(changed), 2).numpy() - F.avg_pool2d(Tensor(corner), 2).numpy()
print(difference[0, 0])
assert difference[0, 0, 0, 1] == 1 / 4 and np.count_nonzero(difference) == 1
result = tinycnn.gradcheck(lambda x: F.avg_pool2d(x, 2), corner)
print("largest relative error, first and second order:", result.errors)
assert max(result.errors) < 1e-6

# %% [markdown]
# ## Exercises
#
# **1.** Images of the shape (3, 32, 32) lie in memory one after the other. At which place, counted from 0, is
# the pixel of image 5, green channel (c = 1), row 2, column 3?

# %%
place = None  # your number

images = np.arange(6 * 3 * 32 * 32).reshape(6, 3, 32, 32)
compare(place, images[5, 1, 2, 3])

# %% [markdown]
# **2.** Make a picture (28, 28) by rule: a bright cross on black. Rows 13 and 14 and columns 13 and 14 are
# 255, all other pixels are 0.

# %%
cross = None  # your array (28, 28), from i and j

expected = np.zeros((28, 28))
expected[13:15, :] = expected[:, 13:15] = 255
compare(cross, expected)

# %% [markdown]
# **3.** Halve height and width of an image with NumPy alone, without a loop: each new pixel is the mean of
# 2x2 pixels. Hint: reshape (H, W) to (H/2, 2, W/2, 2).


# %%
def halve(x):
    """Return (H/2, W/2), the means of 2x2 blocks of x (H, W)."""
    return None  # your code


compare(halve(image / 255), small[0, 0])

# %% [markdown]
# ## Solutions
#
# <details><summary>1. A place in memory</summary>
#
# ```python
# assert compare(((5 * 3 + 1) * 32 + 2) * 32 + 3, images[5, 1, 2, 3])
# ```
#
# </details>
#
# <details><summary>2. A cross</summary>
#
# ```python
# cross = 255 * ((np.abs(i - 13.5) < 1) | (np.abs(j - 13.5) < 1))
# assert compare(cross, expected)
# ```
#
# </details>
#
# <details><summary>3. Half the size</summary>
#
# ```python
# def halve(x):
#     H, W = x.shape
#     return x.reshape(H // 2, 2, W // 2, 2).mean(axis=(1, 3))
#
# assert compare(halve(image / 255), small[0, 0])
# ```
#
# </details>
