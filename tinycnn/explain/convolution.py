"""Steps of convolution and transposed convolution (Eq. 1), forward and backward.

All are products of the trilinear form ``sum g * w * x`` (see `tinycnn.functional.convolution`), sorted by the
array that is left open. So three functions write every step: what an output cell gathers, what an
input cell collects, and where a weight was used. Forward of one operation is backward of the other.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tinycnn.kernels.geometry import Conv2dGeometry, Pair, conv2d_geometry
from tinycnn.kernels.transposed import conv_transpose2d_geometry

from .calls import Call, run
from .recorder import Recorder, tag
from .steps import Cell, Explanation, Index, Panel, Term
from .windows import cells_of_window, is_inside, window_of, windows_over_cell

ROW, COLUMN = "oh·SH-PH+r·DH", " ow·SW-PW+s·DW"


class Names(NamedTuple):
    """What the arrays of a step are called; `large` is over the input (H, W), `small` over (OH, OW)."""

    large: str
    small: str
    w: str = "w"
    b: str | None = None


def conv2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.conv2d`."""
    arrays = run(call, {"x": "x", "weight": "w", "bias": "b"})
    options = (call[name] for name in ("stride", "padding", "dilation", "groups"))
    geometry = conv2d_geometry(arrays["x"].shape, arrays["w"].shape, *options)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    bias = "b" if "b" in arrays else None
    for index in rec.asked("y"):
        _gather(rec, "forward", index, geometry, Names("x", "y", b=bias))
    for index in rec.asked("dL/dx"):
        _collect(rec, "backward", index, geometry, Names("dL/dx", "g"))
    for index in rec.asked("dL/dw"):
        _used(rec, index, geometry, Names("x", "g", "dL/dw"))
    for index in rec.asked("dL/db"):
        _bias(rec, index)
    return rec.explanation()


def conv_transpose2d(call: Call) -> Explanation:
    """Explain `tinycnn.functional.conv_transpose2d`; the letters are of the convolution that leads back."""
    arrays = run(call, {"x": "x", "weight": "w", "bias": "b"})
    options = (call[name] for name in ("stride", "padding", "output_padding", "groups", "dilation"))
    geometry = conv_transpose2d_geometry(arrays["x"].shape, arrays["w"].shape, *options)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    bias = "b" if "b" in arrays else None
    for index in rec.asked("y"):
        _collect(rec, "forward", index, geometry, Names("y", "x", b=bias))
    for index in rec.asked("dL/dx"):
        _gather(rec, "backward", index, geometry, Names("g", "dL/dx"))
    for index in rec.asked("dL/dw"):
        _used(rec, index, geometry, Names("g", "x", "dL/dw"))
    for index in rec.asked("dL/db"):
        _bias(rec, index)
    return rec.explanation()


def _gather(rec: Recorder, phase: str, index: Index, geometry: Conv2dGeometry, names: Names) -> None:
    """Explain one element (n, k, oh, ow) of ``small = conv2d(large, w)``."""
    n, k, oh, ow = index
    channels = _channels(geometry, k)
    terms = [_bias_term(rec, names, k)] if names.b else []
    panels: list[Panel] = []
    weights: list[Panel] = []
    outside = count = 0
    for c_w, c in enumerate(channels):
        read: dict[Cell, str] = {}
        read_tags: dict[Cell, str] = {}
        weight_tags: dict[Cell, str] = {}
        for r, s, i, j in cells_of_window(geometry, oh, ow):
            read[i, j] = "read"
            if not is_inside(geometry, i, j):
                outside += 1
                continue
            letter = tag(count)
            count += 1
            read_tags[i, j] = weight_tags[r, s] = letter
            factors = rec.quantity(names.large, (n, c, i, j)), rec.quantity(names.w, (k, c_w, r, s))
            terms.append(Term(factors, tag=letter))
        title = f"input, channel {c}" if names.large == "x" else "gradient that arrives"
        panels.append(rec.panel(title, names.large, (n, c), read, read_tags, _padding(geometry)))
        marks = dict.fromkeys(_plane(geometry), "weight")
        weights.append(rec.panel(f"filter {k}", names.w, (k, c_w), marks, weight_tags))
    result = rec.quantity(names.small, index)
    title = "output" if names.small == "y" else "gradient"
    panels += weights + _bias_panel(rec, names, k) + [rec.result_panel(title, names.small, index)]
    bias = "b[k] + " if names.b else ""
    top, left = oh * geometry.SH - geometry.PH, ow * geometry.SW - geometry.PW
    sentence = (
        f"Lay filter {k} on {names.large} with its first cell on row {top}, column {left}; multiply each "
        f"pair of cells with the same letter, and add all up{', with the bias' if names.b else ''}."
    )
    if names.small == "dL/dx":
        sentence += " The adjoint of a transposed convolution is the convolution that leads back."
    if outside:
        sentence += (
            f" {_cells(outside)} of the window {_lie(outside)} in the padding and {_count(outside)} as 0."
        )
    rec.add_sum(
        phase,
        f"{result.name}: filter {k} in window ({oh}, {ow})",
        f"{names.small}[n,k,oh,ow] = {bias}Σ_{{c,r,s}} {names.large}[n,c,{ROW},{COLUMN}]·w[k,c,r,s]",
        result,
        terms,
        sentence,
        panels,
    )


