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
# # 6. Train cnn28 and read its curves
#
# An hour and a quarter. You need lessons 3 to 5.
#
# At the end you have trained cnn28 on handwritten digits to about 98 %. You can tell from two curves whether
# a training goes well, and you know which digits are confused.

# %%
import inspect

import numpy as np

import tinycnn
from tinycnn import Tensor, nn, optim
from tinycnn import functional as F
from tinycnn.data import Augment, DataLoader, digits, stratified_split
from tinycnn.explain import draw, explain, training_step
from tinycnn.fit import Training, evaluate, fit
from tinycnn.metrics import accuracy, confusion_matrix, precision_recall_f1
from tinycnn.models import cnn28
from tinycnn.nn.summary import summary
from tinycnn.plot import confusion_matrix as draw_confusion_matrix
from tinycnn.plot import described, learning_curve, prediction_grid, sample_grid
from tinycnn.tutor import compare

# %% [markdown]
# ## The data: look at it first
#
# Images (N, 1, 28, 28), each with a label. They are divided into three parts, and each has one purpose:
#
# | part | for |
# | --- | --- |
# | *training* | the network learns from these images |
# | *validation* | you look at these while you work: when to stop, which learning rate, which network |
# | *test* | you look at these once, at the end: what does the network do with digits it has not seen? |
#
# Why three parts? Suppose that you try ten learning rates on some images and keep the best one. It is the
# best *on these images*, and partly by luck. So its accuracy there is too good. The test images must take no
# part in any choice.

# %%
everything, test = digits()
train, validation = stratified_split(everything, 0.1)  # a tenth of every class
print(train, validation, test, sep="\n")
print("training images of each digit:", np.bincount(train.labels))
figure = sample_grid(train.scaled(slice(0, 25)), train.labels[:25], train.classes)
described(figure, "25 training digits in five rows, the label of each above it.")

# %% [markdown]
# **What to see:** every label fits its image.
#
# ## The network: y = f(W x + b), layer upon layer (Eq. 5)
#
# | layer | shape of its result | weights (+ 1 is the bias) |
# | --- | --- | --- |
# | input | (1, 28, 28) | |
# | convolution, 32 filters 3x3, ReLU | (32, 28 - 3 + 1, 28 - 3 + 1) | 32 · (1·3·3 + 1) |
# | max-pooling 2x2 | (32, 26 // 2, 26 // 2) | 0 |
# | convolution, 64 filters 3x3, ReLU | (64, 13 - 3 + 1, 13 - 3 + 1) | 64 · (32·3·3 + 1) |
# | max-pooling 2x2 | (64, 11 // 2, 11 // 2) | 0 |
# | flatten | (64·5·5) | 0 |
# | dense, ReLU | (128) | 128 · (64·5·5 + 1) |
# | dense | (10), the logits | 10 · (128 + 1) |

# %%
by_hand = 32 * (1 * 3 * 3 + 1) + 64 * (32 * 3 * 3 + 1) + 128 * (64 * 5 * 5 + 1) + 10 * (128 + 1)
tinycnn.manual_seed(0)
model = cnn28()
assert by_hand == sum(p.numel() for p in model.parameters())
print(summary(model, (1, 28, 28)))
print(inspect.getsource(cnn28))

# %% [markdown]
# Which layer has most of the weights, and which one does most of the work? They are two different layers:

# %%
rows = summary(model, (1, 28, 28)).layers
for what in ("parameters", "multiply_adds"):
    most = max(rows, key=lambda row: getattr(row, what))
    total = sum(getattr(row, what) for row in rows)
    print(f"{what}: {getattr(most, what) / total:.0%} in layer {most.name}")

# %% [markdown]
# ## One training step
#
# Forward, loss, backward, update. Here it is on four digits; the whole of it has a step for every layer:

# %%
optimizer = optim.Adam(model.parameters())
steps = explain(training_step, model, optimizer, train.scaled(slice(0, 4)), train.labels[:4])
for number, step in enumerate(steps):
    print(f"{number:2} {step.title}")
