"""Why is this number what it is? One cell of a trace, and the step that computes it, from `explain`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.explain import Explanation, Quantity, Step, Term, explain
from tinycnn.explain.layers import Layer
from tinycnn.explain.recorder import terms_up_to
from tinycnn.functional.cards import CARDS
from tinycnn.nn import Module

from .trace import Trace

MOST_TERMS = 20_000  # the page scrolls; a terminal's screen does not
Index = tuple[int, ...]


class Answer(NamedTuple):
    """The steps that compute a cell, and which arrays of the trace their letters stand for.

    Attributes
    ----------
    explanation
        One step; of a gradient that several layers send back, one for each of them.
    names
        ``{"x": "a2", "y": "a3", "w": "3.weight"}``: letter of the equation -> array of the page.
    """

    explanation: Explanation
    names: dict[str, str]


def why(trace: Trace, array: str, index: Index) -> Answer:
    """Return how the cell `index` of the array was computed; ``p`` are the probabilities.

    Raises
    ------
    ValueError
        If there is no such array or cell, or nothing computes it: the picture.
    """
    if array == "p":
        check_index("p", index, trace.probabilities.shape)
        logits = trace.array(trace.output)
        steps = explain(F.softmax, logits, dim=1, cells={"p": [index]})
        return Answer(steps, {"z": trace.output, "p": "p"})
    call = next((call for call in trace.calls if call.result == array), None)
    check_array(trace, array)
    check_index(array, index, trace.array(array).shape)
    if call is None:
        between = "it is the picture" if array == "a0" else "it is computed between two layers"
        raise ValueError(f"{array} is the output of no layer: {between}")
    x = trace.array(call.source)
    names = {"x": call.source, "y": call.result, **_parameters(call)}
    same = reshaped(x, trace.array(array), index)
    if same is not None:
        return _same(call, "forward", ("y", index), ("x", same), trace)._replace(names=names)
    function, arguments, options = operation(call.module, x)
    with terms_up_to(MOST_TERMS):
        return Answer(explain(function, *arguments, cells={"y": [index]}, **options), names)


def why_gradient(trace: Trace, array: str, index: Index) -> Answer:
    """Return how dL/d(array) at `index` was computed: which later cells this one fed, with which weight.

    Raises
    ------
    ValueError
        If there is no such array or cell, or no loss was chosen.
    """
    if trace.label is None:
        raise ValueError("choose a loss first: there is no gradient without one")
    check_array(trace, array)
    check_index(array, index, trace.array(array).shape)
    if array == trace.output:
        logits, name = trace.array(array), "dL/dz"
        steps = explain(F.cross_entropy, logits, [trace.label], backward=True, cells={name: [index]})
        return Answer(_only(steps, name), {"z": array, name: f"dL/d{array}"})
    users = [call for call in trace.calls if call.source == array]
    if len(users) != 1:
        raise ValueError(
            f"{array} is used by {len(users)} layers: its gradient is the sum of what they send back, and "
            "there are no steps for it here"
        )
    call = users[0]
    x, g = trace.array(array), trace.array(call.result, gradient=True)
    names = {"x": array, "y": call.result, "g": f"dL/d{call.result}", "dL/dx": f"dL/d{array}"}
    names |= _parameters(call)
    there = reshaped(g, x, index)
    if there is not None:
        return _same(call, "backward", ("dL/dx", index), ("g", there), trace)._replace(names=names)
    function, arguments, options = operation(call.module, x)
    with terms_up_to(MOST_TERMS):
        steps = explain(function, *arguments, backward=True, gradient=g, cells={"dL/dx": [index]}, **options)
    return Answer(_only(steps, "dL/dx"), names)


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
    if hasattr(module, "weight"):
        bias = getattr(module, "bias", None)
        arrays += [module.weight.numpy(), None if bias is None else bias.numpy()]
    return function, arrays, {name: getattr(module, name) for name in options}


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
    "GlobalAvgPool2d": (F.global_avg_pool2d, ()),
    "GlobalMaxPool2d": (F.global_max_pool2d, ()),
    "Softmax": (F.softmax, ("dim",)),
}


def reshaped(x: np.ndarray, y: np.ndarray, index: Index) -> Index | None:
    """Return where the element `index` of y stands in x if y is x in another shape; else None.

    >>> reshaped(np.zeros((1, 2, 2, 3)), np.zeros((1, 12)), (0, 7))
    (0, 1, 0, 1)
    """
    if x.shape == y.shape or x.size != y.size or {x.ndim, y.ndim} != {2, 4}:
        return None
    return tuple(map(int, np.unravel_index(np.ravel_multi_index(index, y.shape), x.shape)))


def check_array(trace: Trace, array: str) -> None:
    """Raise ValueError unless the trace has an array of this name."""
    if array not in trace.tensors:
        raise ValueError(f"there is no array {array!r:.40}; there are {', '.join(trace.tensors)} and p")


def check_index(array: str, index: Index, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless an array of this shape has the cell."""
    if len(index) != len(shape) or any(not 0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"there is no cell {list(index)!s:.60} in {array}, whose shape is {list(shape)}")


def _parameters(call: Layer) -> dict[str, str]:
    prefix = f"{call.name}." if call.name else ""
    letter = "W" if type(call.module).__name__ == "Linear" else "w"
    return {letter: f"{prefix}weight", "b": f"{prefix}bias"} if hasattr(call.module, "weight") else {}


def _only(explanation: Explanation, array: str) -> Explanation:
    """Return the explanation with the steps that compute `array` alone."""
    e = explanation
    return Explanation(e.operation, e.options, e.arrays, e.steps_of(array), e.output)


def _same(
    call: Layer, phase: str, result: tuple[str, Index], source: tuple[str, Index], trace: Trace
) -> Answer:
    """Return the step of a layer that only gives an array another shape."""
    back = phase == "backward"
    values = trace.array(call.result if back else call.source, gradient=back)
    quantity = Quantity(*source, float(values[source[1]]))
    name = f"{result[0]}[{','.join(map(str, result[1]))}]"
    step = Step(
        phase,
        f"{name}: the same number in another shape",
        f"{name} = {quantity.name}",
        f"{name} = {quantity.value:.4g}",
        f"{type(call.module).__name__} computes nothing: it puts the numbers into another shape, in order.",
        (),
        (Term((quantity,)),),
    )
    return Answer(Explanation(type(call.module).__name__, {}, {}, (step,), result[0]), {})
