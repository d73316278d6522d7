"""An exercise on broadcasting's adjoint, which autograd needs everywhere."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import whole_numbers


def unbroadcast(g, shape):
    """Return the gradient of an array of this shape that was broadcast to the shape of g.

    NumPy repeated the array along new axes in front, and along axes where its size was 1.
    """
    for _ in range(g.ndim - len(shape)):
        g = g.sum(axis=0)
    for d, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=d, keepdims=True)
    return g


def _cases_of_unbroadcast(rng: np.random.Generator) -> list[Arguments]:
    shapes = (
        ((2, 3), (3,)),
        ((2, 3), (2, 1)),
        ((2, 3), (1, 3)),
        ((3, 3), (3,)),
        ((2, 2, 2), (2,)),
        ((2, 3, 3), (3, 1)),
        ((2, 3, 2, 2), (3, 1, 1)),
        ((3, 2, 3), (1, 2, 1)),
        ((2, 3), ()),
        ((2, 3), (2, 3)),
    )
    return [{"g": whole_numbers(rng, *large), "shape": small} for large, small in shapes]


UNBROADCAST = Exercise(
    unbroadcast,
    _cases_of_unbroadcast,
    reference=lambda g, shape: engine.gradients(F.broadcast_to, [np.zeros(shape), g.shape], g)[0],
    traits={
        "new axes in front": lambda a: a["g"].ndim > len(a["shape"]),
        "an axis of size 1": lambda a: 1 in a["shape"],
    },
    lesson=2,
    hints=(
        "A number that was repeated ten times has ten uses. What is the gradient of something that is used "
        "ten times?",
        "Find the axes along which the array was repeated: those that it did not have, and those where its "
        "size was 1.",
        "Sum over the new axes in front, until there are as many as in shape. Then sum over each axis where "
        "shape has a 1, and keep that axis.",
    ),
    mistakes=read_mistakes("""
    mean: You take the mean over the copies. Each copy is a use of the number, and all uses add up.
        .sum( -> .mean(
    new_axes_only: You sum over the new axes in front, but not over those where the size was 1. There the
        array was repeated, too.
        if size == 1 -> if False
    ones_only: You sum where the size was 1, but leave the new axes in front. The array was repeated along
        these, too: sum over them.
        in range(g.ndim - len(shape)) -> in ()
        in range(g.ndim - len(shape)) -> in (); axis=d -> axis=g.ndim - len(shape) + d
    axes_from_the_end: You sum over the last axes. New axes come in front, before those that the array had.
        g = g.sum(axis=0) -> g = g.sum(axis=-1)
    axes_dropped: You drop the axes of size 1. The gradient has the shape of the array, with these axes in it.
        enumerate(shape) -> reversed([*enumerate(shape)]); axis=d, keepdims=True -> axis=d
    one_copy: You take the gradient of one copy and leave the others out. Sum over all copies.
        g = g.sum(axis=0) -> g = g[0].copy(); g.sum(axis=d, keepdims=True) -> g.take([0], axis=d)
        g = g.sum(axis=0) -> g = g[-1].copy(); g.sum(axis=d, keepdims=True) -> g.take([-1], axis=d)
    largest_copy: You take the largest gradient of the copies. Copies add up.
        .sum( -> .max(
    everything_summed: You sum over everything, and fill the shape with it. Each number of the array has
        copies of its own.
        return g -> return np.full(shape, g.sum())
    reshaped: You only cut g to the shape. What the forward pass repeats, the backward pass adds up.
        for _ in range ->
            return np.resize(g, shape)
            for _ in range
    """),
)
