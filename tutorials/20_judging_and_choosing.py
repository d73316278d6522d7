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
# # 20. Judging and choosing: how good, how sure, and which one
#
# About an hour. You need lesson 6, which introduces accuracy, precision and recall.
#
# At the end you can say how good a classifier is, how sure you are of that, whether another one is better by
# more than chance, and choose settings without a look at the test images.

# %%
import inspect
import warnings
from math import comb

import numpy as np

import tinycnn
from tinycnn import metrics, optim
from tinycnn.data import DataLoader, digits, stratified_split
from tinycnn.fit import Training, fit
from tinycnn.metrics import ranking
from tinycnn.models import lenet5
from tinycnn.plot import described
from tinycnn.select import compare as compare_models
from tinycnn.select import comparison_figure, cross_validate, judge, report_figure
from tinycnn.tutor import check, compare

train, test = digits()
few = train.subset(slice(0, 1500))  # so that it makes mistakes


def trained(data, epochs=4, seed=0, weight_decay=0.0):
    """Return LeNet-5 after a short training."""
    tinycnn.manual_seed(seed)
    model = lenet5()
    loader = DataLoader(data, batch_size=32, shuffle=True, seed=seed)
    optimizer = optim.Adam(model.parameters(), weight_decay=weight_decay)
    schedule = optim.OneCycleLR(optimizer, 1e-2, epochs * len(loader))
    fit(Training(model, loader, optimizer, epochs, schedule=schedule))
    return model


model = trained(few)
report = judge(model, test)
print(*report.lines(), sep="\n")

# %%
described(
    report_figure(report),
    "Four panels: precision and recall of every class, ROC curves, precision against recall, and "
    "calibration, in which the bars lie near the diagonal.",
)

# %% [markdown]
# **What to see:** top left, which classes are found often (recall), and which answers can be trusted
# (precision). The three worst classes have colours in the two curves. Bottom right, the bars are shares of
# right answers; the table below has their numbers. The next sections explain these pictures.
#
# ## How sure is an accuracy? The bootstrap
#
# The 2,000 test images are a sample. Another sample would give another accuracy. How different would it be?
# We have no other images, but we can draw from those we have: N of the N images, *with* replacement. Some
# images come twice then, and others not at all. Every draw has a slightly different accuracy. The interval
# holds the middle 95 % of these accuracies.

# %%
right = report.right  # (2000,) True or False
rng = np.random.default_rng(0)
drawn = [right[rng.integers(0, len(right), len(right))].mean() for _ in range(2000)]
low, high = np.quantile(drawn, [0.025, 0.975])
print(f"accuracy {right.mean():.2%}, interval {low:.2%} to {high:.2%}")
print("from the library:", metrics.bootstrap_interval(right))
assert 0.01 < (high - low) / 2 < 0.02

# %% [markdown]
# The interval reaches about 1.4 points to both sides. So with 2,000 images a difference of one percent can be
# chance. Report the interval together with the accuracy.
#
# ## A threshold for every purpose: ROC
#
# Is it a 9? We compare p(9) with a threshold. A low threshold finds all nines, and many other digits. A high
# threshold finds fewer nines, and makes fewer mistakes. The ROC curve draws all thresholds at once: the share
# of nines that are found (true positive rate) over the share of other digits that are taken for nines (false
# positive rate). The area under the curve, AUC, needs no threshold. It is the probability that a random nine
# has a larger p(9) than a random other digit.

# %%
print(inspect.getsource(ranking._counts).split('"""')[2])
nine, p = report.labels == 9, report.probabilities[:, 9]
pairs = p[nine][:, None] - p[~nine]  # every nine with every other digit
counted = (pairs > 0).mean() + (pairs == 0).mean() / 2
print(f"AUC {metrics.roc_auc(nine, p):.5f}, by counting pairs {counted:.5f}")
assert np.isclose(metrics.roc_auc(nine, p), counted)

# %% [markdown]
# ## Calibration: is it as sure as it is right?
#
# The confidence of an answer is its largest probability. Sort the answers by confidence into bins. In each
# bin compare the mean confidence with the share of right answers. The expected calibration error is the mean
# difference, where a bin counts as much as it has images:
#
# $$\text{ECE} = \sum_m \frac{n_m}{N}\, |\text{accuracy}_m - \text{confidence}_m|$$

# %%
bars = metrics.reliability(report.labels, report.probabilities)
for m in np.flatnonzero(bars.images):
    print(
        f"{bars.edges[m]:.1f} to {bars.edges[m + 1]:.1f}: {bars.images[m]:5} images, "
        f"sure {bars.confidence[m]:6.1%}, right {bars.accuracy[m]:6.1%}"
    )
ece = np.nansum(bars.images * np.abs(bars.accuracy - bars.confidence)) / bars.images.sum()
print(f"expected calibration error {ece:.4f}, as in the table above")
assert f"{ece:.4f}" in "".join(report.lines())

# %% [markdown]
# ## Undefined is not zero
#
# A network always answers "1". What is its precision for the twos? It never answers "2", so the precision is
# 0/0. The library says so in a warning, and counts it as 0 in the mean.

