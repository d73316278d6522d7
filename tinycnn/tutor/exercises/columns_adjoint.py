"""The exercise on col2im, the adjoint of im2col (Eq. 1 as a matrix product)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .columns import identity
from .geometry import GEOMETRIES, whole_numbers


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


def _patch_by_patch(columns, size, kernel_size, stride, padding):
    """Do as `col2im`: one patch after the other."""
    (H, W), (KH, KW), (SH, SW), (PH, PW) = size, kernel_size, stride, padding
    N, C = len(columns), columns.shape[1] // (KH * KW)
    OH = (H + 2 * PH - KH) // SH + 1
    OW = (W + 2 * PW - KW) // SW + 1
    columns = columns.reshape(N, C, KH, KW, OH, OW)
    padded = np.zeros((N, C, H + 2 * PH, W + 2 * PW))
    for oh, ow, r, s in np.ndindex(OH, OW, KH, KW):
        padded[:, :, oh * SH + r, ow * SW + s] += columns[:, :, r, s, oh, ow]
    return padded[:, :, PH : PH + H, PW : PW + W]


def _engine_col2im(columns, size, kernel_size, stride, padding):
    N, C = len(columns), columns.shape[1] // (kernel_size[0] * kernel_size[1])
    x = np.zeros((N, C, *size))
    w = identity(x, kernel_size)
    plane = engine.forward(F.conv2d, x, w, stride=stride, padding=padding).shape[2:]
    g = columns.reshape(N, len(w), *plane)
    return engine.gradients(F.conv2d, [x, w], g, stride=stride, padding=padding)[0]


def _cases_of_col2im(rng: np.random.Generator) -> list[Arguments]:
    return [
        {
            "columns": whole_numbers(rng, s.N, s.C * s.KH * s.KW, s.out[0] * s.out[1]),
            "size": (s.H, s.W),
            "kernel_size": (s.KH, s.KW),
            "stride": s.stride,
            "padding": s.padding,
        }
        for s in GEOMETRIES
        if s.K == 1 or s.C > 1
    ]


COL2IM = Exercise(
    col2im,
    _cases_of_col2im,
    reference=_engine_col2im,
    models=(_patch_by_patch,),
    explain=lambda a, index: engine.step(
        "col2im",
        "x",
        index,
        a["columns"],
        a["size"],
        a["kernel_size"],
        stride=a["stride"],
        padding=a["padding"],
    ),
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

EXERCISES = (COL2IM,)
