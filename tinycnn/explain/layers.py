"""Steps of a whole network on one image, layer by layer, forward and backward, as they ran."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinycnn.functional.cards import CARDS, Card
from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.nn import Conv2d, Linear, Module
from tinycnn.nn.layers import ReLU
from tinycnn.nn.summary import computing_modules
from tinycnn.tensor import Tensor

from .calls import gradient_of
from .cells import largest, norm
from .equations import stated
from .recorder import Recorder
from .steps import Explanation, Index, Panel, Quantity, Term, number
from .windows import Windows, products

SHOWN_TERMS = 6  # of a sum that has hundreds, the largest
SHOWN_MAPS = 3  # channels
NUMBERS_UP_TO = 12  # rows and columns; above, a map is a picture

# Equation and derivative of layers whose operation has no Function of its own, or is shown as a sum.
OTHERS = {
    "Conv2d": ("y[n,k,oh,ow] = b[k] + Σ_{c,r,s} x·w", "dL/dx = Σ g·w,  dL/dw = Σ x·g,  dL/db = Σ g"),
    "Linear": ("y[n,o] = b[o] + Σ_i x[n,i]·W[o,i]", "dL/dx = g W,  dL/dW = gᵀ x,  dL/db = Σ_n g"),
    "MaxPool2d": ("y = max over each window of x", "dL/dx = g at the winners, else 0"),
    "MinPool2d": ("y = min over each window of x", "dL/dx = g at the winners, else 0"),
    "AvgPool2d": ("y = mean of each window of x", "dL/dx = g / M at every cell of the window, added up"),
    "Dropout": ("y = x·mask / (1 - p) in training, else x", "dL/dx = g·mask / (1 - p)"),
}


def card_of(module: Module) -> Card | None:
    """Return the card of the operation that a layer applies: it has the layer's name."""
    name = type(module).__name__.lower()
    called = {f"{card.layer}".lower(): card for card in CARDS.values()}
    called |= {card.name.replace("_", ""): card for card in CARDS.values()}
    return called.get(name) or called.get(name.removesuffix("2d"))


def _number(module: Module) -> int | None:
    """Return the number of a layer's documented equation."""
    card = card_of(module)
    return card.equation if card else None


def _equations(module: Module) -> tuple[str, str]:
    """Return a layer's equation and derivative: those of its operation's Function."""
    name, card = type(module).__name__, card_of(module)
    if name in OTHERS:
        return OTHERS[name]
    return stated(card.of) if card and card.of else (f"y = {name}(x)", f"the derivative of {name}")


@dataclass(frozen=True)
class Layer:
    """One call of a module that computes: its name in the network, what went in and what came out.

    `source` and `result` are what the steps call x and y.
    """

    name: str
    module: Module
    x: Tensor
    y: Tensor
    source: str
    result: str

    @property
    def title(self) -> str:
        """The name and the kind of the layer."""
        return f"{self.name} {type(self.module).__name__}".strip()


def network(model: Module, x: Any, *, backward: bool = False, gradient: Any = None) -> Explanation:
    """Explain `model` on one image, layer by layer; the model itself stays as it is.

    The image is called ``a0``, the outputs of the layers ``a1``, ``a2``, ... in the order they ran. What goes
    into layer 2 and is no layer's output (a sum, say) is called ``x2``.

    Parameters
    ----------
    model
        Any module.
    x
        One image, (C, H, W) or (1, C, H, W); of a model that takes rows, (in,) or (1, in).
    backward, gradient
        See `explain`.

    Raises
    ------
    ValueError
        For more than one image.
    """
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x, np.float32)
    if array.ndim in (1, 3):
        array = array[None]
    if array.ndim not in (2, 4) or len(array) != 1:
        raise ValueError(f"a network is explained on one image, (C, H, W) or (1, C, H, W), got {array.shape}")
    model = copy.deepcopy(model).to("numpy")
    image = Tensor(array.astype(np.float32), requires_grad=True, backend="numpy")
    layers, y = run_layers(model, image)
    rec = recorder_of(type(model).__name__, image, layers)
    for layer in layers:
        forward_of(rec, layer)
    if backward:
        seed = np.zeros(y.shape, y.dtype)
        seed.ravel()[y.numpy().argmax()] = 1
        y.backward(seed if gradient is None else gradient_of(y, gradient))
        backward_steps(rec, layers)
    return rec.explanation(f"a{len(layers)}")


