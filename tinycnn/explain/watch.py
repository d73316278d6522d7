"""An observer that notes what the engine computes: what explanations show comes from here."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinycnn.autograd import Function
from tinycnn.observers import Observer
from tinycnn.tensor import Tensor

Node = Function | Tensor


class Seen(NamedTuple):
    """One operation of the engine that ran: the node, what went in and what came out."""

    node: Any  # a Function, with the attributes of its class
    inputs: Sequence[Tensor]
    result: Tensor


class Watch(Observer):
    """Notes every operation that runs inside ``with observed(watch):``, forward and backward.

    Attributes
    ----------
    calls
        Every operation that became part of the graph, in order.
    arrived
        The complete gradient of each node's result.
    shares
        What each node or leaf got from each of its uses: the node that gave it, and the array.
    """

    def __init__(self) -> None:
        self.calls: list[Seen] = []
        self.arrived: dict[Node, np.ndarray] = {}
        self.shares: defaultdict[Node, list[tuple[Function, np.ndarray]]] = defaultdict(list)

    def computed(self, node: Function, inputs: Sequence[Tensor], result: Tensor) -> None:
        """Note an operation that is part of the graph."""
        if result.creator is node:
            self.calls.append(Seen(node, inputs, result))

    def passing(self, node: Function, g: Tensor) -> None:
        """Note the gradient of a node: it is complete now."""
        self.arrived[node] = g.numpy().copy()

    def passed(self, node: Function, shares: Sequence[Any]) -> None:
        """Note what the node adds to the gradients of its parents."""
        for parent, share in zip(node.parents, shares, strict=True):
            if parent is not None and share is not None:
                array = share.numpy() if isinstance(share, Tensor) else np.asarray(share)
                self.shares[parent].append((node, array.copy()))

    def first(self, *kinds: type[Function]) -> Seen:
        """Return the first operation of these kinds."""
        return next(seen for seen in self.calls if isinstance(seen.node, kinds))
