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
# About an hour. You need lesson 6.
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
from tinycnn.fit import Training, evaluate, fit
from tinycnn.models import cnn28
from tinycnn.nn import Module
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import compare

# %%
tinycnn.manual_seed(0)
train, test = digits()
model = cnn28()
first_filters = model[0].weight.numpy()[:, 0].copy()  # (32, 3, 3), before training
batches = DataLoader(train, batch_size=32, shuffle=True, augment=Augment(shift=1))
optimizer = optim.Adam(model.parameters())
schedule = optim.OneCycleLR(optimizer, max_lr=3e-3, total_steps=2 * len(batches))
fit(Training(model, batches, optimizer, 2, schedule=schedule))
print(f"trained: {evaluate(model, DataLoader(test, batch_size=200)).accuracy:.2%} of the test images right")
model.eval()
print(model)

# %% [markdown]
# ## Filters
#
# The first convolution has K = 32 filters of 3x3, w (32, 1, 3, 3). We draw them: a cell is red if a bright
# pixel there makes the result larger, and blue if it makes it smaller.


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
# **What to see:** no two filters are the same. Some are red on one side and blue on the other.
#
# A filter that is red on one side and blue on the other finds *edges* of one direction: on an area of one
# grey its two sides cancel, and at an edge they do not. A filter that is red along a line finds strokes of
# that direction.
#
# Careful: random numbers have patterns, too. So compare with the filters *before* training. The purest edge
# is a ramp, -1, 0, 1 in every row, or in every column, or a mixture of both. How much of a filter is a ramp?
# For nine random numbers it is 2/9 of the sum of their squares on average, since ramps have two directions of
# nine.


# %%
def ramp_share(w):
    """Return which share of the sum of squares of each filter (K, 3, 3) is a ramp, (K,)."""
    ramp = np.tile([-1, 0, 1], (3, 1)) / np.sqrt(6)  # of length 1
    along, down = (w * ramp).sum(axis=(1, 2)), (w * ramp.T).sum(axis=(1, 2))
    return (along**2 + down**2) / (w**2).sum(axis=(1, 2))


filters = model[0].weight.numpy()[:, 0]
before, after = ramp_share(first_filters).mean(), ramp_share(filters).mean()
print(f"share of a ramp in a filter: before training {before:.0%}, after it {after:.0%}; 2/9 = {2 / 9:.0%}")
assert abs(before - 2 / 9) < 0.1 and after > before
assert all(not np.allclose(filters[k], filters[:k]) for k in range(1, 32))  # no two are the same

# %% [markdown]
# So training made edges out of what was there, but not out of every filter.
#
# ## Feature maps
#
# A filter's result is a map. It says how well the filter's pattern fits at each place. To see the maps in the
# middle of a network, hang a *hook* on a layer: a function that is called after every forward of that layer.

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
bright = [int((one > one.max() / 2).sum()) for one in deep if one.max() > 0]
print(f"cells of a later map above half of its maximum: {np.median(bright):g} of {deep[0].size} (the median)")
assert np.median(bright) < deep[0].size / 8
grid(bottom, deep[np.argsort(-deep.mean(axis=(1, 2)))[:24]], 12, "24 of 64 maps (11x11) after the second")
described(
    figure,
    "A handwritten 4 and 11 maps of the first layer, which look like the 4 with some edges brighter; "
    "below, 24 coarse maps of the second layer with a few bright spots each.",
)

# %% [markdown]
# **What to see:** in the upper maps you can still read the 4. In some it is bright as a whole, in others only
# its edges of one direction are bright, and in some it is dark on grey. In the lower maps you cannot read it:
# only a few cells are bright, at one stroke or at one place of it.
#
# Early maps are the image again, each with other edges: *low-level* features. One cell of a later map sees
# more of the image (exercise 1), and combines all the early maps: *high-level* features. Which combinations
# these are, nobody chose. Zeiler and Fergus (2014) looked for them in a network for photographs: they found
# corners behind early convolutions, and parts of objects behind late ones.
#
# What is one cell of a later map made of? It is a sum of 32·3·3 products: one for each earlier map and each
# cell of its 3x3 window. Take the strongest cell of all, and sort its products:

# %%
read = activations(model, pictures[shown[1]][None], (2,))[2][0]  # (32, 13, 13), what the convolution reads
k, oh, ow = np.unravel_index(deep.argmax(), deep.shape)  # deep (64, 11, 11) is what it makes, after ReLU
filters, biases = model[3].weight.numpy(), model[3].bias.numpy()  # (64, 32, 3, 3) and (64,)
products = filters[k] * read[:, oh : oh + 3, ow : ow + 3]  # (32, 3, 3)
total = products.sum() + biases[k]
assert np.isclose(total, deep[k, oh, ow], rtol=1e-4) and products.size == 32 * 3 * 3
print(f"map {k}, cell ({oh}, {ow}): {total:.3f} = {products.size} products + the bias {biases[k]:.3f}")
largest = np.argsort(-np.abs(products), axis=None)[:12]
for c, i, j in np.stack(np.unravel_index(largest, products.shape), axis=1):
    w, x = filters[k, c, i, j], read[c, oh + i, ow + j]
    print(f"  w {w:6.3f} * x {x:6.3f} = {w * x:6.3f}   from map {c:2}, cell ({oh + i}, {ow + j})")