def run_layers(model: Module, x: Tensor, *others: Any) -> tuple[list[Layer], Tensor]:
    """Return each call of a module that computes in ``model(x, *others)``, in order, and the output."""
    layers: list[Layer] = []
    called = {id(x): "a0"}
    removers = []
    for name, module in computing_modules(model).items():

        def record(module: Module, inputs: tuple[Tensor, ...], y: Tensor, name: str = name) -> None:
            t = len(layers) + 1
            source, result = called.setdefault(id(inputs[0]), f"x{t}"), f"a{t}"
            called[id(y)] = result
            inputs[0].retain_grad()
            y.retain_grad()
            layers.append(Layer(name, module, inputs[0], y, source, result))

        removers.append(module.register_forward_hook(record))
    try:
        y = model(x, *others)
    finally:
        for remove in removers:
            remove()
    return layers, y


def recorder_of(operation: str, x: Tensor, layers: list[Layer]) -> Recorder:
    """Return a recorder that knows the image and what every layer got and made."""
    arrays = {"a0": x.numpy()}
    for layer in layers:
        arrays |= {layer.source: layer.x.numpy(), layer.result: layer.y.numpy()}
    return Recorder(operation, {}, arrays)


def keep_gradients(rec: Recorder, layers: list[Layer]) -> None:
    """Let the recorder know the gradients that a backward left in the layers."""
    for layer in layers:
        for name, tensor in ((layer.source, layer.x), (layer.result, layer.y)):
            if tensor.grad is not None:
                rec.arrays[f"dL/d{name}"] = tensor.grad.numpy()
        for name, p in layer.module.named_parameters():
            if p.grad is not None:
                rec.arrays[f"dL/d{layer.name}.{name}"] = p.grad.numpy()


def forward_of(rec: Recorder, layer: Layer) -> None:
    """Add the forward step of a layer: its largest output, and the terms that add up to it."""
    source, result = layer.source, layer.result
    y = layer.y.numpy()
    strongest = rec.quantity(result, (0, *largest(y[0])))
    terms = weighted_terms(layer, strongest.index, rec)
    numbers, marks = f"largest: {strongest.name} = {number(strongest.value)}", []
    if terms:
        rec.must_add_up(terms, strongest)
        first = largest_terms(terms)
        marks = [term.factors[0] for term in terms if term.factors[0].array == source]
        if layer.x.ndim == 2:
            marks = [term.factors[0] for term in first if term.factors[0].array == source][:1]
        numbers = f"{strongest.name} = {in_numbers(terms)} = {number(strongest.value)}"
    weights = sum(p.numel() for p in layer.module.parameters())
    sentence = f"{layer.module!r} makes {_by(layer.x)} into {_by(layer.y)}"
    sentence += f", with {weights:,} weights." if weights else "."
    if isinstance(layer.module, ReLU):
        zeros = int((y[0] == 0).sum())
        sentence += f" {zeros:,} of {y[0].size:,} numbers are not above 0 and become 0."
    equation = _equations(layer.module)[0]
    same = layer.x.shape[1] == layer.y.shape[1] and not terms
    channel = [] if layer.y.ndim < 4 else [strongest.index[1]]
    rec.forward(
        f"{layer.title}: {source} -> {result}",
        f"{equation},  x = {source}, y = {result}",
        numbers,
        sentence,
        maps(rec, source, "in", marks, "read", channel if same else [])
        + maps(rec, result, "out", [strongest], "result", channel),
        cites=_number(layer.module),
    )


def backward_steps(rec: Recorder, layers: list[Layer]) -> None:
    """Add the backward steps of layers, the last one first."""
    keep_gradients(rec, layers)
    for layer in reversed(layers):
        backward_of(rec, layer)


