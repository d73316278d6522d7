"""Layer upon layer (Eq. 5)."""

from collections.abc import Iterator, Sequence

from tinycnn.tensor import Tensor

from .module import Module
from .plain import MaxPool2d, ReLU


class Sequential(Module):
    """The modules one after another, named "0", "1", ... as in PyTorch."""

    def __init__(self, *layers: Module) -> None:
        for i, layer in enumerate(layers):
            if not isinstance(layer, Module):
                raise TypeError(f"layer {i} is no Module: {layer!r}")
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        for layer in _in_running_order(self.layers):
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


def _in_running_order(layers: Sequence[Module]) -> Iterator[Module]:
    """Yield the layers, but max-pooling before the ReLU in front of it.

    max and ReLU both keep the order of numbers, so max(relu(x)) = relu(max(x)), the gradient included, and
    after the pooling ReLU has a fraction of the work. Not where a hook wants to see what lies between.
    """
    i = 0
    while i < len(layers):
        pair = layers[i : i + 2]
        if [type(layer) for layer in pair] == [ReLU, MaxPool2d] and not any(layer.hooks for layer in pair):
            yield from reversed(pair)
            i += 2
        else:
            yield layers[i]
            i += 1
