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
# # 8. Inside the network: filters, feature maps, saliency
#
# About 45 minutes. You need lesson 6.
#
# At the end you can look into any layer of your own network, and say which pixels an answer depends on.
# Lesson 24 finds similar images by what the network sees in them.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, optim
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.explain import draw, explain
from tinycnn.fit import Training, fit
from tinycnn.models import cnn28
from tinycnn.nn import Module
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import compare

# %%
tinycnn.manual_seed(0)
train, test = digits()
model = cnn28()
batches = DataLoader(train, batch_size=32, shuffle=True, augment=Augment(shift=1))
optimizer = optim.Adam(model.parameters())
schedule = optim.OneCycleLR(optimizer, max_lr=3e-3, total_steps=2 * len(batches))
run = Training(model, batches, optimizer, 2, DataLoader(test, batch_size=200), schedule)
print(f"trained: {fit(run)[-1]['val_accuracy']:.2%} of the test images right")
model.eval()
print(model)

# %% [markdown]
# ## Filters
#
# The first convolution has K = 32 filters of 3x3, w (32, 1, 3, 3). They are so small that they can be looked
# at: blue where a bright pixel counts against the filter's pattern, red where it counts for it.


# %%
def grid(figure, pictures, columns, title, colours="gray"):
    """Draw pictures (N, H, W) in rows, all on one scale; red and blue are centred on 0."""
    rows = -(-len(pictures) // columns)
    reach = np.abs(pictures).max()
    low = -reach if colours == "RdBu_r" else 0
    figure.suptitle(title, fontsize=13)
    for axes, picture in zip(figure.subplots(rows, columns).ravel(), pictures, strict=False):
        axes.imshow(picture, cmap=colours, vmin=low, vmax=reach)
        axes.set_xticks([])
        axes.set_yticks([])


figure = blank_figure(11, 4.4)
grid(figure, model[0].weight.numpy()[:, 0], 11, "32 filters 3x3: red counts for, blue against", "RdBu_r")
for axes in figure.axes[32:]:
    axes.axis("off")
described(
    figure,
    "32 filters of 3x3 cells in three rows, red where a bright pixel counts for the pattern, blue where it "
    "counts against it.",
)

# %% [markdown]
# **What to see:** many filters are red on one side and blue on the other. No two are the same.
#
# Red on one side and blue on the other: a detector of edges in one direction. Red along a line: a detector
# of strokes.
#
# ## Feature maps
#
# A filter's result is a map: how well does its pattern fit here? To see the maps in the middle of a network,
# hang a *hook* on a layer: a function that is called after every forward of that layer.

# %%
print(inspect.getsource(Module.register_forward_hook))


def activations(model, images, layers):
    """Return what these layers of a Sequential made of images (N, C, H, W), one array per layer."""
    seen = {}
    removers = []
    for layer in layers:

        def keep(module, inputs, output, layer=layer):
            seen[layer] = output.numpy()

        removers.append(model[layer].register_forward_hook(keep))
    with tinycnn.no_grad():
        model(Tensor(images))
    for remove in removers:
        remove()
    return seen


pictures = test.scaled(slice(None))  # (2000, 1, 28, 28)
shown = [int(np.flatnonzero(test.labels == digit)[1]) for digit in (2, 4, 7, 8)]
seen = activations(model, pictures[shown], (1, 4, 8))
print({layer: maps.shape for layer, maps in seen.items()})

# %%
figure = blank_figure(12, 4.6)
top, bottom = figure.subfigures(2, 1, height_ratios=[1.1, 2])
strongest = np.argsort(-seen[1][1].mean(axis=(1, 2)))[:11]
maps = seen[1][1][strongest]
cropped = pictures[shown[1], :, 1:27, 1:27] * maps.max()  # (1, 26, 26), as bright as the maps
grid(top, np.concatenate([cropped, maps]), 12, "the image, and 11 of 32 maps (26x26) after the first ReLU")
deep = seen[4][1]
grid(bottom, deep[np.argsort(-deep.mean(axis=(1, 2)))[:24]], 12, "24 of 64 maps (11x11) after the second")
described(
    figure,
    "A handwritten 4 and 11 maps of the first layer, which look like the 4 with some edges brighter; "
    "below, 24 coarse maps of the second layer with a few bright spots each.",
)

# %% [markdown]
# **What to see:** each of the upper maps is the 4 with other strokes bright. In the lower maps the 4 is
# gone: a few bright cells remain.
#
# Early maps are the image again, with edges in one direction each: *low-level* features. Later maps are
# coarse and answer to combinations of them, such as a crossing or the end of a stroke: *high-level*
# features.
#
# What is one cell of a late map made of? It is a sum of 32·3·3 products: one for each earlier map and each
# cell of its 3x3 window. Take the strongest cell of all, and sort its products:

# %%
before = activations(model, pictures[shown[1]][None], (2,))[2][0]  # (32, 13, 13), what the convolution reads
k, oh, ow = np.unravel_index(deep.argmax(), deep.shape)  # deep (64, 11, 11) is what it makes, after ReLU
filters, biases = model[3].weight.numpy(), model[3].bias.numpy()  # (64, 32, 3, 3) and (64,)
products = filters[k] * before[:, oh : oh + 3, ow : ow + 3]  # (32, 3, 3)
total = products.sum() + biases[k]
assert np.isclose(total, deep[k, oh, ow], rtol=1e-4)
print(f"map {k}, cell ({oh}, {ow}): {total:.3f} = {products.size} products + the bias {biases[k]:.3f}")
largest = np.argsort(-np.abs(products), axis=None)[:12]
for c, i, j in np.stack(np.unravel_index(largest, products.shape), axis=1):
    w, x = filters[k, c, i, j], before[c, oh + i, ow + j]
    print(f"  w {w:6.3f} * x {x:6.3f} = {w * x:6.3f}   from map {c:2}, cell ({oh + i}, {ow + j})")
among = products.ravel()[largest].sum() / products.sum()
print(f"these {len(largest)} products make up {among:.0%} of the sum: the answer is spread over many")

# %% [markdown]
# ## Saliency: which pixels does the answer depend on?
#
# Let $s_k(x)$ be the logit of class k, one number, for an image x (1, 28, 28). If every pixel changes a
# little, by d:
#
# $$s_k(x + d) \approx s_k(x) + \langle G, d\rangle, \qquad G = \partial s_k/\partial x$$
#
# G has the shape of the image: how much the logit would change with each pixel. `backward` computes it all
# at once; only that this time the gradient of the *input* is wanted, not that of the weights.


# %%
def saliency(model, image, k):
    """Return ds_k/dx, (H, W), of one image (1, H, W)."""
    x = Tensor(image[None], requires_grad=True)
    (gradient,) = tinycnn.grad(model(x)[0, k], x)
    return gradient.numpy()[0, 0]


steps = explain(model, pictures[shown[1]], backward=True)
slopes = [saliency(model, pictures[n], test.labels[n]) for n in shown]
assert np.allclose(slopes[1], steps.arrays["dL/da0"][0, 0], atol=1e-5)
draw(steps[len(steps) - 1], "the last step back: the gradient of the largest logit arrives at the image")

# %% [markdown]
# **What to see:** gradients of 32 maps arrive, three are drawn. What goes on to the image is no longer
# noise: it is largest on and around the strokes.
#
# Is it right? Check it in float64, the network written with `functional`:

# %%
weights = [Tensor(p.numpy().astype(np.float64)) for p in model.parameters()]


def logits(x):
    """Return what the network says, in float64."""
    w1, b1, w2, b2, w3, b3, w4, b4 = weights
    x = F.max_pool2d(F.relu(F.conv2d(x, w1, b1)), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, w2, b2)), 2)
    return F.linear(F.relu(F.linear(F.flatten(x, 1), w3, b3)), w4, b4)


