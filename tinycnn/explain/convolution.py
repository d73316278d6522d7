"""Steps of convolution and transposed convolution (Eq. 1), forward and backward.

Every result is a sum of products from the trilinear form ``sum g * w * x`` (see
`tinycnn.functional.convolution`), without one of the three arrays. So three functions write every step: what
an output cell gathers, what an input cell collects, and where a weight was used. The forward pass of one
operation is the backward pass of the other.
"""

from collections.abc import Sequence

from tinycnn.kernels.geometry import conv2d_geometry
from tinycnn.kernels.transposed import conv_transpose2d_geometry

from .calls import Call, run
from .cells import tag
from .recorder import Plane, Recorder
from .steps import Cell, Explanation, Index, Panel, Quantity, Term
from .windows import Windows, products

ROW, COLUMN = "oh·SH-PH+r·DH", " ow·SW-PW+s·DW"
TITLES = {"x": "input, channel {1}", "w": "filter {0}", "b": "bias"}
TITLES |= {"dL/dw": "gradient of the filter", "dL/db": "gradient of the bias"}


def convolution(call: Call) -> Explanation:
    """Explain `tinycnn.functional.conv2d` or ``conv_transpose2d``.

    The letters of ``conv_transpose2d`` are those of the convolution whose adjoint it is.
    """
    transposed = call.operation == "conv_transpose2d"
    rec, _ = run(call, {"x": "x", "weight": "w", "bias": "b"}, TITLES)
    shapes = rec.arrays["x"].shape, rec.arrays["w"].shape
    if transposed:
        options = [call[name] for name in ("stride", "padding", "output_padding", "groups", "dilation")]
        geometry = conv_transpose2d_geometry(*shapes, *options)
        explainers = {"y": _collect, "dL/dx": _gather}
    else:
        options = [call[name] for name in ("stride", "padding", "dilation", "groups")]
        geometry = conv2d_geometry(*shapes, *options)
        explainers = {"y": _gather, "dL/dx": _collect}
    windows = Windows(geometry)
    rec.step_through("y")
    for array, explainer in (explainers | {"dL/dw": _used, "dL/db": _bias}).items():
        for result in rec.asked(array):
            explainer(rec, windows, result)
    return rec.explanation()


def _gather(rec: Recorder, windows: Windows, result: Quantity) -> None:
    """Explain one element (n, k, oh, ow) of ``conv2d(large, w)``: y of x, or dL/dx of g."""
    n, k, oh, ow = result.index
    large = "x" if result.array == "y" else "g"
    bias = _bias_term(rec, result, k)
    pairs = [((large, x), ("w", w)) for x, w, _ in products(windows, "y", result.index)]
    cells = windows.cells(oh, ow)
    outside = len(cells) - len(windows.inner_cells(oh, ow))
    (top, left), _ = windows.frame(oh, ow)
    sentence = (
        f"Lay filter {k} on {large} with its first cell on row {top}, column {left}; multiply each "
        f"pair of cells with the same letter, and add all up{', with the bias' if bias else ''}."
    )
    if large == "g":
        sentence += " This is a convolution, since it is the adjoint of a transposed convolution."
    if outside:
        lie, count = ("lies", "counts") if outside == 1 else ("lie", "count")
        sentence += f" {_cells(outside)} of the window {lie} in the padding and {count} as 0."
    marks: dict[Plane, dict[Cell, str]] = {
        (0, large, (n, c)): dict.fromkeys(cells, "read") for c in windows.channels(k)
    }
    terms, padding = bias + rec.terms(pairs), (windows.geometry.PH, windows.geometry.PW)
    rec.add_sum(
        result,
        f"filter {k} in window ({oh}, {ow})",
        f"{result.array}[n,k,oh,ow] = {'b[k] + ' if bias else ''}"
        f"Σ_{{c,r,s}} {large}[n,c,{ROW},{COLUMN}]·w[k,c,r,s]",
        terms,
        sentence,
        rec.panels_of(terms, {"g": "gradient that arrives"}, marks, padding),
    )


