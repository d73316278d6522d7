"""The computation graph that autograd recorded, as Graphviz text and as a picture without Graphviz."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np

from tinycnn.autograd import Function, grad, topological_order
from tinycnn.modes import observed
from tinycnn.nn import Module
from tinycnn.plot import blank_figure
from tinycnn.tensor import Tensor

from .steps import number
from .watch import Watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Place = tuple[float, int]  # column and row

VALUES_UP_TO = 3  # elements that are written out; of more, the norm
MAX_NODES = 150  # a picture with more cannot be read


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
        Numbers to show, or the norm of many; empty where they are not known.
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

    def draw(self) -> Figure:
        """Draw the graph with Matplotlib, inputs on top; backward runs against the arrows.

        Raises
        ------
        ValueError
            For more than `MAX_NODES` nodes.
        """
        from matplotlib.patches import FancyBboxPatch

        if len(self.nodes) > MAX_NODES:
            raise ValueError(
                f"a picture of {len(self.nodes)} nodes cannot be read, the limit is {MAX_NODES}; draw the "
                "graph of a part of the network, or take dot() to Graphviz"
            )
        places, routes = layout(self)
        column, row = 2.5, 1.45  # inches
        width = (max(x for x, _ in chain(places, *routes)) + 1) * column
        height = (max(y for _, y in places) + 1) * row
        drawn: dict[tuple[int, int], list[float]] = defaultdict(list)
        figure = blank_figure(max(width, 3.0), max(height, 2.0), layout=None)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.axis("off")
        boxes = []
        for (x, y), node in zip(places, self.nodes, strict=True):
            middle = (x + 0.5) * column, height - (y + 0.5) * row
            half = 0.1 + 0.115 * len(node.lines)
            boxes.append((*middle, half))
            fill, edge = ("#ffe2b8", "#b34e00") if node.is_leaf else ("#cfe8f7", "#0072b2")
            style = "square,pad=0.02" if node.is_leaf else "round,pad=0.02,rounding_size=0.18"
            corner = middle[0] - 1.08, middle[1] - half
            axes.add_patch(
                FancyBboxPatch(corner, 2.16, 2 * half, boxstyle=style, facecolor=fill, edgecolor=edge, lw=1.6)
            )
            for at, line in enumerate(node.lines):
                is_gradient = line.startswith("grad ")
                axes.text(
                    middle[0],
                    middle[1] + half - 0.17 - 0.225 * at,
                    line,
                    fontsize=_size(line),
                    weight="bold" if at == 0 or is_gradient else "normal",
                    color="#b34e00" if is_gradient else "black",
                    ha="center",
                    va="center",
                )
        for (a, b), bends in zip(self.edges, routes, strict=True):
            start = boxes[a][0], boxes[a][1] - boxes[a][2] - 0.03
            end = boxes[b][0], boxes[b][1] + boxes[b][2] + 0.03
            inner = [((x + 0.5) * column, height - (y + 0.5) * row) for x, y in bends]
            twins = self.edges.count((a, b)) > 1
            spread = 0.35 * (len(drawn[a, b]) - 0.5) * 2 if twins else 0.0  # a + a: two arrows, not one
            drawn[a, b].append(spread)
            start, end = (start[0] + spread, start[1]), (end[0] + spread, end[1])
            points = [start, *inner, end]
            if inner:
                axes.plot(
                    *zip(*points[:-1], strict=True),
                    color="#444444",
                    lw=1.4,
                    zorder=0,
                    solid_joinstyle="round",
                )
            arrow = {
                "arrowstyle": "-|>",
                "color": "#444444",
                "lw": 1.4,
                "mutation_scale": 16,
                "shrinkA": 0,
                "shrinkB": 0,
            }
            axes.annotate("", xy=end, xytext=points[-2], arrowprops=arrow, zorder=0)
        return figure


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
        With `gradients`: where the graph was walked and freed before, or `output` is not one number.
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


def layout(graph: Graph) -> tuple[list[Place], list[list[Place]]]:
    """Return the (column, row) of every node, and the places that every edge passes on its way.

    A node's row is below all it was computed from, or right above its first use where these are leaves only;
    an edge over several rows has a place in each, so that it runs around the nodes there. In a row, places
    stand in the order of the middle of their neighbours above, then of those below, which untangles most.
    """
    inputs: dict[int, list[int]] = {at: [] for at in range(len(graph.nodes))}
    uses: dict[int, list[int]] = {at: [] for at in range(len(graph.nodes))}
    for a, b in graph.edges:
        inputs[b].append(a)
        uses[a].append(b)
    row = [0] * len(graph.nodes)
    for at in range(len(graph.nodes)):  # inputs come first
        row[at] = 1 + max((row[a] for a in inputs[at]), default=-1)
    for at in reversed(range(len(graph.nodes))):  # what depends on leaves only moves down to its first use
        if uses[at] and all(graph.nodes[a].is_leaf for a in inputs[at]):
            row[at] = min(row[b] for b in uses[at]) - 1
    chains = []
    for a, b in graph.edges:
        places_of_edge = [a]
        for y in range(row[a] + 1, row[b]):
            inputs[len(row)], uses[len(row)] = [], []
            places_of_edge.append(len(row))
            row.append(y)
        chains.append([*places_of_edge, b])
        if len(places_of_edge) > 1:
            inputs[b].remove(a)
            uses[a].remove(b)
            for first, second in pairwise(chains[-1]):
                uses[first].append(second)
                inputs[second].append(first)
    rows = [[at for at in range(len(row)) if row[at] == y] for y in range(max(row) + 1)]
    column = [0.0] * len(row)
    _spread(rows, column)
    for neighbours in (inputs, uses, inputs, uses, inputs):
        for members in rows if neighbours is inputs else rows[::-1]:
            members.sort(key=lambda at: _middle(column, neighbours[at], column[at]))
        _spread(rows, column)
    places = [(column[at], row[at]) for at in range(len(row))]
    return places[: len(graph.nodes)], [[places[at] for at in c[1:-1]] for c in chains]


def _spread(rows: Sequence[Sequence[int]], column: list[float]) -> None:
    """Set the columns of the places in their order, each row centred."""
    widest = max(map(len, rows))
    for members in rows:
        for at, node in enumerate(members):
            column[node] = at + (widest - len(members)) / 2


def _middle(column: Sequence[float], neighbours: Sequence[int], otherwise: float) -> float:
    return sum(column[a] for a in neighbours) / len(neighbours) if neighbours else otherwise


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


def _size(line: str) -> float:
    return 12.0 if len(line) <= 20 else 12.0 * 20 / len(line)
