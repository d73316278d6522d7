"""The computation graph as a picture, without Graphviz, and as boxes of text."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from tinycnn.plot import blank_figure, described

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .graph import Graph

Place = tuple[float, int]  # column and row

HEADING = "Forward goes down, backward goes up. Each box is an operation, with its result and its leaves."
MAX_NODES = 150  # a picture with more cannot be read
LINE: dict[str, Any] = {"color": "#444444", "lw": 1.4}
ARROW = LINE | {"arrowstyle": "-|>", "mutation_scale": 16, "shrinkA": 0, "shrinkB": 0}
ASCII = str.maketrans({"┌": "+", "┐": "+", "└": "+", "┘": "+", "─": "-", "│": "|", "┬": "+", "▼": "v"})


def boxes(graph: Graph, width: int = 80, ascii_only: bool = False) -> str:
    """Return the graph as boxes of text, one for each operation, in the order of the forward pass.

    The first line of a box says what the operation takes. An arrow leads to the next box if that uses it.
    """
    results = [at for at, node in enumerate(graph.nodes) if not node.is_leaf]
    called = {at: f"t{t}" for t, at in enumerate(results, 1)}
    called |= {at: node.name for at, node in enumerate(graph.nodes) if node.is_leaf}
    if results:
        called[results[-1]] = "L"
    inside = max(20, width - 4)
    texts = []
    for at in results:
        inputs, node = [a for a, b in graph.edges if b == at], graph.nodes[at]
        lines = [f"{called[at]} = {node.name}({', '.join(called[a] for a in inputs)})"]
        lines.append("   ".join(node.lines[1:]))
        leaves = [a for a in dict.fromkeys(inputs) if graph.nodes[a].is_leaf]
        lines += [f"  {called[a]}: {'   '.join(graph.nodes[a].lines[1:])}" for a in leaves]
        wrapped = (textwrap.wrap(line, inside, subsequent_indent="    ") for line in lines)
        texts.append(list(chain.from_iterable(wrapped)))
    widest = max((len(line) for lines in texts for line in lines), default=0)
    drawn = textwrap.wrap(HEADING, width)
    middle = (widest + 2) // 2
    for at, following, lines in zip(results, [*results[1:], None], texts, strict=False):
        goes_on = (at, following) in graph.edges
        bottom = "─" * middle + ("┬" if goes_on else "─") + "─" * (widest + 1 - middle)
        drawn += [f"┌{'─' * (widest + 2)}┐", *(f"│ {line:<{widest}} │" for line in lines), f"└{bottom}┘"]
        if goes_on:
            drawn.append(" " * (middle + 1) + "▼")
    text = "\n".join(drawn)
    return text.translate(ASCII) if ascii_only else text


def draw(graph: Graph) -> Figure:
    """Draw the graph with Matplotlib, inputs on top; backward runs against the arrows.

    Raises
    ------
    ValueError
        For more than `MAX_NODES` nodes.
    """
    from matplotlib.patches import FancyBboxPatch

    if len(graph.nodes) > MAX_NODES:
        raise ValueError(
            f"a picture of {len(graph.nodes)} nodes cannot be read, the limit is {MAX_NODES}; draw the "
            "graph of a part of the network, or take dot() to Graphviz"
        )
    places, routes = layout(graph)
    column, row = 2.5, 1.45  # inches
    width = (max(x for x, _ in chain(places, *routes)) + 1) * column
    height = (max(y for _, y in places) + 1) * row
    drawn: dict[tuple[int, int], list[float]] = defaultdict(list)
    figure = blank_figure(max(width, 3.0), max(height, 2.0), layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    boxes = []
    for (x, y), node in zip(places, graph.nodes, strict=True):
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
            text_style: dict[str, Any] = {
                "color": "#b34e00" if is_gradient else "black",
                "ha": "center",
                "va": "center",
            }
            weight = "bold" if at == 0 or is_gradient else "normal"
            size = 12.0 * min(1.0, 20 / len(line))
            place = middle[0], middle[1] + half - 0.17 - 0.225 * at
            axes.text(*place, line, fontsize=size, weight=weight, **text_style)
    for (a, b), bends in zip(graph.edges, routes, strict=True):
        start = boxes[a][0], boxes[a][1] - boxes[a][2] - 0.03
        end = boxes[b][0], boxes[b][1] + boxes[b][2] + 0.03
        inner = [((x + 0.5) * column, height - (y + 0.5) * row) for x, y in bends]
        twins = graph.edges.count((a, b)) > 1
        spread = 0.35 * (len(drawn[a, b]) - 0.5) * 2 if twins else 0.0  # a + a: two arrows, not one
        drawn[a, b].append(spread)
        start, end = (start[0] + spread, start[1]), (end[0] + spread, end[1])
        points = [start, *inner, end]
        if inner:
            axes.plot(*zip(*points[:-1], strict=True), zorder=0, solid_joinstyle="round", **LINE)
        axes.annotate("", xy=end, xytext=points[-2], arrowprops=ARROW, zorder=0)
    return described(figure, in_words(graph))


def in_words(graph: Graph) -> str:
    """Return the alternative text of the graph's picture: every node, and what it is computed from."""
    nodes = []
    for at, node in enumerate(graph.nodes):
        inputs = [f"{graph.nodes[a].name} ({a + 1})" for a, b in graph.edges if b == at]
        made_of = f" from {' and '.join(inputs)}" if inputs else ""
        nodes.append(f"{at + 1}. {', '.join(node.lines)}{made_of}.")
    return f"A graph of {len(nodes)} nodes. {' '.join(nodes)}"


def layout(graph: Graph) -> tuple[list[Place], list[list[Place]]]:
    """Return the (column, row) of every node, and the places that every edge passes on its way.

    A node's row is below everything it was computed from. If that is leaves only, it is right above its first
    use. An edge over several rows has a place in each of them, so that it runs around the nodes there. In a
    row, places are sorted by the middle of their neighbours above, then of those below: few edges cross.
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
