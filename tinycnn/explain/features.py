"""Steps of feature vectors (Eq. 14): how a layer describes images, and which image is most similar."""

import copy
from typing import Any, NamedTuple

import numpy as np

from tinycnn.features import Index as Search
from tinycnn.features.extract import find_layer, last_hidden
from tinycnn.host import as_numpy
from tinycnn.nn import Conv2d, Linear, Module
from tinycnn.nn.summary import computing_modules
from tinycnn.tensor import Tensor

from .cells import cell_of, largest, tag
from .equations import put_in, right_side, stated
from .layers import (
    NUMBERS_UP_TO,
    Layer,
    backward_of,
    card_of,
    forward_of,
    in_numbers,
    keep_gradients,
    maps,
    recorder_of,
    run_layers,
    weighted_terms,
)
from .recorder import Recorder
from .steps import Explanation, Panel, Term, number

ALL_UNITS = 6  # if there are no more features, each has a step; else the strongest have one
STRONGEST = 2  # features with a step in a longer vector
WEIGHTED = (Linear, Conv2d)
ALL_TERMS = 12  # products in a sum, at most, if each has a letter


class Parts(NamedTuple):
    """The layers of Eq. 14: those before, the weighted sum, and f. One of the last two may be missing."""

    before: list[Layer]
    weighted: Layer | None
    f: Layer | None

    @property
    def last(self) -> Layer:
        """The layer that returns the features."""
        found = self.f or self.weighted
        assert found is not None
        return found


def features(
    model: Module, images: Any, layer: str | int | None = None, *, backward: bool = False
) -> Explanation:
    """Explain how a layer describes the first of some images, and which of the others is most similar to it.

    Parameters
    ----------
    model
        Any module that takes a batch of images. It stays as it is; a copy runs in evaluation mode.
    images
        (N, C, H, W), N at least 2.
    layer
        As of `tinycnn.features.features`: whose output is the description. By default the layer before the
        last one with weights.
    backward
        Explain how the strongest feature changes with every pixel, too.

    Raises
    ------
    ValueError
        For images of another shape, and for a layer that does not exist or does not compute by itself.
    """
    array = np.asarray(as_numpy(images), np.float32)
    if array.ndim != 4 or len(array) < 2:
        raise ValueError(f"features are explained on images (N, C, H, W), N at least 2, got {array.shape}")
    model = copy.deepcopy(model).to("numpy").eval()
    image = Tensor(array, requires_grad=True, backend="numpy")
    chosen = find_layer(model, last_hidden(model, array.shape[1:]) if layer is None else layer)
    computing = computing_modules(model)
    if not any(chosen is module for module in computing.values()):
        raise ValueError(f"layer {layer} is made of layers: choose one of {', '.join(computing)}")
    layers, _ = run_layers(model, image)
    parts = _parts(layers, chosen)
    rec = recorder_of(f"features of {type(model).__name__}", image, layers)
    vectors = parts.last.y.numpy().reshape(len(array), -1)
    rec.arrays |= {"F": vectors}
    for before in parts.before:
        forward_of(rec, before)
    units = np.argsort(-vectors[0], kind="stable")[:STRONGEST]
    if vectors.shape[1] <= ALL_UNITS:
        units = np.arange(vectors.shape[1])
        rec.hide("F", [(0, int(j)) for j in units])
    for j in units.tolist():
        _unit(rec, parts, j)
    _vector(rec, parts)
    _similarities(rec, vectors)
    if backward:
        _back(rec, layers, parts)
    return rec.explanation("F")


def _parts(layers: list[Layer], chosen: Module) -> Parts:
    """Return the layers up to the chosen one, with its weighted sum and its f by themselves."""
    at = max((i for i, layer in enumerate(layers) if layer.module is chosen), default=None)
    if at is None:
        raise ValueError("the layer exists, but the model's forward does not call it")
    last, card = layers[at], card_of(chosen)
    if isinstance(chosen, WEIGHTED):
        return Parts(layers[:at], last, None)
    before = layers[at - 1] if at else None
    follows = before and isinstance(before.module, WEIGHTED) and last.source == before.result
    if follows and card is not None and card.elementwise:
        return Parts(layers[: at - 1], before, last)
    return Parts(layers[:at], None, last)


