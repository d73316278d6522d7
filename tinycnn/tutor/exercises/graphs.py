"""An exercise on the order of the walk back through a graph."""

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from tinycnn.tutor.exercise import Arguments, Exercise
from tinycnn.tutor.mistake import read_mistakes


class Node:
    """A value of a graph: what it is called, and the nodes that it was computed from."""

    def __init__(self, name: str, inputs: tuple["Node", ...] = ()) -> None:
        self.name, self.inputs = name, inputs

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> Any:
        # Flat: pickle follows references by recursion, and a long graph is too deep for that.
        at = {node: i for i, node in enumerate(_below(self))}
        return _graph, ([(node.name, tuple(at[x] for x in node.inputs)) for node in at],)


def _graph(rows: list[tuple[str, tuple[int, ...]]]) -> Node:
    """Make the nodes, each after its inputs; return the last one."""
    nodes: list[Node] = []
    for name, inputs in rows:
        nodes.append(Node(name, tuple(nodes[i] for i in inputs)))
    return nodes[-1]


def topological_order(root):
    """Return a list of root and every node below it: each once, and after all that it was computed from.

    node.inputs are the nodes that a node was computed from.
    """
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((x, False) for x in node.inputs)
    return order


_RECURSION = """\
    order, seen = [], set()

    def visit(node):
        if node in seen:
            return
        seen.add(node)
        for x in node.inputs:
            visit(x)
        order.append(node)

    visit(root)
    return order
"""


@lru_cache(maxsize=64)
def _below(root: Node) -> list[Node]:
    order: list[Node] = topological_order(root)
    return order


_LONG = 1500  # nodes; Python's recursion ends at 1,000


def _cases_of_order(rng: np.random.Generator) -> list[Arguments]:
    a = Node("a")
    b = Node("b", (a, a))
    c = Node("c", (b, a))
    d = Node("d", (a, c))
    e = Node("e", (c, b, d))
    chain = Node("0")
    for i in range(1, _LONG):
        chain = Node(str(i), (chain,))
    graphs = (a, b, c, _diamonds(4), d, e, _random_graph(rng, 7), _random_graph(rng, 10), chain)
    return [{"root": root} for root in graphs]


def _diamonds(count: int) -> Node:
    node = Node("start")
    for i in range(count):
        node = Node(f"sum{i}", (Node(f"left{i}", (node,)), Node(f"right{i}", (node,))))
    return node


def _random_graph(rng: np.random.Generator, count: int) -> Node:
    nodes = [Node("n0")]
    for i in range(1, count):
        others = rng.integers(0, i, 2)
        nodes.append(Node(f"n{i}", (nodes[i - 1], nodes[others[0]], nodes[others[1]])))
    return nodes[-1]


def _kept(result: Any, arguments: Arguments) -> Any:
    """Return what makes an order right: how often each node stands there, and which inputs come first."""
    nodes = _below(arguments["root"])
    names = [repr(node) for node in result]
    place = {name: i for i, name in enumerate(names)}
    early = [place.get(x.name, -1) < place.get(node.name, -1) for node in nodes for x in node.inputs]
    counts = Counter(names)
    return {
        "counts": np.array([counts[node.name] for node in nodes]),
        "early": np.array(early),
        "all": len(names),
    }


TOPOLOGICAL_ORDER = Exercise(
    topological_order,
    _cases_of_order,
    view=_kept,
    traits={
        "a node that is used twice": lambda a: 1 < len(_below(a["root"])) < _LONG,
        "more than a thousand nodes": lambda a: len(_below(a["root"])) > 1000,
    },
    lesson=2,
    hints=(
        "When may a node be written down? What must stand in the list before it?",
        "Visit the inputs of a node first, then write the node down. Remember which nodes you have seen, "
        "because one that is used twice is met twice.",
        "Recursion ends at about a thousand nodes. Keep a stack: put a node back on it, marked, below its "
        "inputs, and write it down when you meet the mark.",
    ),
    mistakes=read_mistakes(
        """
    too_early: You write a node down before its inputs. It comes after all of them.
        stack.append((node, True)) -> order.append(node)
    backwards: Your list runs from root to the leaves. Turn it around: what a node was computed from comes
        first.
        return order -> return order[::-1]
    seen_forgotten: A node that is used several times stands in your list several times. Remember which nodes
        you have visited.
        elif node not in seen -> else
    root_left_out: root itself is missing. It is the last of the list.
        return order -> return order[:-1]
    leaves_left_out: The nodes without inputs are missing. They are values, too, and come first.
        return order -> return [node for node in order if node.inputs]
    one_input_only: You follow one input of each node. All of them come before it.
        in node.inputs -> in node.inputs[:1]
        in node.inputs -> in node.inputs[-1:]
    direct_inputs_only: You list root and its inputs. Their inputs belong to the list as well, down to the
        leaves.
        return order -> return [*dict.fromkeys(root.inputs), root]
    level_by_level: You go level by level, so that a node can stand before one of its inputs. Finish all
        inputs of a node first, however deep they go.
        return order ->
            order, seen = [root], {root}
            for node in order:
                for x in node.inputs:
                    if x not in seen:
                        seen.add(x)
                        order.append(x)
            return order[::-1]
    recursion: Your order is right, but a function that calls itself ends at about a thousand nodes, and real
        graphs have more. Keep the nodes that wait in a list of your own.
        """,
        too_early=[
            (
                "    return order\n",
                _RECURSION.replace("        order.append(node)\n", "").replace(
                    "seen.add(node)", "seen.add(node)\n        order.append(node)"
                ),
            ),
        ],
        seen_forgotten=[
            ("    return order\n", _RECURSION.replace("        if node in seen:\n            return\n", ""))
        ],
        recursion=[("    return order\n", _RECURSION)],
    ),
)
