"""Exercises on im2col (Eq. 1 as a matrix product) and its adjoint."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import GEOMETRIES, cases


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


def _identity(C, kernel_size):
    """Return the filters that copy each cell of a patch into a channel of its own."""
    size = C * kernel_size[0] * kernel_size[1]
    return np.eye(size).reshape(size, C, *kernel_size)


def _engine_im2col(x, kernel_size, stride, padding):
    y = engine.forward(F.conv2d, x, _identity(x.shape[1], kernel_size), None, stride, padding)
    return y.reshape(*y.shape[:2], -1)


_ONE_FILTER = [s for s in GEOMETRIES if s.K == 1 or s.C > 1]  # the number of filters plays no part

IM2COL = Exercise(
    im2col,
    cases(_ONE_FILTER, "x N C H W", "kernel_size", "stride", "padding"),
    reference=_engine_im2col,
    explain=lambda a, index: engine.step("im2col", "columns", index, *a.values()),
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


def col2im(columns, size, kernel_size, stride, padding):
    """Return x (N, C, H, W), each cell the sum of its copies in columns (N, C*KH*KW, OH*OW).

    This is the adjoint of im2col. size is (H, W), kernel_size (KH, KW), stride (SH, SW), padding (PH, PW).
    """
    (H, W), (KH, KW), (SH, SW), (PH, PW) = size, kernel_size, stride, padding
    N, C = len(columns), columns.shape[1] // (KH * KW)
    OH = (H + 2 * PH - KH) // SH + 1
    OW = (W + 2 * PW - KW) // SW + 1
    columns = columns.reshape(N, C, KH, KW, OH, OW)
    padded = np.zeros((N, C, H + 2 * PH, W + 2 * PW))
    for r, s, oh, ow in np.ndindex(KH, KW, OH, OW):
        padded[:, :, oh * SH + r, ow * SW + s] += columns[:, :, r, s, oh, ow]
    return padded[:, :, PH : PH + H, PW : PW + W]


def _engine_col2im(columns, size, kernel_size, stride, padding):
    x = np.zeros((len(columns), columns.shape[1] // (kernel_size[0] * kernel_size[1]), *size))
    given = x, _identity(x.shape[1], kernel_size), None, stride, padding
    g = columns.reshape(engine.forward(F.conv2d, *given).shape)
    return engine.gradients(F.conv2d, given, g)[0]


COL2IM = Exercise(
    col2im,
    cases(_ONE_FILTER, "columns N C*KH*KW OH*OW", "size", "kernel_size", "stride", "padding"),
    reference=_engine_col2im,
    explain=lambda a, index: engine.step("col2im", "x", index, *a.values()),
    lesson=3,
    equation=1,
    hints=(
        "A cell of the image was copied into several patches. What must happen to the gradients of its "
        "copies?",
        "Take the columns apart into six axes, as im2col put them together. Then add every "
        "number to the cell that it was copied from.",
        "Start with zeros of the padded size, add each number to the cell (oh * SH + r, ow * SW + s), and "
        "cut the padding off.",
    ),
    mistakes=read_mistakes("""
    copies_overwritten: A cell that lies in several patches gets what its last copy brings, and the others are
        lost. All copies add up.
        ] += -> ] =
        for r, s, oh, ow in np.ndindex(KH, KW, OH, OW) -> for oh, ow, r, s in np.ndindex(OH, OW, KH, KW);
        ] += -> ] =
    mean_of_copies: You divide by the number of copies. This is the adjoint of im2col, not its inverse: copies
        add up.
        return padded[ ->
            count = np.zeros_like(padded)
            for r, s, oh, ow in np.ndindex(KH, KW, OH, OW):
                count[:, :, oh * SH + r, ow * SW + s] += 1
            padded /= np.maximum(count, 1)
            return padded[
    padding_cut_on_one_side: Your image is shifted: you cut the border off one side only. Cut PH rows and PW
        columns off on each side.
        PH : PH + H, PW : PW + W -> :H, :W
        PH : PH + H, PW : PW + W -> 2 * PH :, 2 * PW :
    padding_not_cut: Your image still has the padding around it. Cut the border off before you return it.
        [:, :, PH : PH + H, PW : PW + W] ->
    padding_cut_in_one_direction: You cut the same border off rows and columns, or off one of them. Each
        direction has its own padding.
        PH : PH + H, PW : PW + W -> PH : PH + H, :W
        PH : PH + H, PW : PW + W -> :H, PW : PW + W
        PH : PH + H, PW : PW + W -> PH : PH + H, PH : PH + W
        PH : PH + H, PW : PW + W -> PW : PW + H, PW : PW + W
    stride_forgotten: You put the patches one cell apart. Put them where they were cut out, a stride apart.
        oh * SH + r, ow * SW + s -> oh + r, ow + s
    stride_of_one_direction: You put the patches back with one stride for both directions. Rows of patches are
        SH apart, columns SW.
        oh * SH + r, ow * SW + s -> oh * SH + r, ow * SH + s
        oh * SH + r, ow * SW + s -> oh * SW + r, ow * SW + s
    channels_last: You read the columns as if the channels changed fastest. The first KH * KW numbers are all
        of channel 0.
        reshape(N, C, KH, KW, OH, OW) -> reshape(N, KH, KW, C, OH, OW).transpose(0, 3, 1, 2, 4, 5)
    patch_column_by_column: You take each patch for one that stands column after column. It stands row after
        row.
        reshape(N, C, KH, KW, OH, OW) -> reshape(N, C, KW, KH, OH, OW).swapaxes(2, 3)
    outputs_column_by_column: You take the patches in the wrong order: the second one lies to the right of the
        first, not below it.
        reshape(N, C, KH, KW, OH, OW) -> reshape(N, C, KH, KW, OW, OH).swapaxes(4, 5)
    patch_and_output_exchanged: You take places in the output for places in the patch. A column of the matrix
        is one patch: its rows are the places in the patch.
        reshape(N, C, KH, KW, OH, OW) -> reshape(N, C, OH, OW, KH, KW).transpose(0, 1, 4, 5, 2, 3)
    one_image: You put the columns of one image back, and no others. Do the same for each image of the batch,
        with its own columns.
        padded[:, :, oh -> padded[:1, :, oh; columns[:, :, r -> columns[:1, :, r
        columns[:, :, r -> columns[:1, :, r
        columns[:, :, r -> columns[-1:, :, r
    one_channel: You put one channel back, into all channels or into its own. Each channel has its own part of
        the column.
        columns[:, :, r -> columns[:, :1, r
        columns[:, :, r -> columns[:, -1:, r
        padded[:, :, oh -> padded[:, :1, oh; columns[:, :, r -> columns[:, :1, r
    """),
)