def _collect(rec: Recorder, windows: Windows, result: Quantity) -> None:
    """Explain one element (n, c, i, j) of ``conv2d_input(small, w)``: dL/dx of g, or y of x."""
    n, c, i, j = result.index
    small = "x" if result.array == "y" else "g"
    geometry, found = windows.geometry, list(products(windows, "x", result.index))
    bias = _bias_term(rec, result, c)
    terms = bias + rec.terms(((small, y), ("w", w)) for _, w, y in found)
    source: list[Panel] = []
    if small == "g":
        frames = {tag(t): windows.frame(*window) for t, window in enumerate(windows.over(i, j))}
        padding, cell = (geometry.PH, geometry.PW), {(i, j): "asked"}
        title = f"the input cell ({i}, {j})"
        source.append(rec.panel(title, "x", (n, c), cell, padding=padding, frames=frames))
        title, sentence = f"what x[{n},{c},{i},{j}] did to L", _fed(rec, result.index, found)
    else:
        title = "what the copies of the kernel put here"
        sentence = (
            "Every input cell lays its own copy of the kernel, times its value, on the output, "
            f"{geometry.SH} rows and {geometry.SW} columns apart. Copies that cover this cell: "
            f"{len(found)}. They ADD up."
        )
    rec.add_sum(
        result,
        title,
        f"{result.array}[n,c,i,j] = {'b[c] + ' if bias else ''}Σ {small}[n,k,oh,ow]·w[k,c,r,s]  "
        "over all k,oh,ow,r,s with oh·SH-PH+r·DH = i, ow·SW-PW+s·DW = j",
        terms,
        sentence,
        [*source, *rec.panels_of(terms, {"g": "outputs it fed: dL/dy"})],
    )


def _used(rec: Recorder, windows: Windows, result: Quantity) -> None:
    """Explain one element (k, c, r, s) of ``dL/dw = conv2d_weight(large, small)``."""
    transposed = rec.operation == "conv_transpose2d"
    large, small, place = ("g", "x", "copy of the kernel") if transposed else ("x", "g", "window")
    terms = rec.terms(((large, x), (small, y)) for x, _, y in products(windows, "w", result.index))
    weight = result.name[4:]
    rec.add_sum(
        result,
        f"every place where {weight} was used",
        f"dL/dw[k,c,r,s] = Σ_{{n,oh,ow}} {large}[n,c,{ROW},{COLUMN}]·{small}[n,k,oh,ow]",
        terms,
        f"One weight serves every {place}. {weight} was multiplied with {_cells(len(terms))} of x, once in "
        f"each {place} that reaches inside. There L changes by x·g for a change of 1 in the weight, and all "
        "these changes ADD up.",
        rec.panels_of(terms, {"x": f"what {weight} was multiplied with", "g": "dL/dy there"}),
    )


def _bias(rec: Recorder, windows: Windows, result: Quantity) -> None:
    """Explain one element of dL/db: the sum of its channel of g."""
    (k,) = result.index
    N, _, OH, OW = rec.arrays["g"].shape
    terms = rec.terms((("g", (n, k, oh, ow)),) for n in range(N) for oh in range(OH) for ow in range(OW))
    rec.add_sum(
        result,
        f"the bias was added to every output of channel {k}",
        "dL/db[k] = Σ_{n,oh,ow} g[n,k,oh,ow]",
        terms,
        f"b[{k}] was added to {_cells(len(terms))} of y with the factor 1, so its gradient is the sum of g "
        "there.",
    )


def _fed(rec: Recorder, index: Index, found: Sequence[tuple[Index, Index, Index]]) -> str:
    """Say which outputs an input cell fed."""
    cell, count = rec.quantity("x", index).name, len(found)
    if not found:
        return f"No window reaches {cell}: it fed no output, and L does not change with it."
    reached = [f"{Quantity('y', y, 0).name} through {Quantity('w', w, 0).name}" for _, w, y in found[:2]]
    more = f" and {count - 2} more" if count > 2 else ""
    return (
        f"In the forward pass {cell} fed {count} output{'s' * (count > 1)}: {', '.join(reached)}{more}. "
        "A change of 1 in the cell changes that output by the weight, and L by g times the weight"
        f"{'; all these changes ADD up' if count > 1 else ''}."
    )


def _bias_term(rec: Recorder, result: Quantity, channel: int) -> list[Term]:
    return [rec.term(("b", (channel,)))] if result.array == "y" and "b" in rec.arrays else []


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"
