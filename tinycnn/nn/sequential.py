"""Layer upon layer (Eq. 5)."""

from collections.abc import Iterator

from tinycnn.tensor import Tensor

from .module import Module


class Sequential(Module):
    """The modules one after another, named "0", "1", ... as in PyTorch."""

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(f"layer {i} is no Module: {layer!r}")
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the layers with their numbers as names, then a subclass's own modules."""
        for i, layer in enumerate(self.layers):
            yield str(i), layer
        yield from super().named_children()

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: int | slice) -> Module:
        """Return a layer, or for a slice a network of these layers (which share their weights)."""
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]
