"""Exercises on images made by chance (Eq. 9) and by rule (Eq. 10)."""

from typing import Any

import numpy as np

from tinycnn.generate import rule_image as engine_rule_image
from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes


def random_image(rng, height, width):
    """Return an image (height, width), uint8: each pixel is a whole number from 0 to 255, all equally likely.

    rng is a numpy.random.Generator; all chance comes from it.
    """
    return rng.integers(0, 256, (height, width), dtype=np.uint8)


def _cases_of_random(rng: np.random.Generator) -> list[Arguments]:
    sizes = ((2, 3), (4, 4), (30, 20), (300, 400))
    return [
        {"rng": np.random.default_rng(int(rng.integers(1 << 30))), "height": height, "width": width}
        for height, width in sizes
    ]


def _statistics(x: Any, arguments: Arguments) -> Any:
    """Return what chance does not decide: shape, type, and for a large image how the numbers are spread."""
    seen: dict[str, Any] = {"shape": x.shape, "type": x.dtype.name}
    if x.size > 10_000:
        values = np.asarray(x, float)
        counts, _ = np.histogram(values, np.arange(0, 257, 16))
        ends = [(values == end).sum() * 256 / x.size for end in (0, 255)]
        seen |= {
            "range": (values.min(), values.max()),
            "even": np.abs(counts * 16 / x.size - 1) < 0.15,
            "ends": [end > 0.75 for end in ends],
            "whole": bool((values == np.rint(values)).all()),
            "rows differ": bool((values != values[:1]).any()),
            "columns differ": bool((values != values[:, :1]).any()),
        }
    elif x.size > 100:
        seen["rows differ"] = bool((x != x[:1]).any())
    return seen


RANDOM_IMAGE = Exercise(
    random_image,
    _cases_of_random,
    view=_statistics,
    lesson=1,
    equation=9,
    hints=(
        "How many different values has a byte? Which is the smallest, and which is the largest?",
        "The generator draws whole numbers between two bounds. Is the upper one drawn, too?",
        "Draw whole numbers from 0 up to, and without, 256, in the shape of the image, as uint8.",
    ),
    mistakes=read_mistakes("""
    never_255: Your image is never quite white: the largest value that you can draw is 254. Let 255 be drawn
        as well.
        (0, 256, -> (0, 255,
    never_0: Your image is never quite black. The smallest value is 0: let it be drawn.
        (0, 256, -> (1, 256,
    ends_half_as_likely: You round to whole numbers, so 0 and 255 come half as often as the others. Draw whole
        numbers directly, all equally likely.
        rng.integers(0, 256, (height, width), dtype=np.uint8) ->
            np.rint(rng.random((height, width)) * 255).astype(np.uint8)
    not_whole: Your pixels have decimals. Draw whole numbers, and store them as uint8.
        rng.integers(0, 256, (height, width), dtype=np.uint8) -> rng.random((height, width)) * 255
        rng.integers(0, 256, (height, width), dtype=np.uint8) -> rng.uniform(0, 255, (height, width))
        rng.integers(0, 256, (height, width), dtype=np.uint8) -> rng.uniform(0, 256, (height, width))
    from_0_to_1: Your numbers lie between 0 and 1. A byte goes up to 255.
        rng.integers(0, 256, (height, width), dtype=np.uint8) -> rng.random((height, width))
    int64: Your image takes eight bytes for each pixel. A value up to 255 fits into one: uint8.
        , dtype=np.uint8 ->
    black_and_white: Your pixels are black or white. All values between must be equally likely.
        rng.integers(0, 256, (height, width), dtype=np.uint8) ->
            (rng.integers(0, 2, (height, width)) * 255).astype(np.uint8)
    bell: Values in the middle come more often than the others. Uniform means that all are equally likely.
        rng.integers(0, 256, (height, width), dtype=np.uint8) ->
            np.clip(rng.normal(127.5, 50, (height, width)), 0, 255).astype(np.uint8)
    height_and_width_exchanged: Your image lies on its side: the height comes first, it is the number of rows.
        (height, width) -> (width, height)
    one_row: All rows of your image are the same. Draw each pixel on its own.
        rng.integers(0, 256, (height, width), dtype=np.uint8) ->
            np.repeat(rng.integers(0, 256, (1, width), dtype=np.uint8), height, 0)
    one_column: All columns of your image are the same. Draw a number for each pixel.
        rng.integers(0, 256, (height, width), dtype=np.uint8) ->
            np.repeat(rng.integers(0, 256, (height, 1), dtype=np.uint8), width, 1)
    one_value: You draw one number and fill the image with it. Draw one for every pixel.
        rng.integers(0, 256, (height, width), dtype=np.uint8) ->
            np.full((height, width), rng.integers(0, 256), np.uint8)
    colour: Your image has three channels. A grey one is asked for.
        (height, width) -> (height, width, 3)
    """),
)


