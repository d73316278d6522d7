"""An exercise on the gradient of min-pooling (Eq. 2)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .pooling_gradients import EQUAL_CELLS, cases_with_x


def min_pool2d_input(g, x, kernel_size, stride):
    """Return dL/dx (N, C, H, W) of min-pooling, for g = dL/dy (N, C, OH, OW) and x (N, C, H, W).

    kernel_size is (KH, KW), stride (SH, SW). Of equal cells the first of the window wins, row by row.
    """
    N, C, OH, OW = g.shape
    (KH, KW), (SH, SW) = kernel_size, stride
    dx = np.zeros(x.shape)
    for n, c, oh, ow in np.ndindex(N, C, OH, OW):
        top, left = oh * SH, ow * SW
        window = x[n, c, top : top + KH, left : left + KW]
        mask = np.zeros(window.shape)
        mask.flat[window.argmin()] = 1
        dx[n, c, top : top + KH, left : left + KW] += mask * g[n, c, oh, ow]
    return dx


MIN_POOL2D_INPUT = Exercise(
    min_pool2d_input,
    cases_with_x(
        lambda count: np.arange(count) - count // 2 + 0.5, [[9.0, 2.0, 5.0, 5.0], [2.0, 7.0, 5.0, 5.0]]
    ),
    **engine.computes(F.min_pool2d, "dL/dx"),
    traits=EQUAL_CELLS,
    lesson=4,
    equation=2,
    hints=(
        "min(x) = -max(-x). What do the two signs do to the gradient?",
        "The gradient passes both signs, and they cancel. So only one thing differs from max-pooling: which "
        "cell of a window wins.",
        "For each output find the place of the smallest cell of its window, and add g to that place of the "
        "gradient. Of equal cells take the first.",
    ),
    mistakes=read_mistakes("""
    maximum_wins: You give g to the largest cell of each window. Here the output copied the smallest one.
        argmin() -> argmax()
    one_sign: Your gradient has the wrong sign. A minimum is minus the maximum of -x: g passes two signs, and
        they cancel.
        += mask * -> -= mask *
    every_tie: If several cells share the minimum, each of them gets your g. Give it to the first one only.
        mask.flat[window.argmin()] = 1 -> mask[window == window.min()] = 1
    shared_among_ties: If several cells share the minimum, you split g between them. The first one gets all of
        it.
        mask.flat[window.argmin()] = 1 -> mask[window == window.min()] = 1 / (window == window.min()).sum()
    last_tie: If several cells share the minimum, you give g to the last of them. Give it to the first.
        window.argmin() -> window.size - 1 - window.ravel()[::-1].argmin()
    overwritten: A cell that is the minimum of several windows keeps one g only. Add up what all of them give.
        += mask * g[n, c, oh, ow] ->
            = np.where(mask, g[n, c, oh, ow], dx[n, c, top : top + KH, left : left + KW])
    to_all_cells: All cells of a window get your g. The output is one of them; the others did not change it.
        mask.flat[window.argmin()] = 1 -> mask[:] = 1
    nearest_to_zero: You give g to the cell that is nearest to 0. The minimum has a sign: -5 is less than 1.
        window.argmin() -> np.abs(window).argmin()
    times_the_minimum: You multiply g with the minimum. The derivative of a copied number is 1, whatever the
        number is.
        mask.flat[window.argmin()] = 1 -> mask.flat[window.argmin()] = window.min()
    corner_wins: The upper left cell of every window gets your g. Look for the smallest cell, wherever it
        lies.
        window.argmin() -> 0
    stride_forgotten: You look for minima in windows that are one cell apart. They are as far apart as the
        stride says.
        oh * SH, ow * SW -> oh, ow
    stride_is_the_kernel: You look for minima in windows that lie side by side. Windows may overlap, or leave
        cells out: use the stride.
        oh * SH, ow * SW -> oh * KH, ow * KW
    one_image: Only one image of the batch gets a gradient from you. Each image has its own minima and its g.
        np.ndindex(N, -> np.ndindex(1,
    one_channel: Only one channel gets a gradient from you, or its minima decide for all. Treat each by
        itself.
        np.ndindex(N, C -> np.ndindex(N, 1
        window = x[n, c, -> window = x[n, 0,
    """),
)
