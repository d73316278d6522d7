"""An exercise on the transposed convolution, which generators are built from (Eq. 11)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import Sizes, whole_numbers


def conv_transpose2d(x, w, stride, padding):
    """Return the transposed convolution (N, C, H, W) of x (N, K, OH, OW) with w (K, C, KH, KW).

    Every cell of x lays its copy of the kernel, times its value, on the output; stride (SH, SW) apart. Then
    padding (PH, PW) is cut off: H = (OH - 1) * SH - 2 * PH + KH.
    """
    N, K, OH, OW = x.shape
    K, C, KH, KW = w.shape
    (SH, SW), (PH, PW) = stride, padding
    whole = np.zeros((N, C, (OH - 1) * SH + KH, (OW - 1) * SW + KW))
    for n, k, oh, ow in np.ndindex(N, K, OH, OW):
        top, left = oh * SH, ow * SW
        whole[n, :, top : top + KH, left : left + KW] += x[n, k, oh, ow] * w[k]
    return whole[:, :, PH : whole.shape[2] - PH, PW : whole.shape[3] - PW]


def _copies(x, w, stride, padding):
    """Return what `conv_transpose2d` returns; lay all copies of one kernel cell at once."""
    N, K, OH, OW = x.shape
    K, C, KH, KW = w.shape
    (SH, SW), (PH, PW) = stride, padding
    whole = np.zeros((N, C, (OH - 1) * SH + KH, (OW - 1) * SW + KW))
    for r, s in np.ndindex(KH, KW):
        rows, cols = slice(r, r + SH * (OH - 1) + 1, SH), slice(s, s + SW * (OW - 1) + 1, SW)
        whole[:, :, rows, cols] += np.einsum("nkij,kc->ncij", x, w[:, :, r, s])
    return whole[:, :, PH : whole.shape[2] - PH, PW : whole.shape[3] - PW]


_UP = (
    Sizes(1, 1, 0, 0, 1, 2, 2),
    Sizes(1, 1, 0, 0, 1, 2, 2, (2, 2)),
    Sizes(1, 1, 0, 0, 1, 3, 3, (2, 2)),
    Sizes(1, 1, 0, 0, 1, 3, 3, (1, 1), (1, 1)),
    Sizes(1, 2, 0, 0, 1, 2, 3),
    Sizes(1, 1, 0, 0, 2, 2, 2),
    Sizes(2, 2, 0, 0, 2, 3, 3, (2, 2), (1, 1)),
    Sizes(2, 3, 0, 0, 2, 2, 3, (1, 2), (0, 1)),
    Sizes(2, 2, 0, 0, 3, 3, 2, (2, 1), (1, 0)),
)


def _cases(rng: np.random.Generator) -> list[Arguments]:
    return [
        {
            "x": whole_numbers(rng, s.N, s.K, 2, 2 + at // 4),
            "w": whole_numbers(rng, s.K, s.C, s.KH, s.KW),
            "stride": s.stride,
            "padding": s.padding,
        }
        for at, s in enumerate(_UP)
    ]


CONV_TRANSPOSE2D = Exercise(
    conv_transpose2d,
    _cases,
    **engine.computes(F.conv_transpose2d, "y", lambda x, w, stride, padding: (x, w, None, stride, padding)),
    models=(_copies,),
    lesson=15,
    equation=11,
    hints=(
        "A convolution makes an image smaller: a window becomes one cell. What becomes of one cell when you "
        "go back?",
        "Each input cell lays the whole kernel, times its value, on the output. How far apart are the "
        "corners of two neighbouring copies, and where does the last copy end?",
        "Take zeros that all copies fit into, add the copies up, a stride apart, and cut the padding off on "
        "each side.",
    ),
    mistakes=read_mistakes("""
    copies_overwritten: Where two copies of the kernel overlap, you let the later one replace the earlier one.
        Copies add up.
        ] += -> ] =
    size_of_a_convolution: Your output is as small as that of a convolution. A transposed convolution goes the
        other way: the copies of the kernel reach beyond the input.
        PH : whole.shape[2] - PH, PW : whole.shape[3] - PW ->
            : (OH + 2 * PH - KH) // SH + 1, : (OW + 2 * PW - KW) // SW + 1
    stride_as_in_a_convolution: Your copies lie one cell apart. The stride says how far the copy of one input
        cell is from the next.
        * SH, ow * SW -> , ow
        = stride, padding -> = (1, 1), padding
    stride_of_one_direction: You space the copies alike in both directions. Rows go by SH, columns by SW.
        = stride, padding -> = (stride[0], stride[0]), padding
        = stride, padding -> = (stride[1], stride[1]), padding
    padding_added: You put padding around the result. Here the padding is cut off: it belongs to the
        convolution that leads back from the result to x.
        return whole[:, :, PH : whole.shape[2] - PH, PW : whole.shape[3] - PW] ->
            return np.pad(whole, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    padding_left_on: You forget to remove the padding from the result. Cut PH rows and PW columns off each
        side.
        [:, :, PH : whole.shape[2] - PH, PW : whole.shape[3] - PW] ->
    padding_cut_on_one_side: You cut the padding off one side only, all of it. Half of it belongs to each
        side.
        PH : whole.shape[2] - PH, PW : whole.shape[3] - PW -> 2 * PH :, 2 * PW :
        PH : whole.shape[2] - PH, PW : whole.shape[3] - PW ->
            : whole.shape[2] - 2 * PH, : whole.shape[3] - 2 * PW
    padding_cut_once: You cut one border off, and the opposite one stays. Cut both.
        PH : whole.shape[2] - PH, PW : whole.shape[3] - PW -> PH:, PW:
        PH : whole.shape[2] - PH, PW : whole.shape[3] - PW -> : whole.shape[2] - PH, : whole.shape[3] - PW
    kernel_flipped: You turn the kernel by 180 degrees in its copies. Nothing is turned: the first cell of the
        kernel comes first.
        * w[k] -> * w[k, :, ::-1, ::-1]
    kernel_transposed: In your copies the rows of the kernel stand as columns. Lay the kernel down as it is.
        * w[k] -> * w[k].swapaxes(1, 2)
    one_channel_of_the_input: You lay down copies for one channel of the input. All K channels lay theirs into
        the same output.
        np.ndindex(N, K -> np.ndindex(N, 1
        np.ndindex(N, K -> np.ndindex(N, 1; x[n, k, oh, ow] * w[k] -> x[n, -1, oh, ow] * w[-1]
    channels_exchanged: You read the kernel as (C, K, KH, KW). The channels that go in come first, those that
        come out second.
        * w[k] -> * w[:, k]
    one_image: You make one picture for the whole batch. Make one for every input.
        np.ndindex(N, K -> np.ndindex(1, K
        x[n, -> x[0,
    """),
)
