"""Exercises on pooling (Eq. 2)."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes

from . import engine
from .cases import POOLINGS


def max_pool2d(x, kernel_size, stride):
    """Return the maximum of each window of x (N, C, H, W): (N, C, OH, OW).

    kernel_size is (KH, KW), stride (SH, SW); there is no padding.
    """
    N, C, H, W = x.shape
    (KH, KW), (SH, SW) = kernel_size, stride
    OH = (H - KH) // SH + 1
    OW = (W - KW) // SW + 1
    y = np.zeros((N, C, OH, OW))
    for oh, ow in np.ndindex(OH, OW):
        window = x[:, :, oh * SH : oh * SH + KH, ow * SW : ow * SW + KW]
        y[:, :, oh, ow] = window.max(axis=(2, 3))
    return y


def _cases(rng: np.random.Generator) -> list[Arguments]:
    """Make images without equal cells."""
    made: list[Arguments] = []
    for s in POOLINGS:
        count = s.N * s.C * s.H * s.W
        x = (rng.permutation(count) - count // 2 + 0.5).reshape(s.N, s.C, s.H, s.W)
        made.append({"x": x, "kernel_size": s.kernel_size, "stride": s.stride})
    made[2]["x"] = -np.abs(made[2]["x"])  # all below 0: a maximum that starts at 0 stays there
    return made


MAX_POOL2D = Exercise(
    max_pool2d,
    _cases,
    **engine.computes(F.max_pool2d, "y"),
    traits={"windows of negative numbers only": lambda a: a["x"].max() < 0},
    lesson=4,
    equation=2,
    hints=(
        "How many windows are there in each direction? Where does the window of output (oh, ow) begin?",
        "Images and channels are independent of each other: what you do for one plane you can do for all at "
        "once.",
        "For each output cell cut the window out of every plane, and take the maximum over its rows and "
        "columns.",
    ),
    mistakes=read_mistakes("""
    mean: You take the mean of each window. Here only the largest number counts.
        window.max( -> window.mean(
    minimum: You take the smallest number of each window. Take the largest.
        window.max( -> window.min(
    starts_at_zero: Your maximum is never below 0. A window may hold negative numbers only: begin with one of
        its own cells.
        (2, 3)) -> (2, 3), initial=0)
    largest_absolute_value: You look for the number that is farthest from 0. The maximum has a sign: -5 is
        less than 1.
        window.max( -> np.abs(window).max(
    stride_forgotten: Your windows move by one cell. They move by the stride.
        = kernel_size, stride -> = kernel_size, (1, 1)
    stride_is_the_kernel: You let the windows lie side by side, whatever the stride is. Here the stride is an
        argument.
        = kernel_size, stride -> = kernel_size, kernel_size
    stride_of_one_direction: You move the window alike downwards and to the right. There are two strides.
        = kernel_size, stride -> = kernel_size, (stride[0], stride[0])
        = kernel_size, stride -> = kernel_size, (stride[1], stride[1])
    kernel_exchanged: Your windows are as wide as they should be high. KH counts rows, KW columns.
        = kernel_size, stride -> = kernel_size[::-1], stride
    one_window_too_few: You leave out the last window of every row and column: count the places where it fits,
        the first included.
        // SH + 1 -> // SH; // SW + 1 -> // SW
    over_channels: You take the maximum over the channels, too. Each channel is pooled by itself.
        window.max(axis=(2, 3)) -> window.max(axis=(1, 2, 3))[:, None]
    over_images: You take the maximum over the batch, too. Each image is pooled by itself.
        window.max(axis=(2, 3)) -> window.max(axis=(0, 2, 3))
    one_channel: You pool one channel only. Pool every channel of the image, each by itself.
        y[:, :, oh -> y[:, :1, oh; = x[:, :, -> = x[:, :1,
        = x[:, :, -> = x[:, :1,
        = x[:, :, -> = x[:, -1:,
    one_image: You pool one image of the batch only. Pool all of them.
        y[:, :, oh -> y[:1, :, oh; = x[:, :, -> = x[:1, :,
        = x[:, :, -> = x[:1, :,
        = x[:, :, -> = x[-1:, :,
    height_and_width_exchanged: Rows and columns of your output are exchanged. OH is the third axis, OW the
        last.
        return y -> return y.swapaxes(2, 3)
    """),
)