def _unit(rec: Recorder, parts: Parts, j: int) -> None:
    """Add the step of feature j of image 0: its weighted sum, and what f makes of it."""
    last, F = parts.last, rec.quantity("F", (0, j))
    index = tuple(map(int, np.unravel_index(j, last.y.shape[1:])))
    result = rec.panel("the feature vector of image 0", "F", (0,), {(0, j): "result"})
    weighted, source = parts.weighted, last.source
    if weighted is None:
        rec.forward(
            f"feature {j} of image 0",
            f"F(x) = {last.title}(x),  x = {source}",
            f"{F.name} = {number(F.value)}",
            f"This layer has no weights: its input {source} is read, its output is the description.",
            [*maps(rec, source, "in", [], "read", []), result],
            cites=14,
        )
        return
    terms = weighted_terms(weighted, (0, *index), rec)
    z = rec.quantity(weighted.result, (0, *index))
    rec.must_add_up(terms, z)
    numbers = f"{z.name} = {in_numbers(terms)} = {number(z.value)}"
    if parts.f is not None:
        numbers += f";  {F.name} = {_applied(parts.f.module, z.value)} = {number(F.value)}"
        sentence = f"f is {type(parts.f.module).__name__}. {_said(z.value, F.value)}"
    else:
        numbers += f";  {F.name} = {number(F.value)}"
        sentence = "There is no f here: the weighted sum itself is the feature."
    rec.forward(
        f"feature {j} of image 0: a weighted sum, then f" if parts.f else f"feature {j}: a weighted sum",
        f"F(x) = f(W_F·x + b_F),  x = {weighted.source}",
        numbers,
        sentence,
        [*_read(rec, weighted, terms), result],
        cites=14,
    )


def _applied(f: Module, z: float) -> str:
    """Return f(z) as the activation states it, with z and the layer's options put in."""
    card = card_of(f)
    assert card is not None
    options = {name: float(value) for name, value in vars(f).items() if isinstance(value, int | float)}
    return put_in(right_side(stated(card.of)[0]), options | {"x": z})


def _said(z: float, feature: float) -> str:
    if feature == 0:
        return "What this unit looks for is not in the image."
    return "The image has what this unit looks for." if z > 0 else "The sum is below 0: f makes it small."


def _read(rec: Recorder, weighted: Layer, terms: list[Term]) -> list[Panel]:
    """Return panels of the factors; with letters if there are few of them."""
    products = [term for term in terms if len(term.factors) == 2]
    if weighted.x.ndim != 2 or len(products) > ALL_TERMS:
        first = [products[0].factors[0]] if products and weighted.x.ndim != 2 else []
        return maps(rec, weighted.source, "x", first, "read", [])
    lettered = [Term(term.factors, None, tag(i)) for i, term in enumerate(products)]
    names = {weighted.source: "x", f"{weighted.name}.weight": "W_F", f"{weighted.name}.bias": "b_F"}
    return rec.panels_of([*lettered, *(term for term in terms if len(term.factors) == 1)], names)


def _vector(rec: Recorder, parts: Parts) -> None:
    """Add the step that says what the whole vector is, and how long."""
    vectors = rec.arrays["F"]
    N, D = vectors.shape
    lengths = np.linalg.norm(vectors, axis=1)
    rec.arrays["|F|"] = lengths
    squares = [Term((rec.quantity("F", (0, j)),) * 2) for j in range(D) if vectors[0, j]]
    rec.forward(
        f"the feature vector of image 0: {D} numbers",
        "|F| = √(Σ_j F_j²)",
        f"|F[0]| = √({in_numbers(squares)}) = {number(lengths[0])}",
        f"The output of {parts.last.title} describes the image: {int((vectors[0] != 0).sum())} of the {D} "
        f"numbers are not 0. The same is done for the {N - 1} other image{'s' * (N > 2)}: a row of F each.",
        [
            rec.panel("one row for each image", "F", (), {(0, j): "read" for j in range(D)}),
            rec.cell(rec.quantity("|F|", (0,)), title="lengths"),
        ],
        cites=14,
    )


