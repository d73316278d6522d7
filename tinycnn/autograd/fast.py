"""The same call and the same walk, faster: on small arrays, Python takes longer than the arithmetic.

What is different from `function` and `backward`:

- a call looks everything up once, and has the cases of one and of two inputs written out as well;
- a walk that is not recorded passes arrays instead of tensors;
- it adds gradients up in place, and hands out arrays that nobody else has without copying them;
- a node may have a shortcut: one pass over its gradient that does the work of several nodes; see `Shortcut`.

What is watched (`detect_anomaly`), recorded (`create_graph`) or fails goes the plain way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from numpy import ndarray

from tinycnn.backend import as_array
from tinycnn.dispatch import tell
from tinycnn.kernels.arena import is_alone
from tinycnn.kernels.arrays import Array
from tinycnn.modes import modes, set_grad_enabled
from tinycnn.tensor import Tensor, clock, wrap

from . import backward
from .backward import Node, shares
from .broadcasting import fitted
from .function import Function
from .safety import share_memory

_plain_call, _plain_walk = Function.__call__, backward.walk
_always = modes().observers  # those of `autograd.safety`, which every call has
_ALL = (), (0,), (0, 1)  # what is kept if all inputs are: none, one or two


Contributions = tuple[Sequence[Array | None], Sequence[Node | None]]  # gradients, and where they go


class Shortcut(Protocol):
    """What several nodes in a row contribute, computed at once when the gradient arrives at the first.

    They must be recorded one directly after another. If a gradient also arrives at one of the others, this
    passes it on as always: derivatives add up.
    """

    nodes: Sequence[Function]  # the others

    def backward(self, g: Array, /, *kept: Array) -> Contributions:
        """Return it for those that the gradient reaches behind the nodes; `kept` is the first node's."""
        ...


def call(self: Function, *inputs: Any) -> Any:
    """Compute and record: the same as `Function.__call__`."""
    count = len(inputs)
    if count == 0 or type(inputs[0]) is ndarray:
        return _call_on_arrays(self, *inputs)
    two = count == 2
    needs: tuple[bool, ...]
    try:
        if two:
            a, b = inputs
            u, v = a._data, b._data
            needs = need_a, need_b = a._requires_grad, b._requires_grad
            usual = u.dtype is v.dtype and type(u) is type(v) is ndarray
        else:
            a = inputs[0]
            arrays = [x._data for x in inputs]
            needs = tuple([x._requires_grad for x in inputs])
            u = arrays[0]
            usual = not [v for v in arrays if type(v) is not ndarray or v.dtype is not u.dtype]
    except AttributeError:
        return _call_with_constants(self, *inputs) if two else _plain_call(self, *inputs)
    mode = modes()
    if not usual or self.parents or mode.observers is not _always or (self.floats and u.dtype.kind != "f"):
        return _plain_call(self, *inputs)
    self.needs_input_grad = needs
    try:
        y = self.forward(u, v) if two else self.forward(*arrays)
    except Exception:
        y = None
    if y is None:  # it failed, and will do so again: the plain call says why
        return _plain_call(self, *inputs)
    if type(y) is not ndarray:
        y = as_array(y)
    result = Tensor.__new__(Tensor)
    result._data, result._grad = y, None
    shared = (y.base is not None or y is u) and share_memory(y, u)
    result._changed_at = a._changed_at if shared else [0]
    dtype = y.dtype
    if not (True in needs and mode.grad_enabled and dtype.kind == "f"):
        result.creator, result._requires_grad = None, False
        return result
    self.recorded_at = next(clock)
    if two:
        self.parents = (a.creator or a) if need_a else None, (b.creator or b) if need_b else None
    else:
        self.parents = [(x.creator or x) if need else None for x, need in zip(inputs, needs, strict=True)]
    self.shape, self.dtype = y.shape, dtype
    if kept_from := self._kept_from:
        self._kept = inputs if count < 3 and kept_from == _ALL[count] else self.keep(inputs, result)
    result.creator, result._requires_grad = self, True
    return result


def _call_with_constants(self: Function, a: Any, b: Any) -> Any:
    """Call with a number or an array made into a tensor, if one of the two inputs is a tensor."""
    like = a if isinstance(a, Tensor) else b if isinstance(b, Tensor) else None
    if like is None:
        return _plain_call(self, a, b)
    return call(self, self.tensor(a, like), self.tensor(b, like))


