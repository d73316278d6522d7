"""Layer upon layer (Eq. 5): `Sequential`, and what it shares with the other containers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, overload

from tinycnn.tensor import Tensor

from . import wrong
from .module import Module


class Container(Module):
    """Modules in order, each with a name."""

    @property
    def layers(self) -> tuple[Module, ...]:
        """The modules in order."""
        return tuple(map(vars(self).__getitem__, self._order))

    @property
    def _order(self) -> list[str]:
        """The names of these modules. A subclass may also have other modules as attributes."""
        return vars(self).setdefault("_layer_names", [])

    def _put(self, name: Any, module: Any) -> None:
        """Add a module, or replace the one of this name."""
        if not isinstance(module, Module):
            raise wrong.layer(type(self).__name__, name, module)
        if not isinstance(name, str) or not name or "." in name or hasattr(type(self), name):
            raise wrong.layer_name(type(self).__name__, name)
        if name not in self._order:
            self._order.append(name)
        vars(self)[name] = module

    def __len__(self) -> int:
        return len(self._order)


class Numbered(Container):
    """Modules that are picked by their numbers."""

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        self.extend(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end; return this container."""
        self._put(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; return this container."""
        for module in modules:
            self.append(module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module:
        """Return a module, or for a slice a container of these modules (which share their weights)."""
        if isinstance(index, slice):
            return self._of(self.layers[index])
        return self.layers[index]

    def __setitem__(self, index: int, module: Module) -> None:
        self._put(self._order[index], module)

    def _of(self, modules: Sequence[Module]) -> Any:
        """Return a container of the same kind with these modules."""
        raise NotImplementedError


class Sequential(Numbered):
    """Call the modules one after another.

    Parameters
    ----------
    layers
        Modules, or one list of modules, which get the names "0", "1", ... as in PyTorch; or one dict of
        modules by name.

    Examples
    --------
    >>> from tinycnn import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU()).append(nn.Linear(3, 1))
    Sequential(
      (0): Linear(2, 3, bias=True)
      (1): ReLU()
      (2): Linear(3, 1, bias=True)
    )
    """

    def __init__(self, *layers: Any) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            for name, layer in layers[0].items():
                self._put(name, layer)
            return
        if len(layers) == 1 and isinstance(layers[0], list | tuple):
            layers = tuple(layers[0])
        super().__init__(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def _of(self, modules: Sequence[Module]) -> Any:
        return Sequential(*modules)
