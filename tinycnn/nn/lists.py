"""Lists and dicts of modules: the network that holds them finds their weights and calls them itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tinycnn.tensor import Tensor

from .containers import Container, Numbered
from .module import Module


class ModuleList(Numbered):
    """Modules in a list. A network finds their weights, which it does not in a Python list.

    Examples
    --------
    >>> from tinycnn import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         self.convs = nn.ModuleList([nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)])
    ...
    ...     def forward(self, x):
    ...         for conv in self.convs:
    ...             x = conv(x).relu()
    ...         return x
    >>> [name for name, _ in Net().named_parameters()]
    ['convs.0.weight', 'convs.0.bias', 'convs.1.weight', 'convs.1.bias']
    """

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Raise an error: nothing says in which order to call the modules."""
        raise NotImplementedError("a ModuleList has no forward(): call its modules, or use nn.Sequential")

    def _of(self, modules: Sequence[Module]) -> Any:
        return ModuleList(modules)


class ModuleDict(Container):
    """Modules by name. A network finds their weights, which it does not in a Python dict."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Raise an error: nothing says which of the modules to call."""
        raise NotImplementedError("a ModuleDict has no forward(): call its modules by their names")

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add modules by their names, or replace those that have such names."""
        for name, module in modules.items():
            self[name] = module

    def keys(self) -> Iterable[str]:
        """Return the names, in order."""
        return tuple(self._order)

    def values(self) -> Iterable[Module]:
        """Return the modules, in order."""
        return self.layers

    def items(self) -> Iterable[tuple[str, Module]]:
        """Return pairs of name and module, in order."""
        return tuple(zip(self._order, self.layers, strict=True))

    def __getitem__(self, name: str) -> Module:
        if name not in self._order:
            raise KeyError(f"there is no module {name!r}; there are {', '.join(map(repr, self._order))}")
        return vars(self)[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self._put(name, module)

    def __contains__(self, name: object) -> bool:
        return name in self._order

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, as a dict does."""
        return iter(self.keys())
