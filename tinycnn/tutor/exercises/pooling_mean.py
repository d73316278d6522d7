"""An exercise on the gradient of mean-pooling (Eq. 2)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .pooling_gradients import cases_with_size, with_zeros


def avg_pool2d_input(g, size, kernel_size, stride):
    """Return dL/dx (N, C, H, W) of mean-pooling, for g = dL/dy (N, C, OH, OW).

    size is (H, W), kernel_size (KH, KW), stride (SH, SW).
    """
    N, C, OH, OW = g.shape
    (H, W), (KH, KW), (SH, SW) = size, kernel_size, stride
    dx = np.zeros((N, C, H, W))
    for n, c, oh, ow in np.ndindex(N, C, OH, OW):
        top, left = oh * SH, ow * SW
        dx[n, c, top : top + KH, left : left + KW] += g[n, c, oh, ow] / (KH * KW)
    return dx


def _planes(g, size, kernel_size, stride):
    """Return what `avg_pool2d_input` returns; take one cell of all windows at a time."""
    N, C, OH, OW = g.shape
    (H, W), (KH, KW), (SH, SW) = size, kernel_size, stride
    dx = np.zeros((N, C, H, W))
    for r, s in np.ndindex(KH, KW):
        dx[:, :, r : r + SH * (OH - 1) + 1 : SH, s : s + SW * (OW - 1) + 1 : SW] += g / (KH * KW)
    return dx


AVG_POOL2D_INPUT = Exercise(
    avg_pool2d_input,
    cases_with_size,
    **engine.computes(F.avg_pool2d, "dL/dx", with_zeros),
    models=(_planes,),
    lesson=4,
    equation=2,
    hints=(
        "The output is the mean of the window's cells. If one cell grows by 1, by how much does the mean "
        "grow?",
        "Every cell of a window gets the same share of its g. A cell that lies in several windows gets a "
        "share of each.",
        "Start with zeros. For each output add g, divided by the number of cells of a window, to the whole "
        "window.",
    ),
    mistakes=read_mistakes("""
    not_divided: You hand the whole g to every cell. The mean divided by the number of cells, so its gradient
        does, too.
        / (KH * KW) ->
    divided_by_one_side: You divide by the height or the width of the window. It has height times width cells.
        / (KH * KW) -> / KH
        / (KH * KW) -> / KW
    divided_by_outputs: You divide by the number of outputs. Divide by the number of cells of one window.
        / (KH * KW) -> / (OH * OW)
    divided_by_inputs: You divide by the size of the whole image. Divide by the number of cells of one window.
        / (KH * KW) -> / (H * W)
    divided_by_stride: You divide by the step between windows. It is the window's own size that counts.
        / (KH * KW) -> / (SH * SW)
    overwritten: Where windows overlap you keep the share of one of them. A cell gets a share from each.
        ] += -> ] =
    mean_of_windows: Where windows overlap you take the mean of what they give. It is their sum.
        return dx ->
            count = np.zeros((H, W))
            for oh, ow in np.ndindex(OH, OW):
                count[oh * SH : oh * SH + KH, ow * SW : ow * SW + KW] += 1
            return dx / np.maximum(count, 1)
    one_cell: You give the window's share to one of its cells. All of them were in the mean.
        top : top + KH, left : left + KW -> top, left
    stride_forgotten: You move the window by one cell for each output. Move it by the stride.
        oh * SH, ow * SW -> oh, ow
    stride_is_the_kernel: You lay the windows side by side. The stride says where they lie.
        oh * SH, ow * SW -> oh * KH, ow * KW
    stride_of_one_direction: You place the windows with one stride for rows and columns. Down they are SH
        apart, to the right SW.
        oh * SH, ow * SW -> oh * SH, ow * SH
        oh * SH, ow * SW -> oh * SW, ow * SW
    kernel_exchanged: You exchange height and width of the windows: each has KH rows and KW columns.
        = size, kernel_size, stride -> = size, kernel_size[::-1], stride
    one_image: You hand g back in one image of the batch only. Every image was pooled: hand back the g of
        each.
        np.ndindex(N, -> np.ndindex(1,
        dx[:, :, -> dx[:1, :,; += g / -> += g[:1] /
    one_channel: You hand the g of one channel back, and no other. Every channel was pooled by itself: use the
        g of each.
        np.ndindex(N, C -> np.ndindex(N, 1
        += g[n, c, -> += g[n, 0,
        += g[n, c, -> += g[n, -1,
    """),
)