print("the loss on these four images, before and after the step:", steps[29].numbers)

# %%
draw(steps[0], "forward: the first convolution makes 32 maps")

# %% [markdown]
# **What to see:** the outlined 3x3 window of the image makes the outlined cell of a map. The maps look like
# the digit.

# %%
draw(steps[20], "backward: the last that is computed is dL/dimage")

# %% [markdown]
# **What to see:** the gradients of the maps have many zeros: ReLU and max-pooling let only some cells
# through. The gradient of the image looks like noise, since the network knows nothing yet.
#
# In the engine the same is one method. It also sets the learning rate, and sums up losses for the curves:

# %%
print(inspect.getsource(Training.step))

# %% [markdown]
# ## Three checks before the long run
#
# **What should the loss be at first?** A network that knows nothing gives each of K digits the probability
# 1/K, and cross-entropy is $-\log(1/K) = \log K$. A loss far above it: the first weights are too large, or
# the images are not scaled.

# %%
first = evaluate(model, DataLoader(validation, batch_size=200))
print(f"loss before training {first.loss:.3f}, log 10 = {np.log(10):.3f}; accuracy {first.accuracy:.0%}")
assert abs(first.loss - np.log(10)) < 0.2

# %% [markdown]
# **Are the gradients right?** The loss as a function of a filter bank, in float64 (lesson 7):

# %%
rng = np.random.default_rng(0)
images, labels = train.scaled(slice(0, 3)).astype(np.float64), train.labels[:3]
dense = Tensor(rng.standard_normal((10, 2 * 13 * 13)) * 0.1)


def loss_of(w, b):
    """Return the loss of a small network, as a function of its filters w (2, 1, 3, 3) and biases b (2,)."""
    maps = F.max_pool2d(F.relu(F.conv2d(Tensor(images), w, b)), 2)  # (3, 2, 13, 13)
    return F.cross_entropy(F.linear(F.flatten(maps, 1), dense), labels)


checked = tinycnn.gradcheck(loss_of, [rng.standard_normal((2, 1, 3, 3)), np.array([0.1, 0.2])])
print("largest relative error, first and second order:", checked.errors)
assert max(checked.errors) < 1e-5

# %% [markdown]
# **Can it learn 32 images by heart?** If it cannot, something is broken. A long training would not show you
# what.

# %%
tinycnn.manual_seed(0)
by_heart = cnn28()
optimizer = optim.Adam(by_heart.parameters())
few, answers = Tensor(train.scaled(slice(0, 32))), train.labels[:32]
for step in range(41):
    loss = F.cross_entropy(by_heart(few), answers)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        print(f"step {step:2}: loss {loss.item():.4f}")
assert loss.item() < 0.05

# %% [markdown]
# ## The training
#
# (To watch such a training, start `tinycnn lab` and open its address with `#{"tab":"train"}` behind it.)
#
# We use Adam, with batches of 32. Two things help when the epochs are few. Every image is moved by up to two
# pixels, differently in each epoch (*augmentation*). And the learning rate goes up and down once (lesson 5).

# %%
tinycnn.manual_seed(0)
model, epochs = cnn28(), 5
batches = DataLoader(train, batch_size=32, shuffle=True, augment=Augment(shift=2))
held_out = DataLoader(validation, batch_size=200)
optimizer = optim.Adam(model.parameters())
schedule = optim.OneCycleLR(optimizer, max_lr=4e-3, total_steps=epochs * len(batches))
run = Training(model, batches, optimizer, epochs, held_out, schedule)
history = fit(run)
for record in history:
    print({name: round(value, 4) for name, value in record.items()})
print(f"{history[-1]['val_accuracy']:.2%} of the validation images right")
assert history[1]["val_accuracy"] > 0.93 and history[-1]["val_accuracy"] - history[-1]["accuracy"] > -0.01

# %%
figure = learning_curve(history)
described(figure, "Loss and accuracy over five epochs: steep at first, then slow; both curves end close.")

