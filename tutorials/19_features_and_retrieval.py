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
# # 19. Features and retrieval: what a trained network is good for besides its answer
#
# About an hour. You need lessons 8 and 24: lesson 24 says what a feature vector is, and why it helps.
#
# At the end you can take the features of any layer, search images by what they show, and say with a number
# whether features are better than pixels.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, optim
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.features import (
    PCA,
    Index,
    features,
    few_of_each,
    gram_matrix,
    linear_error,
    maximise,
)
from tinycnn.features.neighbours import squared_distances
from tinycnn.features.pictures import image_grid, projection_figure
from tinycnn.features.report import report
from tinycnn.fit import Training, fit
from tinycnn.models import cnn28
from tinycnn.plot import described
from tinycnn.tutor import check, compare

# %%
tinycnn.manual_seed(0)
train, test = digits()
model = cnn28()
batches = DataLoader(train, batch_size=32, shuffle=True, augment=Augment(shift=1))
optimizer = optim.Adam(model.parameters())
schedule = optim.OneCycleLR(optimizer, max_lr=3e-3, total_steps=len(batches))
run = Training(model, batches, optimizer, 1, DataLoader(test, batch_size=200), schedule)
print(f"trained: {fit(run)[-1]['val_accuracy']:.2%} of the test images right")

# %% [markdown]
# ## The features of any layer
#
# Lesson 24 took one layer's activations as a description of the image (Eq. 14). `features` does this for a
# layer by its name. Layer "8" of cnn28 is the ReLU behind the first dense layer: 128 numbers. `features` puts
# a hook on the layer, sends the images through in batches, in evaluation mode and without a graph, and
# returns (N, D).

# %%
known, new = train.subset(slice(0, 2000)), test.subset(slice(0, 500))
known_features, new_features = features(model, known, "8"), features(model, new, "8")
print(known_features.shape, new_features.shape)
print(inspect.getsource(features).split('"""')[2])

# %% [markdown]
# If there is no layer of that name, the message lists the names:

# %%
try:
    features(model, new, "conv1")
except ValueError as error:
    print(error)

# %% [markdown]
# A convolution returns maps (N, K, OH, OW). `pool` says what to keep of them: all numbers (None), the mean or
# the maximum of each map, or how maps occur together ("gram", below).

# %%
for layer, pool in (("1", None), ("1", "mean"), ("4", "mean"), ("4", "gram")):
    print(f"layer {layer}, pool {pool}: {features(model, new, layer, pool).shape}")

# %% [markdown]
# ## Retrieval: distance or angle?
#
# *Retrieval* finds the known images that are nearest to a new one. Lesson 24 used the Euclidean distance of
# two vectors a and b. The *cosine distance* compares only their directions:
#
# $$d_{\text{cosine}} = 1 - \frac{\langle a, b\rangle}{|a|\,|b|}$$
#
# It does not depend on the lengths of the vectors. If you double the brightness of an image, its pixels keep
# their direction. All products $\langle a_n, b_m\rangle$ together are one matrix product, (N, D) @ (D, M).
# For vectors of length 1 both distances give the same order, since $|a - b|^2 = 2\,d_{\text{cosine}}$:

# %%
a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (new_features, known_features))
assert np.allclose(squared_distances(a, b), 2 * (1 - a @ b.T), atol=1e-4)
share = {}
for metric in ("euclidean", "cosine"):
    for name, pair in (
        ("pixels", (known.scaled(slice(None)), new.scaled(slice(None)))),
        ("features", (known_features, new_features)),
    ):
        found = Index(pair[0], metric).search(pair[1])
        share[name, metric] = float((known.labels[found.index[:, 0]] == new.labels).mean())
        print(f"{name:8} {metric:9}: the nearest known image is of the same class: {share[name, metric]:.1%}")
assert share["features", "cosine"] > share["pixels", "cosine"]

# %%
looked = report(model, known, new)  # by default: what the last layer with weights reads
described(
    looked.retrieval("cosine"),
    "New images in the first column, and beside each the known images that are nearest to it by the "
    "features.",
)

# %% [markdown]
# **What to see:** each row begins with a new image, in a frame. The seven nearest known images follow, with
# their class and their distance. Red titles are of another class. Compare these with the new image: which
# strokes are alike?
#
# ## 128 dimensions on paper: principal components
#
# Subtract the mean from the vectors, and call the result X (N, D). In which direction v of length 1 do they
# spread most? In the one that maximises $|Xv|^2 = v^T X^T X\, v$: the eigenvector of $X^T X$ with the largest
# eigenvalue. The singular value decomposition $X = U S V^T$ gives $X^T X = V S^2 V^T$. So the columns of V
# are these directions, and the squares in $S^2$ say how much of the variance lies in each.

# %%
print(inspect.getsource(PCA.fit).split('"""')[2])
pca = PCA.fit(new_features)
assert pca.variance_share.sum() < 0.5
print("share of the variance in two directions:", pca.variance_share.round(3))
pixels = new.scaled(slice(None)).reshape(len(new), -1)
points = {
    "pixels": PCA.fit(pixels).transform(pixels),
    "features": pca.transform(new_features),
}
for name, rows in points.items():
    d = squared_distances(rows, rows) + np.diag(np.full(len(rows), np.inf))  # nobody is his own neighbour
    share[name, "2-D"] = float((new.labels[d.argmin(axis=1)] == new.labels).mean())
    print(f"{name:8} in two directions: the nearest point is of the same class: {share[name, '2-D']:.1%}")
