"""How each operation of ``tinycnn explain`` is called: on small numbers, or on the user's own."""

import argparse
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn import models, optim
from tinycnn.data import digits
from tinycnn.data.npy import read_npy
from tinycnn.functional.cards import CARDS
from tinycnn.kernels.im2col import col2im, im2col
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .common import WrongUse

POOLS = {"max": F.max_pool2d, "min": F.min_pool2d, "avg": F.avg_pool2d, "sum": F.sum_pool2d}
GLOBAL_POOLS = {"max": F.global_max_pool2d, "avg": F.global_avg_pool2d}
WINDOW = ("kernel", "stride", "padding", "dilation")
UPDATE = ("size", "lr")
NETWORK = ("model", "run_folder", "image", "invert")


class Operation(NamedTuple):
    """How to call one operation: what `tinycnn.explain.explain` takes, from the arguments; its options."""

    prepare: Callable[[argparse.Namespace, np.random.Generator], tuple[tuple[Any, ...], dict[str, Any]]]
    takes: tuple[str, ...]
    backward: bool = False


def _conv(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x = _input(args, rng)
    K, G, kernel = args.filters or 1, args.groups or 1, args.kernel or 3
    w = _weight(args, rng, (K, max(1, x.shape[1] // G), kernel, kernel))
    options = {"stride": args.stride or 1, "padding": args.padding or 0, "dilation": args.dilation or 1}
    call = F.conv2d, x, w, _integers(rng, (len(w),), -2, 2)
    return call, _with_gradient(args, rng, call, options | {"groups": G})


def _conv_transpose(
    args: argparse.Namespace, rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x = _input(args, rng, size=3)
    kernel = args.kernel or 3
    w = _weight(args, rng, (x.shape[1], args.filters or 1, kernel, kernel))
    options = {"stride": args.stride or 2, "padding": args.padding or 0, "dilation": args.dilation or 1}
    call = F.conv_transpose2d, x, w, _integers(rng, w.shape[1:2], -2, 2)
    return call, _with_gradient(args, rng, call, options)


def _im2col(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (im2col, _input(args, rng, size=4), _pair(args.kernel or 2)), {**_window(args), **_cells(args)}


def _col2im(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x, kernel = _input(args, rng, size=4), _pair(args.kernel or 2)
    try:
        columns = im2col(x, kernel, **_window(args))
    except ValueError as error:
        raise WrongUse(str(error)) from error
    return (col2im, columns, x.shape[2:], kernel), {**_window(args), **_cells(args)}


def _pool(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    options = {"stride": args.stride, "padding": args.padding or 0}
    statistic = args.statistic or args.operation.partition("_")[0].replace("pool", "max")
    if args.dilation:
        if statistic not in ("max", "min"):
            raise WrongUse(f"--dilation is for the maximum and the minimum, not for {statistic}")
        options["dilation"] = args.dilation
    call = POOLS[statistic], _input(args, rng, size=4), args.kernel or 2
    return call, _with_gradient(args, rng, call, options)


def _global_pool(
    args: argparse.Namespace, rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    statistic = args.statistic or args.operation.split("_")[1].replace("pool", "avg")
    if statistic not in GLOBAL_POOLS:
        raise WrongUse(f"--statistic {statistic}: a global pool takes {' or '.join(GLOBAL_POOLS)}")
    call = GLOBAL_POOLS[statistic], _input(args, rng, size=3)
    return call, _with_gradient(args, rng, call, {})


def _dense(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x = _rows(args, rng, size=4)
    w = _weight(args, rng, (args.filters or 3, x.shape[1]))
    call = F.linear, x, w, _integers(rng, (len(w),), -2, 2)
    return call, _with_gradient(args, rng, call, {})


def _activation(function: Callable[..., Tensor]) -> Operation:
    """Return the operation of one activation, on the rows of a matrix."""

    def prepare(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        call = function, _rows(args, rng, size=3)
        return call, _with_gradient(args, rng, call, {})

    return Operation(prepare, ("size", "batch_size", "input", "cells"), True)


def _loss(function: Callable[..., Tensor]) -> Operation:
    """Return the operation of one loss that compares numbers, with targets of 0 and 1."""

    def prepare(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x = _rows(args, rng, size=3)
        return (function, x, _integers(rng, x.shape, 0, 1)), {"backward": args.backward, **_cells(args)}

    return Operation(prepare, ("size", "batch_size", "input", "cells"), True)


def _softmax(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    call = F.softmax, _rows(args, rng, size=3), 1
    return call, _with_gradient(args, rng, call, {})


def _cross_entropy(
    args: argparse.Namespace, rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    logits = _rows(args, rng, size=3)
    labels = rng.integers(0, logits.shape[1], len(logits))
    options = {"label_smoothing": args.label_smoothing} if args.label_smoothing else {}
    return (F.cross_entropy, logits, labels), options | {"backward": args.backward, **_cells(args)}


def _pixel_cross_entropy(
    args: argparse.Namespace, rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    side = args.size or 2
    logits = _integers(rng, (args.batch_size or 1, 3, side, side), -2, 3)
    labels = rng.integers(0, 3, (len(logits), side, side))
    options = {"label_smoothing": args.label_smoothing} if args.label_smoothing else {}
    return (F.cross_entropy, logits, labels), options | {"backward": args.backward, **_cells(args)}


def _batch_norm(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x = _input(args, rng, size=2, batch=2)
    C = x.shape[1]
    call = F.batch_norm, x, None, None, _integers(rng, (C,), 1, 3), _integers(rng, (C,), -2, 2), True
    return call, _with_gradient(args, rng, call, {})


def _instance_norm(
    args: argparse.Namespace, rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    x = _input(args, rng, size=2, batch=2)
    C = x.shape[1]
    call = F.instance_norm, x, _integers(rng, (C,), 1, 3), _integers(rng, (C,), -2, 2)
    return call, _with_gradient(args, rng, call, {})


def _update(rule: str) -> Operation:
    """Return the operation of one optimizer's update, its second step, so that there is a state to see."""

    def prepare(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
        theta = Tensor(_integers(rng, (args.size or 3,), -3, 3), requires_grad=True)
        optimizer = _optimizer(rule, [theta], args.lr)
        for step in range(2):
            theta.grad = Tensor(_integers(rng, theta.shape, -3, 3))
            if step == 0:
                optimizer.step()
        return (optimizer,), _cells(args)

    return Operation(prepare, (*UPDATE, "cells"))


def _module(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    model, shape = _network(args)
    image = _picture(args, shape) if args.image else _digit_batch(shape, 1, args.seed)[0][0]
    return (model.eval(), image), {"backward": args.backward}


def _training_step(
    args: argparse.Namespace, rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    from tinycnn.explain import training_step

    model, shape = _network(args)
    images, labels = _digit_batch(shape, args.batch_size or 4, args.seed)
    return (training_step, model, _optimizer("adam", list(model.parameters()), args.lr), images, labels), {}


def _autograd(args: argparse.Namespace, rng: np.random.Generator) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def example(a: Tensor, b: Tensor) -> Tensor:
        c = a * b
        d = a + c
        return c * d

    return ("autograd", example, 2.0, 3.0), {}


def _graph_of_loss(
    args: argparse.Namespace, rng: np.random.Generator
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    model, shape = _network(args)
    images, labels = _digit_batch(shape, args.batch_size or 4, args.seed)
    return (F.cross_entropy(model(Tensor(images)), labels), model), {}


OPERATIONS = {
    "conv2d": Operation(
        _conv,
        ("size", "batch_size", "channels", "filters", *WINDOW, "groups", "input", "weight", "cells"),
        True,
    ),
    "conv_transpose2d": Operation(
        _conv_transpose,
        ("size", "batch_size", "channels", "filters", *WINDOW, "input", "weight", "cells"),
        True,
    ),
    "im2col": Operation(_im2col, ("size", "batch_size", "channels", *WINDOW, "input", "cells")),
    "col2im": Operation(_col2im, ("size", "batch_size", "channels", *WINDOW, "input", "cells")),
    **{
        f"{statistic}_pool2d": Operation(
            _pool, ("size", "batch_size", "channels", *WINDOW, "input", "cells"), True
        )
        for statistic in POOLS
    },
    **{
        f"global_{statistic}_pool2d": Operation(
            _global_pool, ("size", "batch_size", "channels", "input", "cells"), True
        )
        for statistic in GLOBAL_POOLS
    },
    "pool": Operation(
        _pool, ("size", "batch_size", "channels", *WINDOW, "statistic", "input", "cells"), True
    ),
    "global_pool": Operation(
        _global_pool, ("size", "batch_size", "channels", "statistic", "input", "cells"), True
    ),
    "linear": Operation(_dense, ("size", "batch_size", "filters", "input", "weight", "cells"), True),
    **{card.name: _activation(card.function) for card in CARDS.values() if card.elementwise},
    "softmax": Operation(_softmax, ("size", "batch_size", "input", "cells"), True),
    "cross_entropy": Operation(
        _cross_entropy, ("size", "batch_size", "label_smoothing", "input", "cells"), True
    ),
    "pixel_cross_entropy": Operation(
        _pixel_cross_entropy, ("size", "batch_size", "label_smoothing", "cells"), True
    ),
    "binary_cross_entropy_with_logits": _loss(F.binary_cross_entropy_with_logits),
    "mse_loss": _loss(F.mse_loss),
    "l1_loss": _loss(F.l1_loss),
    "batch_norm": Operation(_batch_norm, ("size", "batch_size", "channels", "input", "cells"), True),
    "instance_norm": Operation(_instance_norm, ("size", "batch_size", "channels", "input", "cells"), True),
    "sgd": _update("sgd"),
    "momentum": _update("momentum"),
    "adam": _update("adam"),
    "module": Operation(_module, NETWORK, True),
    "training_step": Operation(_training_step, ("model", "run_folder", "batch_size", "lr")),
    "autograd": Operation(_autograd, ()),
    "graph": Operation(_graph_of_loss, ("model", "run_folder", "batch_size"), True),
}


def _integers(rng: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Return small whole numbers, which can be checked by hand."""
    return rng.integers(low, high + 1, shape).astype(np.float32)


def _input(args: argparse.Namespace, rng: np.random.Generator, size: int = 5, batch: int = 1) -> np.ndarray:
    """Return the input (N, C, H, W): the user's, or random."""
    if args.input is None:
        side = args.size or size
        return _integers(rng, (args.batch_size or batch, args.channels or 1, side, side), 0, 5)
    _no_sizes_beside_input(args)
    array = read_npy(args.input)
    if not 2 <= array.ndim <= 4:
        raise WrongUse(
            f"{args.input}: the input must be (H, W), (C, H, W) or (N, C, H, W), got {array.shape}"
        )
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _rows(args: argparse.Namespace, rng: np.random.Generator, size: int) -> np.ndarray:
    """Return the input (N, in): the user's, or random."""
    if args.input is None:
        return _integers(rng, (args.batch_size or 2, args.size or size), -2, 3)
    _no_sizes_beside_input(args)
    array = read_npy(args.input)
    if not 1 <= array.ndim <= 2:
        raise WrongUse(f"{args.input}: the input must be (in,) or (N, in), got {array.shape}")
    return array.reshape((1,) * (2 - array.ndim) + array.shape)


def _no_sizes_beside_input(args: argparse.Namespace) -> None:
    for name in ("size", "batch_size", "channels"):
        if getattr(args, name) is not None:
            raise WrongUse(f"the file of --input says the sizes: leave --{name.replace('_', '-')} away")


def _weight(args: argparse.Namespace, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return the weight: the user's, with dimensions of size 1 put in front, or random."""
    if args.weight is None:
        return _integers(rng, shape, -2, 2)
    array = read_npy(args.weight)
    if not 1 <= array.ndim <= len(shape):
        raise WrongUse(
            f"{args.weight}: the weight must have at most {len(shape)} dimensions, got {array.shape}"
        )
    return array.reshape((1,) * (len(shape) - array.ndim) + array.shape)


def _window(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "stride": _pair(args.stride or 1),
        "padding": _pair(args.padding or 0),
        "dilation": _pair(args.dilation or 1),
    }


def _pair(value: int) -> tuple[int, int]:
    return value, value


def _with_gradient(
    args: argparse.Namespace, rng: np.random.Generator, call: tuple[Any, ...], options: dict[str, Any]
) -> dict[str, Any]:
    """Return the options with the cells and, for --backward, a gradient of small whole numbers."""
    options = options | _cells(args)
    if not args.backward:
        return options
    function, *inputs = call
    shown = {"cells"}
    tensors = [Tensor(a.astype(np.float32)) if isinstance(a, np.ndarray) else a for a in inputs]
    try:
        y = function(*tensors, **{name: value for name, value in options.items() if name not in shown})
    except (TypeError, ValueError) as error:
        raise WrongUse(str(error)) from error
    return options | {"backward": True, "gradient": _integers(rng, y.shape, -2, 2)}


def _cells(args: argparse.Namespace) -> dict[str, Any]:
    """Return cells= for `explain`, from texts such as ``y[0,0,:2,:2]``."""
    if args.cells is None:
        return {}
    cells: dict[str, list[Any]] = {}
    for text in args.cells:
        match = re.fullmatch(r"([^\[\]]+)\[([-\d:,\s]+)\]", text)
        if match is None:
            raise WrongUse(
                f"--cells {text!r}: name cells as the steps do, as in 'y[0,0,1,2]' or 'dL/dx[0,0,:2,:2]'"
            )
        try:
            index = tuple(_slice(part) for part in match[2].split(","))
        except ValueError:
            raise WrongUse(f"--cells {text!r}: {match[2]} is no index") from None
        cells.setdefault(match[1], []).append(index)
    return {"cells": cells}


def _slice(text: str) -> int | slice:
    parts = [int(part) if part.strip() else None for part in text.split(":")]
    if len(parts) == 1:
        if parts[0] is None:
            raise ValueError(text)
        return parts[0]
    return slice(*parts)


def _optimizer(rule: str, parameters: list[Any], lr: float | None) -> optim.Optimizer:
    if rule == "adam":
        return optim.Adam(parameters, lr or 1e-2)
    return optim.SGD(parameters, lr or 0.1, momentum=0.9 if rule == "momentum" else 0.0)


def _network(args: argparse.Namespace) -> tuple[Module, tuple[int, int, int]]:
    """Return a trained network, or a new one, and the (C, H, W) it takes."""
    from tinycnn.fit import load_classifier

    if args.run_folder and args.model:
        raise WrongUse("--run is a network already: leave --model away")
    if args.run_folder:
        saved = load_classifier(args.run_folder)
        return saved.model, saved.input_shape
    name = args.model or "lenet5"
    return models.build(name), models.INPUT_SHAPES[name]


def _picture(args: argparse.Namespace, shape: tuple[int, int, int]) -> np.ndarray:
    from tinycnn.fit.saved import load_picture

    return load_picture(args.image, shape, bool(args.invert))


def _digit_batch(shape: tuple[int, int, int], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return test digits (count, C, H, W) in [0, 1] and their labels."""
    _, test = digits()
    if shape != test.image_shape:
        raise WrongUse(
            f"the network takes images (C, H, W)={shape}, the digits are {test.image_shape}: give --image"
        )
    chosen = np.random.default_rng(seed).permutation(len(test))[:count]
    return test.scaled(chosen), test.labels[chosen]
