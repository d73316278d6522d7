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
# # 16. Your own pictures: cnn224, from a folder to a trained network
#
# About 45 minutes. You need lessons 5 and 6.
#
# At the end you can bring pictures of your own into the two forms that the engine reads, look at them before
# you train, train the documented network for 224x224 colour pictures, and ask it about one picture.

# %%
import inspect
import tempfile
from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Tensor, optim
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, from_arrays, image_arrays, stratified_split
from tinycnn.fit import Training, evaluate, fit
from tinycnn.generate import rule_image
from tinycnn.models import cnn224
from tinycnn.nn.summary import summary
from tinycnn.plot import described, learning_curve, sample_grid
from tinycnn.tutor import compare

# %% [markdown]
# ## Two forms of a data set
#
# | form | what it is | how to read it |
# | --- | --- | --- |
# | a folder | one subfolder of pictures per class: `pets/cat/1.jpg` | `image_folder("pets", (224, 224))` |
# | two arrays | `images.npy` (N, 224, 224, 3), 0..255, and `labels.npy` (N,) | `image_arrays("folder")` |
#
# The command line takes both: `tinycnn train --model cnn224 --data pets --size 224`. Here we make the second
# form ourselves. We draw the pictures, so that you need no download: rows, columns or chequers, in different
# widths and colours. Put your own pictures in their place.

# %%
CLASSES = ("rows", "columns", "chequers")
rng = np.random.default_rng(0)


def picture(kind):
    """Return one picture (224, 224, 3), uint8, of a class."""
    period, first_i, first_j = rng.uniform(20, 40), *rng.uniform(0, 40, 2)

    def stripes(i, j):
        rows, columns = (i + first_i) // (period / 2) % 2, (j + first_j) // (period / 2) % 2
        return {"rows": rows, "columns": columns, "chequers": abs(rows - columns)}[kind]

    mask = rule_image(stripes, 224, 224)[..., None] / 255  # (224, 224, 1), 0 or 1
    dark, bright = rng.uniform(0, 80, 3), rng.uniform(150, 255, 3)  # colours
    noise = rng.normal(0, 12, (224, 224, 3))
    return np.clip(mask * bright + (1 - mask) * dark + noise, 0, 255).astype(np.uint8)


folder = Path(tempfile.mkdtemp())
labels = np.arange(90) % 3
np.save(folder / "images.npy", np.stack([picture(CLASSES[label]) for label in labels]))
np.save(folder / "labels.npy", labels)
print({path.name: f"{path.stat().st_size / 2**20:.1f} MiB" for path in sorted(folder.iterdir())})

# %%
everything, test = image_arrays(folder)  # a fifth of every class is the test set
train, validation = stratified_split(everything, 0.2)
print(train, validation, test, sep="\n")

# %% [markdown]
# Files hold pictures as (N, H, W, C), channels last; the engine computes on (N, C, H, W) and float32 in 0..1:
# $x = \text{byte} / 255$. `scaled` does that for the images that you ask for. A set of 10,000 such pictures
# is 1.4 GiB as bytes and 5.6 GiB as float32. So the engine keeps bytes, and converts one batch at a time.

# %%
for name, size in (("bytes", 1), ("float32", 4)):
    print(f"10,000 pictures as {name}: {10_000 * 224 * 224 * 3 * size / 2**30:.1f} GiB")

# %% [markdown]
#
# ## Look at them first
#
# In a 5x5 grid you see mistakes that no check finds: labels that belong to the next picture, pictures upside
# down, exchanged colours, or nearly black pictures that were divided by 255 twice.

# %%
figure = sample_grid(train.scaled(slice(0, 25)), train.labels[:25], CLASSES)
described(figure, "Twenty-five training pictures in five rows, with the name of the class above each.")

# %% [markdown]
# **What to see:** each title names what its picture shows. Widths and colours differ within a class, so the
# network has to learn the direction of the stripes.

# %%
some = train.scaled(slice(0, 25))
print(f"shape {some.shape}, {some.dtype}, from {some.min():.2f} to {some.max():.2f}, mean {some.mean():.2f}")
print("pictures of each class:", np.bincount(train.labels))
assert some.shape[1:] == (3, 224, 224) and 0 <= some.min() < 0.1 and 0.9 < some.max() <= 1

# %% [markdown]
# ## The network

# %%
tinycnn.manual_seed(0)
model = cnn224(num_classes=3)
layers = summary(model, (3, 224, 224))
print(layers)
maps = sum(int(np.prod(layer.output_shape)) for layer in layers.layers)
print(f"outputs of all layers for one picture: {4 * maps / 1e6:.0f} MB")
print(f"weights and Adam's two numbers for each: {3 * 4 * layers.parameters / 1e9:.2f} GB")
print(inspect.getsource(cnn224))

# %% [markdown]
# The network has 44 million parameters. Nearly all of them are in one dense layer: 128·26·26 inputs times 512
# outputs. Adam keeps two more numbers for each parameter, together half a gigabyte. 57 pictures are very few
# for so many parameters. It works here because these three classes are easy.
#
# ## Train
#
# A batch has 8 pictures. One picture needs about 24 MB for the outputs of all layers, and most of them are
# kept for backward. If you have a GPU, call `tinycnn.use("cupy")` before you make the model. Nothing else
# changes.

