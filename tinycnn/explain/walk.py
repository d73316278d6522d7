"""Steps of autograd itself: one node of the graph at a time, first forward, then the walk back."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinycnn.autograd import Function, grad, topological_order
from tinycnn.modes import observed
from tinycnn.tensor import Tensor

from .calls import leaf
from .cells import cell_of, largest
from .equations import stated
from .recorder import Recorder
from .steps import Explanation, Index, Panel, number
from .watch import Node, Watch

MAX_NODES = 40  # a screen shows one at a time, but nobody steps through more
SMALL = 20  # rows and columns of a matrix that is shown whole


class _Named(Watch):
    """What the engine computed, and what the steps call each node and leaf."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[Node, str] = {}


def autograd(f: Callable[..., Tensor] | Tensor, *inputs: Any) -> Explanation:
    """Explain how `backward` computes every gradient of a function, or of a loss that was computed before.

    Forward, each operation is one step: it computes its result, and it remembers its inputs. Then comes the
    order of the walk. Backward, each operation is one step again: the gradient of its result is complete, and
    it passes a share on to each of its inputs. The last steps are the leaves.

    Parameters
    ----------
    f
        A function of tensors that returns a tensor, or a loss: then there are no steps forward, since what
        was computed on the way is not kept.
    inputs
        Of the function: arrays, numbers or tensors. They are called as its parameters are.

    Raises
    ------
    TypeError
        If f returns no tensor.
    ValueError
        If no operation of the engine was used, or the graph has more than 40 operations.
    """
    watch = _Named()
    if isinstance(f, Tensor):
        if inputs:
            raise TypeError("a loss is explained alone: give a function to explain it for other inputs")
        y, title = f, "backward"
    else:
        leaves = [leaf(x) for x in inputs]
        watch.names.update(zip(leaves, _parameters(f, len(leaves)), strict=True))
        with observed(watch):
            y = f(*leaves)
        if not isinstance(y, Tensor):
            raise TypeError(f"autograd explains functions that return a tensor, got {type(y).__name__}")
        title = f"autograd of {getattr(f, '__name__', type(f).__name__)}"
    order = topological_order([y.creator] if y.creator else [])
    if not order:
        raise ValueError("nothing was recorded: no operation made the result, or no input needs a gradient")
    if len(order) > MAX_NODES:
        raise ValueError(f"{len(order)} operations; the limit is {MAX_NODES}. Explain a part of the function")
    _name(watch, order, y)
    rec = Recorder(title, {}, {})
    for call in watch.calls:
        if call[0] in watch.names:
            _forward(rec, watch, *call)
    _order(rec, watch, order)
    below = list(dict.fromkeys(p for node in order for p in node.parents if isinstance(p, Tensor)))
    with observed(watch):
        gradients = grad(y, below, np.ones(y.shape, y.dtype), retain_graph=True)
    for node in order:
        if node in watch.arrived:
            _backward(rec, watch, node)
    for x, g in zip(below, gradients, strict=True):
        assert g is not None
        _leaf(rec, watch, x, g.numpy())
    _wrong_order(rec, watch, order)
    return rec.explanation(watch.names[order[0]] if watch.calls else f"dL/d{watch.names[order[0]]}")


def _parameters(f: Callable[..., Any], count: int) -> list[str]:
    """Return what the inputs are called: the function's parameters, or x0, x1, ... for ``*args``."""
    names = [p.name for p in inspect.signature(f).parameters.values() if p.kind != p.VAR_POSITIONAL]
    return [names[i] if i < len(names) else f"x{i}" for i in range(count)]


def _name(watch: _Named, order: Sequence[Function], y: Tensor) -> None:
    """Call the results t1, t2, ... in the order in which they were computed, and the last one L."""
    for t, node in enumerate(reversed(order), 1):
        watch.names[node] = "L" if node is y.creator else f"t{t}"
    leaves = dict.fromkeys(p for node in order for p in node.parents if isinstance(p, Tensor))
    for i, x in enumerate(leaves):
        watch.names.setdefault(x, f"leaf{i}")


def _called(watch: _Named, x: Tensor) -> str:
    return watch.names.get(x.creator or x, "a constant")


def _panel(rec: Recorder, name: str, array: np.ndarray, title: str, at: Index, role: str) -> Panel:
    """Return the plane that holds the element `at`, which is marked."""
    rec.arrays[name] = array
    cells = {cell_of(at): role} if array.size else {}
    return rec.panel(title, name, at[:-2], cells, picture=max((1, 1, *array.shape)[-2:]) > SMALL)


def _element(name: str, at: Index) -> str:
    return f"{name}[{','.join(map(str, at))}]" if at else name


