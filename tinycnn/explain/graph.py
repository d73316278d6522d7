"""The computation graph that autograd recorded, as Graphviz text and as a picture without Graphviz."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.autograd import grad, topological_order
from tinycnn.modes import observed
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .cells import norm
from .steps import number
from .watch import Node, Watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALUES_UP_TO = 3  # elements that are written out; of more, the norm


@dataclass(frozen=True)
class GraphNode:
    """A leaf tensor or an operation.

    Attributes
    ----------
    name
        The leaf's name, or the operation's.
    shape
        Of the tensor, or of the operation's result.
    is_leaf
        Whether it is a tensor that nothing computed.
    value, gradient
        Numbers to show, or the norm of many; empty if they are not known.
    """

    name: str
    shape: tuple[int, ...]
    is_leaf: bool
    value: str = ""
    gradient: str = ""

    @property
    def lines(self) -> list[str]:
        """What stands in the node."""
        shape = str(self.shape) if self.shape else "a number"
        lines = [self.name, shape]
        lines += [self.value] if self.value else []
        return lines + ([f"grad {self.gradient}"] if self.gradient else [])


@dataclass(frozen=True)
class Graph:
    """Nodes, inputs first, and edges (from, to) between their positions, in the direction of forward."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[tuple[int, int], ...]

    def dot(self) -> str:
        """Return the graph in Graphviz's language: ``dot -Tsvg`` draws it."""
        lines = ["digraph computation {", "  node [fontname=Helvetica];"]
        for at, node in enumerate(self.nodes):
            label = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in node.lines)
            shape = "box, style=filled, fillcolor=lightyellow" if node.is_leaf else "ellipse"
            lines.append(f'  n{at} [label="{label}", shape={shape}];')
        lines += [f"  n{a} -> n{b};" for a, b in self.edges]
        return "\n".join([*lines, "}", ""])

    def boxes(self, width: int = 80, ascii_only: bool = False) -> str:
        """Return the graph as boxes of text, one for each operation; see `tinycnn.explain.graph_drawing`."""
        from .graph_drawing import boxes

        return boxes(self, width, ascii_only)

    def draw(self) -> Figure:
        """Draw the graph with Matplotlib, inputs on top; backward runs against the arrows.

        Raises
        ------
        ValueError
            For more than 150 nodes.
        """
        from .graph_drawing import draw

        return draw(self)


def graph(
    output: Tensor | Callable[[], Tensor],
    names: Mapping[str, Tensor] | Module | None = None,
    gradients: bool = False,
) -> Graph:
    """Return the graph of everything that `output` was computed from.

    Parameters
    ----------
    output
        A result, or a function that computes it: then the nodes show the values of all results, which the
        engine does not keep.
    names
        Of leaves: ``{"x": x, "w": w}``, or a Module, whose parameters have names.
    gradients
        Compute the gradient of `output`, which must be one number, by every node; the tensors' ``grad`` do
        not change. If False, leaves show the ``grad`` that an earlier ``backward`` left.

    Raises
    ------
    ValueError
        For a tensor that nothing computed, or whose graph was not recorded.
    RuntimeError
        With `gradients`: if the graph was walked and freed before, or `output` is not one number.
    """
    watch = Watch()
    if not isinstance(output, Tensor):
        with observed(watch):
            output = output()
    values: dict[Node, np.ndarray] = {seen.node: seen.result.numpy() for seen in watch.calls}
    if output.creator is None:
        raise ValueError(
            f"{output!r:.60} has no graph: it is no operation's result, or none of its inputs requires a "
            "gradient"
        )
    values[output.creator] = output.numpy()
    named = dict(names.named_parameters()) if isinstance(names, Module) else dict(names or {})
    called = {id(tensor): name for name, tensor in named.items()}
    functions = topological_order([output.creator])[::-1]  # inputs first
    leaves = list(dict.fromkeys(p for f in functions for p in f.parents if isinstance(p, Tensor)))
    found: dict[Node, np.ndarray] = {x: x.grad.numpy() for x in leaves if x.grad is not None}
    if gradients:
        found |= _gradients(output, leaves)
    nodes = []
    for t, x in enumerate(leaves):
        name = called.get(id(x), f"leaf {t}")
        nodes.append(GraphNode(name, x.shape, True, _numbers(x.numpy()), _numbers(found.get(x))))
    for f in functions:
        nodes.append(GraphNode(f.name, f.shape, False, _numbers(values.get(f)), _numbers(found.get(f))))
    positions = {node: at for at, node in enumerate([*leaves, *functions])}
    edges = [(positions[p], positions[f]) for f in functions for p in f.parents if p is not None]
    return Graph(tuple(nodes), tuple(edges))


def _gradients(output: Tensor, leaves: Sequence[Tensor]) -> dict[Node, np.ndarray]:
    """Return dL/d(result) of every operation and dL/d(leaf), as the walk meets them."""
    watch = Watch()
    with observed(watch):
        found = grad(output, leaves, retain_graph=True, allow_unused=True)
    of_leaves = {leaf: g.numpy() for leaf, g in zip(leaves, found, strict=True) if g is not None}
    return watch.arrived | of_leaves


def _numbers(values: np.ndarray | None) -> str:
    """Return the elements of a small array, the norm of a larger one; nothing if it is not known."""
    if values is None:
        return ""
    if values.size <= VALUES_UP_TO:
        return "= " + ", ".join(number(v) for v in values.ravel())
    return f"norm {norm(values)}"
