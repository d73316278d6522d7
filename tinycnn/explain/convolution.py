"""Steps of convolution and transposed convolution (Eq. 1), forward and backward.

All are sums of the products x * w * g of the trilinear form ``sum g * w * x`` (see
`tinycnn.functional.convolution`), sorted by the array that is left out. So three functions write every step:
what an output cell gathers, what an input cell collects, and where a weight was used. Forward of one
operation is backward of the other.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.transposed import conv_transpose2d_geometry

from .calls import Call, run
from .cells import tag
from .recorder import Plane, Recorder
from .steps import Cell, Explanation, Index, Panel, Term
from .windows import Windows, products

ROW, COLUMN = "oh·SH-PH+r·DH", " ow·SW-PW+s·DW"
TITLES = {"b": "bias", "w": "filter {0}"}


class Names(NamedTuple):
    """What the arrays of a step are called; `large` is over the input (H, W), `small` over (OH, OW)."""

    large: str
    small: str
    w: str = "w"
    b: str | None = None


def conv2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.conv2d`."""
    arrays, _ = run(call, {"x": "x", "weight": "w", "bias": "b"})
    options = (call[name] for name in ("stride", "padding", "dilation", "groups"))
    windows = Windows(conv2d_geometry(arrays["x"].shape, arrays["w"].shape, *options))
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    bias = "b" if "b" in arrays else None
    for index in rec.asked("y"):
        _gather(rec, "forward", index, windows, Names("x", "y", b=bias))
    for index in rec.asked("dL/dx"):
        _collect(rec, "backward", index, windows, Names("dL/dx", "g"))
    for index in rec.asked("dL/dw"):
        _used(rec, index, windows, Names("x", "g", "dL/dw"))
    for index in rec.asked("dL/db"):
        _bias(rec, index)
    return rec.explanation()