def rule_image(f, height, width):
    """Return the image x[i, j] = f(i, j), (height, width), uint8.

    f takes the row numbers i and the column numbers j, as arrays, and returns a brightness from 0 to 1; 1 is
    white, 255. Round to the nearest whole number.
    """
    i, j = np.mgrid[:height, :width]
    return np.rint(f(i, j) * 255).astype(np.uint8)


def stripes(i: Any, j: Any) -> Any:
    """Return rows that become brighter downwards."""
    return (i * 0.17) % 1.0


def slope(i: Any, j: Any) -> Any:
    """Return what becomes brighter to the right, and a little downwards."""
    return (j * 0.11 + i * 0.03) % 1.0


def chessboard(i: Any, j: Any) -> Any:
    """Return black and white squares, three rows high and two columns wide."""
    return ((i // 3 + j // 2) % 2) * 1.0


def waves(i: Any, j: Any) -> Any:
    """Return waves from the upper left corner."""
    return (1 + np.cos(i * 0.9 + j * j * 0.21)) / 2


def _cases_of_rule(rng: np.random.Generator) -> list[Arguments]:
    chosen = int(rng.integers(2, 5))
    return [
        {"f": stripes, "height": 3, "width": 2},
        {"f": slope, "height": 2, "width": 3 + chosen},
        {"f": slope, "height": 4, "width": 4},
        {"f": chessboard, "height": 4 + chosen, "width": 5},
        {"f": waves, "height": 5, "width": 5 + chosen},
        {"f": waves, "height": 6, "width": 6},
    ]


RULE_IMAGE = Exercise(
    rule_image,
    _cases_of_rule,
    reference=engine_rule_image,
    lesson=1,
    equation=10,
    hints=(
        "f wants all row numbers and all column numbers at once. What do these two arrays look like?",
        "Make two arrays of the size of the image: one holds the number of its row in every pixel, one that "
        "of its column.",
        "Call f with them, multiply with 255, round to the nearest whole number, store as uint8.",
    ),
    mistakes=read_mistakes("""
    row_and_column_exchanged: You give f the columns first. It takes the row i, then the column j.
        f(i, j) -> f(j, i)
    height_and_width_exchanged: Your image is as high as it should be wide. The number of rows is the height:
        put it first.
        np.mgrid[:height, :width] -> np.mgrid[:width, :height]
    transposed: Your image is mirrored along its diagonal: rows stand as columns.
        .astype(np.uint8) -> .astype(np.uint8).T
    not_scaled: Your image is nearly black, because brightness 1 becomes the byte 1. White is 255.
        f(i, j) * 255 -> f(i, j)
    scaled_by_256: You multiply with 256, which white cannot be: the largest byte is 255.
        np.rint(f(i, j) * 255).astype(np.uint8) -> np.rint(f(i, j) * 256).astype(np.int64).astype(np.uint8)
        np.rint(f(i, j) * 255).astype(np.uint8) -> np.floor(f(i, j) * 256).astype(np.int64).astype(np.uint8)
        np.rint(f(i, j) * 255) -> np.minimum(np.floor(f(i, j) * 256), 255)
    cut_off: You cut off what is behind the decimal point. Round to the nearest.
        np.rint( -> np.floor(
    rounded_up: You always round up. Round to the nearest.
        np.rint( -> np.ceil(
    from_one: You count rows and columns from 1. The first pixel is at (0, 0).
        f(i, j) -> f(i + 1, j + 1)
    from_0_to_1: You give f places from 0 to 1. It wants the numbers of rows and columns.
        f(i, j) -> f(i / height, j / width)
        f(i, j) -> f(i / max(height - 1, 1), j / max(width - 1, 1))
    upside_down: Your image stands on its head: row 0 is the topmost.
        f(i, j) -> f(height - 1 - i, j)
    negative: Your image is the negative: black and white are exchanged.
        f(i, j) * 255 -> 255 - f(i, j) * 255
    rounded_too_early: You round the brightness before you scale it, so that only black and white are left.
        Scale first, then round.
        np.rint(f(i, j) * 255) -> (np.rint(f(i, j)) * 255)
    """),
)
