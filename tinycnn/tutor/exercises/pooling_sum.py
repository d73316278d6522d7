"""Exercises on the gradients of min- and sum-pooling (Eq. 2)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise, Mistake

from . import engine
from .geometry import POOLINGS, Geometry, whole_numbers


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


def _cases_of_min(rng: np.random.Generator) -> list[Arguments]:
    made = []
    for s in POOLINGS:
        count = s.N * s.C * s.H * s.W
        x = (rng.permutation(count) - count // 2 + 0.5).reshape(s.N, s.C, s.H, s.W)
        made.append(_case(rng, s, x))
    ties = Geometry(1, 1, 2, 4, 1, 2, 2, (2, 2))
    made.append(_case(rng, ties, np.array([[[[9.0, 2.0, 5.0, 5.0], [2.0, 7.0, 5.0, 5.0]]]])))
    return made


def _case(rng: np.random.Generator, s: Geometry, x: np.ndarray) -> Arguments:
    g = whole_numbers(rng, s.N, s.C, *s.out)
    return {"g": g, "x": x, "kernel_size": (s.KH, s.KW), "stride": s.stride}


def _engine_min(g, x, kernel_size, stride):
    return engine.gradients(F.min_pool2d, [x], g, kernel_size=kernel_size, stride=stride)[0]


MIN_POOL2D_INPUT = Exercise(
    min_pool2d_input,
    _cases_of_min,
    reference=_engine_min,
    explain=lambda a, index: engine.step(
        "min_pool2d", "dL/dx", index, a["x"], a["kernel_size"], a["stride"], backward=True, gradient=a["g"]
    ),
    traits={"equal cells in a window": lambda a: len(np.unique(a["x"])) < a["x"].size},
    lesson=4,
    equation=2,
    hints=(
        "min(x) = -max(-x). What do the two signs do to the gradient?",
        "The gradient passes both signs, and they cancel. So only one thing differs from max-pooling: which "
        "cell of a window wins.",
        "For each output find the place of the smallest cell of its window, and add g to that place of the "
        "gradient. Of equal cells take the first.",
    ),
    mistakes=(
        Mistake(
            "maximum_wins",
            "You give g to the largest cell of each window. Here the output copied the smallest one.",
            ("argmin()", "argmax()"),
        ),
        Mistake(
            "one_sign",
            "Your gradient has the wrong sign. A minimum is minus the maximum of -x: g passes two signs, and "
            "they cancel.",
            ("+= mask *", "-= mask *"),
        ),
        Mistake(
            "every_tie",
            "If several cells share the minimum, each of them gets your g. Give it to the first one only.",
            ("mask.flat[window.argmin()] = 1", "mask[window == window.min()] = 1"),
        ),
        Mistake(
            "shared_among_ties",
            "If several cells share the minimum, you split g between them. The first one gets all of it.",
            (
                "mask.flat[window.argmin()] = 1",
                "mask[window == window.min()] = 1 / (window == window.min()).sum()",
            ),
        ),
        Mistake(
            "last_tie",
            "If several cells share the minimum, you give g to the last of them. Give it to the first.",
            ("window.argmin()", "window.size - 1 - window.ravel()[::-1].argmin()"),
        ),
        Mistake(
            "overwritten",
            "A cell that is the minimum of several windows keeps one g only. Add up what all of them give.",
            (
                "+= mask * g[n, c, oh, ow]",
                "= np.where(mask, g[n, c, oh, ow], dx[n, c, top : top + KH, left : left + KW])",
            ),
        ),
        Mistake(
            "to_all_cells",
            "All cells of a window get your g. The output is one of them; the others did not change it.",
            ("mask.flat[window.argmin()] = 1", "mask[:] = 1"),
        ),
        Mistake(
            "nearest_to_zero",
            "You give g to the cell that is nearest to 0. The minimum has a sign: -5 is less than 1.",
            ("window.argmin()", "np.abs(window).argmin()"),
        ),
        Mistake(
            "times_the_minimum",
            "You multiply g with the minimum. The derivative of a copied number is 1, whatever the "
            "number is.",
            ("mask.flat[window.argmin()] = 1", "mask.flat[window.argmin()] = window.min()"),
        ),
        Mistake(
            "corner_wins",
            "The upper left cell of every window gets your g. Look for the smallest cell, wherever it lies.",
            ("window.argmin()", "0"),
        ),
        Mistake(
            "stride_forgotten",
            "You look for minima in windows that are one cell apart. They are as far apart as the "
            "stride says.",
            ("oh * SH, ow * SW", "oh, ow"),
        ),
        Mistake(
            "stride_is_the_kernel",
            "You look for minima in windows that lie side by side. Windows may overlap, or leave cells out: "
            "use the stride.",
            ("oh * SH, ow * SW", "oh * KH, ow * KW"),
        ),
        Mistake(
            "one_image",
            "Only one image of the batch gets a gradient from you. Each image has its own minima and its g.",
            ("np.ndindex(N,", "np.ndindex(1,"),
        ),
        Mistake(
            "one_channel",
            "Only one channel gets a gradient from you, or its minima decide for all. Treat each by itself.",
            ("np.ndindex(N, C", "np.ndindex(N, 1"),
            ("window = x[n, c,", "window = x[n, 0,"),
        ),
    ),
)


def sum_pool2d_input(g, size, kernel_size, stride):
    """Return dL/dx (N, C, H, W) of sum-pooling, for g = dL/dy (N, C, OH, OW).

    size is (H, W), kernel_size (KH, KW), stride (SH, SW).
    """
    N, C, OH, OW = g.shape
    (H, W), (KH, KW), (SH, SW) = size, kernel_size, stride
    dx = np.zeros((N, C, H, W))
    for n, c, oh, ow in np.ndindex(N, C, OH, OW):
        top, left = oh * SH, ow * SW
        dx[n, c, top : top + KH, left : left + KW] += g[n, c, oh, ow]
    return dx


def _cases_of_sum(rng: np.random.Generator) -> list[Arguments]:
    return [
        {
            "g": whole_numbers(rng, s.N, s.C, *s.out),
            "size": (s.H, s.W),
            "kernel_size": (s.KH, s.KW),
            "stride": s.stride,
        }
        for s in POOLINGS
    ]


def _engine_sum(g, size, kernel_size, stride):
    x = np.zeros((*g.shape[:2], *size))
    return engine.gradients(F.sum_pool2d, [x], g, kernel_size=kernel_size, stride=stride)[0]


def _explained_sum(a, index):
    x = np.zeros((*a["g"].shape[:2], *a["size"]))
    return engine.step(
        "sum_pool2d", "dL/dx", index, x, a["kernel_size"], a["stride"], backward=True, gradient=a["g"]
    )


SUM_POOL2D_INPUT = Exercise(
    sum_pool2d_input,
    _cases_of_sum,
    reference=_engine_sum,
    explain=_explained_sum,
    lesson=4,
    equation=2,
    hints=(
        "The output is the sum of the window's cells. If one cell grows by 1, by how much does the sum grow?",
        "Every cell of a window gets the whole g of that window. What does a cell get that lies in two?",
        "For each output add its g to all cells of its window.",
    ),
    mistakes=(
        Mistake(
            "as_the_mean",
            "You divide g by the number of cells of a window. That belongs to the mean; a sum divides "
            "by nothing.",
            ("+= g[n, c, oh, ow]", "+= g[n, c, oh, ow] / (KH * KW)"),
        ),
        Mistake(
            "overwritten",
            "Where windows overlap, a cell keeps the g of the last one only. It was in all of these "
            "sums: add.",
            ("] +=", "] ="),
        ),
        Mistake(
            "mean_of_windows",
            "Where windows overlap, you average what they give. Every window gives its whole g: add them.",
            (
                "return dx",
                "count = np.zeros((H, W))\n"
                "    for oh, ow in np.ndindex(OH, OW):\n"
                "        count[oh * SH : oh * SH + KH, ow * SW : ow * SW + KW] += 1\n"
                "    return dx / np.maximum(count, 1)",
            ),
        ),
        Mistake(
            "one_cell",
            "One cell of each window gets your g. Every cell of the window is a term of the sum.",
            ("top : top + KH, left : left + KW", "top, left"),
        ),
        Mistake(
            "shared_by_row",
            "You divide g by the height or the width of the window. Each term of a sum has the derivative 1.",
            ("+= g[n, c, oh, ow]", "+= g[n, c, oh, ow] / KH"),
            ("+= g[n, c, oh, ow]", "+= g[n, c, oh, ow] / KW"),
        ),
        Mistake(
            "sign",
            "Your gradient is turned around. If a cell grows, the sum grows too: keep the sign of g.",
            ("+=", "-="),
        ),
        Mistake(
            "stride_forgotten",
            "Your windows lie one cell apart. Put the windows of the backward pass where those of the "
            "forward "
            "pass were.",
            ("oh * SH, ow * SW", "oh, ow"),
        ),
        Mistake(
            "stride_is_the_kernel",
            "Your windows lie side by side. They lie as far apart as the stride says, and may overlap.",
            ("oh * SH, ow * SW", "oh * KH, ow * KW"),
        ),
        Mistake(
            "stride_of_one_direction",
            "You step down and to the right with the same stride. SH is the step down, SW the one to "
            "the right.",
            ("oh * SH, ow * SW", "oh * SH, ow * SH"),
            ("oh * SH, ow * SW", "oh * SW, ow * SW"),
        ),
        Mistake(
            "kernel_exchanged",
            "You add g to a window that has its height and its width exchanged. KH is its number of rows.",
            (" = size, kernel_size, stride", " = size, kernel_size[::-1], stride"),
        ),
        Mistake(
            "one_image",
            "You add up the g of one image only. The others were summed, too: each gets its own g.",
            ("np.ndindex(N,", "np.ndindex(1,"),
        ),
        Mistake(
            "one_channel",
            "You add up the g of one channel only. Channels are pooled by themselves: each gets its own g.",
            ("np.ndindex(N, C", "np.ndindex(N, 1"),
            ("+= g[n, c,", "+= g[n, 0,"),
        ),
    ),
)

EXERCISES = (MIN_POOL2D_INPUT, SUM_POOL2D_INPUT)
