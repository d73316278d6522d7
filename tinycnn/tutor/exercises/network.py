"""Exercises on the network as a whole (Eq. 5), and on features (Eq. 14)."""

import numpy as np

from tinycnn import Tensor
from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import cases, sizes


def network(x, w1, b1, w2, b2):
    """Return the logits (N, K) of two dense layers with ReLU between them.

    x is (N, in), w1 (hidden, in), b1 (hidden,), w2 (K, hidden), b2 (K,).
    """
    hidden = np.maximum(x @ w1.T + b1, 0)
    return hidden @ w2.T + b2


_SIZES = sizes(
    "N inputs hidden K", (1, 2, 2, 1), (1, 2, 3, 2), (2, 3, 3, 3), (3, 2, 4, 3), (4, 4, 4, 4), (5, 3, 6, 2)
)


def _engine_network(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    return F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)


NETWORK = Exercise(
    network,
    cases(_SIZES, "x N inputs", "w1 hidden inputs", "b1 hidden", "w2 K hidden", "b2 K"),
    reference=lambda **arguments: engine.forward(_engine_network, *arguments.values()),
    lesson=13,
    equation=5,
    hints=(
        "Which of the steps are linear, and what would two linear layers be without anything between them?",
        "Layer by layer: the first one's outputs go through ReLU, and are the inputs of the second.",
        "Dense layer, then everything below 0 becomes 0, then the second dense layer. Nothing follows: "
        "logits may have any sign.",
    ),
    mistakes=read_mistakes("""
    no_nonlinearity: You leave out ReLU. Then your two layers are no more than one.
        np.maximum(x @ w1.T + b1, 0) -> x @ w1.T + b1
    nonlinearity_at_the_end: You send the logits through ReLU, too. A class must be able to have a logit below
        0.
        return hidden @ w2.T + b2 -> return np.maximum(hidden @ w2.T + b2, 0)
    nonlinearity_at_the_beginning: You send the image through ReLU. It comes after the first layer.
        np.maximum(x @ w1.T + b1, 0) -> np.maximum(x, 0) @ w1.T + b1
    nonlinearity_before_the_bias: You add the first bias after ReLU. It belongs to the layer: add it before.
        np.maximum(x @ w1.T + b1, 0) -> np.maximum(x @ w1.T, 0) + b1
    first_bias_forgotten: The bias of your first layer is missing. Add b1 before ReLU.
        w1.T + b1 -> w1.T
    second_bias_forgotten: The bias of your second layer is missing. Add b2 to the logits.
        w2.T + b2 -> w2.T
    absolute_value: You turn negative numbers into positive ones. ReLU turns them into 0.
        np.maximum(x @ w1.T + b1, 0) -> np.abs(x @ w1.T + b1)
    sigmoid: You use the sigmoid between the layers. Here it is ReLU.
        np.maximum(x @ w1.T + b1, 0) -> 1 / (1 + np.exp(-(x @ w1.T + b1)))
    tanh: You use tanh between the layers. Here it is ReLU.
        np.maximum(x @ w1.T + b1, 0) -> np.tanh(x @ w1.T + b1)
    softmax_at_the_end: You turn the logits into probabilities. The network ends with the logits; the loss
        does the rest.
        return hidden @ w2.T + b2 ->
            z = hidden @ w2.T + b2
            e = np.exp(z - z.max(1, keepdims=True))
            return e / e.sum(1, keepdims=True)
    transposed: Your logits are (K, N). The images come first.
        return hidden @ w2.T + b2 -> return (hidden @ w2.T + b2).T
    first_weight_not_transposed: In your first layer x meets the columns of the weight. Its rows are the
        outputs.
        w1.T -> w1
    second_weight_not_transposed: In your second layer the hidden numbers meet the columns of the weight. Its
        rows are the classes.
        w2.T -> w2
    """),
)


def features(x, w, b):
    """Return F(x) = relu(W x + b), (N, D): the feature vectors of images x (N, C, H, W).

    An image is read as one vector, channel after channel, row after row: w is (D, C*H*W), b (D,).
    """
    rows = x.reshape(len(x), -1)
    return np.maximum(rows @ w.T + b, 0)


_IMAGES = sizes(
    "N C H W D", (1, 1, 1, 2, 2), (2, 1, 2, 2, 2), (2, 2, 2, 2, 3), (3, 3, 2, 3, 4), (4, 2, 3, 3, 5)
)

FEATURES = Exercise(
    features,
    cases(_IMAGES, "x N C H W", "w D C*H*W", "b D"),
    reference=lambda x, w, b: engine.forward(
        lambda x, w, b: F.relu(F.linear(F.flatten(x, 1), w, b)), x, w, b
    ),
    lesson=24,
    equation=14,
    hints=(
        "A dense layer takes vectors. How does an image (C, H, W) become one, and what must not happen to "
        "the batch?",
        "Make each image one row, multiply with the weight's rows, add the bias. What does the f of Eq. 14 "
        "do then?",
        "Reshape to one row for each image, apply the dense layer, and set what is below 0 to 0.",
    ),
    mistakes=read_mistakes("""
    no_nonlinearity: You return what goes into the activation. The features are what comes out of it.
        np.maximum(rows @ w.T + b, 0) -> rows @ w.T + b
    bias_forgotten: You leave out b_F: every feature has its own bias.
        + b ->
    bias_after_the_activation: You add b_F to the activations. It is inside of f.
        np.maximum(rows @ w.T + b, 0) -> np.maximum(rows @ w.T, 0) + b
    channels_last: You read the image pixel by pixel, all channels of one and then the next. Read channel
        after channel.
        x.reshape -> x.transpose(0, 2, 3, 1).reshape
    column_by_column: You read each channel column after column. Read it row after row.
        x.reshape -> x.swapaxes(2, 3).reshape
    batch_mixed: Your vectors hold pieces of several images. Each row is one whole image.
        x.reshape(len(x), -1) -> x.reshape(-1, len(x)).T
        x.reshape(len(x), -1) -> x.swapaxes(0, 1).reshape(len(x), -1)
    one_image: All your feature vectors are those of one image. Compute one from each image.
        = x.reshape(len(x), -1) -> = np.repeat(x[:1], len(x), 0).reshape(len(x), -1)
        = x.reshape(len(x), -1) -> = np.repeat(x[-1:], len(x), 0).reshape(len(x), -1)
    nonlinearity_first: You send the image through f. It is the weighted sums that go through it.
        np.maximum(rows @ w.T + b, 0) -> np.maximum(rows, 0) @ w.T + b
    flattened_whole: You add up the features of the batch. Every image has a vector of its own.
        rows @ w.T + b, 0) -> rows @ w.T + b, 0).sum(0)
        rows @ w.T + b -> rows.sum(0) @ w.T + b
    normalised: You scale each vector to length 1. Nobody asked for that here.
        return np.maximum(rows @ w.T + b, 0) ->
            y = np.maximum(rows @ w.T + b, 0)
            return y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-12)
    """),
)
