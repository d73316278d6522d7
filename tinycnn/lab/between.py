"""What a network computes between two layers: additions, concatenations, activations that are functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinycnn import functional as F
from tinycnn.autograd import Function
from tinycnn.explain.layers import Layer
from tinycnn.explain.watch import Seen
from tinycnn.functional.arithmetic import Add, Mul
from tinycnn.functional.cards import CARDS
from tinycnn.functional.elementwise import Pow
from tinycnn.functional.indexing import Index
from tinycnn.functional.joining import Concatenate
from tinycnn.functional.pooling import ExtremePool2d
from tinycnn.functional.reduction import Mean, Sum
from tinycnn.functional.shape import Permute
from tinycnn.functional.sum_pooling import SumPool2d
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

CONSTANT = "constant"


@dataclass(frozen=True)
class Between:
    """One operation that is no layer: what went in and what came out, under the names of the page.

    Attributes
    ----------
    node
        The Function that computed it.
    inputs, sources
        What went in, and what it is called: "weight NAME" is a weight of the network, `CONSTANT` a constant.
    y, result
        What came out, and its name.
    """

    node: Function
    inputs: tuple[Tensor, ...]
    sources: tuple[str, ...]
    y: Tensor
    result: str

    @property
    def title(self) -> str:
        """The kind of the operation and what it reads."""
        return f"{self.node.name}({', '.join(self.sources)})"


Made = Layer | Between


def sources_of(made: Made) -> tuple[str, ...]:
    """Return the names of the arrays that a layer or an operation reads."""
    return (made.source,) if isinstance(made, Layer) else made.sources


def inputs_of(made: Made) -> tuple[Tensor, ...]:
    """Return the arrays that a layer or an operation reads."""
    return (made.x,) if isinstance(made, Layer) else made.inputs


def about(made: Made) -> dict[str, Any]:
    """Return what there is to say of a layer or an operation: for the page, as JSON."""
    said: dict[str, Any] = {"sources": sources_of(made), "result": made.result}
    said["shape"] = list(made.y.shape[1:])
    if isinstance(made, Between):
        return said | {"name": "", "kind": made.node.name, "says": made.title}
    return said | {"name": made.name, "kind": type(made.module).__name__, "says": repr(made.module)}


def in_order(
    model: Module, x: Tensor, layers: Sequence[Layer], y: Tensor, calls: Sequence[Seen]
) -> tuple[list[Made], str]:
    """Return the layers with the operations between them, in the order they ran, and the output's name.

    An operation before layer 5 makes ``x5``, and those before it ``x5_1``, ``x5_2``, ...

    Raises
    ------
    ValueError
        If no operation made the output.
    """
    results = {layer.result for layer in layers}
    names = {id(layer.x): layer.source for layer in layers if layer.source not in results} | {id(x): "a0"}
    weights = {id(p): f"weight {name}" for name, p in model.named_parameters()}
    made_by = {id(seen.result): seen for seen in calls}
    found: list[Made] = []
    known = {id(x)}  # arrays that need no further operation: the picture, and what layers made so far

    def before(t: int, end: Tensor) -> None:
        """Add the operations that lead from known arrays to `end`."""
        waiting, operations = [end], []
        while waiting:
            tensor = waiting.pop()
            seen = made_by.get(id(tensor))
            if id(tensor) not in known and seen is not None:
                operations.append((seen.node.recorded_at, seen))
                known.add(id(tensor))
                waiting += seen.inputs
        for n, (_, seen) in enumerate(sorted(operations, key=lambda entry: entry[0]), 1):
            name = names.setdefault(id(seen.result), f"x{t}" if seen.result is end else f"x{t}_{n}")
            sources = tuple(names.get(id(i), weights.get(id(i), CONSTANT)) for i in seen.inputs)
            found.append(Between(seen.node, tuple(seen.inputs), sources, seen.result, name))

    for t, layer in enumerate(layers, 1):
        before(t, layer.x)
        found.append(layer)
        names[id(layer.y)] = layer.result  # a layer may return its input: then the array gets a new name
        known.add(id(layer.y))
    before(len(layers) + 1, y)
    if id(y) not in names:
        raise ValueError("the output of this network does not depend on the picture")
    return found, names[id(y)]


def operation_of(made: Between) -> tuple[Callable[..., Any], list[Any], dict[str, Any], tuple[str, ...]]:
    """Return the function that an operation applies, its arrays, its options and what its steps call them.

    Raises
    ------
    ValueError
        For an operation without steps.
    """
    node, arrays = made.node, [t.numpy() for t in made.inputs]
    if isinstance(node, Add | Mul):
        return (F.add if isinstance(node, Add) else F.mul), arrays, {}, ("a", "b")
    if isinstance(node, Pow):
        return F.pow, [a if a.ndim else a.item() for a in arrays], {}, ("a", "b")
    if isinstance(node, Sum | Mean):
        options = {"dim": node.dims, "keepdim": node.keepdim}
        return (F.sum if isinstance(node, Sum) else F.mean), arrays, options, ("x",)
    if isinstance(node, Index):
        return F.index, arrays, {"key": node.key}, ("x",)
    if isinstance(node, Permute):
        return F.permute, [*arrays, *node.dims], {}, ("x",)
    if isinstance(node, Concatenate):
        return F.concatenate, [arrays], {"dim": node.dim}, tuple(f"x{n}" for n in range(len(arrays)))
    if isinstance(node, ExtremePool2d | SumPool2d):
        g = node.geometry
        options = {"kernel_size": (g.KH, g.KW), "stride": (g.SH, g.SW), "padding": (g.PH, g.PW)}
        if isinstance(node, SumPool2d):
            return F.sum_pool2d, arrays, options, ("x",)
        pool = F.max_pool2d if node.largest else F.min_pool2d
        return pool, arrays, options | {"dilation": (g.DH, g.DW)}, ("x",)
    cards = [card for card in CARDS.values() if card.of is type(node) and card.elementwise]
    if not cards or len(arrays) != 1:
        raise ValueError(f"there are no steps for {node.name} between layers; its numbers are the engine's")
    options = {name: vars(node)[name] for name in ("negative_slope", "approximate") if name in vars(node)}
    return cards[0].function, arrays, options, ("x",)