def _collect(rec: Recorder, phase: str, index: Index, geometry: Conv2dGeometry, names: Names) -> None:
    """Explain one element (n, c, i, j) of ``large = conv2d_input(small, w)``."""
    n, c, i, j = index
    c_w, filters = c % (geometry.C // geometry.G), _filters(geometry, c)
    terms = [_bias_term(rec, names, c)] if names.b else []
    panels: list[Panel] = []
    weights: list[Panel] = []
    reached: list[str] = []
    frames = {
        tag(t): window_of(geometry, oh, ow)
        for t, (oh, ow, _, _) in enumerate(windows_over_cell(geometry, i, j))
    }
    for k in filters:
        read: dict[Cell, str] = {}
        weight: dict[Cell, str] = {}
        read_tags: dict[Cell, str] = {}
        weight_tags: dict[Cell, str] = {}
        for oh, ow, r, s in windows_over_cell(geometry, i, j):
            letter = tag(len(reached))
            read[oh, ow], weight[r, s] = "read", "weight"
            read_tags[oh, ow] = weight_tags[r, s] = letter
            factors = rec.quantity(names.small, (n, k, oh, ow)), rec.quantity(names.w, (k, c_w, r, s))
            terms.append(Term(factors, tag=letter))
            reached.append(f"y[{n},{k},{oh},{ow}] through w[{k},{c_w},{r},{s}]")
        title = "outputs it fed: dL/dy" if names.small == "g" else f"input, channel {k}"
        panels.append(rec.panel(title, names.small, (n, k), read, read_tags))
        title = "the weight for each" if names.small == "g" else f"kernel {k}"
        weights.append(rec.panel(title, names.w, (k, c_w), weight, weight_tags))
    result = rec.quantity(names.large, index)
    sum_over = "Σ over all k,oh,ow,r,s with oh·SH-PH+r·DH = i, ow·SW-PW+s·DW = j"
    if names.small == "g":
        source = [
            rec.panel(
                f"the input cell ({i}, {j})",
                "x",
                (n, c),
                {(i, j): "asked"},
                padding=_padding(geometry),
                frames=frames,
            )
        ]
        title = f"{result.name}: what x[{n},{c},{i},{j}] did to L"
        sentence = _fed(rec.quantity("x", index).name, reached, terms)
        equation = f"dL/dx[n,c,i,j] = Σ g[n,k,oh,ow]·w[k,c,r,s],  {sum_over}"
    else:
        source = []
        title = f"{result.name}: what the copies of the kernel put here"
        sentence = (
            "Every input cell lays its own copy of the kernel, times its value, on the output, "
            f"{geometry.SH} rows and {geometry.SW} columns apart. Copies that cover this cell: "
            f"{len(reached)}. They ADD up."
        )
        bias = "b[c] + " if names.b else ""
        equation = f"y[n,c,i,j] = {bias}Σ x[n,k,oh,ow]·w[k,c,r,s],  {sum_over}"
    title_of_result = "output" if names.large == "y" else "gradient"
    panels = source + panels + weights + _bias_panel(rec, names, c)
    panels.append(rec.result_panel(title_of_result, names.large, index))
    rec.add_sum(phase, title, equation, result, terms, sentence, panels)


def _used(rec: Recorder, index: Index, geometry: Conv2dGeometry, names: Names) -> None:
    """Explain one element (k, c, r, s) of ``w = conv2d_weight(large, small)``."""
    k, c_w, r, s = index
    c = _channels(geometry, k)[c_w]
    terms: list[Term] = []
    panels: list[Panel] = []
    gradients: list[Panel] = []
    for n in range(geometry.N):
        large: dict[Cell, str] = {}
        small: dict[Cell, str] = {}
        large_tags: dict[Cell, str] = {}
        small_tags: dict[Cell, str] = {}
        for oh in range(geometry.OH):
            for ow in range(geometry.OW):
                i = oh * geometry.SH - geometry.PH + r * geometry.DH
                j = ow * geometry.SW - geometry.PW + s * geometry.DW
                if not is_inside(geometry, i, j):
                    continue
                letter = tag(len(terms))
                large[i, j], small[oh, ow] = "read", "weight"
                large_tags[i, j] = small_tags[oh, ow] = letter
                factors = rec.quantity(names.large, (n, c, i, j)), rec.quantity(names.small, (n, k, oh, ow))
                terms.append(Term(factors, tag=letter))
        for array, of, marks, tags in (
            (names.large, c, large, large_tags),
            (names.small, k, small, small_tags),
        ):
            title = f"what w[{k},{c_w},{r},{s}] was multiplied with" if array == "x" else "dL/dy there"
            to = panels if array == names.large else gradients
            to.append(rec.panel(title, array, (n, of), marks, tags))
    weight, place = f"w[{k},{c_w},{r},{s}]", "window" if names.large == "x" else "copy of the kernel"
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
        [*panels, *gradients, rec.result_panel("gradient of the filter", names.w, index)],
    )


