"""Steps of batch and instance normalisation, forward and backward."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinycnn import functional as F
from tinycnn.functional.channels import ChannelAffine
from tinycnn.functional.normalisation import Normalise
from tinycnn.tensor import Tensor

from .calls import Call, leaf, run
from .cells import difference, tag
from .equations import put_in
from .recorder import Recorder
from .steps import Cell, Explanation, Index, Panel, Quantity, Term, factor, number


def batch_norm(call: Call) -> Explanation:
    """Explain `tinycnn.functional.batch_norm` of (N, C, H, W) or (N, C); running statistics do not change."""
    running = {name: call[name] for name in ("running_mean", "running_var")}
    copies = {name: None if t is None else leaf(t).detach() for name, t in running.items()}
    call = replace(call, arguments=dict(call.arguments) | copies)
    of_data = call["training"] or any(t is None for t in running.values())
    return _explanation(call, (4, 2), (1,), None if of_data else [leaf(t).numpy() for t in running.values()])


def instance_norm(call: Call) -> Explanation:
    """Explain `tinycnn.functional.instance_norm` of (N, C, H, W): each channel of each image by itself."""
    return _explanation(call, (4,), (0, 1))


def _explanation(
    call: Call, dims: Sequence[int], grouped: Sequence[int], fixed: list[np.ndarray] | None = None
) -> Explanation:
    """Explain a normalisation whose statistics are those of groups of elements, or are fixed.

    All elements with the same indices along the dimensions `grouped` have the same statistics.
    """
    arrays, watch = run(call, {"x": "x", "weight": "w", "bias": "b"})
    x = arrays["x"]
    if x.ndim not in dims:
        shapes = " or ".join({2: "(N, C)", 4: "(N, C, H, W)"}[d] for d in dims)
        raise ValueError(f"{call.operation}: steps are shown for x {shapes}, got shape {x.shape}")
    seen = watch.first(Normalise, ChannelAffine)  # of fixed statistics the engine makes one scale and shift
    arrays["x̂"] = seen.result.numpy().reshape(x.shape)
    sizes = tuple(x.shape[d] for d in grouped)
    if fixed is None:
        arrays["m"], arrays["v"] = (a.reshape(sizes) for a in (seen.node.mean, seen.node.variance))
        arrays["M"] = np.array(x.size // arrays["m"].size)
    else:
        arrays["m"], arrays["v"] = fixed
    arrays["s"] = np.sqrt(arrays["v"] + call["eps"])
    if call.backward:
        arrays["ĝ"] = watch.arrived[seen.node].reshape(x.shape)
        others = tuple(d for d in range(x.ndim) if d not in grouped)
        g, normalised = Tensor(arrays["ĝ"]), Tensor(arrays["x̂"])
        arrays["mean(ĝ)"] = F.mean(g, others).numpy()
        arrays["mean(ĝ·x̂)"] = F.mean(g * normalised, others).numpy()
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")

    def group_of(index: Index) -> Index:
        return tuple(index[d] for d in grouped)

    if fixed is None:
        for group in sorted({group_of(index) for index in rec.asked("y")}):
            elements = [index for index in np.ndindex(*x.shape) if group_of(index) == group]
            _mean(rec, group, elements)
            _variance(rec, group, elements)
    for index in rec.asked("y"):
        _normalise(rec, index, group_of(index), float(call["eps"]))
    for index in rec.asked("dL/dx"):
        _input_gradient(rec, index, group_of(index), fixed is None)
    for name, of in (("dL/dw", "x̂"), ("dL/db", "")):
        for (c,) in rec.asked(name):
            _sum_over_channel(rec, name, c, of)
    return rec.explanation()


def _of(group: Index) -> tuple[str, str]:
    """Return a group's indices as equations write them, and what it is called."""
    if len(group) == 1:
        return "c", f"channel {group[0]}"
    return "n,c", f"channel {group[1]} of image {group[0]}"