def _call_on_arrays(self: Function, *inputs: Any) -> Any:
    """Call without any look at what they are, if all inputs are NumPy arrays of one float type."""
    unusual = [x for x in inputs if type(x) is not ndarray or x.dtype is not inputs[0].dtype]
    if unusual or not inputs or inputs[0].dtype.kind != "f" or modes().observers is not _always:
        return _plain_call(self, *inputs)
    try:
        y = self.forward(*inputs)
    except Exception:
        y = None
    if y is None:  # as above
        return _plain_call(self, *inputs)
    return y if type(y) is ndarray else as_array(y)


def walk(
    order: list[Function],
    seeds: Mapping[Node, Tensor],
    wanted: Iterable[Node] | None,
    create_graph: bool,
    retain_graph: bool,
) -> dict[Node, Tensor]:
    """Pass gradients down the graph: the same as `backward.walk`."""
    if create_graph or modes().observers is not _always:
        return _plain_walk(order, seeds, wanted, create_graph, retain_graph)
    for walking in _always.walking:
        walking(order)
    return _pass_on(order, seeds, None if wanted is None else set(wanted), retain_graph)


def _pass_on(
    order: list[Function], seeds: Mapping[Node, Tensor], wanted: set[Node] | None, retain_graph: bool
) -> dict[Node, Tensor]:
    gradients: dict[Node, Array] = {node: seed._data for node, seed in seeds.items()}
    results: dict[Node, Array] = {}  # the wanted gradients of results; those of leaves stay in `gradients`
    sums: set[Node] = set()  # whose gradient was added up here: to such an array, more is added in place
    node, g = order[0] if order else None, None
    try:
        with set_grad_enabled(False):
            for node in order:
                g = gradients.pop(node, None)
                if g is None:
                    continue
                if wanted is None:
                    if node.retains is not None:
                        results[node] = g
                else:
                    if node in wanted:
                        results[node] = g
                    if True not in node.needs_input_grad:
                        continue
                kept, parents = node._kept, node.parents
                if kept is None or not node.of_this_package:
                    found = _of_tensors(node, g)
                elif node.shortcut is not None:
                    found, parents = node.shortcut.backward(g, *[x._data for x in kept])
                    others = node.shortcut.nodes
                    # They are reached in another way too in the graph of a gradient.
                    if not retain_graph and gradients.keys().isdisjoint(others):
                        for other in others:
                            other.release()
                elif kept:
                    found = node.backward(g, *[x._data for x in kept])
                else:
                    found = node.backward(g)
                if type(found) is not tuple:
                    found = (found,)
                for i, parent in enumerate(parents):  # zip() costs as much again as the loop
                    share = found[i]
                    if parent is None or share is None:
                        continue
                    total = gradients.get(parent)
                    like = parent if total is None else total
                    if share.shape != like.shape or share.dtype is not like.dtype:
                        share = fitted(node, i, share)
                    if total is None:
                        gradients[parent] = share  # left alone: it may be part of other gradients too
                    elif parent in sums:
                        total += share
                    else:
                        gradients[parent] = total + share
                        if total.shape:  # without dimensions the sum is a number, which nothing is added to
                            sums.add(parent)
                if kept and not retain_graph:
                    node._kept = None
            taken = {id(seed._data) for seed in seeds.values()}
            leaves = {
                x: g for x, g in gradients.items() if isinstance(x, Tensor) if not wanted or x in wanted
            }
            return {x: _own(g, taken) for x, g in (leaves | results).items()}
    except MemoryError as error:
        if node is not None:
            for failed in _always.failed:
                failed(node, "backward", [g], error)
        raise


def _of_tensors(node: Function, g: Array) -> tuple[Array | None, ...]:
    """Return what a user's Function contributes: its backward takes tensors, and may keep what it returns."""
    return tuple([None if s is None else s.data.copy() for s in shares(node, wrap(as_array(g)))])


def _own(g: Array, taken: set[int]) -> Tensor:
    """Return a gradient as a tensor whose array is not among `taken`, and is changed by nobody else."""
    array = as_array(g)
    repeated = 0 in array.strides  # by broadcasting: such an array shares memory with itself
    if repeated or not is_alone(array) or id(array) in taken:
        array = array.copy()
    taken.add(id(array))
    return wrap(array)


def switch(on: bool) -> None:
    """Go the fast way, or the plain one, from here on."""
    Function.__call__ = call if on else _plain_call  # type: ignore[method-assign]
    backward.walk = walk if on else _plain_walk


# The plain kernels come with the plain engine.
tell(lambda kernels: switch(kernels is None or kernels.name != "plain"))
