"""An exercise on a convolution's input gradient (Eq. 1)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import GEOMETRIES, cases


def conv2d_input(g, w, size, stride, padding):
    """Return dL/dx (N, C, H, W) of a convolution, for g = dL/dy (N, K, OH, OW) and w (K, C, KH, KW).

    size is (H, W), stride (SH, SW), padding (PH, PW).
    """
    N, K, OH, OW = g.shape
    K, C, KH, KW = w.shape
    (H, W), (SH, SW), (PH, PW) = size, stride, padding
    padded = np.zeros((N, C, H + 2 * PH, W + 2 * PW))
    for n, k, oh, ow in np.ndindex(N, K, OH, OW):
        top, left = oh * SH, ow * SW
        padded[n, :, top : top + KH, left : left + KW] += g[n, k, oh, ow] * w[k]
    return padded[:, :, PH : PH + H, PW : PW + W]


def _windows(g, w, size, stride, padding):
    """Return what `conv2d_input` returns; take all filters of a window at once."""
    N, K, OH, OW = g.shape
    K, C, KH, KW = w.shape
    (H, W), (SH, SW), (PH, PW) = size, stride, padding
    padded = np.zeros((N, C, H + 2 * PH, W + 2 * PW))
    for oh, ow in np.ndindex(OH, OW):
        top, left = oh * SH, ow * SW
        padded[:, :, top : top + KH, left : left + KW] += np.einsum("nk,kcrs->ncrs", g[:, :, oh, ow], w)
    return padded[:, :, PH : PH + H, PW : PW + W]


def _planes(g, w, size, stride, padding):
    """Return what `conv2d_input` returns; take one cell of all filters at a time."""
    N, K, OH, OW = g.shape
    K, C, KH, KW = w.shape
    (H, W), (SH, SW), (PH, PW) = size, stride, padding
    padded = np.zeros((N, C, H + 2 * PH, W + 2 * PW))
    for r, s in np.ndindex(KH, KW):
        rows, cols = slice(r, r + SH * (OH - 1) + 1, SH), slice(s, s + SW * (OW - 1) + 1, SW)
        padded[:, :, rows, cols] += np.einsum("nkij,kc->ncij", g, w[:, :, r, s])
    return padded[:, :, PH : PH + H, PW : PW + W]


def _arguments(g, w, size, stride, padding):
    """Return the arguments of the convolution; the numbers of its image play no part."""
    return np.zeros((len(g), w.shape[1], *size)), w, None, stride, padding


CONV2D_INPUT = Exercise(
    conv2d_input,
    cases(GEOMETRIES, "g N K OH OW", "w K C KH KW", "size", "stride", "padding"),
    **engine.computes(F.conv2d, "dL/dx", _arguments),
    models=(_windows, _planes),
    lesson=3,
    equation=1,
    hints=(
        "Choose one cell of the image. Which outputs did it feed in the forward pass, and with which weight "
        "each?",
        "Turn the forward pass around: every output hands its g back to the cells of its window, each cell "
        "gets g times the weight that it was multiplied with. Cells that lie in several windows get "
        "something from each.",
        "Start with zeros of the padded size. For every image, filter and output cell add g times the whole "
        "filter to the window. At the end cut the padding off, on all four sides.",
    ),
    mistakes=read_mistakes("""
    overwritten: Where windows overlap, a cell of the image feeds several outputs, and you keep only what the
        last of them gives back. These contributions add up.
        ] += -> ] =
    stride_forgotten: You lay the windows one cell apart, as if the stride were 1. In the forward pass they
        lay a stride apart.
        oh * SH, ow * SW -> oh, ow
    stride_of_one_direction: You use one of the two strides for rows and columns alike. Each direction has its
        own.
        oh * SH, ow * SW -> oh * SH, ow * SH
        oh * SH, ow * SW -> oh * SW, ow * SW
        oh * SH, ow * SW -> oh * SH, ow
        oh * SH, ow * SW -> oh, ow * SW
    kernel_flipped: You turn the filter around before you spread it. That is right only if you write dL/dx as
        a convolution over g; here each cell meets the weight that it met in the forward pass.
        * w[k] -> * w[k, :, ::-1, ::-1]
    kernel_transposed: You exchange the rows and columns of the filter. Keep its rows along the rows of the
        image.
        * w[k] -> * w[k].swapaxes(1, 2)
    padding_cut_on_one_side: Your numbers are shifted by the padding. It lies above and below, left and right
        of the image: cut it off on every side.
        PH : PH + H, PW : PW + W -> :H, :W
        PH : PH + H, PW : PW + W -> 2 * PH :, 2 * PW :
    padding_not_cut: You return the gradient of the padding, too. Nobody asked for it: cut it off, so that (H,
        W) is left.
        [:, :, PH : PH + H, PW : PW + W] ->
    padding_cut_in_one_direction: You cut the same border off rows and columns. PH belongs to the rows, PW to
        the columns.
        PH : PH + H, PW : PW + W -> PH : PH + H, PH : PH + W
        PH : PH + H, PW : PW + W -> PW : PW + H, PW : PW + W
        PH : PH + H, PW : PW + W -> PH : PH + H, :W
        PH : PH + H, PW : PW + W -> :H, PW : PW + W
    size_not_used: You compute the height and width from g. With a stride several sizes lead to the same g:
        take the size that you were given.
        (H, W), (SH, SW), (PH, PW) = size, stride, padding ->
            (SH, SW), (PH, PW) = stride, padding
            H, W = (OH - 1) * SH + KH - 2 * PH, (OW - 1) * SW + KW - 2 * PW
    one_filter: You use one filter only. Every filter read the image, so sum over all of them.
        np.ndindex(N, K, OH, OW) -> np.ndindex(N, 1, OH, OW)
        np.ndindex(N, K, OH, OW) -> np.ndindex(N, 1, OH, OW); [n, k, oh, ow] * w[k] -> [n, -1, oh, ow] * w[-1]
    same_filter: You spread every filter's g with one and the same filter. The g of output channel k goes with
        filter k.
        * w[k] -> * w[0]
        * w[k] -> * w[-1]
    one_channel: You spread one channel of the filter into all channels of the image. Channel c of the filter
        belongs to channel c of the image.
        * w[k] -> * w[k, :1]
        * w[k] -> * w[k].sum(0)
    filters_and_channels_exchanged: You read w as (C, K, KH, KW). The filters come first, then their channels.
        * w[k] -> * w[:, k]
    one_image: You fill in one image of the batch. Every image gets a gradient of its own.
        np.ndindex(N, K -> np.ndindex(1, K
        g[n, -> g[0,
    mean_over_batch: You divide by the number of images. If the loss is a mean, g has that factor in it
        already.
        * w[k] -> * w[k] / N
    height_and_width_exchanged: The numbers are right, but the rows of your gradient are its columns: (H, W)
        is the order.
        PW : PW + W] -> PW : PW + W].swapaxes(2, 3)
    """),
)