# %%
epochs = 4
batches = DataLoader(train, batch_size=8, shuffle=True, augment=Augment(flip=True))
optimizer = optim.Adam(model.parameters(), 3e-4)
held_out = DataLoader(validation, batch_size=8)
history = fit(Training(model, batches, optimizer, epochs, held_out))
for record in history:
    print({name: float(f"{value:.3g}") for name, value in record.items()})
figure = learning_curve(history)
described(figure, "Loss and accuracy on training and on held-out pictures after each epoch.")

# %% [markdown]
# **What to see:** both losses fall, and the held-out loss is mostly the lower one. That is no mistake: the
# training loss is a mean over the epoch, while the weights still improve. The held-out loss is measured after
# it.

# %%
assert all(history[-1][name] < history[0][name] for name in ("loss", "val_loss"))
assert sum(record["val_loss"] < record["loss"] for record in history) >= 3
result = evaluate(model, DataLoader(test, batch_size=8))
print(f"{result.accuracy:.0%} of {len(test)} test pictures right")
assert result.accuracy > 0.6  # by chance it would be 1/3

# %% [markdown]
# ## Ask about one picture
#
# A network takes a batch, so one picture (3, 224, 224) becomes a batch of one: `picture[None]`. Call
# `model.eval()` first, as always.

# %%
one = test.scaled(slice(0, 1))  # (1, 3, 224, 224)
model.eval()
with tinycnn.no_grad():
    probabilities = F.softmax(model(Tensor(one)), 1).numpy()[0]
for name, p in zip(CLASSES, probabilities, strict=True):
    print(f"{name:8} {p:.1%}")
print("it is a", CLASSES[test.labels[0]])

# %% [markdown]
# ## What people run into
#
# | what you see | why | what to do |
# | --- | --- | --- |
# | "the input must be (N, C, H, W)" | no N, or channels last | `x[None]`; `x.transpose(0, 3, 1, 2)` |
# | pictures are nearly black in the grid | divided by 255 twice | give bytes, or numbers in 0..1 |
# | 100 % in training, chance on the test | too few pictures | more pictures, a smaller network |
# | one class is never predicted | few pictures of it | look at `np.bincount(labels)` |
# | memory runs out | the batch is too large | `batch_size=4`; `tinycnn.no_grad()` if you only predict |
#
# ## Exercises
#
# **1.** Bring pictures of bytes, (N, H, W, C), into the form that the engine computes on.


# %%
def for_the_engine(images):
    """Return (N, C, H, W), float32 in 0..1."""
    return None  # your code


raw = np.load(folder / "images.npy")[:4]
by_the_engine = from_arrays(raw, labels[:4]).scaled(slice(None))
compare(for_the_engine(raw), by_the_engine)

# %% [markdown]
# **2.** How many weights and biases does the first dense layer have if the pictures are S x S? Before it
# there are three 3x3 convolutions without padding. After each of them max-pooling halves rows and columns,
# and drops an odd one. 128 maps come out. The dense layer has 512 outputs.


# %%
def dense_weights(S):
    """Return the number of weights and biases."""
    return None  # your code


compare(
    dense_weights(224),
    next(p for n, p in model.named_parameters() if p.shape[0] == 512 and p.ndim == 2).numel() + 512,
)

# %% [markdown]
# **3.** Often every channel is normalised to the mean 0 and the standard deviation 1, with the mean and the
# deviation of the *training* pictures. Write that for images (N, C, H, W), with mean and deviation (C,).


# %%
def normalised(images, mean, deviation):
    """Return images of mean 0 and deviation 1 in every channel."""
    return None  # your code


mean, deviation = some.mean(axis=(0, 2, 3)), some.std(axis=(0, 2, 3))
answer = normalised(some, mean, deviation)
compare(
    None if answer is None else [*answer.mean((0, 2, 3)), *answer.std((0, 2, 3))], [0, 0, 0, 1, 1, 1], 1e-3
)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. The engine's form</summary>
#
# ```python
# def for_the_engine(images):
#     return images.transpose(0, 3, 1, 2).astype(np.float32) / 255
#
# assert compare(for_the_engine(raw), by_the_engine)
# ```
#
# </details>
#
# <details><summary>2. The dense layer</summary>
#
# ```python
# def dense_weights(S):
#     for _ in range(3):
#         S = (S - 2) // 2
#     return 512 * (128 * S * S + 1)
#
# assert compare(dense_weights(224), 512 * 128 * 26 * 26 + 512)
# ```
#
# </details>
#
# <details><summary>3. Normalising</summary>
#
# ```python
# def normalised(images, mean, deviation):
#     return (images - mean[:, None, None]) / deviation[:, None, None]
#
# answer = normalised(some, mean, deviation)
# assert compare([*answer.mean((0, 2, 3)), *answer.std((0, 2, 3))], [0, 0, 0, 1, 1, 1], 1e-3)
# ```
#
# </details>
