"""Each operation on small numbers that can be checked by hand, or on your own numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.functional.cards import CARDS
from tinycnn.kernels.im2col import col2im, im2col
from tinycnn.optim import SGD, Adam, Optimizer
from tinycnn.tensor import Tensor

from .cells import Cells, largest
from .recorder import MAX_STEPS
from .registry import explain
from .setup import Setup
from .steps import Explanation

POOLS = {"max": F.max_pool2d, "min": F.min_pool2d, "avg": F.avg_pool2d, "sum": F.sum_pool2d}
GLOBAL_POOLS = {"max": F.global_max_pool2d, "avg": F.global_avg_pool2d}
Call = tuple[Any, tuple[Any, ...], dict[str, Any]]  # what `explain` takes: operation, inputs, options


class Example(NamedTuple):
    """How an operation is called, which options it takes, and whether it has a backward."""

    call: Callable[[Setup], Call]
    takes: tuple[str, ...]
    backward: bool = True


def _conv(n: Setup) -> Call:
    x, G, own = n.images(), n.groups or 1, n.own_kernel()
    K, size = n.filters or G, 1 if own is not None else n.kernel_size(3)
    w = n.weights((K, max(1, x.shape[1] // G), size, size))
    bias = [] if own is not None else [n.factors((len(w),))]
    options = {"stride": n.stride or 1, "padding": n.padding or 0, "dilation": n.dilation or 1, "groups": G}
    return F.conv2d, (x, w, *bias), options


def _conv_transpose(n: Setup) -> Call:
    x, size = n.images(size=3), 1 if n.own_kernel() is not None else n.kernel_size(3)
    w = n.weights((x.shape[1], n.filters or 1, size, size))
    options = {"stride": n.stride or 2, "padding": n.padding or 0, "dilation": n.dilation or 1}
    return F.conv_transpose2d, (x, w, n.factors(w.shape[1:2])), options


def _im2col(n: Setup) -> Call:
    size = n.kernel_size(2)
    return im2col, (n.images(size=4), (size, size)), n.window()


def _col2im(n: Setup) -> Call:
    x, size = n.images(size=4), n.kernel_size(2)
    return col2im, (im2col(x, (size, size), **n.window()), x.shape[2:], (size, size)), n.window()


def _pool(statistic: str | None, n: Setup) -> Call:
    which = statistic or n.statistic or "max"
    options: dict[str, Any] = {"stride": n.stride, "padding": n.padding or 0}
    if n.dilation:
        if which not in ("max", "min"):
            raise ValueError(f"dilation is for the maximum and the minimum, not for {which}")
        options["dilation"] = n.dilation
    return POOLS[which], (n.images(size=4), n.kernel_size(2)), options


def _global_pool(statistic: str | None, n: Setup) -> Call:
    which = statistic or n.statistic or "avg"
    if which not in GLOBAL_POOLS:
        raise ValueError(f"statistic {which}: a global pool takes {' or '.join(GLOBAL_POOLS)}")
    return GLOBAL_POOLS[which], (n.images(size=3),), {}


def _dense(n: Setup) -> Call:
    x = n.rows(size=4)
    w = n.weights((n.filters or 3, x.shape[1]))
    return F.linear, (x, w, n.factors((len(w),))), {}


def _cross_entropy(n: Setup, pixels: bool = False) -> Call:
    side = n.size or 2
    z = n.some((n.batch_size or 1, 3, side, side), -2, 3) if pixels else n.rows(size=3)
    options = {"label_smoothing": n.label_smoothing} if n.label_smoothing else {}
    return F.cross_entropy, (z, n.rng.integers(0, z.shape[1], (len(z), *z.shape[2:]))), options


def _normalised(function: Callable[..., Tensor], n: Setup) -> Call:
    x = n.images(size=2, batch=2)
    affine = n.some(x.shape[1:2], 1, 3), n.some(x.shape[1:2], -2, 2)
    if function is F.batch_norm:
        return function, (x, None, None, *affine, True), {}
    return function, (x, *affine), {}


def _of_rows(function: Callable[..., Tensor], *more: Any) -> Example:
    return Example(lambda n: (function, (n.rows(size=3), *more), {}), ROWS)


def _of_two(function: Callable[..., Tensor], low: int, high: int) -> Example:
    """Return the example of an operation on rows and as many numbers from `low` to `high`, or without 0."""

    def call(n: Setup) -> Call:
        x = n.rows(size=3)
        return function, (x, n.factors(x.shape) if function is F.div else n.some(x.shape, low, high)), {}

    return Example(call, ROWS)


def _concatenate(n: Setup) -> Call:
    x = n.images(size=2)
    return F.concatenate, ([x, n.some(x.shape, -2, 3)], 1), {}


def _update(rule: str, n: Setup) -> Call:
    """Return an optimizer before its second update, so that there is a state to see."""
    theta = Tensor(n.factors((n.size or 3,)), requires_grad=True)
    optimizer = optimizer_of(rule, [theta], n.lr)
    for step in range(2):
        theta.grad = Tensor(n.factors(theta.shape))
        if step == 0:
            optimizer.step()
    return optimizer, (), {}


def optimizer_of(rule: str, parameters: list[Any], lr: float | None) -> Optimizer:
    """Return an optimizer by the name of its rule: sgd, momentum, adam, or penalties (Eq. 8)."""
    if rule == "penalties":
        return SGD(parameters, lr or 0.1, weight_decay=0.5, l1=0.25)
    if rule == "adam":
        return Adam(parameters, lr or 1e-2)
    return SGD(parameters, lr or 0.1, momentum=0.9 if rule == "momentum" else 0.0)


IMAGES = ("size", "batch_size", "channels", "input", "cells")
ROWS = ("size", "batch_size", "input", "cells")
RULES = ("sgd", "momentum", "adam", "penalties")
LOSSES = ("binary_cross_entropy_with_logits", "mse_loss", "l1_loss")
WINDOW = ("kernel", "stride", "padding", "dilation")
EXAMPLES = {
    "conv2d": Example(_conv, (*IMAGES, *WINDOW, "filters", "groups", "weight")),
    "conv_transpose2d": Example(_conv_transpose, (*IMAGES, *WINDOW, "filters", "weight")),
    "im2col": Example(_im2col, (*IMAGES, *WINDOW), backward=False),
    "col2im": Example(_col2im, (*IMAGES, *WINDOW), backward=False),
    **{f"{which}_pool2d": Example(partial(_pool, which), (*IMAGES, *WINDOW)) for which in POOLS},
    **{f"global_{which}_pool2d": Example(partial(_global_pool, which), IMAGES) for which in GLOBAL_POOLS},
    "pool": Example(partial(_pool, None), (*IMAGES, *WINDOW, "statistic")),
    "global_pool": Example(partial(_global_pool, None), (*IMAGES, "statistic")),
    "linear": Example(_dense, (*ROWS, "filters", "weight")),
    **{card.name: _of_rows(card.function) for card in CARDS.values() if card.elementwise},
    "softmax": _of_rows(F.softmax, 1),
    "cross_entropy": Example(_cross_entropy, (*ROWS, "label_smoothing")),
    "pixel_cross_entropy": Example(
        partial(_cross_entropy, pixels=True), ("size", "batch_size", "label_smoothing", "cells")
    ),
    **{name: _of_two(getattr(F, name), 0, 1) for name in LOSSES},  # the targets are 0 and 1
    "batch_norm": Example(partial(_normalised, F.batch_norm), IMAGES),
    "instance_norm": Example(partial(_normalised, F.instance_norm), IMAGES),
    **{name: _of_two(getattr(F, name), -2, 3) for name in ("add", "sub", "mul", "div")},
    "concatenate": Example(_concatenate, IMAGES),
    "sum": Example(lambda n: (F.sum, (n.images(size=2), (2, 3)), {}), IMAGES),
    "mean": Example(lambda n: (F.mean, (n.images(size=2), (2, 3)), {}), IMAGES),
    "index": _of_rows(F.index, (slice(None), [0, 2, 2])),
    "permute": _of_rows(F.permute, 1, 0),
    "pow": _of_rows(F.pow, 2.0),
    **{rule: Example(partial(_update, rule), ("size", "lr", "cells"), backward=False) for rule in RULES},
    "dropout": Example(lambda n: (F.dropout, (n.rows(size=3),), {"p": n.p or 0.5}), (*ROWS, "p")),
}


def example(operation: str, **options: Any) -> Explanation:
    """Explain an operation on small numbers, or on your own numbers.

    Parameters
    ----------
    operation
        A name in `EXAMPLES`.
    options
        Those of `Setup`. If your own picture has too many cells to step through, the steps are those of the
        largest result and of one input cell below it.

    Raises
    ------
    TypeError, ValueError
        For an unknown operation, and what `explain` raises.

    Examples
    --------
    >>> from tinycnn.explain import example
    >>> example("conv2d", size=4, kernel="sobel").arrays["y"].shape
    (1, 1, 2, 2)
    """
    if operation not in EXAMPLES:
        raise ValueError(f"unknown operation {operation!r}; there are {', '.join(EXAMPLES)}")
    setup = Setup(**options)
    function, inputs, settings = EXAMPLES[operation].call(setup)
    steps: dict[str, Any] = {"cells": setup.cells}
    if not EXAMPLES[operation].backward:
        return explain(function, *inputs, **settings, **steps)
    y = function(*(Tensor(a) if isinstance(a, np.ndarray) else a for a in inputs), **settings)
    if setup.input is not None and setup.cells is None:
        steps["cells"] = _strongest(y, inputs[0])
    if setup.backward:
        steps |= {"backward": True, "gradient": setup.factors(y.shape) if y.ndim else None}
    return explain(function, *inputs, **settings, **steps)


def _strongest(y: Tensor, x: np.ndarray) -> Cells | None:
    """Return the places of the largest result and of one input cell below it; None if all can be shown."""
    if y.ndim != 4 or y.numel() + x.size <= MAX_STEPS:
        return None
    n, _, oh, ow = at = largest(y.numpy())
    i, j = oh * x.shape[2] // y.shape[2], ow * x.shape[3] // y.shape[3]
    return {"y": [at], "dL/dx": [(n, 0, i, j)]}
