"""Exercises on the dense layer (Eq. 3), the network (Eq. 5) and its features (Eq. 14)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import cases, sizes, whole_numbers

_SIZES = sizes(
    "N inputs outputs", (1, 2, 2), (2, 2, 2), (1, 3, 2), (2, 3, 4), (3, 3, 3), (4, 2, 3), (5, 4, 1)
)
_cases = cases(_SIZES, "x N inputs", "w outputs inputs", "b outputs")


def linear(x, w, b):
    """Return the dense layer y = x W^T + b, (N, out), for x (N, in), w (out, in) and b (out,)."""
    return x @ w.T + b


LINEAR = Exercise(
    linear,
    _cases,
    **engine.computes(F.linear, "y"),
    lesson=4,
    equation=3,
    hints=(
        "Output o of image n is one sum. Over what does it run?",
        "The rows of w are the outputs. Multiply each row of x with each row of w, number by number, and "
        "add up.",
        "It is one matrix product, of x and of w turned so that the axes of length `in` meet; then add b to "
        "every row.",
    ),
    mistakes=read_mistakes("""
    weight_not_transposed: You sum over the outputs' axis of w. Each row of w belongs to one output: x meets
        the rows, not the columns.
        w.T -> w
    bias_forgotten: You leave out the bias: each output gets its own number added.
        + b ->
    bias_subtracted: You subtract the bias. It is added.
        + b -> - b
    bias_along_the_batch: You give each image a number of b. Each output has its own, the same for every
        image.
        + b -> + b[:, None]
    bias_summed: You add all of b to every output. Output o gets b[o].
        + b -> + b.sum()
    bias_for_every_input: You add the bias once for every product of the sum. It belongs to the sum, once.
        + b -> + x.shape[1] * b
    mean: You take the mean over the inputs. It is a sum.
        x @ w.T -> x @ w.T / x.shape[1]
    mean_over_batch: You divide the outputs by the number of images. Images have nothing to do with each other
        here.
        x @ w.T + b -> (x @ w.T + b) / len(x)
        x @ w.T -> x @ w.T / len(x)
    transposed: Your result is (out, N). The images come first.
        x @ w.T + b -> (x @ w.T + b).T
    one_image: You compute the outputs of one image and repeat them. Compute them for every image, from its
        own row of x.
        x @ w.T -> np.repeat(x[:1], len(x), 0) @ w.T
        x @ w.T -> np.repeat(x[-1:], len(x), 0) @ w.T
    nonlinearity: You set what is below 0 to 0. That is the activation, which is not part of the dense layer.
        x @ w.T + b -> np.maximum(x @ w.T + b, 0)
    """),
)


def linear_grads(g, x, w):
    """Return (dL/dx, dL/dw, dL/db) of a dense layer, for g = dL/dy (N, out), x (N, in) and w (out, in)."""
    dx = g @ w
    dw = g.T @ x
    db = g.sum(axis=0)
    return dx, dw, db


def _cases_of_grads(rng: np.random.Generator) -> list[Arguments]:
    layers = _cases(rng)
    return [{"g": whole_numbers(rng, len(a["x"]), len(a["w"])), "x": a["x"], "w": a["w"]} for a in layers]


def _explained_grads(a, index):
    name = ("dL/dx", "dL/dw", "dL/db")[index[0]]
    b = np.zeros(len(a["w"]))
    return engine.step("linear", name, index[1:], a["x"], a["w"], b, backward=True, gradient=a["g"])


LINEAR_GRADS = Exercise(
    linear_grads,
    _cases_of_grads,
    reference=lambda g, x, w: engine.gradients(F.linear, [x, w, np.zeros(len(w))], g),
    explain=_explained_grads,
    lesson=4,
    equation=3,
    hints=(
        "Write one output as a sum, y[n, o]. In which outputs does x[n, i] stand, in which does w[o, i], in "
        "which b[o]?",
        "x[n, i] stands in all outputs of image n, w[o, i] in output o of all images: these are the axes to "
        "sum over. Both sums are matrix products.",
        "A gradient has the shape of what it belongs to, (N, in), (out, in) and (out,). There is one way "
        "only to multiply g (N, out) with w, and with x, that gives these shapes.",
    ),
    mistakes=read_mistakes("""
    dw_transposed: Your dL/dw is (in, out). It has the shape of w.
        g.T @ x -> x.T @ g
    dx_with_the_transpose: For dL/dx you sum over the inputs' axis of w. Every output that x fed hands
        something back: sum over the outputs.
        g @ w -> g @ w.T
    dw_with_the_wrong_side: For dL/dw you sum over the outputs, or over the inputs. The weight was used once
        for every image: that is the sum.
        g.T @ x -> g @ x
        g.T @ x -> g @ x.T
    db_not_summed: Your dL/db is g itself, one row for each image. The bias was added in every image, so sum
        over N.
        g.sum(axis=0) -> g.copy()
    db_over_outputs: For dL/db you sum over the outputs and keep the images. Keep the outputs.
        g.sum(axis=0) -> g.sum(axis=1)
    db_one_number: Your dL/db is one number. Each output has a bias, so it has a gradient.
        g.sum(axis=0) -> g.sum()
    db_of_one_image: Your dL/db counts one image. Sum over all of them.
        g.sum(axis=0) -> g[0].copy()
        g.sum(axis=0) -> g[-1].copy()
    db_mean: For dL/db you take the mean over the images. Take the sum: if the loss is a mean, g says so
        already.
        g.sum(axis=0) -> g.mean(axis=0)
    dw_mean: You divide dL/dw by the number of images. That factor is in g already, if the loss is a mean.
        g.T @ x -> g.T @ x / len(g)
    dw_of_one_image: Your dL/dw counts one image. The weight served them all.
        g.T @ x -> g[-1:].T @ x[-1:]
        g.T @ x -> g[:1].T @ x[:1]
    dx_mean: You divide dL/dx by the number of images. Each image has a gradient of its own: there is no mean
        to take.
        g @ w -> g @ w / len(g)
    order_of_results: Your gradients are right, but they come in another order: first dL/dx, then dL/dw, then
        dL/db.
        return dx, dw, db -> return dw, dx, db
        return dx, dw, db -> return dw, db, dx
        return dx, dw, db -> return db, dw, dx
        return dx, dw, db -> return dx, db, dw
    """),
)


def relu_input(g, x):
    """Return dL/dx of ReLU, for g = dL/dy and x of one shape. At x = 0 the derivative is 0."""
    return g * (x > 0)


def _cases_of_relu(rng: np.random.Generator) -> list[Arguments]:
    shapes = ((4,), (3, 4), (2, 3, 3), (2, 2, 3, 4))
    made = [{"g": whole_numbers(rng, *shape), "x": whole_numbers(rng, *shape)} for shape in shapes]
    made.insert(1, {"g": np.array([2.0, -3.0, 4.0]), "x": np.array([1.0, 0.0, -1.0])})
    return made


RELU_INPUT = Exercise(
    relu_input,
    _cases_of_relu,
    **engine.computes(F.relu, "dL/dx"),
    traits={"an x of 0": lambda a: bool((a["x"] == 0).any())},
    lesson=13,
    equation=5,
    hints=(
        "What is the slope of max(x, 0) to the left of 0, and to the right?",
        "Where x was let through, a change of x is a change of y. Where it was cut off, nothing happens.",
        "Let g through where x is above 0, and put 0 elsewhere, also where x is 0.",
    ),
    mistakes=read_mistakes("""
    mask_from_g: You let g through where g itself is positive. It is x that decides, and g keeps its sign.
        (x > 0) -> (g > 0)
    open_at_zero: At x = 0 you let g through. There the derivative is taken as 0.
        x > 0 -> x >= 0
    half_at_zero: At x = 0 you let half of g through. There the derivative is taken as 0.
        (x > 0) -> ((x > 0) + 0.5 * (x == 0))
    mask_inverted: You let g through where x was cut off. It is the other way round.
        x > 0 -> x < 0
        x > 0 -> x <= 0
    without_g: You return the slope alone. By the chain rule it is multiplied with g.
        g * (x > 0) -> (x > 0) * 1.0
    the_output: You return the output of ReLU. Its gradient lets g through, not x.
        g * (x > 0) -> np.maximum(x, 0)
    times_the_output: You multiply g with the output. The slope is 1 where x is positive, not x.
        g * (x > 0) -> g * np.maximum(x, 0)
    leaky: You let a little of g through where x is negative. That is the leaky ReLU: here nothing comes
        through.
        (x > 0) -> np.where(x > 0, 1, 0.01)
        (x > 0) -> np.where(x > 0, 1, 0.1)
    sign_of_x: Where x is negative you turn the sign of g around. There nothing comes through.
        (x > 0) -> np.sign(x)
    """),
)