def _bias(rec: Recorder, index: Index) -> None:
    """Explain one element of dL/db: the sum of its channel of g."""
    (k,) = index
    N, _, OH, OW = rec.arrays["g"].shape
    terms: list[Term] = []
    panels: list[Panel] = []
    for n in range(N):
        marks, tags = {}, {}
        for oh in range(OH):
            for ow in range(OW):
                letter = tag(len(terms))
                marks[oh, ow], tags[oh, ow] = "read", letter
                terms.append(Term((rec.quantity("g", (n, k, oh, ow)),), tag=letter))
        panels.append(rec.panel("dL/dy", "g", (n, k), marks, tags))
    result = rec.quantity("dL/db", index)
    rec.add_sum(
        "backward",
        f"{result.name}: the bias was added to every output of channel {k}",
        "dL/db[k] = Σ_{n,oh,ow} g[n,k,oh,ow]",
        result,
        terms,
        f"b[{k}] was added to {_cells(len(terms))} of y with the factor 1, so its gradient is the sum of g "
        "there.",
        [*panels, rec.result_panel("gradient of the bias", "dL/db", index)],
    )


def _fed(cell: str, reached: Sequence[str], terms: Sequence[Term]) -> str:
    if not reached:
        return f"No window reaches {cell}: it fed no output, and L does not change with it."
    more = f" and {len(reached) - 2} more" if len(reached) > 2 else ""
    return (
        f"In the forward pass {cell} fed {len(reached)} output{'s' * (len(reached) > 1)}: "
        f"{', '.join(reached[:2])}{more}. A change of 1 in the cell changes that output by the weight, "
        f"and L by g times the weight{'; all these changes ADD up' if len(reached) > 1 else ''}."
    )


def _bias_term(rec: Recorder, names: Names, channel: int) -> Term:
    assert names.b is not None
    return Term((rec.quantity(names.b, (channel,)),))


def _bias_panel(rec: Recorder, names: Names, channel: int) -> list[Panel]:
    return [rec.panel("bias", names.b, (), {(0, channel): "weight"})] if names.b else []


def _channels(geometry: Conv2dGeometry, k: int) -> list[int]:
    """Return the input channels that filter `k` sees: those of its group."""
    per_group = geometry.C // geometry.G
    first = k // (geometry.K // geometry.G) * per_group
    return list(range(first, first + per_group))


def _filters(geometry: Conv2dGeometry, c: int) -> list[int]:
    """Return the filters that see input channel `c`."""
    per_group = geometry.K // geometry.G
    first = c // (geometry.C // geometry.G) * per_group
    return list(range(first, first + per_group))


def _plane(geometry: Conv2dGeometry) -> list[Cell]:
    return [(r, s) for r in range(geometry.KH) for s in range(geometry.KW)]


def _padding(geometry: Conv2dGeometry) -> Pair:
    return geometry.PH, geometry.PW


def _cells(count: int) -> str:
    return f"{count} cell{'s' * (count != 1)}"


def _lie(count: int) -> str:
    return "lies" if count == 1 else "lie"


def _count(count: int) -> str:
    return "counts" if count == 1 else "count"
