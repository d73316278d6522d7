"""Tensor, Function and the walk back through the graph: the whole of autograd.

A `Function` computes an array from arrays (`forward`) and knows its derivative (`backward`). Calling one on
tensors makes a tensor that remembers the Function that created it, and the Function remembers where its
inputs came from. So the results of a computation hold on to a graph, and `backward` walks it from the end.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from tinycnn import backend as _backend
from tinycnn import dlpack, gpu
from tinycnn.anomaly import check_backward, check_forward, check_gradients, fingerprint, user_line
from tinycnn.kernels.arena import is_alone
from tinycnn.kernels.arrays import Array, array_module
from tinycnn.modes import modes, set_grad_enabled


class Tensor:
    """An array that can ask for its gradient.

    Parameters
    ----------
    data
        A number, a nested list, an array or a Tensor. An array of the current backend (`tinycnn.use`) is
        shared, not copied; a CuPy array stays where it is; everything else becomes a new array there.
    dtype
        By default that of `data`; Python floats become float32.
    requires_grad
        Whether `backward` shall leave dL/d(this tensor) in ``grad``. Floating point only.
    backend
        "numpy" or "cupy": where the array shall live instead.

    Raises
    ------
    TypeError
        For data that are not numbers, and for a gradient of integers.

    Examples
    --------
    >>> import tinycnn
    >>> x = tinycnn.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad  # dy/dx = 2x
    Tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_changed_at", "_data", "_requires_grad", "creator", "grad")
    __array_ufunc__ = None  # so that `array * tensor` asks the tensor

    _data: Array
    _requires_grad: bool
    _changed_at: list[int]  # when the array was last changed in place; views of one array share the list
    creator: Function | None  # the operation whose result this is; None for a leaf
    grad: Tensor | None

    def __init__(
        self, data: Any, dtype: Any = None, requires_grad: bool = False, backend: str | None = None
    ) -> None:
        self._data = _new_array(data, dtype, backend)
        self._changed_at = data._changed_at if isinstance(data, Tensor) and data._data is self._data else [0]
        self.creator = None
        self.grad = None
        self._requires_grad = False
        if requires_grad:
            self.requires_grad = True

    @property
    def data(self) -> Array:
        """The array itself. Writing to it is not recorded; ``t.data -= step`` is noticed as a change."""
        return self._data

    @data.setter
    def data(self, array: Array) -> None:
        self._data = array
        self._changed_at[0] = next(_clock)

    def mark_dirty(self) -> None:
        """Say that the array was changed in place, so that a graph which saved it refuses to go on."""
        self._changed_at[0] = next(_clock)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._data.dtype.kind != "f":
            raise TypeError(
                f"only floating point tensors can require a gradient, this one of shape {self.shape} is "
                f"{self._data.dtype}; make it Tensor(data, dtype='float32', requires_grad=True)"
            )
        if not value and self.creator is not None:
            raise RuntimeError(
                f"only a leaf can stop requiring a gradient; {self!r} is a result: use detach()"
            )
        self._requires_grad = value

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of all dimensions."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype."""
        return self._data.dtype

    @property
    def backend(self) -> str:
        """Where the array lives, "numpy" or "cupy"."""
        return _backend.backend_of(self._data)

    @property
    def is_leaf(self) -> bool:
        """Whether this is no operation's result."""
        return self.creator is None

    def numel(self) -> int:
        """Return the number of elements."""
        return self._data.size

    def item(self) -> float:
        """Return the only element as a Python number."""
        if self._data.size != 1:
            raise ValueError(f"item() is for one element, this tensor has {self._data.size}: {self.shape}")
        return self._data.item()

    def numpy(self) -> np.ndarray:
        """Return the array in NumPy: the array itself where it lives there, else a copy."""
        return _backend.to_backend(self._data, "numpy")

    def detach(self) -> Tensor:
        """Return a tensor with the same array that no gradient flows through."""
        return _view_of(self, self._data)

    def argmax(self, dim: int | None = None) -> Tensor:
        """Return where the (first) maximum along `dim` is, int64; no gradient."""
        return Tensor(self._data.argmax(axis=dim), backend=self.backend)

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add d<gradient, self>/d(leaf) to ``leaf.grad`` of every leaf that requires it.

        Gradients ACCUMULATE, within one walk as between walks: with ``b = a + a; c = b + b`` every use of a
        tensor contributes one term to its derivative (the chain rule's sum). So zero them between steps.

        Parameters
        ----------
        gradient
            The same shape as this tensor; 1 by default, for a tensor of one element.
        retain_graph
            Keep what the graph saved, to walk it again; by default only with `create_graph`.
        create_graph
            Record this walk too, so that the gradients can be differentiated.

        Raises
        ------
        RuntimeError
            No gradient is required, the shape of `gradient` differs, the graph was walked and freed before,
            or an array it saved was changed in place.
        """
        _walk([self], [_seed_gradient(self, gradient)], None, create_graph, retain_graph)

    def retain_grad(self) -> None:
        """Let `backward` leave the gradient of this result, too, in ``grad``; leaves always have theirs."""
        if self.creator is not None:
            self.creator.retains = weakref.ref(self)

    def __setstate__(self, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
        for attributes in state:
            for name, value in (attributes or {}).items():
                setattr(self, name, value)
        self._changed_at[0] = 0  # a pickle may come from another process, whose clock was ahead

    def __setitem__(self, key: Any, value: Any) -> None:
        followed = self._requires_grad or (isinstance(value, Tensor) and value._requires_grad)
        if (followed and modes().grad_enabled) or self.creator is not None:
            raise RuntimeError(
                f"cannot write into {self!r}: gradients do not follow assignments. Under tinycnn.no_grad() a "
                "leaf can be written to; else build a new tensor with where() or concatenate()"
            )
        key = tuple(map(_plain, key)) if isinstance(key, tuple) else _plain(key)
        self._data[key] = _plain(value)
        self.mark_dirty()

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} is neither true nor false as a whole")
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if not isinstance(self._data, np.ndarray):
            raise TypeError(
                f"a tensor of shape {self.shape} on {self.backend} is not copied silently: use tensor.numpy()"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    @classmethod
    def from_dlpack(cls, source: Any) -> Tensor:
        """Return a tensor that shares memory with another library's array; see `tinycnn.dlpack`."""
        array = dlpack.imported(source)
        return cls(array, backend=_backend.backend_of(array))

    def __dlpack__(self, **options: Any) -> Any:
        return dlpack.exported(self._data, self._requires_grad, options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.device_of(self._data)

    # `==` compares elements; in sets and as a key, a tensor is itself.
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        prefix = "Tensor("
        text = np.array2string(self.numpy(), separator=", ", prefix=prefix, threshold=100, edgeitems=2)
        notes = [text]
        if self.dtype.name not in ("float32", "int64", "bool"):
            notes.append(f"dtype={self.dtype.name}")
        if self.backend != "numpy":
            notes.append(f"backend={self.backend!r}")
        if self.creator is not None:
            notes.append(f"creator={self.creator.name}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return prefix + ", ".join(notes) + ")"

    # The operators and methods below are operations; functional/ stands above this file and attaches them.
    if TYPE_CHECKING:
        T: Tensor

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def pow(self, exponent: Any) -> Tensor: ...
        def clip(self, min: float | None = None, max: float | None = None) -> Tensor: ...
        def sum(self, dim: Any = None, keepdim: bool = False) -> Tensor: ...
        def mean(self, dim: Any = None, keepdim: bool = False) -> Tensor: ...
        def var(self, dim: Any = None, correction: int = 1, keepdim: bool = False) -> Tensor: ...
        def max(self, dim: int | None = None, keepdim: bool = False) -> Tensor: ...
        def min(self, dim: int | None = None, keepdim: bool = False) -> Tensor: ...
        def logsumexp(self, dim: Any, keepdim: bool = False) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor: ...
        def permute(self, *dims: Any) -> Tensor: ...
        def transpose(self, dim0: int, dim1: int) -> Tensor: ...
        def to(self, target: Any) -> Tensor: ...
        def relu(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def softmax(self, dim: int) -> Tensor: ...
        def log_softmax(self, dim: int) -> Tensor: ...


# One clock for operations that are recorded and for changes in place. A saved array is what it was if it was
# not changed after the recording; and inputs are recorded before results, so the times say how to walk back.
_clock = itertools.count(1)


class Function:
    """One differentiable operation. A subclass gives its options, `forward` and `backward`; see `Mul`.

    An instance is one use of the operation, and a node of the graph: make one, call it once.
    """

    parents: Sequence[Function | Tensor | None] = ()  # per input: its creator, or the leaf, or no gradient
    needs_input_grad: Sequence[bool] = ()
    recorded_at: int  # on the clock
    shape: tuple[int, ...]  # of the result
    dtype: np.dtype
    retains: weakref.ref[Tensor] | None = None
    line: str = ""  # where the user called it, recorded under detect_anomaly

    _saved: Sequence[Array] | None = ()  # None once it is freed
    _saved_from: Sequence[Tensor] = ()  # the tensors that the saved arrays belong to
    _saved_result: Tensor | None = None  # the one among them that is the result
    _fingerprints: Sequence[int] = ()  # of the saved arrays, under detect_anomaly

    @property
    def name(self) -> str:
        """The operation's name."""
        return type(self).__name__

    def forward(self, *arrays: Array) -> Array:
        """Compute the result from the inputs' arrays."""
        raise NotImplementedError(f"{self.name} has no forward()")

    def backward(self, g: Tensor) -> Tensor | tuple[Tensor | None, ...] | None:
        """Return dL/d(input) of every input, given `g` = dL/d(result), written in differentiable operations.

        None stands for no gradient; ``needs_input_grad`` says which are not asked for.
        """
        raise NotImplementedError(f"{self.name} has no backward(): its derivative is not written yet")

    def backward_arrays(self, g: Array) -> Array | tuple[Array | None, ...] | None:
        """Do as `backward`, from array to arrays: for a walk that is not recorded."""
        gradients = self.backward(_wrap(_as_array(g)))
        if isinstance(gradients, tuple):
            return tuple([_plain(gradient) for gradient in gradients])
        return _plain(gradients)

    def save_for_backward(self, *arrays: Array) -> None:
        """Keep arrays of `forward` for `backward`: inputs, the result, or others."""
        self._saved = arrays

    @property
    def saved_tensors(self) -> Sequence[Tensor]:
        """What `forward` saved, as tensors: an input or the result is connected to the graph.

        Raises
        ------
        RuntimeError
            Where the graph was freed, or an array has been changed in place since.
        """
        self._check_saved()
        if self._saved_result is None:
            return self._saved_from
        return [self._connected(x) if x is self._saved_result else x for x in self._saved_from]

    def saved_like(self, g: Any) -> Sequence[Any]:
        """Return what `forward` saved: `saved_tensors` where `g` is a tensor, arrays where it is an array."""
        saved = self._check_saved()
        return saved if type(g) is ndarray or not isinstance(g, Tensor) else self.saved_tensors

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Run `forward` on the inputs' arrays and record the operation if a gradient is required."""
        try:
            arrays = [x._data for x in inputs]
        except AttributeError:
            kinds = ", ".join(type(x).__name__ for x in inputs)
            raise TypeError(f"{self.name} takes tensors, got {kinds}: wrap arrays in Tensor()") from None
        if len(arrays) > 1:
            refuse_mixed_backends(self.name, inputs)
            arrays = _distinct(arrays)
        if self.parents:
            raise self._called_before()
        parents = [(x.creator or x) if x._requires_grad else None for x in inputs]
        self.needs_input_grad = tuple([parent is not None for parent in parents])
        try:
            y = self.forward(*arrays)
        except MemoryError as error:
            gpu.explain(error, self.name, arrays)
            raise
        return self._finish(y, inputs, arrays, parents)

    def _finish(
        self,
        y: Any,
        inputs: Sequence[Tensor],
        arrays: Sequence[Array],
        parents: Sequence[Function | Tensor | None],
    ) -> Tensor:
        """Make a tensor of what `forward` returned, and of this a node of the graph if that is wanted."""
        if type(y) is not ndarray:
            scalar, y = y, _as_array(y)
            # NumPy makes scalars of results without dimensions; a saved one is the result all the same.
            self._saved = [y if saved is scalar else saved for saved in self._saved or ()]
        result = _wrap(y)
        if (y.base is not None or y is arrays[0]) and _shares_memory(y, arrays[0]):
            result._changed_at = inputs[0]._changed_at
        mode, dtype = modes(), y.dtype
        if True in self.needs_input_grad and mode.grad_enabled and dtype.kind == "f":
            self.recorded_at = next(_clock)
            self.parents = parents
            self.shape, self.dtype = y.shape, dtype
            # The class says the same, but what is found in the instance is read in a quarter of the time.
            self.retains = self._saved_result = None
            self._saved_from = self._fingerprints = ()
            if self._saved:
                self._keep(self._saved, inputs, arrays, result)
            result.creator = self
            result._requires_grad = True
        if mode.detect_anomaly:
            self.line = user_line()
            self._fingerprints = [fingerprint(x._data) for x in self._saved_from]
            check_forward(self.name, self.line, arrays, y)
        return result

    def _keep(
        self, saved: Sequence[Array], inputs: Sequence[Tensor], arrays: Sequence[Array], result: Tensor
    ) -> None:
        """Find the tensors that the saved arrays belong to."""
        self._saved_from = tensors = []
        for array in saved:
            for x in inputs:
                if x._data is array:
                    tensors.append(x)
                    break
            else:
                tensors.append(self._owner(array, inputs, arrays, result))

    def _owner(
        self, array: Array, inputs: Sequence[Tensor], arrays: Sequence[Array], result: Tensor
    ) -> Tensor:
        """Return the tensor that a saved array belongs to, if it is not as simple as an input's own array."""
        if array is result._data:
            # Another tensor with its array: the result itself would close a circle with its creator.
            self._saved_result = _view_of(result, array)
            return self._saved_result
        for x, given in zip(inputs, arrays, strict=True):
            if array is given:  # see _distinct()
                return x
        return _wrap(array)

    def _check_saved(self) -> Sequence[Array]:
        """Return the saved arrays if they are still there, and still the same."""
        if self._saved is None:
            raise RuntimeError(
                f"{self.name}: the graph was walked before and what it saved is freed; "
                "to walk it twice, call the first backward() or grad() with retain_graph=True"
            )
        for x in self._saved_from:
            if x._changed_at[0] > self.recorded_at:
                raise self._changed(x)
        if self._fingerprints:
            for x, before in zip(self._saved_from, self._fingerprints, strict=True):
                if fingerprint(x._data) != before:
                    raise self._changed(x)
        return self._saved

    def _connected(self, saved: Tensor) -> Tensor:
        """Return the saved result as what it was: the result of this operation."""
        result = _view_of(saved, saved._data)
        result.creator, result._requires_grad = self, True
        return result

    def fit(self, gradient: Any, i: int, shape: tuple[int, ...]) -> Any:
        """Return a gradient (tensor or array) of input `i` in the input's shape; here, refuse another one."""
        raise RuntimeError(
            f"{self.name}.backward returned a gradient of shape {gradient.shape} "
            f"for its input {i} of shape {shape}"
        )

    def release(self) -> None:
        """Free what was saved."""
        self._saved = None if self._saved else ()
        self._saved_from, self._saved_result = (), None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.recorded_at = next(_clock)  # on this process's clock, after the parents: a pickle has them first

    def _called_before(self) -> RuntimeError:
        return RuntimeError(f"{self.name} was called before: an instance is one use, make one for each")

    def _changed(self, saved: Tensor) -> RuntimeError:
        return RuntimeError(
            f"{self.name} saved an array of shape {saved.shape} for backward, and it was "
            "changed in place since: the gradient would be wrong. Make a new tensor instead "
            "(x = x + 1), or change it after backward()"
        )


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
        Keep what the graph saved; by default only with `create_graph`.
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
    seeds = [_seed_gradient(y, g) for y, g in zip(outputs, grad_outputs, strict=True)]
    found = _walk(outputs, seeds, inputs, create_graph, retain_graph)
    gradients = tuple(found.get(x.creator or x) for x in inputs)
    for i, (x, gradient) in enumerate(zip(inputs, gradients, strict=True)):
        if gradient is None and not allow_unused:
            raise RuntimeError(
                f"the outputs do not depend on input {i} of shape {x.shape}; "
                "allow_unused=True returns None for it"
            )
    return gradients


def topological_order(roots: Iterable[Function | Tensor]) -> list[Function]:
    """Return every Function below `roots`, each after all that use its result.

    Why an order: a node's gradient is the SUM over all its uses, and must be complete before it is passed on.
    In ``b = a + a; c = b + b`` a walk that passed on every contribution at once would visit a's creator four
    times, and 40 such lines would take 2**40 visits. In this order each node is visited once.

    It is the order of recording, backwards: whatever uses a result is recorded after it. The nodes are
    collected in a list instead of by recursion, because Python's recursion ends at about a thousand nodes.
    """
    seen: set[Function | Tensor | None] = {None, *roots}
    order = [node for node in seen if isinstance(node, Function)]
    for node in order:  # grows meanwhile
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                if isinstance(parent, Function):
                    order.append(parent)
    order.sort(key=attrgetter("recorded_at"), reverse=True)
    return order


def _walk(
    outputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    inputs: Sequence[Tensor] | None,
    create_graph: bool,
    retain_graph: bool | None,
) -> dict[Function | Tensor, Tensor]:
    """Pass gradients from `outputs` down; return those of `inputs`, or add to every leaf's ``grad``.

    The gradients are tensors in a walk that is recorded, or looks for NaN, as operations on tensors do. Else
    they are plain arrays, which are faster, and can be added to in place.
    """
    retain_graph = create_graph if retain_graph is None else retain_graph
    on_arrays = not create_graph and not modes().detect_anomaly
    roots = [y.creator or y for y in outputs]
    order = topological_order(roots)
    wanted = {x.creator or x for x in inputs or ()}
    needed = None if inputs is None else _needed(order, wanted)
    gradients: dict[Function | Tensor, Any] = {}
    complete: dict[Function | Tensor, Any] = {}  # of wanted results on the way
    sums: set[Function | Tensor] | None = set() if on_arrays else None
    with set_grad_enabled(create_graph), gpu.explained("backward"):
        for root, seed in zip(roots, seeds, strict=True):
            g = seed._data if on_arrays else seed
            gradients[root] = gradients[root] + g if root in gradients else g
        for node in order:
            g = gradients.pop(node, None)
            if g is None:
                continue
            if inputs is None and node.retains is not None:
                _retain(node.retains(), g, create_graph)
            if on_arrays and needed is None:
                _pass_on(node, node.backward_arrays(g), gradients, sums)
            else:
                if node in wanted:
                    complete[node] = g
                _pass_on(node, _backward(node, g, needed), gradients, sums)
            if not retain_graph and node._saved_from:
                node.release()
        gradients.update(complete)
        taken = {id(seed._data) for seed in seeds}
        if inputs is None:
            for leaf, g in gradients.items():
                if isinstance(leaf, Tensor):
                    leaf.grad = _own(g, taken, create_graph) if leaf.grad is None else leaf.grad + g
        elif on_arrays:
            gradients = {node: _own(g, taken, create_graph) for node, g in gradients.items()}
    return gradients


def _needed(order: Sequence[Function], wanted: set[Function | Tensor]) -> set[Function | Tensor]:
    """Return `wanted` and every node between it and the outputs: no other needs a gradient."""
    needed = set(wanted)
    for node in reversed(order):  # inputs first
        if any(parent in needed for parent in node.parents if parent is not None):
            needed.add(node)
    return needed


def _backward(node: Function, g: Any, needed: set[Function | Tensor] | None) -> Any:
    """Return what `node` contributes to the gradients of its parents, of those that are needed."""
    asked = node.needs_input_grad
    if needed is not None:
        node.needs_input_grad = tuple([parent in needed for parent in node.parents])
    try:
        if True not in node.needs_input_grad:
            return (None,) * len(node.parents)
        if not isinstance(g, Tensor):
            return node.backward_arrays(g)
        if not modes().detect_anomaly:
            return node.backward(g)
        with check_backward(node.name, node.line, g._data):
            contributions = node.backward(g)
        several = contributions if isinstance(contributions, tuple) else (contributions,)
        check_gradients(node.name, node.line, [c._data for c in several if c is not None])
        return contributions
    finally:
        node.needs_input_grad = asked


def _pass_on(
    node: Function,
    contributions: Any,
    gradients: dict[Function | Tensor, Any],
    sums: set[Function | Tensor] | None,
) -> None:
    """Add what `node` contributes to the gradients of its parents.

    `sums` are the nodes whose gradient is an array that was made here, by adding up shares: to these, more is
    added in place. A first share is left alone, it may be part of other gradients too.
    """
    parents = node.parents
    if type(contributions) is not tuple:
        contributions = (contributions,)
    if len(contributions) != len(parents):
        raise RuntimeError(
            f"{node.name}.backward returned {len(contributions)} gradients for {len(parents)} inputs"
        )
    for i, parent in enumerate(parents):  # zip() costs as much again as the loop
        share = contributions[i]
        if parent is None or share is None:
            continue
        total = gradients.get(parent)
        like = parent if total is None else total
        if share.shape != like.shape:
            share = node.fit(share, i, parent.shape)
        if share.dtype is not like.dtype:
            share = share.to(like.dtype) if isinstance(share, Tensor) else share.astype(like.dtype)
        if total is None:
            gradients[parent] = share
        elif sums is None:
            gradients[parent] = total + share
        elif parent in sums:
            total += share
        else:
            gradients[parent] = total + share
            if total.shape:  # without dimensions, NumPy's sum is a number: that cannot be added to in place
                sums.add(parent)


def _retain(result: Tensor | None, g: Any, create_graph: bool) -> None:
    if result is not None:
        g = _copy(g, create_graph)
        result.grad = g if result.grad is None else result.grad + g


def _own(g: Any, taken: set[int], create_graph: bool) -> Tensor:
    """Return a gradient as a tensor whose array is not among `taken`: gradients are changed in place."""
    array = _as_array(_plain(g))
    repeated = 0 in array.strides  # by broadcasting: such an array shares memory with itself
    if repeated or not is_alone(array) or id(array) in taken:
        return _copy(g, create_graph)
    taken.add(id(array))
    return g if isinstance(g, Tensor) else _wrap(array)


def _copy(g: Any, create_graph: bool) -> Tensor:
    return g * 1 if create_graph else _wrap(_as_array(_plain(g)).copy())


def _seed_gradient(y: Tensor, gradient: Any) -> Tensor:
    """Return `gradient` as a tensor like `y`, 1 for None."""
    if not y.requires_grad:
        raise RuntimeError(
            f"a tensor of shape {y.shape} that requires no gradient has none: set requires_grad=True on a "
            "leaf it is computed from, and compute it outside no_grad()"
        )
    xp = array_module(y._data)
    if gradient is None:
        if y._data.size != 1:
            raise RuntimeError(
                f"a gradient starts from one number, but this tensor has shape {y.shape}: "
                "take its sum() or mean(), or give the gradient of that shape"
            )
        return _wrap(xp.ones(y.shape, y.dtype))
    seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient, y.dtype, backend=y.backend)
    if seed.shape != y.shape:
        raise RuntimeError(f"the gradient has shape {seed.shape}, the tensor {y.shape}: they must be equal")
    refuse_mixed_backends("backward", (y, seed))
    return seed


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """Return `value` as a tensor; a Python or NumPy number takes the dtype and backend of `like`.

    A number that the kind of `like` cannot hold (0.5 for int64, 2 for bool) keeps its own.
    """
    if isinstance(value, Tensor):
        return value
    if like is not None and isinstance(value, int | float | np.number | np.bool_):
        kind = like.dtype.kind
        fits = kind == "f" or (kind != "b" and isinstance(value, int | np.integer))
        dtype = like.dtype if fits else None
        if type(like._data) is ndarray:
            return _wrap(np.asarray(value, dtype))
        given = np.asarray(value, dtype)  # filled in on the GPU: nothing is copied there
        return _wrap(array_module(like._data).full((), value, given.dtype))
    if like is not None and not hasattr(value, "dtype"):
        return Tensor(value, backend=like.backend)
    return _wrap(value) if _is_array(value) else Tensor(value)


def _wrap(array: Array) -> Tensor:
    """Make a tensor of an array as it is, without the checks of the constructor."""
    tensor = Tensor.__new__(Tensor)
    tensor._data = array
    tensor._changed_at = [0]
    tensor.creator = None
    tensor.grad = None
    tensor._requires_grad = False
    return tensor


def _view_of(tensor: Tensor, array: Array) -> Tensor:
    """Make a tensor of an array that shares memory with `tensor`."""
    view = _wrap(array)
    view._changed_at = tensor._changed_at
    return view


def _new_array(data: Any, dtype: Any, backend: str | None) -> Array:
    if isinstance(data, Tensor):
        data = data._data
    elif isinstance(data, list | tuple) and any(isinstance(x, Tensor) for x in data):
        raise TypeError(
            "a list of tensors is no tensor: use stack() or concatenate(), which gradients follow"
        )
    if not _is_array(data):
        given = np.asarray(data)
        if given.dtype.kind == "f" and not hasattr(data, "dtype"):
            given = given.astype(np.float32)
        data = given
    if data.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds real numbers or booleans, not {data.dtype}: {data!r:.60}")
    if backend is None:
        backend = _backend.current() if isinstance(data, np.ndarray) else _backend.backend_of(data)
    array = _backend.to_backend(data, backend)
    return array if dtype is None else array.astype(dtype, copy=False)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


def _as_array(value: Any) -> Array:
    """Return `value`: NumPy's reductions and 0-dimensional arithmetic return numbers, not arrays."""
    return value if _is_array(value) else np.asarray(value)


def _plain(value: Any) -> Any:
    """Return the array of a tensor, anything else as it is."""
    return value._data if isinstance(value, Tensor) else value


def _distinct(arrays: list[Array]) -> list[Array]:
    """Return the arrays, one that comes twice as a view the second time.

    What `forward` saves is told by its identity. In ``x.detach() * x`` both inputs have one array, but only
    one of them has a gradient, and its derivative is the other, which has none.
    """
    if len(set(map(id, arrays))) == len(arrays):
        return arrays
    return [a.view() if any(a is b for b in arrays[:i]) else a for i, a in enumerate(arrays)]


def _shares_memory(view: Array, array: Array) -> bool:
    return view is array or (view.base is not None and (view.base is array or view.base is array.base))


def refuse_mixed_backends(name: str, tensors: Sequence[Tensor]) -> None:
    """Raise BackendError where the tensors given to the operation `name` do not live in one backend."""
    kind = type(tensors[0]._data)
    for x in tensors:
        if type(x._data) is not kind and x.backend != tensors[0].backend:
            a, b = tensors[0], x
            raise _backend.BackendError(
                f"{name}: one tensor {a.shape} lives in {a.backend}, another {b.shape} in {b.backend}; "
                f"move one with tensor.to({a.backend!r}) or tensor.to({b.backend!r})"
            )
