"""Which function of the engine a layer, or an operation between layers, applies to which arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.explain.layers import Layer
from tinycnn.functional.cards import CARDS
from tinycnn.functional.shape import Reshape
from tinycnn.nn import BatchNorm1d, BatchNorm2d, Module

from .between import Made, operation_of

Index = tuple[int, ...]
Names = dict[str, str]


class Applied(NamedTuple):
    """What a layer or an operation applies: a function, its arrays and options, and its letters.

    Attributes
    ----------
    letters
        What steps call the arrays of the page that are read.
    names
        Letter -> array of the page.
    shapes
        Of x and y if the layer only gives x another shape, or changes nothing: then it has no function.
    """

    function: Callable[..., Any]
    arrays: list[Any]
    options: dict[str, Any]
    letters: tuple[str, ...]
    names: Names
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def moved(self, index: Index) -> Index | None:
        """Return where the element `index` of y stands in x, if y is x in another shape."""
        return None if self.shapes is None else _place(index, self.shapes[1], self.shapes[0])

    def moved_back(self, index: Index) -> Index | None:
        """Return where the element `index` of x stands in y, if y is x in another shape."""
        return None if self.shapes is None else _place(index, *self.shapes)


def applied(made: Made) -> Applied:
    """Return what a layer or an operation applies.

    Raises
    ------
    ValueError
        If there are no steps for it.
    """
    if isinstance(made, Layer):
        names = {"x": made.source, "y": made.result, **_parameters(made)}
        shapes = made.x.shape, made.y.shape
        as_row = {len(s) for s in shapes} == {2, 4} and math.prod(shapes[0]) == math.prod(shapes[1])
        if made.y is made.x or as_row:
            return Applied(F.reshape, [], {}, ("x",), names, shapes)
        return Applied(*operation(made.module, made.x.numpy()), ("x",), names)
    if isinstance(made.node, Reshape):
        names = {"x": made.sources[0], "y": made.result}
        return Applied(F.reshape, [], {}, ("x",), names, (made.inputs[0].shape, made.y.shape))
    function, arrays, options, letters = operation_of(made)
    names = dict(zip(letters, made.sources, strict=True)) | {"y": made.result}
    return Applied(function, arrays, options, letters, names)


def operation(module: Module, x: np.ndarray) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """Return the function that a layer applies, its arrays and its options.

    Raises
    ------
    ValueError
        For a layer without steps.
    """
    kind = type(module).__name__
    if kind in LAYERS:
        function, options = LAYERS[kind]
    else:
        cards = [card for card in CARDS.values() if card.layer == kind and card.elementwise]
        if not cards:
            raise ValueError(
                f"there are no steps for a layer of the kind {kind}; its numbers are the engine's"
            )
        function, options = cards[0].function, tuple(vars(module).keys() & {"negative_slope", "approximate"})
    arrays: list[Any] = [x]
    arrays += [
        _values(module, name) for name in ARGUMENTS.get(kind, ("weight", "bias")) if hasattr(module, name)
    ]
    extra = (
        {"training": module.num_batches_tracked is None}
        if isinstance(module, BatchNorm1d | BatchNorm2d)
        else {}
    )
    return function, arrays, {name: getattr(module, name) for name in options} | extra


def _values(module: Module, name: str) -> np.ndarray | None:
    tensor = getattr(module, name)
    return None if tensor is None else tensor.numpy()


# What a function takes after x, if that is not weight and bias.
ARGUMENTS = {"BatchNorm2d": ("running_mean", "running_var", "weight", "bias")}
ARGUMENTS["BatchNorm1d"] = ARGUMENTS["BatchNorm2d"]


_POOL = ("kernel_size", "stride", "padding")
LAYERS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "Conv2d": (F.conv2d, ("stride", "padding", "dilation", "groups")),
    "ConvTranspose2d": (
        F.conv_transpose2d,
        ("stride", "padding", "output_padding", "groups", "dilation"),
    ),
    "Linear": (F.linear, ()),
    "MaxPool2d": (F.max_pool2d, _POOL),
    "MinPool2d": (F.min_pool2d, _POOL),
    "AvgPool2d": (F.avg_pool2d, _POOL),
    "SumPool2d": (F.sum_pool2d, _POOL),
    "BatchNorm1d": (F.batch_norm, ("eps",)),
    "BatchNorm2d": (F.batch_norm, ("eps",)),
    "InstanceNorm2d": (F.instance_norm, ("eps",)),
    "GlobalAvgPool2d": (F.global_avg_pool2d, ()),
    "GlobalMaxPool2d": (F.global_max_pool2d, ()),
    "Softmax": (F.softmax, ("dim",)),
}


def _place(index: Index, shape: tuple[int, ...], other: tuple[int, ...]) -> Index:
    """Return where the element `index` of an array of this shape stands in the same numbers as `other`.

    >>> _place((0, 7), (1, 12), (1, 2, 2, 3))
    (0, 1, 0, 1)
    """
    return tuple(map(int, np.unravel_index(np.ravel_multi_index(index, shape), other)))


def _parameters(call: Layer) -> Names:
    prefix = f"{call.name}." if call.name else ""
    letter = "W" if type(call.module).__name__ == "Linear" else "w"
    letters = {letter: "weight", "b": "bias", "m": "running_mean", "v": "running_var"}
    return {
        letter: f"{prefix}{name}"
        for letter, name in letters.items()
        if getattr(call.module, name, None) is not None
    }