def _forward(rec: Recorder, watch: _Named, node: Function, inputs: Sequence[Tensor], result: Tensor) -> None:
    name, at = watch.names[node], largest(result.numpy())
    given = [_called(watch, x) for x in inputs]
    panels = [
        _panel(rec, called, x.numpy(), "goes in", largest(x.numpy()), "read")
        for called, x in dict(zip(given, inputs, strict=True)).items()
    ]
    rec.add(
        "forward",
        f"{name} = {node.name}({', '.join(given)})",
        stated(type(node))[0] or node.name,
        f"{_element(name, at)} = {number(result.numpy()[at])}",
        f"{node.name} computes {name}. It remembers where its inputs came from"
        f"{', and keeps what its derivative will need: ' + node.keeps if node.keeps else ''}.",
        [*panels, _panel(rec, name, result.numpy(), "comes out", at, "result")],
    )


def _order(rec: Recorder, watch: _Named, order: Sequence[Function]) -> None:
    uses = defaultdict(list)
    for node in order:
        for parent in dict.fromkeys(p for p in node.parents if p is not None):
            uses[watch.names[parent]].append(watch.names[node])
    last = watch.names[order[0]]
    seed = np.ones(order[0].shape, order[0].dtype)
    rec.add(
        "backward",
        "the order of the walk",
        "each operation comes after all operations that use its result",
        " -> ".join(watch.names[node] for node in order),
        "The gradient of a result is the SUM of a share from every use. It must be complete before it is "
        "passed on. "
        + " ".join(f"{name} is used by {' and '.join(by)}." for name, by in uses.items() if len(by) > 1),
        [_panel(rec, f"dL/d{last}", seed, "L by itself: ones", largest(seed), "result")],
    )


def _sum(rec: Recorder, watch: _Named, node: Node, total: np.ndarray) -> tuple[str, list[Panel]]:
    """Return how the shares of a node add up, in numbers at one element, and their panels."""
    name, shares, at = f"dL/d{watch.names[node]}", watch.shares[node], largest(total)
    panels = [
        _panel(
            rec,
            f"share {i} of {name}",
            np.broadcast_to(share, total.shape),
            f"from {watch.names[source]}",
            at,
            "read",
        )
        for i, (source, share) in enumerate(shares, 1)
        if share.shape == total.shape
    ]
    parts = [number(share[at]) for _, share in shares if share.shape == total.shape]
    whole = f"{_element(name, at)} = {' + '.join(parts) or number(total[at])}"
    if len(parts) > 1:
        whole += f" = {number(total[at])}"
    panels.append(_panel(rec, name, total, "complete", at, "result"))
    return whole, panels


def _backward(rec: Recorder, watch: _Named, node: Function) -> None:
    name = watch.names[node]
    numbers, panels = _sum(rec, watch, node, watch.arrived[node])
    parents = [watch.names[p] for p in dict.fromkeys(p for p in node.parents if p is not None)]
    count, (equation, derivative) = len(watch.shares[node]), stated(type(node))
    given = (
        f"{name} got {count} share{'s' * (count != 1)}, one from each use" if count else f"{name} is L itself"
    )
    rec.add(
        "backward",
        f"{name}: its gradient is complete, {node.name} passes it on to {' and '.join(parents)}",
        f"in the letters of {node.name}, {equation}:  {derivative or 'its derivative'}",
        numbers,
        f"{given}. Now {node.name} multiplies the gradient g = dL/d{name} by its own derivative, and gives "
        f"the result to {' and '.join(parents)}.",
        panels,
    )


def _leaf(rec: Recorder, watch: _Named, x: Tensor, total: np.ndarray) -> None:
    name, uses = watch.names[x], len(watch.shares[x])
    numbers, panels = _sum(rec, watch, x, total)
    rec.add(
        "backward",
        f"{name}: a leaf, its gradient stays in {name}.grad",
        f"dL/d{name} = Σ over all uses of {name}",
        numbers,
        f"{name} was used {uses} time{'s' * (uses != 1)}. No operation computed it, so the walk ends here.",
        panels,
    )


def _wrong_order(rec: Recorder, watch: _Named, order: Sequence[Function]) -> None:
    """Say what would come out if a node that is used twice passed its gradient on after the first share."""
    for node in order:
        shares = watch.shares[node]
        if len({source for source, _ in shares}) > 1 and shares[0][1].shape == watch.arrived[node].shape:
            total, first = watch.arrived[node], shares[0][1]
            at, name = largest(total), watch.names[node]
            rec.add(
                "backward",
                f"what a wrong order would give: {name} too early",
                f"dL/d{name} = the share from {watch.names[shares[0][0]]} only",
                f"{_element(f'dL/d{name}', at)} = {number(first[at])} instead of {number(total[at])}",
                f"If {name} had passed its gradient on before {watch.names[shares[-1][0]]} gave its share, "
                "everything below it would have got a wrong gradient, without any error.",
                [
                    _panel(rec, f"share 1 of dL/d{name}", first, "too early", at, "read"),
                    _panel(rec, f"dL/d{name}", total, "complete", at, "result"),
                ],
            )
            return
