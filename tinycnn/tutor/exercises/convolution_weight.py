"""Exercises on the gradients of a convolution's weight and bias (Eq. 1)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import GEOMETRIES, cases, sizes


def conv2d_weight(x, g, kernel_size, stride, padding):
    """Return dL/dw (K, C, KH, KW) of a convolution, for x (N, C, H, W) and g = dL/dy (N, K, OH, OW).

    kernel_size is (KH, KW), stride (SH, SW), padding (PH, PW).
    """
    N, C, H, W = x.shape
    N, K, OH, OW = g.shape
    (KH, KW), (SH, SW), (PH, PW) = kernel_size, stride, padding
    padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    dw = np.zeros((K, C, KH, KW))
    for n, k, oh, ow in np.ndindex(N, K, OH, OW):
        top, left = oh * SH, ow * SW
        dw[k] += g[n, k, oh, ow] * padded[n, :, top : top + KH, left : left + KW]
    return dw


def _images(x, g, kernel_size, stride, padding):
    """Return what `conv2d_weight` returns; take all windows of an image at once."""
    N, C, H, W = x.shape
    N, K, OH, OW = g.shape
    (KH, KW), (SH, SW), (PH, PW) = kernel_size, stride, padding
    padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    dw = np.zeros((K, C, KH, KW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), (2, 3))
    windows = windows[:, :, : SH * (OH - 1) + 1 : SH, : SW * (OW - 1) + 1 : SW]  # (N, C, OH, OW, KH, KW)
    for n in range(N):
        dw += np.einsum("kij,cijrs->kcrs", g[n], windows[n])
    return dw


def _windows(x, g, kernel_size, stride, padding):
    """Return what `conv2d_weight` returns; take one window of all images at once."""
    N, C, H, W = x.shape
    N, K, OH, OW = g.shape
    (KH, KW), (SH, SW), (PH, PW) = kernel_size, stride, padding
    padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    dw = np.zeros((K, C, KH, KW))
    for oh, ow in np.ndindex(OH, OW):
        top, left = oh * SH, ow * SW
        window = padded[:, :, top : top + KH, left : left + KW]
        dw += np.einsum("nk,ncrs->kcrs", g[:, :, oh, ow], window)
    return dw


def _arguments(x, g, kernel_size, stride, padding):
    """Return the arguments of the convolution; the numbers of its weight play no part."""
    return x, np.zeros((g.shape[1], x.shape[1], *kernel_size)), None, stride, padding


CONV2D_WEIGHT = Exercise(
    conv2d_weight,
    cases(GEOMETRIES, "x N C H W", "g N K OH OW", "kernel_size", "stride", "padding"),
    **engine.computes(F.conv2d, "dL/dw", _arguments, which=1),
    models=(_images, _windows),
    lesson=3,
    equation=1,
    hints=(
        "Choose one weight. In how many windows was it used, and which cell of the image did it meet in "
        "each?",
        "Each use changes the loss by g of that window times the cell that the weight met there. Sum over "
        "all uses, of all images.",
        "Pad the image as in the forward pass. For every image, filter and output cell add g times the "
        "window to the gradient of that filter.",
    ),
    mistakes=read_mistakes("""
    overwritten: A filter is used in every window of every image, and you keep only its last use. All uses add
        up.
        dw[k] += -> dw[k] =
        for oh, ow -> for oh, ow; dw += np.einsum -> dw = np.einsum
    one_image: You use one image of the batch only. The filter was used on all of them: sum over the batch.
        for n in -> for n in; dw += np.einsum -> dw = np.einsum
        np.ndindex(N, K -> np.ndindex(1, K
    mean_over_batch: You divide by the number of images. g comes from a loss that has this factor already, if
        it is a mean.
        return dw -> return dw / N
    mean_over_windows: You take the mean over the windows. One weight serves every window, and the changes
        that it makes add up.
        return dw -> return dw / (OH * OW)
    mean_over_everything: You take the mean over the images and the windows. Both are sums.
        return dw -> return dw / (N * OH * OW)
    kernel_flipped: The gradient of your filter is turned by 180 degrees. It has the same order as the filter
        itself.
        return dw -> return dw[:, :, ::-1, ::-1]
    kernel_transposed: Rows and columns of each filter's gradient are exchanged: KH before KW.
        return dw -> return dw.swapaxes(2, 3)
    filters_and_channels_exchanged: Your gradient has the channels first, then the filters. The weight is (K,
        C, KH, KW).
        return dw -> return dw.swapaxes(0, 1)
    stride_forgotten: You read the image as if the windows moved by one cell. Take the windows of the forward
        pass, a stride apart.
        oh * SH, ow * SW -> oh, ow
    stride_of_one_direction: You move the windows by one of the two strides in both directions. Move down by
        SH and to the right by SW.
        oh * SH, ow * SW -> oh * SH, ow * SH
        oh * SH, ow * SW -> oh * SW, ow * SW
        oh * SH, ow * SW -> oh * SH, ow
        oh * SH, ow * SW -> oh, ow * SW
    padding_on_one_side: You forget the zeros above and to the left of the image, so every window reads too
        far down and to the right. Pad all four sides, as in the forward pass.
        ((0, 0), (0, 0), (PH, PH), (PW, PW)) -> ((0, 0), (0, 0), (0, 2 * PH), (0, 2 * PW))
    padding_of_one_direction: You pad rows and columns alike, or one of them only. The forward pass had PH
        rows and PW columns of zeros.
        = kernel_size, stride, padding -> = kernel_size, stride, (padding[0], 0)
        = kernel_size, stride, padding -> = kernel_size, stride, (0, padding[1])
        = kernel_size, stride, padding -> = kernel_size, stride, (padding[0], padding[0])
        = kernel_size, stride, padding -> = kernel_size, stride, (padding[1], padding[1])
    one_channel: You use one channel of the image for all channels of the filter. Each channel of a filter met
        its own.
        padded[n, :, -> padded[n, :1,
        padded[n, :, -> padded[n, -1:,
        * padded[n, :, top : top + KH, left : left + KW] ->
            * padded[n, :, top : top + KH, left : left + KW].sum(0)
    one_filter: You give every filter the gradient of one of them. Filter k made channel k of the output, so
        it gets that g.
        g[n, k, -> g[n, 0,
        g[n, k, -> g[n, -1,
    filters_mixed: You add up the g of all filters and give each of them the sum. Each has the g of its own
        output.
        g[n, k, oh, ow] -> g[n, :, oh, ow].sum()
    """),
)


def conv2d_bias(g):
    """Return dL/db (K,) of a convolution, for g = dL/dy (N, K, OH, OW)."""
    return g.sum(axis=(0, 2, 3))


_PLANES = sizes(
    "N K OH OW", (1, 1, 2, 2), (1, 2, 1, 2), (2, 1, 1, 1), (2, 3, 2, 3), (3, 3, 3, 3), (3, 2, 4, 3)
)


def _arguments_of_bias(g):
    N, K, OH, OW = g.shape
    return np.zeros((N, 1, OH, OW)), np.zeros((K, 1, 1, 1)), np.zeros(K)


CONV2D_BIAS = Exercise(
    conv2d_bias,
    cases(_PLANES, "g N K OH OW"),
    **engine.computes(F.conv2d, "dL/db", _arguments_of_bias, which=2),
    lesson=3,
    equation=1,
    hints=(
        "The bias b[k] was added to many outputs. To which?",
        "If b[k] grows by 1, every output of channel k grows by 1, in every image. What does that do to the "
        "loss?",
        "Sum g over all axes but that of the channels.",
    ),
    mistakes=read_mistakes("""
    not_summed_over_images: Your gradient has a number for every image and channel. The bias is shared by the
        whole batch: sum over N, too.
        (0, 2, 3) -> (2, 3)
    one_image: You count one image of the batch. The bias was added in all of them.
        g.sum(axis=(0, 2, 3)) -> g[0].sum(axis=(1, 2))
        g.sum(axis=(0, 2, 3)) -> g[-1].sum(axis=(1, 2))
    not_summed_over_cells: You sum over the batch, and the rows and columns stay. The bias was added to every
        cell of the output.
        (0, 2, 3) -> 0
    summed_over_channels: You sum over the channels as well, so that one number is left. Each channel has a
        bias of its own.
        (0, 2, 3) -> None
    channels_instead_of_images: You sum over the channels and keep the images. It is the other way round.
        (0, 2, 3) -> (1, 2, 3)
    mean: You take a mean over images and cells. The bias changes each of these outputs, and the changes add
        up.
        g.sum( -> g.mean(
    mean_over_batch: You divide by the number of images. g knows that number already, where the loss is a
        mean.
        (0, 2, 3)) -> (0, 2, 3)) / len(g)
    mean_over_cells: You take the mean over rows and columns. Sum over them.
        (0, 2, 3)) -> (0, 2, 3)) / (g.shape[2] * g.shape[3])
    axes_kept: Your gradient keeps axes of length 1. The bias is (K,), so its gradient is, too.
        (0, 2, 3)) -> (0, 2, 3), keepdims=True)
    one_cell: You count one cell of each channel. The bias was added to all cells.
        g.sum(axis=(0, 2, 3)) -> g[:, :, -1, -1].sum(axis=0)
        g.sum(axis=(0, 2, 3)) -> g[:, :, 0, 0].sum(axis=0)
    """),
)