def _similarities(rec: Recorder, vectors: np.ndarray) -> None:
    """Add a step for the cosine of image 0 with each other image, and one for the largest."""
    N, D = vectors.shape
    found = Search(vectors[1:], "cosine").search(vectors[:1], k=N - 1)
    cosines, lengths_of = np.ones(N, np.float32), rec.arrays["|F|"]
    cosines[1 + found.index[0]] = 1 - found.distance[0]
    rec.arrays |= {"cos": cosines, "|F[0]|·|F|": lengths_of[0] * lengths_of}
    rec.hide("cos", [(m,) for m in range(1, N)])
    for m in range(1, N):
        cosine, lengths = rec.quantity("cos", (m,)), rec.quantity("|F[0]|·|F|", (m,))
        products = [rec.term(("F", (0, j)), ("F", (m, j))) for j in range(D)]
        products = [term for term in products if term.value]
        read = {(n, j): role for n, role in ((0, "read"), (m, "weight")) for j in range(D)}
        if lengths.value:
            rec.must_add_up([Term(t.factors, lengths) for t in products], cosine, scale=1)
            numbers = f"({in_numbers(products)}) / {number(lengths.value)} = {number(cosine.value)}"
        else:
            numbers = "0 / 0, counted as 0: a vector of zeros has no direction"
        rec.forward(
            f"how similar are image 0 and image {m}?",
            "cos = Σ_j F[0,j]·F[m,j] / (|F[0]|·|F[m]|)",
            f"{cosine.name} = {numbers}",
            f"Only features that are not 0 in both images count: {len(products)} of {D}. If both vectors "
            "have the same direction, cos is 1; if they have no feature in common, it is 0.",
            [rec.panel("one row for each image", "F", (), read), rec.cell(cosine, title="with each image")],
            cites=14,
        )
    best = 1 + int(found.index[0, 0])
    rec.forward(
        f"the nearest image: {best}",
        "nearest = argmax_m cos[m],  m ≠ 0",
        f"cos[{best}] = {number(cosines[best])} is the largest of "
        + ", ".join(number(c) for c in cosines[1:]),
        "So features find similar images: no label was used.",
        [rec.panel("with each image", "cos", (), {(0, best): "winner", (0, 0): "asked"})],
        cites=14,
    )


def _back(rec: Recorder, layers: list[Layer], parts: Parts) -> None:
    """Add the steps of the gradient of image 0's strongest feature, from the features to the pixels."""
    y, j = parts.last.y, int(np.abs(rec.arrays["F"][0]).argmax())
    seed = np.zeros((len(y), rec.arrays["F"].shape[1]), np.float32)
    seed[0, j] = 1
    y.backward(seed.reshape(y.shape))
    keep_gradients(rec, layers)
    rec.arrays["dL/dF"] = seed
    rec.backward(
        f"let L be feature {j} of image 0, its strongest",
        "L = F[0,j],  dL/dF = 1 there, else 0",
        f"L = {number(rec.arrays['F'][0, j])}",
        "The gradient of a feature says how it would change with every pixel: what it looks at.",
        [rec.cell(rec.quantity("dL/dF", (0, j)))],
        cites=14,
    )
    for layer in reversed(layers[: layers.index(parts.last) + 1]):
        backward_of(rec, layer)
    strongest = rec.quantity("dL/da0", (0, *largest(rec.arrays["dL/da0"][0])))
    plane, cell = strongest.index[:2], cell_of(strongest.index)
    is_large = max(rec.arrays["a0"].shape[2:]) > NUMBERS_UP_TO
    change = "larger" if strongest.value > 0 else "smaller"
    rec.backward(
        "the pixel that this feature depends on most",
        "dL/dx, x = a0: the saliency of the feature",
        f"{strongest.name} = {number(strongest.value)}",
        f"A brighter pixel there makes the feature {change}." if strongest.value else "No pixel changes it.",
        [
            rec.panel("the image", "a0", plane, {cell: "read"}, picture=is_large),
            rec.panel("its gradient", "dL/da0", plane, {cell: "result"}, picture=is_large),
        ],
        cites=14,
    )
