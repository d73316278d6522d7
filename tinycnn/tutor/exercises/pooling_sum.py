"""An exercise on the gradient of sum-pooling (Eq. 2)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .pooling_gradients import cases_with_size, with_zeros


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


SUM_POOL2D_INPUT = Exercise(
    sum_pool2d_input,
    cases_with_size,
    **engine.computes(F.sum_pool2d, "dL/dx", with_zeros),
    lesson=4,
    equation=2,
    hints=(
        "The output is the sum of the window's cells. If one cell grows by 1, by how much does the sum grow?",
        "Every cell of a window gets the whole g of that window. What does a cell get that lies in two?",
        "For each output add its g to all cells of its window.",
    ),
    mistakes=read_mistakes("""
    as_the_mean: You divide g by the number of cells of a window. That belongs to the mean; a sum divides by
        nothing.
        += g[n, c, oh, ow] -> += g[n, c, oh, ow] / (KH * KW)
    overwritten: Where windows overlap, a cell keeps the g of the last one only. It was in all of these sums:
        add.
        ] += -> ] =
    mean_of_windows: Where windows overlap, you average what they give. Every window gives its whole g: add
        them.
        return dx ->
            count = np.zeros((H, W))
            for oh, ow in np.ndindex(OH, OW):
                count[oh * SH : oh * SH + KH, ow * SW : ow * SW + KW] += 1
            return dx / np.maximum(count, 1)
    one_cell: One cell of each window gets your g. Every cell of the window is a term of the sum.
        top : top + KH, left : left + KW -> top, left
    shared_by_row: You divide g by the height or the width of the window. Each term of a sum has the
        derivative 1.
        += g[n, c, oh, ow] -> += g[n, c, oh, ow] / KH
        += g[n, c, oh, ow] -> += g[n, c, oh, ow] / KW
    sign: Your gradient is turned around. If a cell grows, the sum grows too: keep the sign of g.
        += -> -=
    stride_forgotten: Your windows lie one cell apart. Put the windows of the backward pass where those of the
        forward pass were.
        oh * SH, ow * SW -> oh, ow
    stride_is_the_kernel: Your windows lie side by side. They lie as far apart as the stride says, and may
        overlap.
        oh * SH, ow * SW -> oh * KH, ow * KW
    stride_of_one_direction: You step down and to the right with the same stride. SH is the step down, SW the
        one to the right.
        oh * SH, ow * SW -> oh * SH, ow * SH
        oh * SH, ow * SW -> oh * SW, ow * SW
    kernel_exchanged: You add g to a window that has its height and its width exchanged. KH is its number of
        rows.
        = size, kernel_size, stride -> = size, kernel_size[::-1], stride
    one_image: You add up the g of one image only. The others were summed, too: each gets its own g.
        np.ndindex(N, -> np.ndindex(1,
    one_channel: You add up the g of one channel only. Channels are pooled by themselves: each gets its own g.
        np.ndindex(N, C -> np.ndindex(N, 1
        += g[n, c, -> += g[n, 0,
    """),
)
