"""Steps of images that no network makes: random ones (Eq. 9) and ones that follow a rule (Eq. 10)."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinycnn.generate import random_image, rule_image

from .equations import put_in
from .recorder import Recorder
from .steps import Explanation, number

TITLES = {"f": "what the rule says", "x": "image"}


def random_pixels(height: int, width: int, seed: int = 0) -> Explanation:
    """Explain `tinycnn.generate.random_image`: one step for each pixel of a grey image."""
    x = random_image(height, width, seed=seed)
    rec = Recorder("random_image", {"seed": seed}, {"x": x}, None, 9, {"x": "random image"})
    rec.step_through("x")
    for value in rec.asked("x"):
        so_far = x.ravel()[: len(rec.steps) + 1]
        rec.forward(
            f"{value.name}: a number is drawn",
            "x_ij = U(0, 255)",
            f"{value.name} = {number(value.value)}",
            "Each of the 256 grey values is equally likely, whatever the neighbours are. The mean so far "
            f"is {number(float(so_far.mean()))}; that of many is near 127.5. The seed {seed} gives the same "
            "image again.",
            [rec.cell(value)],
        )
    return rec.explanation("x")


def rule_pixels(rule: Callable[..., Any], height: int, width: int, **options: Any) -> Explanation:
    """Explain `tinycnn.generate.rule_image`: one step for each pixel, in grey.

    Parameters
    ----------
    rule
        From rows i and columns j to values in [0, 1]. If its docstring is a formula of i and j, the steps
        show it with their numbers.
    height, width
        H and W.
    options
        Of the rule.
    """
    i, j = np.indices((height, width)).astype(float)
    f = np.asarray(rule(i, j, **options), float)
    if f.shape != (height, width):
        raise ValueError(f"steps are shown for rules of grey values (H, W), got shape {f.shape}")
    x = rule_image(lambda i, j: rule(i, j, **options), height, width)
    formula = (inspect.getdoc(rule) or "").partition("\n")[0].rstrip(".")
    has_formula = "i /" in formula or "i +" in formula
    rec = Recorder(getattr(rule, "__name__", "rule"), options, {"f": f, "x": x}, None, 10, TITLES)
    rec.step_through("x")
    for pixel in rec.asked("x"):
        row, column = pixel.index
        share = rec.quantity("f", pixel.index)
        values = {name: float(value) for name, value in {"i": row, "j": column, **options}.items()}
        put = f" = {put_in(formula, values)}" if has_formula else ""
        rec.forward(
            f"{pixel.name}: the rule at row {row}, column {column}",
            f"x_ij = f(i, j),  f = {formula}" if formula else "x_ij = f(i, j)",
            f"f({row}, {column}){put} = {number(share.value)};  {pixel.name} = {number(pixel.value)}",
            "Nothing is random and nothing is learned: the place of a pixel alone says what it is. A value "
            "of f from 0 to 1 becomes a grey value from 0 to 255.",
            [rec.cell(share, "read"), rec.cell(pixel)],
        )
    return rec.explanation("x")