# %% [markdown]
# **What to see:** after two epochs more than 93 % of the validation images are right. At the end the two
# curves are close to each other: this network does not overfit.
#
# ## Reading curves
#
# The loss falls steeply at first, and then slowly. That is usual: the network soon learns what most images
# have in common, and the rest takes longer.
#
# The curve *held out* belongs to the validation images. Here it is better than the curve *training*. That is
# no mistake, because the two are measured differently. A training number is a mean over the whole epoch, and
# early in the epoch the network is worse. Also, training images are moved, and a moved digit is harder to
# read. Measure both in the same way, and they are close:

# %%
on_train = evaluate(model, DataLoader(train.subset(slice(0, 2000)), batch_size=200))
print(f"the same network on training images as they are: {on_train.accuracy:.2%}")
print(f"on validation images:                            {evaluate(model, held_out).accuracy:.2%}")

# %% [markdown]
# We choose nothing more for this network. So now we look at the test images, for the first and only time:

# %%
result = evaluate(model, DataLoader(test, batch_size=200))
print(f"{result.accuracy:.2%} of the test images right")
assert 0.97 <= result.accuracy < 0.99

# %% [markdown]
# Now we make a training go wrong. It gets only 200 images, no augmentation, and many epochs. The test images
# take no part in it.

# %%
tinycnn.manual_seed(0)
poor = cnn28()
two_hundred = DataLoader(train.subset(slice(0, 200)), batch_size=32, shuffle=True)
half = DataLoader(validation.subset(slice(0, 500)), batch_size=250)
overfitted = fit(Training(poor, two_hundred, optim.Adam(poor.parameters()), 20, half))
best, last = min(overfitted, key=lambda record: record["val_loss"]), overfitted[-1]
print(f"held-out loss: {best['val_loss']:.2f} in epoch {best['epoch']}, {last['val_loss']:.2f} at the end")
print(f"accuracy at the end: training {last['accuracy']:.0%}, held out {last['val_accuracy']:.0%}")
assert last["accuracy"] > 0.99 and 0.74 < last["val_accuracy"] < 0.86 and last["val_loss"] > best["val_loss"]
assert all(record["val_loss"] > record["loss"] + 0.2 for record in overfitted[5:])
figure = learning_curve(overfitted)
described(figure, "Loss and accuracy over 20 epochs: training goes on improving, held out does not.")

# %% [markdown]
# **What to see:** from epoch 6 on the held-out loss is clearly the larger one. The training accuracy reaches
# 100 %, and the held-out accuracy stays near 80 %.
#
# The training loss goes on falling. The held-out loss stops falling, and is larger at the end than before.
# The network learns *these 200 images* by heart, not what digits look like. This is called *overfitting*.
#
# You could stop in the epoch with the smallest validation loss. But then the validation images have chosen
# the epoch, so the network looks better on them than it is. Only the test images can say how good it is.
#
# More images help: 9,000 of them gave no gap above. If you have no more, try augmentation, a penalty (lesson
# 22), or stop early. Lesson 21 compares these.
#
# | what you see | what it means | what to try |
# | --- | --- | --- |
# | loss stays at log K | nothing is learnt | check gradients, image scale, lr, first weights, dead ReLUs |
# | the loss jumps, or becomes NaN | lr is too large | a tenth of it |
# | both curves still fall at the end | it is not finished | more epochs, a larger lr |
# | training falls, held out rises | it overfits | more images, augmentation, a penalty |
# | both are flat and bad, whatever the lr | the network is too small | more filters, more layers |
#
# ## Which digits are confused? (Eq. 15)
#
# The *confusion matrix* counts answers. The number in row i and column j says how often a digit i was taken
# for a j. So the numbers on the diagonal count right answers.

# %%
matrix = confusion_matrix(result.labels, result.predictions)
assert (matrix - np.diag(np.diag(matrix))).max() < 10
figure = draw_confusion_matrix(matrix, test.classes)
described(figure, "Counts, rows are labels, columns are predictions. Nearly all are on the diagonal.")

