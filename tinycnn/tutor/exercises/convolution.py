"""Exercises on convolution forward (Eq. 1), and its transpose."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import GEOMETRIES, cases


def conv2d(x, w, b, stride, padding):
    """Return the convolution of x (N, C, H, W) with w (K, C, KH, KW), plus b (K,): (N, K, OH, OW).

    stride is (SH, SW), padding (PH, PW): so many rows and columns of zeros on each side.
    """
    N, C, H, W = x.shape
    K, C, KH, KW = w.shape
    (SH, SW), (PH, PW) = stride, padding
    OH = (H + 2 * PH - KH) // SH + 1
    OW = (W + 2 * PW - KW) // SW + 1
    padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    y = np.zeros((N, K, OH, OW))
    for n, k, oh, ow in np.ndindex(N, K, OH, OW):
        top, left = oh * SH, ow * SW
        window = padded[n, :, top : top + KH, left : left + KW]  # (C, KH, KW)
        y[n, k, oh, ow] = (window * w[k]).sum() + b[k]
    return y


CONV2D = Exercise(
    conv2d,
    cases(GEOMETRIES, "x N C H W", "w K C KH KW", "b K", "stride", "padding"),
    **engine.computes(F.conv2d, "y"),
    lesson=3,
    equation=1,
    hints=(
        "Take one output cell. Which patch of the image does its window cover, and what happens to the "
        "numbers there?",
        "Put the zeros around the image first. Then the window of row oh begins at row oh times the stride, "
        "and the window of column ow at column ow times its own stride.",
        "One output is the sum, over all channels and all cells of the window, of image times filter, plus "
        "the bias of the filter, once. Loop over images, filters, and the rows and columns of the output.",
    ),
    mistakes=read_mistakes("""
    kernel_flipped: You turn the filter by 180 degrees before you lay it on the image. That is the
        mathematicians' convolution; here the filter stays as it is.
        w[k] -> w[k, :, ::-1, ::-1]
    kernel_transposed: You exchange the rows and columns of the filter: KH goes with the rows of the image, KW
        with its columns.
        w[k] -> w[k].swapaxes(1, 2)
    stride_forgotten: Your window moves by one cell at a time. Let it move by the stride.
        oh * SH, ow * SW -> oh, ow
        = stride, padding -> = (1, 1), padding
    stride_of_one_direction: You use one of the two strides in both directions. Rows move by SH, columns by
        SW.
        = stride, padding -> = (stride[0], stride[0]), padding
        = stride, padding -> = (stride[1], stride[1]), padding
        oh * SH, ow * SW -> oh * SH, ow * SH
        oh * SH, ow * SW -> oh * SW, ow * SW
        oh * SH, ow * SW -> oh * SH, ow
        oh * SH, ow * SW -> oh, ow * SW
    padding_forgotten: You leave the padding out: the image needs its zeros all around before the windows are
        laid on it.
        = stride, padding -> = stride, (0, 0)
    padding_of_one_direction: You pad one of the two directions, or both alike. PH rows go above and below, PW
        columns left and right.
        = stride, padding -> = stride, (padding[0], 0)
        = stride, padding -> = stride, (0, padding[1])
        = stride, padding -> = stride, (padding[0], padding[0])
        = stride, padding -> = stride, (padding[1], padding[1])
    padding_on_one_side: You put all the zeros on one side of the image. Half of them belong on each side.
        (PH, PH), (PW, PW) -> (2 * PH, 0), (2 * PW, 0)
        (PH, PH), (PW, PW) -> (0, 2 * PH), (0, 2 * PW)
    padding_not_zero: You repeat the image's edge in the padding. The padding is zeros.
        (PW, PW))) -> (PW, PW)), "edge")
    one_row_too_few: Your output has a row and a column too few: count how often the window fits, the first
        place included.
        // SH + 1 -> // SH; // SW + 1 -> // SW
    padding_counted_once: Your output is too small: its size must count the padding on both sides of the
        image.
        2 * PH -> PH; 2 * PW -> PW
    one_channel: You use one channel of the image only. An output is the sum over all of them.
        (window * w[k]).sum() -> (window * w[k])[-1].sum()
        (window * w[k]).sum() -> (window * w[k])[0].sum()
    one_cell: You keep one product of each window, the last, and lose the others. Add all of them up.
        (window * w[k]).sum() -> window[-1, -1, -1] * w[k, -1, -1, -1]
    mean_of_window: You take the mean of the products in the window. Convolution takes their sum.
        (window * w[k]).sum() -> (window * w[k]).mean()
    one_image: You compute one image of the batch and leave the others out. Every image has its own output.
        np.ndindex(N -> np.ndindex(1
        padded[n, -> padded[0,
        padded[n, -> padded[-1,
    one_filter: You use the same filter for every channel of the output. Channel k has filter k.
        w[k] -> w[0]
        w[k] -> w[-1]
    bias_forgotten: You leave out the bias. Every output of filter k gets b[k] added.
        + b[k] ->
    bias_added_often: You add the bias inside the sum, so it comes in again and again. It belongs to the
        output, once.
        + b[k] -> + C * b[k]
        + b[k] -> + C * KH * KW * b[k]
    bias_of_one_filter: You add the same number of b everywhere. Each filter has its own.
        + b[k] -> + b[0]
        + b[k] -> + b.sum()
    height_and_width_exchanged: The numbers are right, but rows and columns of your output are exchanged: OH
        comes before OW.
        return y -> return y.swapaxes(2, 3)
    images_and_filters_exchanged: Your output has the filters first and the images second. The batch comes
        first: (N, K, OH, OW).
        return y -> return y.swapaxes(0, 1)
    """),
)