def conv_transpose2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.conv_transpose2d`; the letters are of the convolution that leads back."""
    arrays, _ = run(call, {"x": "x", "weight": "w", "bias": "b"})
    options = (call[name] for name in ("stride", "padding", "output_padding", "groups", "dilation"))
    windows = Windows(conv_transpose2d_geometry(arrays["x"].shape, arrays["w"].shape, *options))
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    bias = "b" if "b" in arrays else None
    for index in rec.asked("y"):
        _collect(rec, "forward", index, windows, Names("y", "x", b=bias))
    for index in rec.asked("dL/dx"):
        _gather(rec, "backward", index, windows, Names("g", "dL/dx"))
    for index in rec.asked("dL/dw"):
        _used(rec, index, windows, Names("g", "x", "dL/dw"))
    for index in rec.asked("dL/db"):
        _bias(rec, index)
    return rec.explanation()


def _gather(rec: Recorder, phase: str, index: Index, windows: Windows, names: Names) -> None:
    """Explain one element (n, k, oh, ow) of ``small = conv2d(large, w)``."""
    n, k, oh, ow = index
    pairs = [((names.large, x), (names.w, w)) for x, w, _ in products(windows, "y", index)]
    terms = _bias_terms(rec, names, k) + terms_of(rec, pairs)
    cells = windows.cells(oh, ow)
    outside = len(cells) - len(windows.inner_cells(oh, ow))
    marks: dict[Plane, dict[Cell, str]] = {
        (0, names.large, (n, c)): dict.fromkeys(cells, "read") for c in _channels(windows, k)
    }
    result = rec.quantity(names.small, index)
    (top, left), _ = windows.frame(oh, ow)
    sentence = (
        f"Lay filter {k} on {names.large} with its first cell on row {top}, column {left}; multiply each "
        f"pair of cells with the same letter, and add all up{', with the bias' if names.b else ''}."
    )
    if names.small == "dL/dx":
        sentence += " The adjoint of a transposed convolution is the convolution that leads back."
    if outside:
        lie, count = ("lies", "counts") if outside == 1 else ("lie", "count")
        sentence += f" {_cells(outside)} of the window {lie} in the padding and {count} as 0."
    titles = {"x": "input, channel {1}", "g": "gradient that arrives", **TITLES}
    rec.add_sum(
        phase,
        f"{result.name}: filter {k} in window ({oh}, {ow})",
        f"{names.small}[n,k,oh,ow] = {'b[k] + ' if names.b else ''}"
        f"Σ_{{c,r,s}} {names.large}[n,c,{ROW},{COLUMN}]·w[k,c,r,s]",
        result,
        terms,
        sentence,
        _panels(rec, windows, terms, titles, marks, result.array, index),
    )


def _collect(rec: Recorder, phase: str, index: Index, windows: Windows, names: Names) -> None:
    """Explain one element (n, c, i, j) of ``large = conv2d_input(small, w)``."""
    n, c, i, j = index
    found = list(products(windows, "x", index))
    terms = _bias_terms(rec, names, c)
    terms += terms_of(rec, [((names.small, y), (names.w, w)) for _, w, y in found])
    result, geometry = rec.quantity(names.large, index), windows.geometry
    where = "over all k,oh,ow,r,s with oh·SH-PH+r·DH = i, ow·SW-PW+s·DW = j"
    source: list[Panel] = []
    if names.small == "g":
        frames = {tag(t): windows.frame(*window) for t, window in enumerate(windows.over(i, j))}
        padding, cell = (geometry.PH, geometry.PW), {(i, j): "asked"}
        title = f"the input cell ({i}, {j})"
        source.append(rec.panel(title, "x", (n, c), cell, padding=padding, frames=frames))
        title, sentence = f"{result.name}: what x[{n},{c},{i},{j}] did to L", _fed(rec, index, found)
        equation = f"dL/dx[n,c,i,j] = Σ g[n,k,oh,ow]·w[k,c,r,s]  {where}"
    else:
        title = f"{result.name}: what the copies of the kernel put here"
        sentence = (
            "Every input cell lays its own copy of the kernel, times its value, on the output, "
            f"{geometry.SH} rows and {geometry.SW} columns apart. Copies that cover this cell: "
            f"{len(found)}. They ADD up."
        )
        equation = f"y[n,c,i,j] = {'b[c] + ' if names.b else ''}Σ x[n,k,oh,ow]·w[k,c,r,s]  {where}"
    titles = {"g": "outputs it fed: dL/dy", "x": "input, channel {1}", **TITLES}
    panels = [*source, *_panels(rec, windows, terms, titles, {}, result.array, index)]
    rec.add_sum(phase, title, equation, result, terms, sentence, panels)


def _used(rec: Recorder, index: Index, windows: Windows, names: Names) -> None:
    """Explain one element (k, c, r, s) of ``w = conv2d_weight(large, small)``."""
    terms = terms_of(rec, [((names.large, x), (names.small, y)) for x, _, y in products(windows, "w", index)])
    weight = f"w[{','.join(map(str, index))}]"
    place = "window" if names.large == "x" else "copy of the kernel"
    result = rec.quantity(names.w, index)
    rec.add_sum(
        "backward",
        f"{result.name}: every place where {weight} was used",
        f"dL/dw[k,c,r,s] = Σ_{{n,oh,ow}} {names.large}[n,c,{ROW},{COLUMN}]·{names.small}[n,k,oh,ow]",
        result,
        terms,
        f"One weight serves every {place}. {weight} was multiplied with {_cells(len(terms))} of x, once in "
        f"each {place} that reaches inside. There L changes by x·g for a change of 1 in the weight, and all "
        "these changes ADD up.",
        [
            *rec.panels_of(terms, {"x": f"what {weight} was multiplied with", "g": "dL/dy there"}),
            rec.cell("gradient of the filter", names.w, index),
        ],
    )


def _bias(rec: Recorder, index: Index) -> None:
    """Explain one element of dL/db: the sum of its channel of g."""
    (k,) = index
    N, _, OH, OW = rec.arrays["g"].shape
    cells = [(n, k, oh, ow) for n in range(N) for oh in range(OH) for ow in range(OW)]
    terms = terms_of(rec, [(("g", cell),) for cell in cells])
    result = rec.quantity("dL/db", index)
    rec.add_sum(
        "backward",
        f"{result.name}: the bias was added to every output of channel {k}",
        "dL/db[k] = Σ_{n,oh,ow} g[n,k,oh,ow]",
        result,
        terms,
        f"b[{k}] was added to {_cells(len(terms))} of y with the factor 1, so its gradient is the sum of g "
        "there.",
        [*rec.panels_of(terms, {"g": "dL/dy"}), rec.cell("gradient of the bias", "dL/db", index)],
    )


def terms_of(rec: Recorder, pairs: Sequence[tuple[tuple[str, Index], ...]]) -> list[Term]:
    """Return a term with a letter for each product of elements."""
    return [Term(tuple(rec.quantity(*q) for q in factors), tag=tag(t)) for t, factors in enumerate(pairs)]


def _panels(
    rec: Recorder,
    windows: Windows,
    terms: Sequence[Term],
    titles: Mapping[str, str],
    marks: Mapping[Plane, Mapping[Cell, str]],
    result: str,
    index: Index,
) -> list[Panel]:
    """Return the panels of the factors and of the result; what lies over the input shows its padding."""
    geometry = windows.geometry
    padding = {array: (geometry.PH, geometry.PW) for _, array, _ in marks}
    title = "output" if result == "y" else "gradient"
    return [*rec.panels_of(terms, titles, marks, padding), rec.cell(title, result, index)]


def _fed(rec: Recorder, index: Index, found: Sequence[tuple[Index, Index, Index]]) -> str:
    """Say which outputs an input cell fed."""
    cell, count = rec.quantity("x", index).name, len(found)
    if not found:
        return f"No window reaches {cell}: it fed no output, and L does not change with it."
    reached = [
        f"y{list(y)} through w{list(w)}".replace(" ", "").replace("through", " through ") for _, w, y in found
    ]
    more = f" and {count - 2} more" if count > 2 else ""
    return (
        f"In the forward pass {cell} fed {count} output{'s' * (count > 1)}: {', '.join(reached[:2])}{more}. "
        "A change of 1 in the cell changes that output by the weight, and L by g times the weight"
        f"{'; all these changes ADD up' if count > 1 else ''}."
    )


def _bias_terms(rec: Recorder, names: Names, channel: int) -> list[Term]:
    return [Term((rec.quantity(names.b, (channel,)),))] if names.b else []


def _channels(windows: Windows, k: int) -> range:
    """Return the input channels that filter `k` sees: those of its group."""
    geometry = windows.geometry
    first = k // (geometry.K // geometry.G) * (geometry.C // geometry.G)
    return range(first, first + geometry.C // geometry.G)


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"
