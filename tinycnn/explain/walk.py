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
from .steps import Explanation, Index, Panel, element_name, number
from .watch import Node, Seen, Watch

MAX_NODES = 40  # nobody steps through more
SMALL = 20  # rows and columns of a matrix that is shown whole


def autograd(f: Callable[..., Tensor] | Tensor, *inputs: Any) -> Explanation:
    """Explain how `backward` computes every gradient of a function, or of a loss that was computed before.

    Forward, each operation is one step: it computes its result, and it remembers its inputs. Then comes the
    order of the walk. Backward, each operation is one step again: the gradient of its result is complete, and
    it passes a share on to each of its inputs. The last steps are the leaves.

    Parameters
    ----------
    f
        A function of tensors that returns a tensor, or a loss. For a loss there are no forward steps, since
        the results on the way to it are not kept.
    inputs
        The inputs of the function: arrays, numbers or tensors. Steps call them by its parameters' names.

    Raises
    ------
    TypeError
        If f returns no tensor.
    ValueError
        If no operation of the engine was used, or the graph has more than 40 operations.
    """
    walk = _Walk()
    if isinstance(f, Tensor):
        if inputs:
            raise TypeError("a loss is explained alone: give a function to explain it for other inputs")
        y, title = f, "backward"
    else:
        leaves = [leaf(x) for x in inputs]
        walk.names.update(zip(leaves, _parameters(f, len(leaves)), strict=True))
        with observed(walk):
            y = f(*leaves)
        if not isinstance(y, Tensor):
            raise TypeError(f"autograd explains functions that return a tensor, got {type(y).__name__}")
        title = f"autograd of {getattr(f, '__name__', type(f).__name__)}"
    order = topological_order([y.creator] if y.creator else [])
    if not order:
        raise ValueError("nothing was recorded: no operation made the result, or no input needs a gradient")
    if len(order) > MAX_NODES:
        raise ValueError(f"{len(order)} operations; the limit is {MAX_NODES}. Explain a part of the function")
    walk.rec.operation = title
    below = walk.name(order)
    for call in walk.calls:
        if call.node in walk.names:
            walk.forward(call)
    walk.order(order)
    with observed(walk):
        gradients = grad(y, below, np.ones(y.shape, y.dtype), retain_graph=True)
    for node in order:
        if node in walk.arrived:
            walk.backward(node)
    for x, g in zip(below, gradients, strict=True):
        assert g is not None
        walk.leaf(x, g.numpy())
    walk.wrong_order(order)
    last = walk.names[order[0]]
    return walk.rec.explanation(last if walk.calls else f"dL/d{last}")


def _parameters(f: Callable[..., Any], count: int) -> list[str]:
    """Return what the inputs are called: the function's parameters, or x0, x1, ... for ``*args``."""
    names = [p.name for p in inspect.signature(f).parameters.values() if p.kind != p.VAR_POSITIONAL]
    return [names[i] if i < len(names) else f"x{i}" for i in range(count)]


