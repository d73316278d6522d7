"""Module: parameters under names, and modules inside modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from tinycnn.elsewhere import OF_MODULES, attach
from tinycnn.tensor import Tensor

from . import wrong
from .weights import Weights

Hook = Callable[["Module", tuple[Any, ...], Tensor], None]


class Parameter(Tensor):
    """A tensor that training changes."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad=requires_grad)


class Buffer(Tensor):
    """A tensor that is saved with the weights but not trained: running statistics."""

    __slots__ = ()


class Module(Weights):
    """A layer, or a network of layers: assign parameters, buffers and modules to attributes.

    A subclass writes ``forward``. Names in ``state_dict`` are the attributes' names joined by dots, as in
    PyTorch. A module does not look for layers in Python's lists and dicts: put them into `nn.ModuleList`,
    `nn.ModuleDict` or `nn.Sequential`. If some are in a list or dict, asking for the parameters is an error.
    """

    training = True
    _forward_hooks: Sequence[Hook] = ()  # a list, once there is one

    def __setattr__(self, name: str, value: Any) -> None:
        old = vars(self).get(name)
        if isinstance(old, KEPT) and value is not None and not isinstance(value, KEPT):
            value = self._in_place_of(name, old, value)
        object.__setattr__(self, name, value)

    def _in_place_of(self, name: str, old: Any, new: Any) -> Buffer:
        """Return a buffer with the numbers of a tensor; refuse anything else in the place of `old`."""
        if isinstance(old, Buffer) and type(new) is Tensor:
            return Buffer(new, backend=new.backend)
        raise wrong.replacement(f"{type(self).__name__}.{name}", old, new)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Compute the output."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run `forward`, then the hooks. An error that arises in a layer inside names that layer."""
        try:
            y = self.forward(*args, **kwargs)
        except (ValueError, TypeError) as error:
            wrong.say_where(self, error)
            raise
        for hook in self._forward_hooks:
            hook(self, args, y)
        return y

    @property
    def hooks(self) -> Sequence[Hook]:
        """The hooks that `register_forward_hook` was given."""
        return self._forward_hooks

    def register_forward_hook(self, hook: Hook) -> Callable[[], None]:
        """Call ``hook(module, inputs, output)`` after each forward; return a function that removes it."""
        hooks: list[Hook] = vars(self).setdefault("_forward_hooks", [])
        hooks.append(hook)
        return lambda: hooks.remove(hook)

    def multiply_adds(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> int:
        """Return the multiply-adds of one forward from `x_shape` to `y_shape`; 0 without weights."""
        return 0

    def extra_repr(self) -> str:
        """Return the options that ``repr`` shows."""
        return ""

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules directly inside, with their names.

        Raises TypeError for modules and parameters in a Python list or dict: they would not be trained.
        """
        refuse_hidden(self)
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside, with dotted names."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all inside."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with dotted names; a shared one once, under its first name."""
        seen: set[int] = set()
        for name, tensor in self._named_tensors():
            if isinstance(tensor, Parameter) and id(tensor) not in seen:
                seen.add(id(tensor))
                yield name, tensor

    def parameters(self) -> Iterator[Parameter]:
        """Yield the parameters."""
        for _, parameter in self.named_parameters():
            yield parameter

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """Yield the buffers with dotted names."""
        for name, tensor in self._named_tensors():
            if isinstance(tensor, Buffer):
                yield name, tensor

    def _named_tensors(self) -> Iterator[tuple[str, Parameter | Buffer]]:
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter | Buffer):
                    yield (f"{prefix}.{name}" if prefix else name), value

    def train(self, mode: bool = True) -> Module:
        """Switch all modules to training (batch statistics, dropout), or to evaluation if `mode` is False."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch all modules to evaluation."""
        return self.train(False)

    def __repr__(self) -> str:
        children = [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in children]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"

    def summary(self, input_shape: tuple[int, ...]) -> Any:
        """Return a table of every layer for inputs of `input_shape` (without N); see `nn.summary`."""
        from .summary import summary

        return summary(self, input_shape)


attach(Module, OF_MODULES)

KEPT = (Parameter, Buffer, Module)  # what an attribute may not lose
MOST_LOOKED_AT = 1000  # items of a list


def refuse_hidden(module: Module) -> None:
    """Raise TypeError for modules and parameters in a list, tuple, set or dict that is an attribute.

    They may be in a list if they are attributes, too: then they are found.
    """
    attributes = vars(module)
    found = {id(value) for value in attributes.values()}
    for name, value in attributes.items():
        if isinstance(value, list | tuple | set | dict) and not name.startswith("_forward"):
            for inside in _flat(value):
                if id(inside) not in found:
                    raise wrong.hidden(type(module).__name__, name, value, inside)


def _flat(value: Any, depth: int = 3) -> Iterator[Module | Parameter]:
    """Yield the modules and parameters in a list, tuple, set or dict, and in those inside it."""
    for item in islice(value.values() if isinstance(value, dict) else value, MOST_LOOKED_AT):
        if isinstance(item, Module | Parameter):
            yield item
        elif isinstance(item, list | tuple | set | dict) and depth > 0:
            yield from _flat(item, depth - 1)
