"""The way back through the graph: the order of the nodes, the walk, and `Tensor.backward`."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from tinycnn.kernels.arrays import array_module
from tinycnn.modes import modes, set_grad_enabled
from tinycnn.tensor import Tensor, as_tensor, wrap
from tinycnn.wrong import refuse_mixed_backends

from . import wrong
from .broadcasting import fitted
from .function import Function

Node = Function | Tensor  # an operation, which stands for its result, or a leaf


def topological_order(roots: Iterable[Node]) -> list[Function]:
    """Return every Function below `roots`, each after all that use its result: so each is visited once.

    A node's gradient is the SUM over all its uses, and must be complete before it is passed on. If each share
    were passed on at once, 40 lines like ``b = a + a`` would take 2**40 visits.

    It is the order of recording, backwards: whatever uses a result is recorded after it. The nodes are
    collected in a list, because Python's recursion ends at about a thousand nodes.
    """
    seen: set[Node | None] = {None, *roots}
    order = [node for node in seen if isinstance(node, Function)]
    for node in order:  # the list grows during the loop
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                if isinstance(parent, Function):
                    order.append(parent)
    order.sort(key=attrgetter("recorded_at"), reverse=True)
    return order


def walk(
    order: list[Function],
    seeds: Mapping[Node, Tensor],
    wanted: Iterable[Node] | None,
    create_graph: bool,
    retain_graph: bool,
) -> dict[Node, Tensor]:
    """Pass gradients from the outputs down, and return those of the nodes that are wanted.

    `seeds` are dL/d(output), and `order` is what `topological_order` returns for them. None wants all leaves,
    and the results that `retain_grad` was called for. The gradients share memory with nothing, as they are
    changed in place. The flags are those of `grad`.
    """
    for walking in modes().observers.walking:
        walking(order)
    wanted = _everything(seeds, order) if wanted is None else set(wanted)
    gradients = dict(seeds)
    with set_grad_enabled(create_graph):
        for node in order:
            if node in gradients and any(node.needs_input_grad):
                _pass_on(node, gradients[node] if node in wanted else gradients.pop(node), gradients)
                if not retain_graph:
                    node.release()
        return {node: _copy(g, create_graph) for node, g in gradients.items() if node in wanted}


def _pass_on(node: Function, g: Tensor, gradients: dict[Node, Tensor]) -> None:
    """Add what `node` contributes to the gradients of its parents."""
    for i, (parent, share) in enumerate(zip(node.parents, shares(node, g), strict=True)):
        if parent is not None and share is not None and node.needs_input_grad[i]:
            if share.shape != parent.shape or share.dtype != parent.dtype:
                share = fitted(node, i, share)
            gradients[parent] = gradients[parent] + share if parent in gradients else share


def _everything(seeds: Iterable[Node], order: Sequence[Function]) -> set[Node]:
    """Return the leaves, and the results that `retain_grad` was called for."""
    leaves = {x for x in (*seeds, *(p for node in order for p in node.parents)) if isinstance(x, Tensor)}
    return leaves | {node for node in order if node.retains is not None}


def _copy(g: Tensor, create_graph: bool) -> Tensor:
    return g * 1 if create_graph else wrap(g.data.copy())


def shares(node: Function, g: Tensor) -> Sequence[Tensor | None]:
    """Return what `node` contributes to the gradient of each input: what its `backward` returns."""
    observers = modes().observers
    for passing in observers.passing:
        passing(node, g)
    try:
        found = node.backward(g, *node.kept)
    except Exception as error:
        for failed in observers.failed:
            failed(node, "backward", [g.data], error)
        raise
    found = found if isinstance(found, tuple) else (found,)
    if len(found) != len(node.parents):
        raise wrong.count(node, len(found))
    for passed in observers.passed:
        passed(node, found)
    return [share if share is None or isinstance(share, Tensor) else as_tensor(share) for share in found]


def backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add d<gradient, self>/d(leaf) to ``leaf.grad`` of every leaf that requires it.

    Gradients ACCUMULATE. Every use of a tensor adds a share (the chain rule's sum), and every walk adds to
    what the walks before left: so zero them between steps.

    Parameters
    ----------
    gradient
        The same shape as this tensor; 1 by default, for a tensor of one element.
    retain_graph
        Keep what the graph keeps, to walk it again; by default only with `create_graph`.
    create_graph
        Record this walk too, so that the gradients can be differentiated.

    Raises
    ------
    RuntimeError
        No gradient is required, the shape of `gradient` differs, the graph was walked and freed before,
        or an array it kept was changed in place.
    """
    seeds: dict[Node, Tensor] = {self.creator or self: seed_of(self, gradient)}
    retain_graph = create_graph if retain_graph is None else retain_graph
    found = walk(topological_order(seeds), seeds, None, create_graph, retain_graph)
    with set_grad_enabled(create_graph):
        for node, g in found.items():
            x = node if isinstance(node, Tensor) else node.retains() if node.retains else None
            if x is not None:
                x._grad = g if x._grad is None else x._grad + g


def retain_grad(self: Tensor) -> None:
    """Let `backward` leave the gradient of this result, too, in ``grad``; leaves always have theirs."""
    if self.creator is not None:
        self.creator.retains = weakref.ref(self)


def seed_of(y: Tensor, gradient: Any) -> Tensor:
    """Return `gradient` as a tensor like `y`, 1 for None."""
    if not y.requires_grad or (gradient is None and y.numel() != 1):
        raise wrong.no_start(y)
    return wrap(array_module(y.data).ones(y.shape, y.dtype)) if gradient is None else _given(y, gradient)


def _given(y: Tensor, gradient: Any) -> Tensor:
    """Return the gradient that a user gave as a tensor, checked to be like `y`."""
    seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient, y.dtype, backend=y.backend)
    if seed.shape != y.shape:
        raise RuntimeError(f"the gradient has shape {seed.shape}, the tensor {y.shape}: they must be equal")
    refuse_mixed_backends("backward", (y, seed))
    return seed


Tensor.backward = backward  # type: ignore[assignment, method-assign]
Tensor.retain_grad = retain_grad  # type: ignore[assignment, method-assign]
