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
# # Assignment 9: a convolutional network, trained
#
# You need lesson 6. You have written convolution, pooling, dense layer, loss and optimizer. Now put them
# together and train them on 600 digits. There are two convolutions of 3x3 without a bias. Behind each of them
# is relu, and behind the first relu max-pooling of 2x2. The last layer is dense:
#
# (N, 1, 28, 28) -> (N, 8, 26, 26) -> (N, 8, 13, 13) -> (N, 8, 6, 6) with stride 2 -> (N, 288) -> (N, 10)

# %%
import numpy as np
from a02_broadcasting import Tensor, add
from a03_two_layers import cross_entropy, matmul, relu
from a05_fast_convolution import conv2d
from a06_pooling import flatten, max_pool2d
from a08_adam import Adam
from run_tests import check_gradients, run_tests

from tinycnn.data import digits


# %% your code
def initial(rng):
    """Return the parameters: filters (8, 1, 3, 3) and (8, 8, 3, 3), a matrix (288, 10), a bias (10,).

    Weights are normal numbers times the root of 2/n, if one output sums n products. The bias is 0.
    """
    raise NotImplementedError("write initial: a list of four tensors")


def cnn(x, parameters):
    """Return the logits (N, 10) of x (N, 1, 28, 28)."""
    raise NotImplementedError("write cnn")


def train(images, labels, parameters, epochs, batch_size, rng):
    """Train with Adam (lr 0.003), in every epoch on all images, in a new order. Return a list of all losses.

    rng, a NumPy generator, draws the order. The last batch of an epoch may be smaller.
    """
    raise NotImplementedError("write train: zero_grad, loss, backward and step for every batch")


# %% [markdown]
# ## Tests, and a gradient check


# %%
def some_digits(count, start=0):
    data, _ = digits()
    return data.scaled(slice(start, start + count)).astype(float), data.labels[start : start + count]


def test_the_first_weights():
    """Look at shapes and sizes: an output of the first layer sums 9 products, of the second 72, of the
    last 288.
    """
    parameters = initial(np.random.default_rng(0))
    assert [p.data.shape for p in parameters] == [(8, 1, 3, 3), (8, 8, 3, 3), (288, 10), (10,)]
    for p, count in zip(parameters[:3], (9, 72, 288), strict=True):
        assert 0.7 < p.data.std() / np.sqrt(2 / count) < 1.4, f"{p.data.shape}: {p.data.std():.3f}"


def test_relu_is_behind_each_convolution():
    """If all filters of a convolution are negative, relu behind it gives 0, and the logits are the bias."""
    images, _ = some_digits(2)
    bias = Tensor(np.arange(10.0))
    for name, signs in (("first", (-1, -1)), ("second", (1, -1))):
        first, second, matrix, _ = initial(np.random.default_rng(0))
        filters = [Tensor(sign * np.abs(w.data)) for sign, w in zip(signs, (first, second), strict=True)]
        logits = cnn(Tensor(images), [*filters, matrix, bias]).data
        assert np.allclose(logits, bias.data), f"is relu behind the {name} convolution?"


def test_an_untrained_network_has_no_idea():
    """An untrained network's loss is near log 10 = 2.3: are there ten logits, one row for each image?"""
    images, labels = some_digits(64)
    logits = cnn(Tensor(images), initial(np.random.default_rng(0)))
    assert logits.data.shape == (64, 10), f"the logits have the shape {logits.data.shape}"
    assert 2 < cross_entropy(logits, labels).data < 4


def test_gradient_check():
    """The gradient of the whole network is wrong, but those of its parts were right: does every part get
    the tensor that the part before it returned?
    """
    images, labels = some_digits(2)
    parameters = initial(np.random.default_rng(0))
    check_gradients(
        lambda w, b: cross_entropy(cnn(Tensor(images), [w, *parameters[1:3], b]), labels),
        parameters[0],
        parameters[3],
    )


def test_it_sees_every_image_once_per_epoch():
    """In each epoch every image comes once, and the order is new. 40 images in batches of 16 are three
    batches, the last one with 8 images. Return the loss of each batch.
    """
    images, labels = some_digits(40)
    rng = np.random.default_rng(0)
    seen, your_cnn = [], cnn

    def watched(x, parameters):
        seen.extend(image.sum() for image in x.data)
        return your_cnn(x, parameters)

    globals()["cnn"] = watched
    try:
        losses = train(images, labels, initial(rng), 2, 16, rng)
    finally:
        globals()["cnn"] = your_cnn
    assert len(losses) == 2 * 3, f"{len(losses)} losses in two epochs"
    assert len(seen) == 2 * 40, f"{len(seen)} images went through cnn in two epochs"
    for epoch in (seen[:40], seen[40:]):
        assert np.allclose(sorted(epoch), sorted(images.sum(axis=(1, 2, 3)))), "some images came twice"
    assert seen[:40] != seen[40:], "both epochs have the same order"


def test_it_learns():
    """It does not learn 600 digits in four epochs: does each image have its own label, and are the
    gradients set to None before each backward?
    """
    images, labels = some_digits(600)
    rng = np.random.default_rng(0)
    parameters = initial(rng)
    losses = train(images, labels, parameters, 4, 32, rng)
    new_images, new_labels = some_digits(300, 600)
    accuracy = (cnn(Tensor(new_images), parameters).data.argmax(axis=1) == new_labels).mean()
    print(f"      loss {losses[0]:.2f} to {np.mean(losses[-10:]):.2f}, right on new digits: {accuracy:.0%}")
    assert accuracy > 0.75, f"accuracy on new digits {accuracy:.2f}"


if __name__ == "__main__":
    run_tests(globals())
