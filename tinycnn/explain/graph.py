"""The computation graph that autograd recorded, as Graphviz text and as a picture without Graphviz."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.autograd import Function, grad, topological_order
from tinycnn.modes import observed
from tinycnn.nn import Module
from tinycnn.tensor import Tensor

from .steps import number
from .watch import Watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VALUES_UP_TO = 3  # elements that are written out; of more, the norm


@dataclass(frozen=True)
class Node:
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

    nodes: tuple[Node, ...]
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
        """Return the graph as boxes of text, an operation each; see `tinycnn.explain.graph_drawing`."""
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
        Compute dL/d(each node) here, L = `output`, one number; the tensors' ``grad`` stay as they are.
        Without, leaves show the ``grad`` that a ``backward`` left.

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
    values: dict[Function, Tensor] = {seen.node: seen.result for seen in watch.calls}
    if output.creator is None:
        raise ValueError(
            f"{output!r:.60} has no graph: it is no operation's result, or none of its inputs requires a "
            "gradient"
        )
    values[output.creator] = output
    named = dict(names.named_parameters()) if isinstance(names, Module) else dict(names or {})
    called = {id(tensor): name for name, tensor in named.items()}
    functions = topological_order([output.creator])[::-1]  # inputs first
    leaves = list(
        dict.fromkeys(
            p for f in functions for p in f.parents if p is not None and not isinstance(p, Function)
        )
    )
    found = _gradients(output, functions, leaves) if gradients else {}
    positions: dict[Function | Tensor, int] = {}
    nodes: list[Node] = []
    for t, leaf in enumerate(leaves):
        positions[leaf] = len(nodes)
        given = found.get(leaf, leaf.grad)
        name = called.get(id(leaf), f"leaf {t}")
        nodes.append(Node(name, leaf.shape, True, _numbers(leaf), "" if given is None else _numbers(given)))
    edges = []
    for f in functions:
        positions[f] = len(nodes)
        value, gradient = (_numbers(known[f]) if f in known else "" for known in (values, found))
        nodes.append(Node(f.name, f.shape, False, value, gradient))
        edges += [(positions[p], positions[f]) for p in f.parents if p is not None]
    return Graph(tuple(nodes), tuple(edges))


def _gradients(
    output: Tensor, functions: Sequence[Function], leaves: Sequence[Tensor]
) -> dict[Function | Tensor, Tensor]:
    """Return dL/d(result) of every function and dL/d(leaf)."""
    stand_ins = []
    for f in functions:
        # A result may be gone; what asks for its gradient is any tensor with its creator.
        result = Tensor(np.zeros(f.shape, f.dtype), requires_grad=True)
        result.creator = f
        stand_ins.append(result)
    wanted = [*stand_ins, *leaves]
    found = grad(output, wanted, retain_graph=True, allow_unused=True)
    keys: list[Function | Tensor] = [*functions, *leaves]
    return {key: g for key, g in zip(keys, found, strict=True) if g is not None}


def _numbers(tensor: Tensor) -> str:
    """Return the elements of a small tensor, the norm of a larger one."""
    values = tensor.numpy().ravel()
    if len(values) <= VALUES_UP_TO:
        return "= " + ", ".join(number(v) for v in values)
    return f"norm {number(float(np.sqrt((values.astype(np.float64) ** 2).sum())))}"