noise = np.random.default_rng(0).random((1, 1, 28, 28)) * 0.1  # no two pixels of a window are equal
checked = tinycnn.gradcheck(logits, pictures[shown[:1]] + noise, order=1)
print("largest relative error:", checked.errors)

# %% [markdown]
# ## Occlusion: what if a part were not there?
#
# A slope only speaks of small changes. So make a large one: cover a patch with black, ask again, and note
# how far the right class's *lead* falls, $s_k - \max_{j \neq k} s_j$. Once it has fallen below 0, the answer
# is another. One forward pass for every place of the patch; all places are one batch.


# %%
def lead(model, images, k):
    """Return by how much class k's logit leads, (N,); below 0 another class does."""
    with tinycnn.no_grad():
        logits = model(Tensor(images)).numpy()
    return logits[:, k] - np.delete(logits, k, axis=1).max(axis=1)


def occlusion(model, image, k, side=7, stride=3):
    """Return the lead of class k for every place of a black patch, and without one."""
    places = range(0, 28 - side + 1, stride)
    covered = np.repeat(image[None], len(places) ** 2, axis=0)  # (places, 1, 28, 28)
    for n, (i, j) in enumerate((i, j) for i in places for j in places):
        covered[n, :, i : i + side, j : j + side] = 0
    return lead(model, covered, k).reshape(len(places), len(places)), lead(model, image[None], k)[0]


