"""The exercise on im2col (Eq. 1 as a matrix product)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .geometry import GEOMETRIES, whole_numbers


def im2col(x, kernel_size, stride, padding):
    """Return the patches of x (N, C, H, W) as columns: (N, C*KH*KW, OH*OW).

    kernel_size is (KH, KW), stride (SH, SW), padding (PH, PW). A column is one patch, channel after channel,
    row after row; the columns go through the output row after row.
    """
    N, C, H, W = x.shape
    (KH, KW), (SH, SW), (PH, PW) = kernel_size, stride, padding
    OH = (H + 2 * PH - KH) // SH + 1
    OW = (W + 2 * PW - KW) // SW + 1
    padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    columns = np.zeros((N, C, KH, KW, OH, OW))
    for r, s, oh, ow in np.ndindex(KH, KW, OH, OW):
        columns[:, :, r, s, oh, ow] = padded[:, :, oh * SH + r, ow * SW + s]
    return columns.reshape(N, C * KH * KW, OH * OW)


def identity(x, kernel_size):
    """Return the filters that copy each cell of a patch into a channel of its own."""
    size = x.shape[1] * kernel_size[0] * kernel_size[1]
    return np.eye(size).reshape(size, x.shape[1], *kernel_size)


def _engine_im2col(x, kernel_size, stride, padding):
    y = engine.forward(F.conv2d, x, identity(x, kernel_size), stride=stride, padding=padding)
    return y.reshape(*y.shape[:2], -1)


def _cases_of_im2col(rng: np.random.Generator) -> list[Arguments]:
    return [
        {
            "x": whole_numbers(rng, s.N, s.C, s.H, s.W),
            "kernel_size": (s.KH, s.KW),
            "stride": s.stride,
            "padding": s.padding,
        }
        for s in GEOMETRIES
        if s.K == 1 or s.C > 1  # the number of filters plays no part
    ]


IM2COL = Exercise(
    im2col,
    _cases_of_im2col,
    reference=_engine_im2col,
    explain=lambda a, index: engine.step(
        "im2col", "columns", index, a["x"], a["kernel_size"], stride=a["stride"], padding=a["padding"]
    ),
    lesson=3,
    equation=1,
    hints=(
        "How many patches are there, and how many numbers has each? That is the shape of the matrix of one "
        "image.",
        "Think of six axes: image, channel, row and column in the patch, row and column of the output. Fill "
        "them, and only then reshape.",
        "Pad the image. The cell (r, s) of the patch of output (oh, ow) is the cell (oh * SH + r, ow * SW + "
        "s) of the padded image. At the end put channel, r and s together into one axis, and oh and ow into "
        "another.",
    ),
    mistakes=read_mistakes("""
    transposed: Your patches are rows. Here each patch is a column, so that the filters times this matrix is
        the output.
        OH * OW) -> OH * OW).swapaxes(1, 2)
    channels_last: In your columns the channels change fastest. A column goes through one channel after the
        other, as the weight does.
        columns.reshape -> columns.transpose(0, 2, 3, 1, 4, 5).reshape
    patch_column_by_column: You read every patch column after column. Read it row after row.
        columns.reshape -> columns.swapaxes(2, 3).reshape
    outputs_column_by_column: Your patches come in the wrong order: walk over the output row after row, ow
        changes fastest.
        columns.reshape -> columns.swapaxes(4, 5).reshape
    patch_and_output_exchanged: You sort by the place in the output first and by the place in the patch
        second. Each column must be one patch, so it is the other way round.
        columns.reshape -> columns.transpose(0, 1, 4, 5, 2, 3).reshape
    stride_forgotten: Neighbouring patches of yours are one cell apart. They are a stride apart.
        oh * SH + r, ow * SW + s -> oh + r, ow + s
        = kernel_size, stride, padding -> = kernel_size, (1, 1), padding
    stride_of_one_direction: Your patches step alike downwards and to the right. Each direction has its own
        stride.
        oh * SH + r, ow * SW + s -> oh * SH + r, ow * SH + s
        oh * SH + r, ow * SW + s -> oh * SW + r, ow * SW + s
        = kernel_size, stride, padding -> = kernel_size, (stride[0], stride[0]), padding
        = kernel_size, stride, padding -> = kernel_size, (stride[1], stride[1]), padding
    padding_forgotten: You cut the patches out of the image as it is. Put the zeros around it first.
        = kernel_size, stride, padding -> = kernel_size, stride, (0, 0)
    padding_of_one_direction: You pad both directions alike, or one of them only; PH is for rows, PW for
        columns.
        = kernel_size, stride, padding -> = kernel_size, stride, (padding[0], 0)
        = kernel_size, stride, padding -> = kernel_size, stride, (0, padding[1])
        = kernel_size, stride, padding -> = kernel_size, stride, (padding[0], padding[0])
        = kernel_size, stride, padding -> = kernel_size, stride, (padding[1], padding[1])
    padding_on_one_side: Your zeros lie on one side of the image. They surround it.
        (PH, PH), (PW, PW) -> (0, 2 * PH), (0, 2 * PW)
        (PH, PH), (PW, PW) -> (2 * PH, 0), (2 * PW, 0)
    one_patch_too_few: Patches are missing: you forget the last place of the window in each direction. Count
        the first place, too.
        // SH + 1 -> // SH; // SW + 1 -> // SW
    one_channel: Every channel of your columns shows the same channel of the image. Each channel has its own
        part of a column.
        = padded[:, :, -> = padded[:, :1,
        = padded[:, :, -> = padded[:, -1:,
    one_image: All images of your result are the same one. Lay out the patches of each image by itself.
        = padded[:, :, -> = padded[:1, :,
        = padded[:, :, -> = padded[-1:, :,
    images_side_by_side: You lay the columns of all images into one matrix. Keep the batch as the first axis.
        columns.reshape(N, C * KH * KW, OH * OW) ->
            columns.transpose(1, 2, 3, 0, 4, 5).reshape(C * KH * KW, N * OH * OW)
        columns.reshape(N, C * KH * KW, OH * OW) ->
            columns.transpose(1, 2, 3, 4, 5, 0).reshape(C * KH * KW, N * OH * OW)
    """),
)

EXERCISES = (IM2COL,)