# %% [markdown]
# **What to see:** nearly all images are on the diagonal. The other numbers are mistakes. Each of them is
# below 10, of 200 images of each digit.
#
# Two numbers describe one digit k. *Precision*: of all images that were called k, which share is a k? Its
# column has the answer. *Recall*: of all images that are a k, which share was called k? Its row has the
# answer.
#
# $$\text{precision}_k = \frac{M_{kk}}{\sum_i M_{ik}} \qquad
#   \text{recall}_k = \frac{M_{kk}}{\sum_j M_{kj}} \qquad F_1 = \frac{2\,p\,r}{p + r}$$
#
# $F_1$ is the harmonic mean of precision p and recall r. If one of the two is small, it is small, too.

# %%
scores = precision_recall_f1(result.labels, result.predictions, average=None)
for k, (p, r, f1) in enumerate(zip(*scores, strict=True)):
    print(f"{k}: precision {p:.3f}  recall {r:.3f}  F1 {f1:.3f}")
assert np.isclose(accuracy(result.labels, result.predictions), np.trace(matrix) / matrix.sum())

# %% [markdown]
# These numbers say how often the network is wrong. To see why, look at the images:

# %%
figure = prediction_grid(test.scaled(slice(None)), result.labels, result.probabilities, test.classes, rows=2)
described(figure, "Two rows of digits named by the network, and one row of its surest mistakes.")

# %% [markdown]
# **What to see:** the upper rows are drawn at random. The lowest row has the mistakes of which the network
# was surest. Which of them would you have read rightly?
#
# ## Exercises
#
# **1.** How many weights and biases would cnn28 have with K classes? Write the function.


# %%
def weights_of_cnn28(K):
    """Return the number of parameters."""
    return None  # your formula


compare(weights_of_cnn28(26), sum(p.numel() for p in cnn28(26).parameters()))

# %% [markdown]
# **2.** Compute the F1 of every digit from the confusion matrix, (K, K) to (K,).


# %%
def f1_of(matrix):
    """Return F1, one number per class."""
    return None  # your code


compare(f1_of(matrix), scores.f1)

# %% [markdown]
# **3.** Write a training step without `optim`: plain gradient descent for every parameter of a model.
# Hint: `p.data` is the array of a parameter, and `p.grad.data` is the array of its gradient.


# %%
def my_step(model, images, labels, lr):
    """Make one step of theta <- theta - lr * g, in place."""
    # your code


def after_step(step_of):
    """Return the last layer's biases after a step by `step_of` on a fresh network."""
    tinycnn.manual_seed(1)
    fresh = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    before = fresh[1].bias.numpy().copy()
    step_of(fresh, few, answers, 0.1)
    after = fresh[1].bias.numpy()
    return None if np.array_equal(before, after) else after


def engine_step(model, images, labels, lr):
    """Make the step with the engine's optimizer."""
    optimizer = optim.SGD(model.parameters(), lr)
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()


compare(after_step(my_step), after_step(engine_step))

# %% [markdown]
# ## Solutions
#
# <details><summary>1. Counting</summary>
#
# ```python
# def weights_of_cnn28(K):
#     return 32 * (9 + 1) + 64 * (32 * 9 + 1) + 128 * (1600 + 1) + K * (128 + 1)
#
# assert compare(weights_of_cnn28(26), sum(p.numel() for p in cnn28(26).parameters()))
# ```
#
# </details>
#
# <details><summary>2. F1</summary>
#
# Put p and r into $2pr/(p + r)$ and simplify: twice the diagonal, divided by the row sum plus the column sum.
#
# ```python
# def f1_of(matrix):
#     return 2 * np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1))
#
# assert compare(f1_of(matrix), scores.f1)
# ```
#
# </details>
#
# <details><summary>3. A step by hand</summary>
#
# ```python
# def my_step(model, images, labels, lr):
#     F.cross_entropy(model(images), labels).backward()
#     for p in model.parameters():
#         p.data -= lr * p.grad.data
#
# assert compare(after_step(my_step), after_step(engine_step))
# ```
#
# </details>