leads = [occlusion(model, pictures[n], test.labels[n]) for n in shown]
figure = blank_figure(11, 8.2)
rows = figure.subfigures(3, 1)
titles = (
    "the image",
    "saliency: red raises the logit, blue lowers it",
    "occlusion: how far the lead falls with a black 7x7 patch there (x: another answer)",
)
for part, title in zip(rows, titles, strict=True):
    part.suptitle(title, fontsize=13)
for row, part in enumerate(rows):
    for column, axes in enumerate(part.subplots(1, 4)):
        image = pictures[shown[column], 0]
        if row == 0:
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            axes.set_ylabel(f"a {test.labels[shown[column]]}", fontsize=13)
        if row == 1:
            reach = np.abs(slopes[column]).max()
            axes.imshow(slopes[column], cmap="RdBu_r", vmin=-reach, vmax=reach)
            axes.contour(image, levels=[0.5], colors="black", linewidths=1)
        if row == 2:
            covered, whole = leads[column]
            reach, extent = whole * 1.5, (1.5, 25.5, 25.5, 1.5)
            axes.imshow(whole - covered, cmap="PuOr_r", vmin=-reach, vmax=reach, extent=extent)
            axes.contour(image, levels=[0.5], colors="black", linewidths=1)
            rows_of, columns_of = np.nonzero(covered < 0)
            axes.plot(3 + 3 * columns_of, 3 + 3 * rows_of, "kx", markersize=8)
            axes.set_xlim(-0.5, 27.5)
            axes.set_ylim(27.5, -0.5)
        axes.set_xticks([])
        axes.set_yticks([])
described(
    figure,
    "Four digits, 2, 4, 7 and 8. Below each its saliency, spots of red and blue along the strokes; below "
    "that its occlusion map, orange where a black patch lowers the lead of the right class.",
)

# %% [markdown]
# **What to see:** the black crosses mark places where a patch changes the answer. In a picture without a
# cross no single patch is enough.
#
# The two differ, and they should. Saliency is noisy, and red *beside* the strokes says that more ink there
# would help, too. Occlusion shows which part the answer needs (orange: the lead falls, violet: it grows).
#
# To see both for your own digit, start `tinycnn lab` and open its address with this behind it:
# `#{"test":1,"backward":true,"saliency":true}`
#
# ## Exercises
#
# **1.** How large a square of the image does one cell of the last pooling layer see (its *receptive field*)?
# Go back layer by layer: a window of r cells with stride s needs (r - 1)·s + kernel cells of the layer
# before it.

# %%
side = None  # your number


def side_by_gradient():
    """Return the side of the square of pixels that one cell's derivative is not 0 for."""
    x = Tensor(np.random.default_rng(0).random((1, 1, 28, 28)), requires_grad=True)
    y = x
    for channels in (1, 1):  # averages instead of maxima, and positive weights: no pixel is lost
        y = F.avg_pool2d(F.conv2d(y, Tensor(np.ones((1, channels, 3, 3)))), 2)
    (gradient,) = tinycnn.grad(y[0, 0, 2, 2], x)
    return int((gradient.numpy()[0, 0] != 0).any(axis=1).sum())


compare(side, side_by_gradient())

# %% [markdown]
# **2.** Why a 4 and not a 9? Write the saliency of $s_4 - s_9$.


# %%
def rather_than(model, image, k, other):
    """Return the gradient of s_k - s_other by the image, (H, W)."""
    return None  # your code


a_four = pictures[shown[1]]
compare(rather_than(model, a_four, 4, 9), saliency(model, a_four, 4) - saliency(model, a_four, 9))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. The receptive field</summary>
#
# One cell of the pooling needs 2 cells of the convolution before, these 4 of the pooling before that, these
# 8 of the first convolution, these 10 pixels.
#
# ```python
# side = 1
# for kernel, stride in ((2, 2), (3, 1), (2, 2), (3, 1)):
#     side = (side - 1) * stride + kernel
# assert compare(side, side_by_gradient())
# ```
#
# </details>
#
# <details><summary>2. Rather than</summary>
#
# ```python
# def rather_than(model, image, k, other):
#     x = Tensor(image[None], requires_grad=True)
#     y = model(x)
#     (gradient,) = tinycnn.grad(y[0, k] - y[0, other], x)
#     return gradient.numpy()[0, 0]
#
# both = saliency(model, a_four, 4) - saliency(model, a_four, 9)
# assert compare(rather_than(model, a_four, 4, 9), both)
# ```
#
# </details>