def _panels(rec: Recorder, title: str, array: str, indices: Sequence[Index], role: str) -> list[Panel]:
    """Return one panel for every matrix that the indices lie in, with their cells marked."""
    planes: dict[Index, dict[Cell, str]] = {}
    for index in indices:
        planes.setdefault(index[:-2], {})[index[-2], index[-1]] = role
    return [rec.panel(title, array, plane, marks) for plane, marks in planes.items()]


def _mean(rec: Recorder, group: Index, elements: list[Index]) -> None:
    m = rec.quantity("m", group)
    letters, name = _of(group)
    terms = [Term((rec.quantity("x", i),), rec.quantity("M"), tag(t)) for t, i in enumerate(elements)]
    whole = "in the whole batch" if len(group) == 1 else "in this image alone"
    rec.add_sum(
        "forward",
        f"{m.name}: the mean of {name}",
        f"m[{letters}] = Σ x[n,c,h,w] / M,  over all M elements of the channel {whole}",
        m,
        terms,
        f"One mean for the channel, over all {len(terms)} of its elements {whole}.",
        [*rec.panels_of(terms, {"x": "input"}), rec.cell("means", "m", group, "result")],
    )


def _variance(rec: Recorder, group: Index, elements: list[Index]) -> None:
    m, v = rec.quantity("m", group), rec.quantity("v", group)
    letters, name = _of(group)
    squares = [f"({difference(rec.quantity('x', i).value, m.value)})²" for i in elements]
    M = number(rec.quantity("M").value)
    rec.add(
        "forward",
        f"{v.name}: the variance of {name}",
        f"v[{letters}] = Σ (x[n,c,h,w] - m[{letters}])² / M",
        f"{v.name} = ({' + '.join(squares)}) / {M} = {number(v.value)}",
        "How far the elements lie from their mean, squared, on average.",
        [
            *_panels(rec, "input", "x", elements, "read"),
            rec.cell("means", "m", group, "weight"),
            rec.cell("variances", "v", group, "result"),
        ],
    )


def _normalise(rec: Recorder, index: Index, group: Index, eps: float) -> None:
    c, letters = index[1], _of(group)[0]
    x, m, v, y = (rec.quantity(a, i) for a, i in (("x", index), ("m", group), ("v", group), ("y", index)))
    w = factor(rec.quantity("w", (c,)).value) + "·" if "w" in rec.arrays else ""
    b = " + " + factor(rec.quantity("b", (c,)).value) if "b" in rec.arrays else ""
    normalised = rec.quantity("x̂", index)
    panels = [rec.cell("input", "x", index, "read")]
    panels += [rec.cell(t, a, group, "weight") for t, a in (("means", "m"), ("variances", "v"))]
    panels += [
        rec.panel(t, a, (), {(0, c): "weight"})
        for t, a in (("scale", "w"), ("shift", "b"))
        if a in rec.arrays
    ]
    symbols = f"{'w[c]·' if w else ''}x̂[n,c,h,w]{' + b[c]' if b else ''}"
    rec.add(
        "forward",
        f"{y.name}: normalised, scaled, shifted",
        f"y[n,c,h,w] = {symbols},  x̂ = (x - m[{letters}]) / √(v[{letters}] + eps)",
        f"x̂ = ({difference(x.value, m.value)}) / √({number(v.value)} + {eps:g}) = "
        f"{number(normalised.value)};  {y.name} = {w}{factor(normalised.value)}{b} = {number(y.value)}",
        "Mean 0 and variance 1 first; then the learned scale and shift may undo that, if it helps.",
        [*panels, rec.cell("output", "y", index)],
    )


