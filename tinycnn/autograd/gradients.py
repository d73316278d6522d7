"""`grad`: gradients by any tensors, as a result instead of in ``grad``."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tinycnn.modes import set_grad_enabled
from tinycnn.tensor import Tensor

from . import backward
from .backward import Node, seed_of, topological_order
from .function import Function


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return d<grad_outputs, outputs>/d(input) for every input, and leave every ``grad`` as it is.

    Parameters
    ----------
    outputs, inputs
        One tensor or several. Inputs may be leaves or results on the way.
    grad_outputs
        One for each output, of its shape; 1 by default, for outputs of one element.
    create_graph
        Record this walk too, so that the gradients can be differentiated again.
    retain_graph
        Keep what the graph keeps, to walk it again; by default only with `create_graph`.
    allow_unused
        Return None for an input that the outputs do not depend on, instead of an error.

    Raises
    ------
    RuntimeError
        As `Tensor.backward`, and for an unused input.

    Examples
    --------
    >>> import tinycnn
    >>> x = tinycnn.Tensor(2.0, requires_grad=True)
    >>> (first,) = tinycnn.grad(x**3, x, create_graph=True)  # 3 x^2
    >>> (second,) = tinycnn.grad(first, x)  # 6 x
    >>> first.item(), second.item()
    (12.0, 12.0)
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None or isinstance(grad_outputs, Tensor) or hasattr(grad_outputs, "shape"):
        grad_outputs = [grad_outputs] * len(outputs)
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"input {i} of shape {x.shape} does not require a gradient")
    seeds: dict[Node, Tensor] = {}
    with set_grad_enabled(create_graph):
        for y, given in zip(outputs, grad_outputs, strict=True):
            node, seed = y.creator or y, seed_of(y, given)
            seeds[node] = seeds[node] + seed if node in seeds else seed
    wanted = [x.creator or x for x in inputs]
    order, retain_graph = topological_order(seeds), create_graph if retain_graph is None else retain_graph
    with only_asked_for(wanted, order):
        found = backward.walk(order, seeds, wanted, create_graph, retain_graph)
    for i, (x, node) in enumerate(zip(inputs, wanted, strict=True)):
        if node not in found and not allow_unused:
            raise RuntimeError(
                f"the outputs do not depend on input {i} of shape {x.shape}; "
                "allow_unused=True returns None for it"
            )
    return tuple(map(found.get, wanted))


@contextmanager
def only_asked_for(wanted: Iterable[Node], order: Sequence[Function]) -> Iterator[None]:
    """Inside the ``with`` block, let only the gradients that wanted nodes depend on be asked for."""
    needed = set(wanted)
    for node in reversed(order):  # inputs first
        if any(parent in needed for parent in node.parents if parent is not None):
            needed.add(node)
    before = [node.needs_input_grad for node in order]
    try:
        for node in order:
            node.needs_input_grad = tuple(parent in needed for parent in node.parents)
        yield
    finally:
        for node, needs in zip(order, before, strict=True):
            node.needs_input_grad = needs