assert share["features", "2-D"] > share["pixels", "2-D"] + 0.05
described(
    projection_figure(points, new.labels, new.classes),
    "The new digits as points in two directions, left by their pixels, right by their features: by "
    "features the classes lie more apart.",
)

# %% [markdown]
# **What to see:** two directions hold less than half of the variance of the features, so digits overlap in
# both pictures. But by features the classes are less mixed, as the two shares above say.
#
# ## Are features better? One linear classifier for all
#
# For a fair comparison every description goes to the *same* classifier, one without convolutions: softmax
# regression. It gets 100 labelled images, 10 of each class:

# %%
few, untrained = few_of_each(train, 100), cnn28()
errors = {}
for name, describe in {
    "pixels": lambda data: data.scaled(slice(None)).reshape(len(data), -1),
    "an untrained network's layer 8": lambda data: features(untrained, data, "8"),
    "the trained network's layer 8": lambda data: features(model, data, "8"),
}.items():
    errors[name] = linear_error(describe(few), few.labels, describe(new), new.labels, 10)
    print(f"{name:32} test error {errors[name]:.1%}")
assert errors["the trained network's layer 8"] < errors["pixels"]

# %% [markdown]
# Careful: this network was trained with the labels of *all* training images. So the comparison only shows how
# much of what it knows is in these 128 numbers. `python -m benchmarks.features` is stricter: there the
# network sees the same few labels as the other descriptions. It also measures HOG and SIFT, features made by
# hand.
#
# ## Texture without shape: the Gram matrix
#
# $$G_{n,i,j} = \frac{1}{OH \cdot OW} \sum_p A_{n,i,p}\, A_{n,j,p}$$
#
# p runs over all places of the maps A. The sum does not depend on the order of the places: if all maps are
# shuffled in the same way, G stays the same. So G describes of which parts an image is made (strokes of this
# direction together with strokes of that one), and not its shape.

# %%
maps = Tensor(np.random.default_rng(0).random((1, 3, 4, 4)))
order = np.random.default_rng(1).permutation(16)  # all maps are shuffled in the same way
shuffled = Tensor(maps.numpy().reshape(3, 16)[:, order].reshape(1, 3, 4, 4))
before, after = gram_matrix(maps).numpy(), gram_matrix(shuffled).numpy()
print("the same after moving all cells about:", np.allclose(before, after))
assert np.allclose(before, after)
texture = features(model, known, "4", "gram"), features(model, new, "4", "gram")
found = Index(texture[0], "cosine").search(texture[1])
print(f"nearest by texture: same class {(known.labels[found.index[:, 0]] == new.labels).mean():.1%}")

# %% [markdown]
# ## What does a unit answer to? Gradient ascent on the image
#
# Training moves the weights along the negative gradient of a loss. Here the weights stay. We begin with an
# image of noise, and move the *image* along the positive gradient of one unit's activation:
#
# $$x \leftarrow x + \epsilon\, \frac{\partial a_u}{\partial x}$$

# %%
images = maximise(model, "9", range(10), (1, 28, 28), steps=60)
with tinycnn.no_grad():
    sure = F.softmax(model(Tensor(images)), 1).numpy().diagonal()
print(f"the network gives each image its class with a probability of at least {sure.min():.1%}")
assert sure.min() > 0.9
described(
    image_grid(images, [f"class {k}" for k in range(10)], "what the ten outputs answer to most"),
    "Ten images made by gradient ascent, one for each output of the network.",
)

# %% [markdown]
# **What to see:** in some images you find parts of the digit, but nobody would write them so. Yet the network
# is very sure. It has learned what distinguishes the classes, and not what digits look like. That is what a
# generator learns (lesson 11); `tinycnn gan-explain RUN` shows what each coordinate of its z changes.
#
# ## Exercises
#
# **1.** Write the cosine distance of every row of a (N, D) to every row of b (M, D). A row of zeros has the
# distance 1 to all.


# %%
def cosine_distances(a, b):
    """Return (N, M)."""
    return None  # your code


check("cosine_distances", cosine_distances)

# %% [markdown]
# **2.** How much of the variance do the first ten principal components of the features hold? Use
# `np.linalg.svd`, not `PCA`.

# %%
of_ten = None  # your number, 0 to 1

compare(of_ten, PCA.fit(new_features, 10).variance_share.sum(), tolerance=1e-3)

# %% [markdown]
# **3.** Compute the Gram matrix of the maps A (K, OH, OW) of one image, with NumPy.


# %%
def gram(A):
    """Return (K, K)."""
    return None  # your code


A = np.random.default_rng(2).random((3, 4, 5))
compare(gram(A), gram_matrix(Tensor(A[None])).numpy()[0])

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Cosine distances</summary>
#
# ```python
# def cosine_distances(a, b):
#     lengths = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
#     return 1 - a @ b.T / np.where(lengths == 0, 1, lengths)
#
# assert check("cosine_distances", cosine_distances)
# ```
#
# </details>
#
# <details><summary>2. Ten directions</summary>
#
# ```python
# s = np.linalg.svd(new_features - new_features.mean(axis=0), compute_uv=False)
# of_ten = (s[:10] ** 2).sum() / (s**2).sum()
# assert compare(of_ten, PCA.fit(new_features, 10).variance_share.sum(), tolerance=1e-3)
# ```
#
# </details>
#
# <details><summary>3. The Gram matrix</summary>
#
# ```python
# def gram(A):
#     rows = A.reshape(len(A), -1)
#     return rows @ rows.T / rows.shape[1]
#
# assert compare(gram(A), gram_matrix(Tensor(A[None])).numpy()[0])
# ```
#
# </details>