among = products.ravel()[largest].sum() / products.sum()
print(f"these {len(largest)} products make up {among:.0%} of the sum: it is spread over many")
assert among < 2 / 3

# %% [markdown]
# ## Saliency: which pixels does the answer depend on?
#
# Let $s_k(x)$ be the logit of class k, one number, for an image x (1, 28, 28). If every pixel changes a
# little, by d:
#
# $$s_k(x + d) \approx s_k(x) + \langle G, d\rangle, \qquad G = \partial s_k/\partial x$$
#
# G has the shape of the image, and says how much the logit would change with each pixel. One backward pass
# computes all of it. This time we want the gradient of the *input*, and not that of the weights.


# %%
def saliency(model, image, k):
    """Return ds_k/dx, (H, W), of one image (1, H, W)."""
    x = Tensor(image[None], requires_grad=True)
    (gradient,) = tinycnn.grad(model(x)[0, k], x)
    return gradient.numpy()[0, 0]


steps = explain(model, pictures[shown[1]], backward=True)
slopes = [saliency(model, pictures[n], test.labels[n]) for n in shown]
assert np.allclose(slopes[1], steps.arrays["dL/da0"][0, 0], atol=1e-5)
inked = np.pad(pictures[shown[1], 0] > 0.5, 1)
near = np.any(
    [inked[i : i + 28, j : j + 28] for i in range(3) for j in range(3)], axis=0
)  # a stroke, or beside
size = np.abs(slopes[1])
print(f"mean |G| on and beside the strokes {size[near].mean():.3f}, elsewhere {size[~near].mean():.3f}")
assert size[near].mean() > 3 * size[~near].mean()
draw(steps[len(steps) - 1], "the last step back: the gradient of the largest logit arrives at the image")

# %% [markdown]
# **What to see:** gradients of 32 maps arrive, and three are drawn. What goes on to the image looked like
# noise in lesson 6, when the network was new. Now it is largest on the strokes and beside them.
#
# Is it right? Check it in float64, with the network written in `functional`:

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
assert max(checked.errors) < 1e-6

# %% [markdown]
# ## Occlusion: what if a part were not there?
#
# A slope only speaks of small changes. So make a large one: cover a patch of the image with black, and ask
# the network again. How far does the *lead* of the right class fall, $s_k - \max_{j \neq k} s_j$? If it falls
# below 0, another class has the largest logit, and the answer changes. We do this for every place of the
# patch, with all places as one batch.


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
titles = (
    "the image",
    "saliency: red raises the logit, blue lowers it",
    "occlusion: how far the lead falls with a black 7x7 patch there (x: another answer)",
)
for row, (part, title) in enumerate(zip(figure.subfigures(3, 1), titles, strict=True)):
    part.suptitle(title, fontsize=13)
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
# **What to see:** orange: the lead falls; violet: it grows. The crosses mark places where a patch changes the
# answer. In a picture without a cross no single patch of this size is enough.
#
# The two methods differ, because they ask different things. Saliency asks: what if this pixel changed a
# little? Its sign often changes from one pixel to the next, and red *beside* a stroke says that ink there
# would help. Occlusion asks: what if this part were black? Compare them in the 7. Saliency is strongest at
# its bar, the patch that costs most lies on its stem. The bar has the steeper slopes, but without it the rest
# is still most like a 7.

# %%
places = {"saliency": np.zeros((8, 8)), "occlusion": leads[2][1] - leads[2][0]}  # of the 7
for i, j in np.ndindex(8, 8):  # the sum of |G| under each patch
    places["saliency"][i, j] = np.abs(slopes[2][3 * i : 3 * i + 7, 3 * j : 3 * j + 7]).sum()
peaks = {name: np.array(np.unravel_index(a.argmax(), a.shape)) for name, a in places.items()}
print({name: f"patch around row {3 * i + 3}, column {3 * j + 3}" for name, (i, j) in peaks.items()})
assert np.abs(peaks["saliency"] - peaks["occlusion"]).sum() >= 3 and leads[2][0].min() > 0
assert np.mean([np.mean(s[:, 1:] * s[:, :-1] < 0) for s in slopes]) > 0.1  # the sign changes often

# %% [markdown]
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
# Go back from one cell of the last pooling, along one side. It needs 2 cells of the second convolution. These
# need 4 cells of the first pooling, these need 8 cells of the first convolution, and these need 10 pixels.
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
# What would the 4 need to be a 9? Ink where this gradient is most negative: mostly between the tops of its
# two strokes, where a 9 is closed. Twenty such pixels change the answer (the last lines).
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
# dark = np.where(a_four[0] < 0.5, both, 0)  # (28, 28), where there is no ink yet
# chosen = np.argsort(dark, axis=None)[:20]
# changed = a_four.copy()
# changed[0].ravel()[chosen] = 1
# assert compare(lead(model, changed[None], 9) > 0, [True])
# i, j = np.unravel_index(chosen, (28, 28))
# assert ((i < 12) & (j > 9) & (j < 22)).mean() > 0.5  # between the tops
# ```
#
# </details>
