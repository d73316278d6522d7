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
# # 24. Feature vectors: what the network says about an image
#
# About 45 minutes. You need lesson 8.
#
# At the end you can describe an image by a vector, find similar images, and say what training and
# augmentation add to what the network's structure does by itself.

# %%
import numpy as np

import tinycnn
from tinycnn import optim
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.features import PCA, features, nearest
from tinycnn.fit import Training, fit
from tinycnn.models import cnn28
from tinycnn.plot import blank_figure, described
from tinycnn.tutor import check, compare

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

pictures = test.scaled(slice(None))  # (2000, 1, 28, 28)

# %% [markdown]
# ## Feature vectors (Eq. 14)
#
# $$F(x) = f(W_F\, x + b_F)$$
#
# The activations of a late layer describe the image. Here they are the 128 numbers behind the ReLU of the
# first dense layer, (N, 128). The last layer only draws straight borders (planes) between classes in this
# space, so training has put the classes where such borders separate them. That does not mean that images of
# one class lie close together. We will look whether they do. `tinycnn explain features` shows every step on
# small numbers.

# %%
known = train.subset(slice(0, 4000))
known_features = features(model, known, "8")  # by a hook on layer 8, as in lesson 8
new_features = features(model, pictures[:1000], "8")
print("feature vectors:", known_features.shape, new_features.shape)

# %% [markdown]
# 128 dimensions cannot be drawn. We project the vectors on the two directions in which they spread most,
# their principal components (lesson 19 derives them), and do the same with the 784 pixels:

# %%
labels = test.labels[:1000]
figure = blank_figure(12, 5.6)
both = {"pixels (784 numbers)": pictures[:1000].reshape(1000, -1), "feature vectors (128)": new_features}
for axes, (title, rows) in zip(figure.subplots(1, 2), both.items(), strict=True):
    points = PCA.fit(rows).transform(rows)
    axes.scatter(*points.T, s=0)
    for (x, y), label in zip(points, labels, strict=True):
        axes.text(x, y, str(label), color=f"C{label}", fontsize=8, ha="center", va="center", weight="bold")
    axes.set_title(title, fontsize=14)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("first principal direction", fontsize=12)
figure.axes[0].set_ylabel("second principal direction", fontsize=12)
described(
    figure,
    "1,000 digits as points in two directions, left by their pixels, right by their feature vectors: there "
    "the classes lie more apart.",
)

# %% [markdown]
# **What to see:** on the left most digits are mixed; only the ones form a group of their own. On the right
# more digits have a region of their own, though two directions out of 128 still show some of them mixed.
#
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
for name, d in (("pixels", by_pixels), ("features", by_features)):
    five = known.labels[np.argsort(d[queries], axis=1)[:, :5]] == labels[queries][:, None]
    print(f"by {name}: {five.sum()} of {five.size} neighbours have the right class")
assert five.mean() >= 0.9
described(
    figure,
    "Four new digits and the five known ones nearest to each, left by pixels, right by features. "
    "Neighbours of another class have a red cross.",
)


# %% [markdown]
# **What to see:** red titles are neighbours of another class. By pixels, an image is near if its ink lies in
# the same places: a 4 is near a 9. By features nearly all neighbours have the right class. (We chose these
# four queries because pixels fail on them.)
#
# ## What makes features forget *where*?
#
# Move every new image by two pixels, down and to the right. It shows the same digit. But its pixels differ a
# lot: most of the ink now lies where there was none.

# %%
moved = np.roll(pictures[:1000], (2, 2), axis=(2, 3))
shared = np.minimum(moved, pictures[:1000]).sum() / pictures[:1000].sum()
print(f"a moved image shares {shared:.0%} of its ink with the image before")
assert shared < 0.5

# %% [markdown]
# Look for the nearest neighbour of every moved image, in four ways. Pixels come first. A network that was not
# trained shows what its *structure* does, convolution and pooling. A network that was trained without
# augmentation shows what *training* adds. One that was trained with moved images (by up to 1 pixel) shows
# what *augmentation* adds.


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
    same[name] = same_label(lambda images, network=network: features(network, images, "8"))
for name, part in same.items():
    print(f"{name:45} {part:.1%}")
assert list(same.values()) == sorted(same.values())

# %% [markdown]
# Each of the three helps. Pooling keeps *what* is there and forgets *where exactly*, even behind random
# filters. Training finds better filters. Augmentation shows the network that a moved digit is the same digit.
#
# ## Exercises
#
# **1.** Write Eq. 14: the features of a batch of images, behind one dense layer and ReLU.


# %%
def features(x, w, b):
    """Return max(w x + b, 0) of each row, (N, K), for images x (N, C, H, W), w (K, C*H*W) and b (K,)."""
    return None  # your code


check("features", features)

# %% [markdown]
# **2.** Write the search: for every row of a (N, D) the number of the row of b (M, D) that is nearest to it.


# %%
def nearest_rows(a, b):
    """Return (N,) integers."""
    return None  # your code


expected = nearest(new_features, known_features).index
compare(nearest_rows(new_features, known_features), expected)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Features</summary>
#
# ```python
# def features(x, w, b):
#     return np.maximum(x.reshape(len(x), -1) @ w.T + b, 0)
#
# assert check("features", features)
# ```
#
# </details>
#
# <details><summary>2. The search</summary>
#
# ```python
# def nearest_rows(a, b):
#     return distances(a, b).argmin(axis=1)
#
# assert compare(nearest_rows(new_features, known_features), expected)
# ```
#
# </details>