class _Walk(Watch):
    """What the engine computed, what the steps call each node and leaf, and the steps so far."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[Node, str] = {}
        self.rec = Recorder("", {}, {})

    def name(self, order: Sequence[Function]) -> list[Tensor]:
        """Call the results t1, t2, ... as they were computed, and the last one L; return the leaves."""
        for t, node in enumerate(reversed(order), 1):
            self.names[node] = "L" if node is order[0] else f"t{t}"
        leaves = list(dict.fromkeys(p for node in order for p in node.parents if isinstance(p, Tensor)))
        for i, x in enumerate(leaves):
            self.names.setdefault(x, f"leaf{i}")
        return leaves

    def panel(self, name: str, array: np.ndarray, title: str, at: Index, role: str) -> Panel:
        """Return the plane that holds the element `at`, which is marked."""
        self.rec.arrays[name] = array
        cells = {cell_of(at): role} if array.size else {}
        return self.rec.panel(title, name, at[:-2], cells, picture=max((1, 1, *array.shape)[-2:]) > SMALL)

    def forward(self, call: Seen) -> None:
        """Add the step of an operation that ran."""
        node, y = call.node, call.result.numpy()
        name, at = self.names[node], largest(y)
        given = [self.names.get(x.creator or x, "a constant") for x in call.inputs]
        arrays = {called: x.numpy() for called, x in zip(given, call.inputs, strict=True)}
        panels = [self.panel(called, x, "goes in", largest(x), "read") for called, x in arrays.items()]
        self.rec.forward(
            f"{name} = {node.name}({', '.join(given)})",
            stated(type(node))[0] or node.name,
            f"{element_name(name, at)} = {number(y[at])}",
            f"{node.name} computes {name}. It remembers where its inputs came from"
            f"{', and keeps what its derivative will need: ' + node.keeps if node.keeps else ''}.",
            [*panels, self.panel(name, y, "comes out", at, "result")],
        )

    def order(self, order: Sequence[Function]) -> None:
        """Add the step that says in which order the walk goes, and why."""
        uses = defaultdict(list)
        for node in order:
            for parent in _parents(node):
                uses[self.names[parent]].append(self.names[node])
        seed = np.ones(order[0].shape, order[0].dtype)
        self.rec.backward(
            "the order of the walk",
            "each operation comes after all operations that use its result",
            " -> ".join(self.names[node] for node in order),
            "The gradient of a result is the SUM of the shares from all its uses. It must be complete before "
            "it is passed on. "
            + " ".join(f"{name} is used by {' and '.join(by)}." for name, by in uses.items() if len(by) > 1),
            [self.panel(f"dL/d{self.names[order[0]]}", seed, "L by itself: ones", largest(seed), "result")],
        )

    def sum_of_shares(self, node: Node, total: np.ndarray) -> tuple[str, list[Panel]]:
        """Return how the shares of a node add up, in numbers at one element, and their panels."""
        name, at = f"dL/d{self.names[node]}", largest(total)
        panels, parts = [], []
        for i, (source, share) in enumerate(self.shares[node], 1):
            if share.shape == total.shape:
                title = f"from {self.names[source]}"
                panels.append(self.panel(f"share {i} of {name}", share, title, at, "read"))
                parts.append(number(share[at]))
        whole = f"{element_name(name, at)} = {' + '.join(parts) or number(total[at])}"
        whole += f" = {number(total[at])}" if len(parts) > 1 else ""
        return whole, [*panels, self.panel(name, total, "complete", at, "result")]

    def backward(self, node: Function) -> None:
        """Add the step of a node whose gradient is complete."""
        name, count = self.names[node], len(self.shares[node])
        numbers, panels = self.sum_of_shares(node, self.arrived[node])
        parents = " and ".join(self.names[p] for p in _parents(node))
        equation, derivative = stated(type(node))
        given = f"{name} got {count} share{'s' * (count != 1)}, one from each use"
        self.rec.backward(
            f"{name}: its gradient is complete, {node.name} passes it on to {parents}",
            f"in the letters of {node.name}, {equation}:  {derivative or 'its derivative'}",
            numbers,
            f"{given if count else f'{name} is L itself'}. Now {node.name} multiplies the gradient "
            f"g = dL/d{name} by its own derivative, and gives the result to {parents}.",
            panels,
        )

    def leaf(self, x: Tensor, total: np.ndarray) -> None:
        """Add the step of a leaf, where the walk ends."""
        name, uses = self.names[x], len(self.shares[x])
        numbers, panels = self.sum_of_shares(x, total)
        self.rec.backward(
            f"{name}: a leaf, its gradient stays in {name}.grad",
            f"dL/d{name} = Σ over all uses of {name}",
            numbers,
            f"{name} was used {uses} time{'s' * (uses != 1)}. No operation computed it, so the walk ends "
            "here.",
            panels,
        )

    def wrong_order(self, order: Sequence[Function]) -> None:
        """Say what would come out if a node that is used twice passed on its gradient too early."""
        for node in order:
            shares, total = self.shares[node], self.arrived.get(node)
            if (
                total is None
                or len({source for source, _ in shares}) < 2
                or shares[0][1].shape != total.shape
            ):
                continue
            first, at, name = shares[0][1], largest(total), self.names[node]
            gradient = f"dL/d{name}"
            self.rec.backward(
                f"what a wrong order would give: {name} too early",
                f"{gradient} = the share from {self.names[shares[0][0]]} only",
                f"{element_name(gradient, at)} = {number(first[at])} instead of {number(total[at])}",
                f"If {name} had passed its gradient on before {self.names[shares[-1][0]]} gave its share, "
                "everything below it would have got a wrong gradient, without any error.",
                [
                    self.panel(f"share 1 of {gradient}", first, "too early", at, "read"),
                    self.panel(gradient, total, "complete", at, "result"),
                ],
            )
            return


def _parents(node: Function) -> list[Node]:
    """Return what a node was computed from, each once."""
    return list(dict.fromkeys(p for p in node.parents if p is not None))
