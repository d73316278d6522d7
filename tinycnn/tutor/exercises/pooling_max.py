"""An exercise on the gradient of max-pooling (Eq. 2)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .pooling_gradients import EQUAL_CELLS, cases_with_x


def max_pool2d_input(g, x, kernel_size, stride):
    """Return dL/dx (N, C, H, W) of max-pooling, for g = dL/dy (N, C, OH, OW) and x (N, C, H, W).

    kernel_size is (KH, KW), stride (SH, SW). Of equal cells the first of the window wins, row by row.
    """
    N, C, OH, OW = g.shape
    (KH, KW), (SH, SW) = kernel_size, stride
    dx = np.zeros(x.shape)
    for n, c, oh, ow in np.ndindex(N, C, OH, OW):
        top, left = oh * SH, ow * SW
        window = x[n, c, top : top + KH, left : left + KW]
        r, s = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, top + r, left + s] += g[n, c, oh, ow]
    return dx


def _masks(g, x, kernel_size, stride):
    """Return what `max_pool2d_input` returns; use a mask of each window."""
    N, C, OH, OW = g.shape
    (KH, KW), (SH, SW) = kernel_size, stride
    dx = np.zeros(x.shape)
    for n, c, oh, ow in np.ndindex(N, C, OH, OW):
        top, left = oh * SH, ow * SW
        window = x[n, c, top : top + KH, left : left + KW]
        mask = np.zeros(window.shape)
        mask.flat[window.argmax()] = 1
        dx[n, c, top : top + KH, left : left + KW] += mask * g[n, c, oh, ow]
    return dx


MAX_POOL2D_INPUT = Exercise(
    max_pool2d_input,
    cases_with_x(lambda count: np.arange(count) + 1.0, [[1.0, 7.0, 2.0, 2.0], [7.0, 0.0, 2.0, 2.0]]),
    **engine.computes(F.max_pool2d, "dL/dx"),
    models=(_masks,),
    traits=EQUAL_CELLS,
    lesson=4,
    equation=2,
    hints=(
        "Which cell of a window did the output copy? If another cell grows a little, does the output change?",
        "The winner of each window gets the whole g of that output, the others nothing. A cell may win "
        "several windows.",
        "For each output find the place of the maximum in its window, and add g to that place of the "
        "gradient. Of equal cells take the first.",
    ),
    mistakes=read_mistakes("""
    every_tie: If several cells of a window are equal, you give g to all of them. The output copied one: the
        first.
        mask.flat[window.argmax()] = 1 -> mask[window == window.max()] = 1
    last_tie: If several cells are equal, you choose the last of them. The engine chooses the first.
        window.argmax() -> window.size - 1 - window.ravel()[::-1].argmax()
    shared_among_ties: If several cells are equal, you divide g among them. One of them is the winner and
        takes all.
        mask.flat[window.argmax()] = 1 -> mask[window == window.max()] = 1 / (window == window.max()).sum()
    overwritten: A cell that wins several windows keeps the g of one of them. It gets the sum.
        ] += -> ] =
        += mask * g[n, c, oh, ow] ->
            = np.where(mask, g[n, c, oh, ow], dx[n, c, top : top + KH, left : left + KW])
    as_the_mean: You share g among all cells of the window. That is mean-pooling; here one cell takes all.
        mask.flat[window.argmax()] = 1 -> mask[:] = 1 / window.size
    to_all_cells: You give every cell of a window the whole g. Only the cell that the output copied gets it.
        mask.flat[window.argmax()] = 1 -> mask[:] = 1
    times_the_maximum: You multiply g with the maximum itself. The winner was copied, so its factor is 1.
        mask.flat[window.argmax()] = 1 -> mask.flat[window.argmax()] = window.max()
        += g[n, c, oh, ow] -> += window.max() * g[n, c, oh, ow]
    minimum_wins: You give g to the smallest cell. The output copied the largest.
        window.argmax() -> window.argmin()
    corner_wins: You give g to the first cell of every window. Give it to the largest one, wherever that is.
        window.argmax() -> 0
    place_column_by_column: You turn the place of the winner into row and column with the wrong length: a row
        of the window has KW cells.
        r, s = np.unravel_index(window.argmax(), window.shape) ->
            s, r = np.unravel_index(window.argmax(), window.shape[::-1])
        r, s = np.unravel_index(window.argmax(), window.shape) ->
            s, r = np.unravel_index(window.argmax(), window.shape)
    stride_forgotten: You look for the winners in windows that are one cell apart. Use the windows of the
        forward pass.
        oh * SH, ow * SW -> oh, ow
    stride_is_the_kernel: You put the windows side by side. The stride may be larger or smaller than the
        window: let it decide where they lie.
        oh * SH, ow * SW -> oh * KH, ow * KW
    stride_of_one_direction: You use one stride for both directions. Use SH for the rows and SW for the
        columns.
        oh * SH, ow * SW -> oh * SH, ow * SH
        oh * SH, ow * SW -> oh * SW, ow * SW
    one_image: You pass g on in one image of the batch only. Each image has winners of its own, and its own g.
        np.ndindex(N, -> np.ndindex(1,
    one_channel: You pass g on in one channel, or to the winners of one channel. Each channel has winners of
        its own.
        np.ndindex(N, C -> np.ndindex(N, 1
        window = x[n, c, -> window = x[n, 0,
        window = x[n, c, -> window = x[n, -1,
    """),
)
