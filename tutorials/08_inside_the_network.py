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
# # 8. Inside the network: filters, feature maps, saliency, feature vectors
#
# About an hour. You need lesson 6.
#
# At the end you can look into any layer of your own network, say which pixels an answer depends on, and
# find similar images by what the network sees in them.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, optim
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.explain import draw, explain
from tinycnn.fit import Training, fit
from tinycnn.gan import nearest
from tinycnn.models import cnn28
from tinycnn.nn import Module
from tinycnn.plot import blank_figure
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
figure

# %% [markdown]
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
    """Return what these layers of a Sequential made of images (N, C, H, W), one array a layer."""
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
figure

# %% [markdown]
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
figure

# %% [markdown]
# The two differ, and should: saliency is noisy, and red *beside* the strokes says that more ink there would
# help too. Occlusion (orange: the
# lead falls, violet: it grows) shows which part the answer stands on.
#
# ## Feature vectors (Eq. 14)
#
# $$F(x) = f(W_F\, x + b_F)$$
#
# Take the activations of a late layer as a description of the image: here the 128 numbers after the first
# dense layer's ReLU, (N, 128). The last layer only draws straight borders (planes) between classes in this
# space, so training has put the classes where such borders separate them. That does not mean that images of
# one class lie close together. Whether they do is worth a look.

# %%
known = train.subset(slice(0, 4000))
known_features = activations(model, known.scaled(slice(None)), (8,))[8]
new_features = activations(model, pictures[:1000], (8,))[8]
print("feature vectors:", known_features.shape, new_features.shape)

# %% [markdown]
# 128 dimensions cannot be drawn. Project them on the two directions in which they spread most (principal
# components: the first right singular vectors of the centred matrix), and the same with the 784 pixels:


# %%
def projected(rows):
    """Return rows (N, D) in their two principal directions, (N, 2)."""
    centred = rows - rows.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:2].T


labels = test.labels[:1000]
figure = blank_figure(12, 5.6)
both = {"pixels (784 numbers)": pictures[:1000].reshape(1000, -1), "feature vectors (128)": new_features}
for axes, (title, rows) in zip(figure.subplots(1, 2), both.items(), strict=True):
    points = projected(rows)
    axes.scatter(*points.T, s=0)
    for (x, y), label in zip(points, labels, strict=True):
        axes.text(x, y, str(label), color=f"C{label}", fontsize=8, ha="center", va="center", weight="bold")
    axes.set_title(title, fontsize=14)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("first principal direction", fontsize=12)
figure.axes[0].set_ylabel("second principal direction", fontsize=12)
figure

# %% [markdown]
# ## Nearest neighbours: by pixels and by features
#
# How near are two images a and b? $|a - b|^2 = |a|^2 - 2\langle a, b\rangle + |b|^2$, so all distances
# between N and M vectors are one matrix product, (N, D) @ (D, M).


# %%
def distances(a, b):
    """Return squared distances, (N, M), of rows a (N, D) and b (M, D)."""
    return (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)


known_pixels = known.scaled(slice(None)).reshape(len(known), -1)
by_pixels = distances(pictures[:1000].reshape(1000, -1), known_pixels)
by_features = distances(new_features, known_features)
assert np.array_equal(by_features.argmin(axis=1), nearest(new_features, known_features).index)

share = [float((known.labels[d.argmin(axis=1)] == labels).mean()) for d in (by_pixels, by_features)]
print(f"nearest has the same label: by pixels {share[0]:.1%}, by features {share[1]:.1%}")
assert share[1] > share[0]

# %%
wrong = np.flatnonzero(known.labels[by_pixels.argmin(axis=1)] != labels)
queries = wrong[[0, 5, 10, 15]]
figure = blank_figure(12, 5.6)
left, right = figure.subfigures(1, 2)
sides = ((left, by_pixels, "nearest by pixels"), (right, by_features, "nearest by features"))
for part, d, title in sides:
    part.suptitle(f"{title} (the new image is framed)", fontsize=13)
    for row, query in zip(part.subplots(4, 6), queries, strict=True):
        neighbours = np.argsort(d[query])[:5]
        images = [pictures[query, 0], *known.scaled(neighbours)[:, 0]]
        for column, (axes, image) in enumerate(zip(row, images, strict=True)):
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            label = labels[query] if column == 0 else known.labels[neighbours[column - 1]]
            same = label == labels[query]
            axes.set_title(f"{label}" + ("" if same else " ✗"), fontsize=11, color="k" if same else "#c8102e")
            for spine in axes.spines.values():
                spine.set(color="#1f5fa8", linewidth=4 if column == 0 else 0)
figure

# %% [markdown]
# These queries were chosen because pixels fail on them.
#
# ## What makes features forget *where*?
#
# Move every new image by two pixels, down and to the right. Nothing about the digit has changed. To pixels a
# lot has: some of the ink now lies where there was none.

# %%
moved = np.roll(pictures[:1000], (2, 2), axis=(2, 3))
shared = np.minimum(moved, pictures[:1000]).sum() / pictures[:1000].sum()
print(f"a moved image still shares {shared:.0%} of its ink with itself")

# %% [markdown]
# Look again for the nearest neighbour of every moved image, in four ways. The network that was not trained
# tells what its *structure* does, convolution and pooling; the one that was trained without augmentation,
# what *training* adds; the one that was trained with moved images (up to 1 pixel), what *augmentation* adds.


# %%
def trained_without_augmentation():
    """Return cnn28 after the same training as above, on images that stay where they are."""
    tinycnn.manual_seed(0)
    network = cnn28()
    loader = DataLoader(train, batch_size=32, shuffle=True)
    optimizer = optim.Adam(network.parameters())
    schedule = optim.OneCycleLR(optimizer, max_lr=3e-3, total_steps=2 * len(loader))
    fit(Training(network, loader, optimizer, 2, schedule=schedule))
    return network.eval()


def same_label(describe):
    """Return how often the nearest neighbour of a moved image has its label, for vectors by `describe`."""
    d = distances(describe(moved), describe(known.scaled(slice(None))))
    return float((known.labels[d.argmin(axis=1)] == labels).mean())


tinycnn.manual_seed(0)
networks = {
    "a network that was not trained": cnn28().eval(),
    "trained, images stay where they are": trained_without_augmentation(),
    "trained, images are moved by up to 1 pixel": model,
}
same = {"pixels": same_label(lambda images: images.reshape(len(images), -1))}
for name, network in networks.items():
    same[name] = same_label(lambda images, network=network: activations(network, images, (8,))[8])
for name, part in same.items():
    print(f"{name:45} {part:.1%}")
assert list(same.values()) == sorted(same.values())

# %% [markdown]
# Every step helps. Pooling keeps *what* is there and forgets *where exactly*, even behind random filters.
# Training finds filters for which that pays. Augmentation teaches the network directly that a moved digit is
# the same digit.
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
# **3.** Similarity is often measured by the *cosine*, $\langle a, b\rangle / (|a|\,|b|)$, which forgets how
# long the vectors are. Write it for rows a (N, D) and b (M, D). (The check: for vectors of length 1, the
# squared distance is 2 - 2 cosine.)


# %%
def cosines(a, b):
    """Return (N, M)."""
    return None  # your code


a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (new_features, known_features))
compare(cosines(new_features, known_features), 1 - distances(a, b) / 2, tolerance=1e-4)

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
#
# <details><summary>3. Cosines</summary>
#
# ```python
# def cosines(a, b):
#     lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
#     return a @ b.T / lengths
#
# assert compare(cosines(new_features, known_features), 1 - distances(a, b) / 2, tolerance=1e-4)
# ```
#
# </details>