def _input_gradient(rec: Recorder, index: Index, group: Index, of_data: bool) -> None:
    letters = _of(group)[0]
    g, s, result = rec.quantity("ĝ", index), rec.quantity("s", group), rec.quantity("dL/dx", index)
    if not of_data:
        _through_fixed_statistics(rec, index, s, result)
        return
    panels = [rec.cell("dL/dx̂ = g·w", "ĝ", index, "read")]
    mean_g, mean_gx = rec.quantity("mean(ĝ)", group), rec.quantity("mean(ĝ·x̂)", group)
    x = rec.quantity("x̂", index)
    values = {"ĝ": g, "mean(ĝ)": mean_g, "x̂": x, "mean(ĝ·x̂)": mean_gx, "s": s}
    numbers = put_in("(ĝ - mean(ĝ) - x̂·mean(ĝ·x̂)) / s", {name: q.value for name, q in values.items()})
    minus = Quantity("-1", (), -1.0)
    parts = [Term((g,), s), Term((minus, mean_g), s), Term((minus, x, mean_gx), s)]
    largest = float(np.abs(rec.arrays["ĝ"]).max()) / s.value
    rec.must_add_up(parts, result, tolerance=1e3, scale=largest)
    rec.add(
        "backward",
        f"{result.name}: with mean and spread taken out",
        f"dL/dx = (ĝ - mean(ĝ) - x̂·mean(ĝ·x̂)) / s,  ĝ = g·w[c],  s = √(v[{letters}] + eps)",
        f"{result.name} = {numbers} = {number(result.value)}",
        "x moves the mean and the spread, too, and both are taken out of y again. So what g "
        "would do to the mean, and to the spread, is taken out of g.",
        [
            *panels,
            rec.cell("normalised x", "x̂", index, "weight"),
            rec.cell("of the channel", "mean(ĝ)", group, "weight"),
            rec.cell("of the channel", "mean(ĝ·x̂)", group, "weight"),
            rec.cell("gradient", "dL/dx", index),
        ],
    )


def _through_fixed_statistics(rec: Recorder, index: Index, s: Quantity, result: Quantity) -> None:
    """Add the step of one element of dL/dx if mean and variance are fixed numbers."""
    scaled = "w" in rec.arrays
    factors = [rec.quantity("g", index)] + ([rec.quantity("w", (index[1],))] if scaled else [])
    terms = [Term(tuple(factors), s)]
    panels = [rec.cell("dL/dy", "g", index, "read")]
    panels += [rec.panel("scale", "w", (), {(0, index[1]): "weight"})] if scaled else []
    rec.add_sum(
        "backward",
        f"{result.name}: through fixed statistics",
        f"dL/dx[n,c,h,w] = g[n,c,h,w]{'·w[c]' if scaled else ''} / s[c],  s[c] = √(v[c] + eps)",
        result,
        terms,
        "In evaluation mean and variance are fixed numbers, so only the scale is left.",
        [*panels, rec.cell("√(v + eps)", "s", s.index, "weight"), rec.cell("gradient", "dL/dx", index)],
    )


def _sum_over_channel(rec: Recorder, name: str, c: int, of: str) -> None:
    """Explain dL/dw (of = "x̂") or dL/db (of = "")."""
    shape, result = rec.arrays["x"].shape, rec.quantity(name, (c,))
    elements = [index for index in np.ndindex(*shape) if index[1] == c]
    terms = []
    for t, index in enumerate(elements):
        factors = [rec.quantity("g", index)] + ([rec.quantity(of, index)] if of else [])
        terms.append(Term(tuple(factors), tag=tag(t)))
    rec.add_sum(
        "backward",
        f"{result.name}: the sum over channel {c}",
        f"{name}[c] = Σ g[n,c,h,w]{'·x̂[n,c,h,w]' if of else ''}",
        result,
        terms,
        f"{'The scale multiplied' if of else 'The shift was added to'} every element of the channel; all "
        "changes ADD up.",
        [
            *rec.panels_of(terms, {"g": "dL/dy", "x̂": "normalised x"}),
            rec.cell("gradient", name, (c,)),
        ],
    )
