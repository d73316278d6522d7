"""Networks as lists of layers that JSON can hold: each layer is checked where it stands; and their Python.

A layer is ``{"kind": "conv", "channels": 8, "kernel": 3, "stride": 1, "padding": 0}``. What goes into
it (channels, features) follows from the layer before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinycnn import nn
from tinycnn.creation import zeros
from tinycnn.modes import no_grad
from tinycnn.schema import Choice, Fields, Integer, Kind, ListOf, Number

MOST_LAYERS, MOST_CHANNELS, MOST_UNITS = 32, 256, 2048
MOST_PARAMETERS, MOST_MULTIPLY_ADDS = 5_000_000, 500_000_000  # of a network

Layer = dict[str, Any]
Shape = tuple[int, int, int]  # (C, H, W)
Row = tuple[int, ...]  # (C, H, W), or (features,)

_WINDOW = {"kernel": Integer(1, 64), "stride": Integer(1, 64), "padding": Integer(0, 64)}
# What each kind of layer is made from, and the layer, given the shape that goes in.
KINDS: dict[str, tuple[Fields, Callable[[Row, Layer], nn.Module]]] = {
    "conv": (
        Fields({"channels": Integer(1, MOST_CHANNELS), **_WINDOW}),
        lambda shape, f: nn.Conv2d(shape[0], f["channels"], f["kernel"], f["stride"], f["padding"]),
    ),
    "maxpool": (Fields(_WINDOW), lambda shape, f: nn.MaxPool2d(f["kernel"], f["stride"], f["padding"])),
    "avgpool": (Fields(_WINDOW), lambda shape, f: nn.AvgPool2d(f["kernel"], f["stride"], f["padding"])),
    "globalavgpool": (Fields({}), lambda shape, f: nn.GlobalAvgPool2d()),
    "batchnorm": (Fields({}), lambda shape, f: nn.BatchNorm2d(shape[0])),
    "relu": (Fields({}), lambda shape, f: nn.ReLU()),
    "leakyrelu": (Fields({}), lambda shape, f: nn.LeakyReLU()),
    "tanh": (Fields({}), lambda shape, f: nn.Tanh()),
    "sigmoid": (Fields({}), lambda shape, f: nn.Sigmoid()),
    "dropout": (Fields({"p": Number(0, below=1)}), lambda shape, f: nn.Dropout(f["p"])),
    "flatten": (Fields({}), lambda shape, f: nn.Flatten()),
    "linear": (Fields({"units": Integer(1, MOST_UNITS)}), lambda shape, f: nn.Linear(shape[0], f["units"])),
}
ON_MAPS = ("conv", "maxpool", "avgpool", "globalavgpool", "batchnorm", "flatten")


class _Layers(Kind):
    """A list of layers, each with its kind; `plan` checks their options, where they stand."""

    def check(self, value: Any) -> list[Layer]:
        """Return the layers; their options stay as they are."""
        ListOf(Fields({"kind": Choice(tuple(KINDS))}), 0, MOST_LAYERS).check(value)
        return [dict(layer) for layer in value]


LAYERS = _Layers()


class RefusedLayer(ValueError):  # noqa: N818 (what the page calls it)
    """A layer that cannot stand where it is: number `at`, from 0; how many there are if the end is wrong."""

    def __init__(self, at: int, says: str) -> None:
        self.at = at
        super().__init__(says)


@dataclass(frozen=True)
class Planned:
    """One layer of a plan: the module, its output for one image, and what it costs."""

    module: nn.Module
    shape: Row
    parameters: int
    multiply_adds: int


def plan(layers: Sequence[Layer], input_shape: Shape, classes: int) -> list[Planned]:
    """Return the layers of a network for images of this shape, after checking each where it stands.

    Raises RefusedLayer, which names the layer, the reason and what would fit.
    """
    shape: Row = input_shape
    made: list[Planned] = []
    for at, layer in enumerate(layers):
        made.append(_planned(at, layer, shape))
        shape = made[-1].shape
        parameters, adds = sum(p.parameters for p in made), sum(p.multiply_adds for p in made)
        if parameters > MOST_PARAMETERS or adds > MOST_MULTIPLY_ADDS:
            raise RefusedLayer(
                at,
                f"with this layer the network has {parameters:,} parameters and {adds:,} multiply-adds; a "
                f"list of layers may have at most {MOST_PARAMETERS:,} and {MOST_MULTIPLY_ADDS:,}: use fewer "
                "channels, or pool before it",
            )
    if shape != (classes,):
        fix = f"a linear layer with {classes} units" if len(shape) == 1 else "flatten and a linear layer"
        raise RefusedLayer(
            len(layers),
            f"the network must end in {classes} numbers, one for each class; it ends in "
            f"{'x'.join(map(str, shape))}: add {fix} at the end",
        )
    return made


def _planned(at: int, layer: Layer, shape: Row) -> Planned:
    kind = layer.get("kind")
    if kind not in KINDS:
        raise RefusedLayer(at, f"there is no layer of the kind {kind!r:.40}; there are {', '.join(KINDS)}")
    here = f"layer {at} ({kind})"
    if kind in ON_MAPS and len(shape) != 3:
        raise RefusedLayer(
            at, f"{here} reads maps (C, H, W), but a row of {shape[0]} numbers arrives: put it before flatten"
        )
    if kind == "linear" and len(shape) != 1:
        raise RefusedLayer(
            at, f"{here} reads a row, but maps of {'x'.join(map(str, shape))} arrive: put flatten before it"
        )
    fields, make = KINDS[kind]
    try:
        given = fields.check(layer)
        _refuse_too_large(kind, given, shape)
        module = make(shape, given)
        with no_grad():
            y = module.eval()(zeros(1, *shape))
    except ValueError as error:
        raise RefusedLayer(at, f"{here}: {error}") from None
    module.train()
    parameters = sum(p.numel() for p in module.parameters())
    adds = module.multiply_adds((1, *shape), y.shape)
    return Planned(module, tuple(y.shape[1:]), parameters, adds)


def _refuse_too_large(kind: str, given: Layer, shape: Row) -> None:
    """Raise ValueError if a layer alone would have too many weights or outputs; nothing is allocated yet."""
    if kind == "linear" and shape[0] * given["units"] > MOST_PARAMETERS:
        raise ValueError(f"{shape[0]:,} x {given['units']:,} weights are too many: pool before it")
    if kind == "conv":
        rows = [(n + 2 * given["padding"]) // given["stride"] + 1 for n in shape[1:]]
        weights = shape[0] * given["channels"] * given["kernel"] ** 2
        if weights * math.prod(rows) > 10 * MOST_MULTIPLY_ADDS:
            raise ValueError("too many multiply-adds: fewer channels or a longer stride would fit")


def python_of(made: Sequence[Planned]) -> str:
    """Return the Python that builds this network."""
    lines = [f"    nn.{_call(p.module)},  # {'x'.join(map(str, p.shape))}" for p in made]
    return "\n".join(["from tinycnn import nn", "", "model = nn.Sequential(", *lines, ")", ""])


def _call(module: nn.Module) -> str:
    """Return how a layer is made, without what is so by default."""
    kind = type(module).__name__
    values = [_side(getattr(module, name)) for name in _ARGUMENTS.get(kind, ())]
    said = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
    usual = {"stride": said[-1] if "Pool" in kind and said else "1", "padding": "0"}
    given = {name: str(_side(getattr(module, name, default))) for name, default in usual.items()}
    said += [f"{name}={value}" for name, value in given.items() if value != usual[name]]
    return f"{kind}({', '.join(said)})"


def _side(size: Any) -> Any:
    """Return the one number that height and width have in a network of such layers."""
    return size[0] if isinstance(size, tuple) else size


def layers_of(model: nn.Module) -> list[Layer] | None:
    """Return a network as layers of the page; None if it has others, or is no plain chain."""
    if type(model) is not nn.Sequential:
        return None
    names = {type(make((1,), _SOME)).__name__: kind for kind, (_, make) in KINDS.items()}
    layers: list[Layer] = []
    for module in model:
        kind = names.get(type(module).__name__)
        if kind is None:
            return None
        layer: Layer = {"kind": kind}
        for name, attribute in _ATTRIBUTES.items():
            if name in KINDS[kind][0].kinds:
                value = getattr(module, attribute)
                if isinstance(value, tuple) and len(set(value)) != 1:
                    return None
                layer[name] = _side(value)
        layers.append(layer)
    return layers


# What a layer of the page is made from, in Python; stride and padding follow by their names.
_ARGUMENTS = {
    "Conv2d": ("in_channels", "out_channels", "kernel_size"),
    "MaxPool2d": ("kernel_size",),
    "AvgPool2d": ("kernel_size",),
    "BatchNorm2d": ("num_features",),
    "Linear": ("in_features", "out_features"),
    "Dropout": ("p",),
}
_SOME = {"channels": 1, "kernel": 1, "stride": 1, "padding": 0, "units": 1, "p": 0.5}
_ATTRIBUTES = {
    "channels": "out_channels",
    "kernel": "kernel_size",
    "stride": "stride",
    "padding": "padding",
    "units": "out_features",
    "p": "p",
}
