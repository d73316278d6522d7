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
from tinycnn.tutor import compare

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
# ## How sure is an accuracy? The bootstrap
#
# 2,000 test images are a sample. Other 2,000 would have given another accuracy. How much another? We have no
# other images, but we can draw from those we have: N of the N, *with* replacement, so that some come twice
# and some not at all. The accuracy of each such draw differs a little; the middle 95 % of them are the
# interval.

# %%
right = report.right  # (2000,) True or False
rng = np.random.default_rng(0)
drawn = [right[rng.integers(0, len(right), len(right))].mean() for _ in range(2000)]
low, high = np.quantile(drawn, [0.025, 0.975])
print(f"accuracy {right.mean():.2%}, interval {low:.2%} to {high:.2%}")
print("from the library:", metrics.bootstrap_interval(right))

# %% [markdown]
# Count the digits that an accuracy is worth: with 2,000 images the interval is about ±1 point, so the second
# digit behind the comma says nothing.
#
# ## A threshold for every purpose: ROC
#
# "Is it a 9?" is answered by comparing p(9) with a threshold. A low threshold finds all nines and much else.
# A high one finds fewer, and errs less. The ROC curve draws all thresholds at once: the share of nines that
# are found (true positive rate) above the share of others that are taken for nines (false positive rate). The
# area under it, AUC, needs no threshold: it is the probability that a random nine has a larger p(9) than a
# random other digit.

# %%
print(inspect.getsource(ranking._counts).split('"""')[2])
nine, p = report.labels == 9, report.probabilities[:, 9]
pairs = p[nine][:, None] - p[~nine]  # every nine with every other digit
counted = (pairs > 0).mean() + (pairs == 0).mean() / 2
print(f"AUC {metrics.roc_auc(nine, p):.5f}, by counting pairs {counted:.5f}")

# %% [markdown]
# ## Calibration: is it as sure as it is right?
#
# Sort the answers by confidence, the largest probability, into bins. In each bin compare the mean confidence
# with the share of right answers. The expected calibration error is the mean gap:
#
# $$\text{ECE} = \sum_m \frac{n_m}{N}\, |\text{accuracy}_m - \text{confidence}_m|$$

# %%
bars = metrics.reliability(report.labels, report.probabilities)
for m in np.flatnonzero(bars.images):
    print(
        f"{bars.edges[m]:.1f} to {bars.edges[m + 1]:.1f}: {bars.images[m]:5} images, "
        f"sure {bars.confidence[m]:6.1%}, right {bars.accuracy[m]:6.1%}"
    )

# %% [markdown]
# ## Undefined is not zero
#
# A network that always says "1": what is its precision for the twos? No prediction is "2", so it is 0/0. The
# library says so, and counts it as 0 in the mean only.

# %%
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    print(metrics.precision_recall_f1([0, 1, 2, 2], [1, 1, 1, 1]))
print(said[0].message)

# %% [markdown]
# ## Is another one better? McNemar's test
#
# Two networks, judged by the same images. Images that both get right, or both wrong, say nothing about which
# is better. Let a be the number that only the first gets right, b only the second. If both were equally good,
# each of these n = a + b images would fall to either like a coin:
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
# Another seed makes a difference that is noise. If your new idea gains less than another seed does, it may
# have gained nothing.
#
# ## Choosing without the test images
#
# Try ten learning rates, keep the one with the best *test* accuracy, and report that accuracy: it is too
# high, because the choice suits these very images. So choose by images that are held out of the *training*
# data. If there are few, hold out every image once: k-fold cross-validation.


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
# `tinycnn tune` does this for learning rate and weight decay, and goes on if it is interrupted.
# `tinycnn evaluate RUN` and `tinycnn compare RUN...` print what you saw here for runs. For scikit-learn's
# searches there is `tinycnn.sklearn.CNNClassifier`.
#
# ## Exercises
#
# **1.** A test is positive for 90 % of the sick and for 5 % of the healthy. Of 1,000 people 10 are sick. What
# is its precision?

# %%
precision = None  # your number

people = np.repeat([[1, 1, 0, 0], [1, 0, 1, 0]], [90, 10, 495, 9405], axis=1)  # ten times as many
compare(precision, metrics.precision_recall_f1(*people, average=None).precision[1])

# %% [markdown]
# **2.** Only the first of two networks is right on 9 images, only the second on 2. Compute McNemar's p.

# %%
p_value = None  # your number

only = np.repeat([True, False], [9, 2])
compare(p_value, metrics.mcnemar(only, ~only).p)

# %% [markdown]
# **3.** Write the expected calibration error for confidences (N,) and right (N,), in ten bins of equal width.


# %%
def calibration_error(confidence, right):
    """Return a number."""
    return None  # your code


confidence = report.probabilities.max(axis=1)
compare(calibration_error(confidence, right), report.calibration_error)

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
# p_value = 2 * sum(comb(11, i) for i in range(3)) / 2**11
# assert compare(p_value, metrics.mcnemar(only, ~only).p)
# ```
#
# </details>
#
# <details><summary>3. Calibration</summary>
#
# ```python
# def calibration_error(confidence, right):
#     total = 0
#     for m in range(10):
#         inside = (confidence > m / 10) & (confidence <= (m + 1) / 10)
#         if inside.any():
#             total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
#     return total
#
# assert compare(calibration_error(confidence, right), report.calibration_error)
# ```
#
# </details>