def backward_of(rec: Recorder, layer: Layer) -> None:
    """Add the backward step of a layer: the gradient that arrives, and the one that goes on."""
    source = layer.source
    arriving, leaving = f"dL/d{layer.result}", f"dL/d{source}"
    if arriving not in rec.arrays or leaving not in rec.arrays:
        return
    names = [f"dL/d{layer.name}.{name}" for name, _ in layer.module.named_parameters()]
    shown = [arriving, leaving, *(name for name in names if name in rec.arrays)]
    strongest = rec.quantity(leaving, (0, *largest(rec.arrays[leaving][0])))
    same = layer.x.shape[1] == layer.y.shape[1] and layer.x.ndim == layer.y.ndim == 4
    channel = [strongest.index[1]] if same else []
    equation = _equations(layer.module)[1]
    sentence = "g arrives from the layer above. This layer makes the gradient of its input from it"
    sentence += ", and those of its weights." if names else "; it has no weights."
    sentence += f" {leaving} is the sum over all uses of {source}."
    if source == "a0":
        sentence += " What reaches the input says how L would change with each of its cells."
    rec.backward(
        f"{layer.title}: {arriving} -> {leaving}",
        f"{equation},  g = {arriving}, x = {source}",
        ";  ".join(f"‖{name}‖ = {norm(rec.arrays[name])}" for name in shown),
        sentence,
        maps(rec, arriving, "arrives", [], "read", channel)
        + maps(rec, leaving, "goes on", [strongest], "result", channel),
        cites=_number(layer.module),
    )


def largest_terms(terms: Sequence[Term]) -> list[Term]:
    """Return the terms of a sum that are shown: a few of the largest size, the largest first."""
    return sorted(terms, key=lambda term: -abs(term.value))[:SHOWN_TERMS]


def in_numbers(terms: Sequence[Term]) -> str:
    """Return a sum in numbers. Of many terms, the largest are written out and the others added up."""
    first = list(terms) if len(terms) <= SHOWN_TERMS else largest_terms(terms)
    total = " + ".join(term.numbers for term in first) or "0"
    if rest := len(terms) - len(first):
        others = sum(term.value for term in terms) - sum(term.value for term in first)
        total += f" + {rest} smaller terms ({number(others)})"
    return total


def weighted_terms(layer: Layer, index: Index, rec: Recorder) -> list[Term]:
    """Return the terms of one output of a convolution or a dense layer; nothing for other layers."""
    module, source, x = layer.module, layer.source, layer.x
    if isinstance(module, Conv2d):
        options = (module.stride, module.padding, module.dilation, module.groups)
        windows = Windows(conv2d_geometry(x.shape, module.weight.shape, *options))
        pairs = [(at, weight) for at, weight, _ in products(windows, "y", index)]
    elif isinstance(module, Linear) and x.ndim == 2:
        pairs = [((index[0], i), (index[1], i)) for i in range(x.shape[1])]
    else:
        return []
    terms = []
    for name, p in module.named_parameters():
        rec.arrays[f"{layer.name}.{name}"] = p.numpy()
    if module.bias is not None:
        terms.append(Term((rec.quantity(f"{layer.name}.bias", index[1:2]),)))
    weights = f"{layer.name}.weight"
    return terms + [Term((rec.quantity(source, at), rec.quantity(weights, w))) for at, w in pairs]


def maps(
    rec: Recorder, array: str, title: str, marked: list[Quantity], role: str, channels: list[int]
) -> list[Panel]:
    """Return panels of image 0: its row, or a few channels: first `channels`, then those with marks."""
    values = rec.arrays[array]
    if values.ndim != 4:
        return [rec.panel(title, array, (0,), {(0, q.index[-1]): role for q in marked})]
    wanted = [*channels, *(q.index[1] for q in marked), *range(values.shape[1])]
    picture = max(values.shape[2:]) > NUMBERS_UP_TO
    return [
        rec.panel(
            f"{title} ({values.shape[1]} channel{'s' * (values.shape[1] != 1)})",
            array,
            (0, c),
            {(q.index[2], q.index[3]): role for q in marked if q.index[1] == c},
            picture=picture,
        )
        for c in sorted(list(dict.fromkeys(wanted))[:SHOWN_MAPS])
    ]


def _by(t: Tensor) -> str:
    return "x".join(map(str, t.shape[1:]))
