"""Function: one differentiable operation, and what a call of it leaves behind for the way back.

Arrays in, array out; tensors in, tensor out. Called on arrays, an operation computes and returns an array.
Called on tensors it does the same with their arrays, and if one of them requires a gradient, the result
remembers the Function (`creator`), and the Function remembers where its inputs came from (`parents`). So a
result holds on to the graph of everything it was computed from, and `backward` walks it from there.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinycnn.backend import as_array, is_array, ordinary
from tinycnn.kernels.arrays import Array
from tinycnn.modes import modes
from tinycnn.tensor import Tensor, as_tensor, clock, wrap
from tinycnn.wrong import refuse_mixed_backends

from . import wrong


class Function:
    """One differentiable operation: a subclass says what it `keeps`, and has `forward` and `backward`.

    An instance is one use of the operation, and a node of the graph: make one, call it once. What `forward`
    needs besides arrays (a size, a slope) are options: attributes that ``__init__`` sets.

    Examples
    --------
    >>> from tinycnn import Function, Tensor
    >>> class Cube(Function):
    ...     "y = x^3. dL/dx = g * 3 * x^2."
    ...     keeps = "x"
    ...
    ...     def forward(self, x):
    ...         return x * x * x
    ...
    ...     def backward(self, g, x):
    ...         return g * 3 * x * x
    >>> x = Tensor([2.0], requires_grad=True)
    >>> Cube()(x).backward()
    >>> x.grad
    Tensor([12.])
    """

    # What `backward` gets besides g: names of forward's parameters, "y" for the result, and of attributes
    # that `forward` sets (the places of the maxima). All of it is freed once the gradient went through.
    keeps: str = ""
    floats = False  # whether it is meant for floating point numbers, so that integers become float32

    # Of each input: the operation that made it, or the leaf itself, or None if no gradient goes there.
    parents: Sequence[Function | Tensor | None] = ()
    needs_input_grad: Sequence[bool] = ()
    recorded_at: int  # on the clock
    shape: tuple[int, ...]  # of the result
    dtype: np.dtype
    retains: weakref.ref[Tensor] | None = None  # the result, if its gradient is wanted too
    # Our own backward gets arrays in a walk that is not recorded; a user's always gets tensors.
    of_this_package = False
    shortcut: Any = None  # past the nodes below it, for a walk that is not recorded: see `autograd.fast`
    _kept: Sequence[Tensor] | None = ()  # None once it is freed
    _kept_from: Sequence[int | str] = ()  # which input, "y" or the attribute's name

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        parameters = list(inspect.signature(cls.forward).parameters.values())[1:]  # without self
        inputs = [p.name for p in parameters if p.kind != p.VAR_POSITIONAL]
        cls.of_this_package = cls.__module__.startswith("tinycnn.")
        names = cls.keeps.replace(",", " ").split()
        cls._kept_from = tuple(inputs.index(n) if n in inputs else n for n in names)

    @property
    def name(self) -> str:
        """The operation's name."""
        return type(self).__name__

    def forward(self, /, *inputs: Array) -> Array:
        """Compute the result from the inputs' arrays."""
        raise NotImplementedError(f"{self.name} has no forward()")

    def backward(self, g: Any, /, *kept: Any) -> Any:
        """Return dL/d(input) of every input, given g = dL/dy and what `keeps` names.

        Written in operations, which take tensors and arrays: so the same lines serve a walk that is recorded,
        to be differentiated again, and one that is not. None stands for no gradient; `needs_input_grad` says
        which are asked for. A gradient may have the shape that its input was broadcast to: it is summed over
        the copies.
        """
        raise NotImplementedError(f"{self.name} has no backward(): its derivative is not written yet")

    def __call__(self, *inputs: Any) -> Any:
        """Compute the result, and record the operation if one of the inputs requires a gradient."""
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        if len(tensors) < len(inputs):
            return self._call_with_others(inputs, tensors[0] if tensors else None)
        arrays = [x._data for x in tensors]
        if len(set(map(type, arrays))) > 1:
            refuse_mixed_backends(self.name, tensors)
        if self.parents:
            raise wrong.called_before(self)
        self.needs_input_grad = tuple([x._requires_grad for x in tensors])
        result = wrap(self.compute(arrays))
        if modes().grad_enabled and any(self.needs_input_grad) and result.dtype.kind == "f":
            self._record(tensors, result)
        for computed in modes().observers.computed:
            computed(self, tensors, result)
        return result

    def _call_with_others(self, inputs: Sequence[Any], like: Tensor | None) -> Any:
        """Compute from arrays alone, or call with the tensors that the arrays and numbers are made into."""
        if like is None and any(hasattr(x, "dtype") for x in inputs):
            return self.compute([ordinary(x) if is_array(x) else x for x in inputs])
        return self(*[x if isinstance(x, Tensor) else self.tensor(x, like) for x in inputs])

    def tensor(self, value: Any, like: Tensor | None) -> Tensor:
        """Return an input as a tensor: an array as a constant, a number with the dtype of `like`."""
        if not hasattr(value, "dtype") and not isinstance(value, int | float):
            raise wrong.no_tensor(self, value)
        return as_tensor(value, like)

    def compute(self, inputs: Sequence[Any]) -> Array:
        """Run `forward` on arrays."""
        try:
            y = self.forward(*_promoted(inputs, self.floats))
            if y is None:
                raise wrong.no_result(self)
            return y if type(y) is np.ndarray else as_array(y)
        except Exception as error:
            for failed in modes().observers.failed:
                failed(self, "forward", inputs, error)
            raise

    def _record(self, inputs: Sequence[Tensor], result: Tensor) -> None:
        """Make this a node of the graph."""
        self.recorded_at = next(clock)
        self.parents = [(x.creator or x) if x._requires_grad else None for x in inputs]
        self.shape, self.dtype = result.shape, result.dtype
        self._kept = self.keep(inputs, result)
        result.creator, result._requires_grad = self, True

    def keep(self, inputs: Sequence[Tensor], result: Tensor) -> Sequence[Tensor]:
        """Return what `keeps` names."""
        # Detached: the result itself would close a circle, result -> creator -> what it keeps -> result.
        return [
            inputs[k] if isinstance(k, int) else result.detach() if k == "y" else wrap(self._taken(k))
            for k in self._kept_from
        ]

    def _taken(self, name: str) -> Array:
        """Take an attribute out of the instance and return it."""
        if name not in vars(self):
            raise wrong.keeps(self, name)
        return vars(self).pop(name)

    @property
    def kept(self) -> Sequence[Any]:
        """What `keeps` names: inputs and the result as tensors of the graph, attributes as they are."""
        if self._kept is None:
            raise wrong.freed(self)
        return [
            x if isinstance(k, int) else self._result(x) if k == "y" else x.data
            for k, x in zip(self._kept_from, self._kept, strict=True)
        ]

    def _result(self, detached: Tensor) -> Tensor:
        """Return the result as a tensor of the graph again."""
        result = detached.detach()
        result.creator, result._requires_grad = self, True
        return result

    def release(self) -> None:
        """Free what is kept."""
        if self._kept:
            self._kept = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.recorded_at = next(clock)  # on the clock of this process; a pickle restores the parents first


def _promoted(inputs: Sequence[Any], floats: bool) -> Sequence[Any]:
    """Return the arrays; integers among floats get the floats' dtype: PyTorch's rule, NumPy's is float64."""
    kinds = {x.dtype.kind for x in inputs if hasattr(x, "dtype")}
    return inputs if kinds == {"f"} or not ("f" in kinds or floats) else _in_floats(inputs)


def _in_floats(inputs: Sequence[Any]) -> Sequence[Any]:
    """Return the arrays with integers as the floats among them, or else as float32."""
    real = [x.dtype for x in inputs if hasattr(x, "dtype") and x.dtype.kind == "f"]
    to = np.result_type(*real) if real else np.dtype("float32")
    return [x.astype(to) if hasattr(x, "dtype") and x.dtype.kind != "f" else x for x in inputs]