# %%
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(metrics.precision_recall_f1([0, 1, 2, 2], [1, 1, 1, 1]))
print(said[0].message)

# %% [markdown]
# ## Is another one better? McNemar's test
#
# Two networks classify the same images. If both are right on an image, or both wrong, it says nothing about
# which is better. Let a be the number of images that only the first gets right, and b the number that only
# the second gets right. If both networks were equally good, each of these n = a + b images would be like a
# coin that falls for one or the other. How probable is a result at least so unequal?
#
# $$p = 2 \sum_{i \le \min(a, b)} \binom{n}{i} 2^{-n}$$

# %%
models = {"4 epochs": model, "4 epochs, other seed": trained(few, seed=1), "1 epoch": trained(few, epochs=1)}
comparison = compare_models(models, test)
print(*comparison.lines(), sep="\n")

# %%
first, second = (entry.report.right for entry in comparison.entries[:2])
a, b = int((first & ~second).sum()), int((second & ~first).sum())
p_by_hand = min(1, 2 * sum(comb(a + b, i) for i in range(min(a, b) + 1)) / 2 ** (a + b))
print(f"the first two: a = {a}, b = {b}, p = {p_by_hand:.3g}")
assert np.isclose(p_by_hand, metrics.mcnemar(first, second).p)
described(comparison_figure(comparison), "Three networks compared: the accuracy of each with its interval.")

# %% [markdown]
# **What to see:** the bars are the intervals. Green networks cannot be told from the best one; the red one is
# worse by more than chance. All three have the same size, so they stand above each other.
#
# Another seed makes a difference that is noise. If your new idea gains no more than that, it may have gained
# nothing.
#
# ## Choosing without the test images
#
# Suppose you try ten learning rates, keep the one with the best *test* accuracy, and report that accuracy. On
# average it is too high, because you chose what suits these images best. So choose by images that are held
# out of the *training* data. If there are few images, let every image be held out once: this is k-fold
# cross-validation.


# %%
def score(rest, held_out):
    """Train on the one, return the accuracy on the other."""
    return judge(trained(rest, epochs=2), held_out).accuracy


scores = cross_validate(score, few.subset(slice(0, 600)), k=3)
print(f"three folds: {scores.round(3)}, mean {scores.mean():.3f} ± {scores.std(ddof=1):.3f}")
rest, held_out = stratified_split(few, 0.2)
found = {decay: judge(trained(rest, 2, weight_decay=decay), held_out).accuracy for decay in (0, 1e-3, 1e-1)}
print("held out:", {decay: round(accuracy, 3) for decay, accuracy in found.items()})

# %% [markdown]
# `tinycnn tune` does this for the learning rate and the weight decay. If it is interrupted, it can go on
# later. `tinycnn evaluate RUN` and `tinycnn compare RUN...` print what you saw here for runs. For
# scikit-learn's searches there is `tinycnn.sklearn.CNNClassifier`.
#
# ## Exercises
#
# **1.** A medical test is positive for 90 % of the people who are sick, and for 5 % of those who are healthy.
# Of 1,000 people 10 are sick. What is the precision of the test?

# %%
precision = None  # your number

people = np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], [90, 10, 495, 9405], axis=1)  # ten times as many
compare(precision, metrics.precision_recall_f1(*people, average=None).precision[1])

# %% [markdown]
# **2.** Write McNemar's p for two classifiers. You get two arrays, which say for each image whether the first
# and the second classifier is right.


# %%
def mcnemar_p(right_a, right_b):
    """Return p, of booleans (N,)."""
    return None  # your code


check("mcnemar_p", mcnemar_p)

# %% [markdown]
# **3.** Write the expected calibration error for confidences (N,) and right (N,), in bins of equal width.


# %%
def calibration_error(confidence, right, bins):
    """Return a number."""
    return None  # your code


check("calibration_error", calibration_error)

# %% [markdown]
# ## Solutions
#
# <details><summary>1. A rare disease</summary>
#
# 9 of the 10 sick are found, and 5 % of 990 healthy people, 49.5, are positive too.
#
# ```python
# precision = 9 / (9 + 49.5)
# assert compare(precision, metrics.precision_recall_f1(*people, average=None).precision[1])
# ```
#
# </details>
#
# <details><summary>2. Coins</summary>
#
# ```python
# def mcnemar_p(right_a, right_b):
#     a, b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
#     return min(1, 2 * sum(comb(a + b, i) for i in range(min(a, b) + 1)) / 2 ** (a + b))
#
# assert check("mcnemar_p", mcnemar_p)
# ```
#
# </details>
#
# <details><summary>3. Calibration</summary>
#
# ```python
# def calibration_error(confidence, right, bins):
#     total = 0
#     for m in range(bins):
#         inside = (confidence > m / bins) & (confidence <= (m + 1) / bins)
#         if inside.any():
#             total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
#     return total
#
# assert check("calibration_error", calibration_error)
# confidence = report.probabilities.max(axis=1)
# assert compare(calibration_error(confidence, right, 10), report.calibration_error)
# ```
#
# </details>
