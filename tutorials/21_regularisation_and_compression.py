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
# # 21. Keeping it from overfitting, and making it small
#
# About an hour. You need lessons 6 and 22; lesson 14 explains dropout and batch norm.
#
# At the end you can see that a network overfits, choose a remedy, and say what each does to the gradient. You
# can derive why the smallest weights are the ones to cut, and store a network in a tenth of its size.

# %%
import copy
import tempfile
from pathlib import Path

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.compression import (
    GradualPruning,
    Int8Linear,
    distillation_loss,
    masks_of,
    prune,
    quantize,
    save_sparse,
    shrink,
)
from tinycnn.compression.report import accuracy, retrain
from tinycnn.data import Augment, DataLoader, digits
from tinycnn.fit import Training, fit
from tinycnn.plot import blank_figure, described
from tinycnn.storage import save_weights
from tinycnn.tutor import check, compare

# %% [markdown]
# ## Overfitting, seen
#
# A network with many weights and few images can learn the images by heart. We take 300 digits and 25,000
# weights: more than 80 weights for each digit.

# %%
everything, test = digits()
few = np.concatenate([np.flatnonzero(everything.labels == k)[:30] for k in range(10)])
train, test = everything.subset(few), test.subset(slice(0, None, 4))


def network(p=0.0):
    """Return a small network; p is its dropout."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(p), nn.Linear(16 * 5 * 5, 58), nn.ReLU(), nn.Linear(58, 10)),
    )


def learn(model, epochs=25, augment=None, loss=F.cross_entropy, **options):
    """Train a model on the few digits; return the history: accuracies on them and on the test digits."""
    loader = DataLoader(train, 30, shuffle=True, augment=augment)
    optimizer = optim.Adam(model.parameters(), 2e-3, **options)
    return fit(Training(model, loader, optimizer, epochs, DataLoader(test, 500), loss=loss))


tinycnn.manual_seed(0)
plain = network()
history = learn(plain)
print(f"{sum(p.numel() for p in plain.parameters()):,} weights, {len(train)} digits")
assert sum(p.numel() for p in plain.parameters()) / len(train) > 80
print(f"on the digits it learned {history[-1]['accuracy']:.1%}, on others {history[-1]['val_accuracy']:.1%}")
assert history[-1]["accuracy"] > 0.99 > history[-1]["val_accuracy"] + 0.04
assert history[-1]["val_loss"] > min(record["val_loss"] for record in history)

# %%
figure = blank_figure(9, 3.4)
for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
    for key, label in ((name, "learned"), (f"val_{name}", "others")):
        axes.plot([record[key] for record in history], label=label)
    axes.set_xlabel("epoch")
    axes.set_title(name)
    axes.legend()
described(
    figure,
    "Loss and accuracy over the epochs: the loss on learned digits falls to 0, that on others stays above "
    "it.",
)

# %% [markdown]
# **What to see:** the loss on the learned digits goes to 0. On others it stops falling early, and rises
# again: the network becomes surer of all its answers, also of the wrong ones. The distance between the two
# curves is the **gap**. *Early stopping* ends the training where the second curve is lowest. For that it
# needs digits that are neither learned nor tested.
#
# ## Remedies, and what they do to the gradient
#
# - **L2** (Eq. 8) adds $\frac{\lambda}{2} \sum w^2$ to the loss, so its gradient has $\lambda w$ more: a step
#   of gradient descent makes each weight smaller by a *share*. **L1** adds $\lambda \sum |w|$, whose gradient
#   is $\lambda\,\mathrm{sign}(w)$: each step takes the same *amount*, until the weight is near 0 (lesson 22).
# - **Dropout** (lesson 14) lets no unit rely on another one: it may be missing.
# - **Augmentation** shows each image a little differently every time. It adds knowledge that is not in the
#   images: that a shifted digit is the same digit.
# - **Label smoothing** asks for the probability $1 - s + s/K$ instead of 1. The gradient of the cross-entropy
#   by the logits is softmax minus the truth (lesson 4). With the truth 1 it is never 0, so the logits always
#   grow. With the smoothed truth it is 0 at finite logits:

# %%
logits = Tensor(np.zeros((1, 3)), requires_grad=True)
for _ in range(2000):
    loss = F.cross_entropy(logits, [0], label_smoothing=0.3)
    logits.grad = None
    loss.backward()
    logits.data -= logits.grad.data
probabilities = F.softmax(logits, 1).numpy()[0]
print("probabilities at the end:", probabilities.round(3))
np.testing.assert_allclose(probabilities, [1 - 0.3 + 0.1, 0.1, 0.1], atol=1e-3)


# %%
def smoothed(logits, labels):
    """Return the cross-entropy of labels that are smoothed."""
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


ways = {
    "nothing": (network, {}),
    "L2": (network, {"weight_decay": 1e-2}),
    "dropout": (lambda: network(0.5), {}),
    "label smoothing": (network, {"loss": smoothed}),
    "augmentation": (network, {"augment": Augment(shift=2, rotate=10)}),
}
gaps = {}
for name, (make, options) in ways.items():
    tinycnn.manual_seed(0)
    model = make()
    learn(model, **options)
    gaps[name] = accuracy(model, train), accuracy(model, test)
    print(f"{name:16} learned {gaps[name][0]:6.1%}  others {gaps[name][1]:6.1%}")
assert gaps["augmentation"][1] > gaps["nothing"][1]  # it helps on others

# %%
figure = blank_figure(8, 2.6)
axes = figure.subplots()
for row, (learned, others) in enumerate(gaps.values()):
    axes.plot([100 * others, 100 * learned], [row, row], "o-", linewidth=3)
axes.set_yticks(range(len(gaps)), list(gaps))
axes.invert_yaxis()
axes.set_xlabel("accuracy (%) on others (left end) and on the learned digits (right end)")
described(
    figure,
    "One line for each way of training, from the accuracy on others at its left end to that on learned "
    "digits at its right end.",
)

# %% [markdown]
# **What to see:** a short line is a small gap, and a line that begins further right is better on others. The
# line of augmentation begins further right than that of "nothing".
#
# One seed says little: `python -m benchmarks.regularisation` repeats this with cnn28, three seeds and all
# remedies.
#
# ## Pruning: which weight is missed least? (Eq. 16)
#
# Set one weight $w_i$ to 0. How much does the loss change? By Taylor, with the gradient $g_i$ and the second
# derivative $h_i$:
#
# $$L(w_i \to 0) - L = -g_i w_i + \frac{1}{2} h_i w_i^2 - \dots$$
#
# After training the gradient is nearly 0, so the second term decides. To compute the $h_i$ is expensive. If
# we assume that they are about equal, cutting the weight with the smallest $|w_i|$ changes the loss least:
#
# $$w \leftarrow w \cdot [\,|w| \ge \tau\,]$$
#
# In a small example, with h = 2 for both weights, the formula is exact:

# %%
w = np.array([0.5, -3.0])


def loss_at(w):
    """Return (w_0 - 0.5)^2 + (w_1 + 3)^2: the minimum is at w, both second derivatives are 2."""
    return ((w - np.array([0.5, -3.0])) ** 2).sum()


costs = [loss_at(w * [0, 1]) - loss_at(w), loss_at(w * [1, 0]) - loss_at(w)]
print("cutting w_0 costs", costs[0], "and w_1", costs[1])
assert costs == [0.5 * 2 * 0.5**2, 0.5 * 2 * 3.0**2]

# %% [markdown]
# Now a network. First we train one well, on more digits; then we cut more and more of its weights.

# %%
more = everything.subset(slice(0, None, 4))
print(f"{len(more):,} digits")
tinycnn.manual_seed(0)
dense = network()
retrain(dense, more, epochs=6)
shares = (0.5, 0.7, 0.8, 0.9, 0.95)
cut = []
for sparsity in shares:
    model = copy.deepcopy(dense)
    prune(model, sparsity)
    cut.append(accuracy(model, test))
print(f"dense: {accuracy(dense, test):.1%}")
for sparsity, right in zip(shares, cut, strict=True):
    print(f"{sparsity:.0%} cut: {right:.1%}")
assert cut[0] > accuracy(dense, test) - 0.03 > cut[-1]

# %% [markdown]
# Without half of its weights the network is nearly as good. Without 95 % it is much worse, but it had no
# chance to adapt. If it is trained further, the other weights can take over. The weights that were cut must
# stay 0 meanwhile, though their gradients are not 0. So the **mask** is applied again after every step
# (`KeepPruned`). `GradualPruning` does so, and cuts a few weights at a time.

# %%
pruned = copy.deepcopy(dense)
retrain(pruned, more, epochs=4, callbacks=[GradualPruning(pruned, 0.9)])
print(f"90 % cut while it is trained: {accuracy(pruned, test):.1%}, zeros {masks_of(pruned).sparsity:.1%}")
assert accuracy(pruned, test) > cut[3]
for name, kept in masks_of(pruned).kept.items():
    print(f"  {name:10} {kept.mean():6.1%} of {kept.size:,} weights are left")
assert masks_of(pruned).kept["0.weight"].mean() > 0.5 > 0.2 > masks_of(pruned).kept["8.weight"].mean()

# %% [markdown]
# Look at the layers: the first convolution keeps most of its few weights, and the first dense layer loses
# most of its many weights. That is possible because the weights of all layers are compared together.
#
# ## Whole filters
#
# A zero saves no time in a matrix product: it is multiplied like any other number. If a whole filter is cut,
# its output channel disappears, and the next layer has fewer inputs. The result is a smaller network:

# %%
small = shrink(dense, 0.5)
for name, model in (("dense", dense), ("half of the filters", small)):
    summary = model.summary((1, 28, 28))
    print(f"{name:20} {summary.parameters:7,} parameters, {summary.multiply_adds:9,} multiply-adds")

# %% [markdown]
# It has to learn again, and the old network is its teacher. With **distillation** the student learns from the
# teacher's probabilities, and not from the label alone. A temperature T makes the probabilities more equal,
# so that the student sees which wrong digits look nearly right:

# %%
image = test.scaled([11])
with tinycnn.no_grad():
    z = dense(Tensor(image))
for T in (1, 4):
    print(f"T = {T}:", F.softmax(z / T, 1).numpy()[0].round(3))
print("the loss of a student that knows nothing:", distillation_loss(z * 0, z, [test.labels[11]]).item())
retrain(small, more, epochs=4, teacher=dense)
print(f"half of the filters, taught by the old network: {accuracy(small, test):.1%}")

# %% [markdown]
# ## Int8: a quarter of the memory
#
# A number x is stored as the integer q = round(x / s), from -127 to 127. The largest |x| decides the scale s.
# No x is wrong by more than half of s:
#
# $$q = \mathrm{round}(x / s), \quad s = \max|x| / 127, \qquad |x - s q| \le s / 2$$

# %%
weight = dense[0].weight.numpy()[0]  # one filter, (1, 3, 3)
s = np.abs(weight).max() / 127
q = np.rint(weight / s).astype(np.int8)
print(q[0])
assert np.abs(weight - s * q).max() <= s / 2 + 1e-9
integers = quantize(dense, more.scaled(slice(0, 200)))  # the images find the scales of the activations
print(f"float32 {accuracy(dense, test):.1%}, int8 {accuracy(integers, test):.1%}")
assert abs(accuracy(dense, test) - accuracy(integers, test)) < 0.02

# %% [markdown]
# Each filter has a scale of its own. With one scale for all, a filter with large weights would leave only a
# few integers for the small weights of the others.
#
# ## What it saves on disk
#
# `save_sparse` writes one bit for each weight, which says whether it is 0, and then only the others.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "weights"
    sizes = {}
    for name, model, save in (
        ("dense", dense, lambda path, model: save_weights(path, model, {})),
        ("half of the filters", small, lambda path, model: save_weights(path, model, {})),
        ("int8", integers, lambda path, model: save_weights(path, model, {})),
        ("90 % cut", pruned, save_sparse),
        ("90 % cut, int8", quantize(pruned, more.scaled(slice(0, 200))), save_sparse),
    ):
        save(path, model)
        sizes[name] = path.stat().st_size / 1024, accuracy(model, test)
assert sizes["90 % cut, int8"][0] < sizes["dense"][0] / 10 and sizes["int8"][0] < sizes["dense"][0] / 3
assert sizes["90 % cut, int8"][1] > sizes["dense"][1] - 0.03
figure = blank_figure(7, 3)
axes = figure.subplots()
bars = axes.barh(list(sizes), [size for size, _ in sizes.values()])
axes.bar_label(bars, [f"{size:.0f} KiB, {share:.1%}" for size, share in sizes.values()], padding=3)
axes.invert_yaxis()
axes.margins(x=0.25)
axes.set_xlabel("size of the file (KiB), and accuracy")
described(figure, "Bars: the size of the file of five forms of one network, with the accuracy of each.")

# %% [markdown]
# **What to see:** the smallest file has less than a tenth of the size, and its accuracy is close to the
# first. `tinycnn compress RUN` does all of this for a network that `tinycnn train` has saved.
#
# ## Exercises
#
# **1.** Write Eq. 16 for a list of arrays. Cut the share `sparsity` of all weights of all arrays together.


# %%
def my_prune(w, sparsity):
    """Return the arrays of the list w with the weights nearest to 0 set to 0."""
    return None  # your code


check("prune", my_prune)

# %% [markdown]
# **2.** Quantize a weight (K, in) with one scale for each row, and return what the integers stand for:
# scale * q.


# %%
def through_int8(w):
    """Return scale * round(w / scale), with a scale for each row of w (K, in)."""
    return None  # your code


rows = np.array([[100.0, -40.0, 3.0], [0.1, 0.02, -0.06]])
layer = nn.Linear(3, 2)
layer.load_state_dict({"weight": rows, "bias": [0, 0]})
stored = Int8Linear(layer)
compare(through_int8(rows), stored.weight.numpy() * stored.weight_scale.numpy()[:, None], tolerance=1e-6)

# %% [markdown]
# **3.** Two of three weights are cut: w = (0, 0, 2). The optimizer is SGD with momentum. When the first
# weight was cut, its velocity was 4. In the next step its gradient is 0. The learning rate is 0.1 and the
# momentum 0.9. Where is the first weight after this step, if nobody applies the mask?

# %%
first_weight = None  # your number
weight = nn.Parameter(Tensor(np.array([0.0, 0.0, 2.0])))
optimizer = optim.SGD([weight], 0.1, momentum=0.9)
optimizer.state[0]["velocity"][:] = [4.0, 0, 0]
weight.grad = Tensor(np.zeros(3))
optimizer.step()
compare(first_weight, weight.numpy()[0])

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Pruning</summary>
#
# ```python
# def my_prune(w, sparsity):
#     sizes = np.sort(np.abs(np.concatenate([a.ravel() for a in w])))
#     threshold = sizes[round(sparsity * len(sizes))]
#     return [np.where(np.abs(a) >= threshold, a, 0.0) for a in w]
#
# assert check("prune", my_prune)
# ```
#
# </details>
#
# <details><summary>2. Int8</summary>
#
# With one scale for the whole array, the second row would become 0.
#
# ```python
# def through_int8(w):
#     scale = np.abs(w).max(axis=1, keepdims=True) / 127
#     return scale * np.rint(w / scale)
#
# expected = stored.weight.numpy() * stored.weight_scale.numpy()[:, None]
# assert compare(through_int8(rows), expected, tolerance=1e-6)
# ```
#
# </details>
#
# <details><summary>3. Why the mask is applied after every step</summary>
#
# The velocity becomes 0.9 * 4 + 0 = 3.6, and the weight moves by -0.1 * 3.6: it is not 0 any more, though its
# gradient was.
#
# ```python
# assert compare(-0.36, weight.numpy()[0])
# ```
#
# </details>
