"""Run an operation on the engine and keep everything it computed, forward and backward."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinycnn.functional.cards import CARDS
from tinycnn.modes import observed
from tinycnn.tensor import Tensor

from .cells import Cells
from .recorder import Recorder
from .watch import Watch


@dataclass(frozen=True)
class Call:
    """One call to explain: its arguments by the operation's own names, and what is asked for."""

    operation: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    backward: bool = False
    gradient: Any = None
    cells: Cells | None = None
    shown: Mapping[str, Any] = field(default_factory=dict)  # the options that the caller gave

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def equation(self) -> int | None:
        """The number of the documented equation, from the operation's card."""
        return CARDS[self.operation].equation if self.operation in CARDS else None

    def recorder(self, arrays: Mapping[str, np.ndarray], titles: Mapping[str, str] | None = None) -> Recorder:
        """Return a recorder for the steps of this call; `titles` are those of its panels."""
        return Recorder(self.operation, self.shown, arrays, self.cells, self.equation, titles)


def leaf(value: Any) -> Tensor:
    """Return `value` as a new leaf tensor in NumPy that requires a gradient; integers become float32."""
    array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"explain needs arrays of numbers, got {type(value).__name__}: {value!r:.60}")
    if array.dtype.kind != "f" or not hasattr(value, "dtype"):
        array = array.astype(np.float32)
    return Tensor(array.copy(), requires_grad=True, backend="numpy")


def run(
    call: Call, names: Mapping[str, str], titles: Mapping[str, str] | None = None, result: str = "y"
) -> tuple[Recorder, Watch]:
    """Run the operation forward, and backward if asked, on copies of its inputs.

    Parameters
    ----------
    call
        The operation and its arguments.
    names
        The differentiable arguments, and what equations call them: ``{"x": "x", "weight": "w"}``; the
        members of a list called x are x0, x1, ...
    titles
        What panels say of each array.
    result
        What equations call the result.

    Returns
    -------
    rec
        Has the inputs and the result by these names; after backward ``g`` and ``dL/dx`` of each input.
    watch
        Every operation of the engine that ran.

    Raises
    ------
    TypeError, ValueError
        If the operation refuses its arguments.
    """
    arguments = {
        arg: value.to("numpy") if isinstance(value, Tensor) else value
        for arg, value in call.arguments.items()
    }
    leaves: dict[str, Tensor] = {}
    for arg, name in names.items():
        if arg == "tensors":  # several in a list
            several = {f"{name}{n}": leaf(x) for n, x in enumerate(arguments[arg])}
            arguments[arg] = list(several.values())
            leaves |= several
        elif arguments[arg] is not None:
            leaves[name] = arguments[arg] = leaf(arguments[arg])
    bound = inspect.BoundArguments(inspect.signature(call.function), arguments)
    watch = Watch()
    with observed(watch):
        y = call.function(*bound.args, **bound.kwargs)
        arrays = {name: x.numpy() for name, x in leaves.items()} | {result: y.numpy()}
        if call.backward:
            arrays["g"] = gradient_of(y, call.gradient)
            y.backward(arrays["g"])
    for name, x in leaves.items():
        if x.grad is not None:
            arrays[f"dL/d{name}"] = x.grad.numpy()
    return call.recorder(arrays, titles), watch


def gradient_of(y: Tensor, gradient: Any) -> np.ndarray:
    """Return dL/dy as an array: the given one, or ones, for which L is the sum of y.

    Raises
    ------
    ValueError
        If its shape is not that of y.
    """
    if gradient is None:
        return np.ones(y.shape, y.dtype)
    array = gradient.numpy() if isinstance(gradient, Tensor) else np.asarray(gradient)
    if array.shape != y.shape:
        raise ValueError(f"gradient= is dL/dy and must have y's shape {y.shape}, got {array.shape}")
    return array.astype(y.dtype)
