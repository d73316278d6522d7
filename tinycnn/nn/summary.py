"""A table of a network's layers: output shape, parameters, multiply-adds."""

from dataclasses import dataclass

from tinycnn import backend as _backend
from tinycnn.modes import no_grad
from tinycnn.tensor import Tensor

from .module import Module, Parameter


@dataclass(frozen=True)
class LayerSummary:
    """One layer: its name in the network, its kind, and what one image costs."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, repr=False)
class Summary:
    """All layers in the order they ran; shown as a table."""

    input_shape: tuple[int, ...]
    layers: tuple[LayerSummary, ...]

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one image's forward."""
        return sum(layer.multiply_adds for layer in self.layers)

    def __repr__(self) -> str:
        rows = [("layer", "output shape", "parameters", "multiply-adds")]
        rows += [("input", _by(self.input_shape), "", "")]
        rows += [
            (
                f"{layer.name} {layer.kind}".strip(),
                _by(layer.output_shape),
                f"{layer.parameters:,}",
                f"{layer.multiply_adds:,}",
            )
            for layer in self.layers
        ]
        rows += [("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}")]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def computing_modules(model: Module) -> dict[str, Module]:
    """Return the modules that compute by their names: those with own parameters, or with no modules inside.

    A module that is used twice comes once, with its first name.
    """
    found: dict[Module, str] = {}
    for name, module in model.named_modules():
        own = any(isinstance(value, Parameter) for value in vars(module).values())
        if own or not any(True for _ in module.named_children()):
            found.setdefault(module, name)
    return {name: module for module, name in found.items()}


def summary(model: Module, input_shape: tuple[int, ...]) -> Summary:
    """Run `model` on one image of zeros and return a table of its layers.

    Parameters
    ----------
    model
        Any module.
    input_shape
        (C, H, W), without N.
    """
    layers: list[LayerSummary] = []
    removers = []
    counted: set[int] = set()
    for name, module in computing_modules(model).items():

        def record(module: Module, inputs: tuple[Tensor, ...], output: Tensor, name: str = name) -> None:
            new = [p for p in module.parameters() if id(p) not in counted]
            counted.update(id(p) for p in new)
            layers.append(
                LayerSummary(
                    name,
                    type(module).__name__,
                    output.shape[1:],
                    sum(p.numel() for p in new),
                    module.multiply_adds(inputs[0].shape, output.shape),
                )
            )

        removers.append(module.register_forward_hook(record))
    modes = [(module, module.training) for module in model.modules()]
    parameter = next(model.parameters(), None)
    backend = parameter.backend if parameter is not None else _backend.current()
    dtype = parameter.dtype if parameter is not None else "float32"
    try:
        with no_grad():
            xp = _backend.library(backend)
            model.eval()(Tensor(xp.zeros((1, *input_shape), dtype), backend=backend))
    finally:
        for module, training in modes:
            module.training = training
        for remove in removers:
            remove()
    return Summary(tuple(input_shape), tuple(layers))


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
