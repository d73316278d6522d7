"""Steps of batch and instance normalisation, forward and backward."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tinycnn.tensor import Tensor

from .calls import Call, leaf, run
from .recorder import Recorder, difference, tag
from .steps import Cell, Explanation, Index, Panel, Term, factor, number

GroupOf = Callable[[Index], Index]  # which statistics an element of x is normalised with


def batch_norm(call: Call) -> Explanation:
    """Explain `tinycnn.functional.batch_norm` of (N, C, H, W) or (N, C); running statistics do not change."""
    running = {name: call[name] for name in ("running_mean", "running_var")}
    copies = {name: None if t is None else leaf(t).detach() for name, t in running.items()}
    call = replace(call, arguments=dict(call.arguments) | copies)
    of_data = call["training"] or any(t is None for t in running.values())
    fixed = None if of_data else [leaf(t).numpy() for t in running.values()]
    return _explanation(call, (2, 4), lambda index: index[1:2], fixed)


def instance_norm(call: Call) -> Explanation:
    """Explain `tinycnn.functional.instance_norm` of (N, C, H, W): each channel of each image by itself."""
    return _explanation(call, (4,), lambda index: index[:2])


def _explanation(
    call: Call, dims: tuple[int, ...], group_of: GroupOf, fixed: list[np.ndarray] | None = None
) -> Explanation:
    """Explain a normalisation whose statistics are those of groups of elements, or are fixed."""
    arrays = run(call, {"x": "x", "weight": "w", "bias": "b"})
    x = arrays["x"]
    if x.ndim not in dims:
        shapes = " or ".join({2: "(N, C)", 4: "(N, C, H, W)"}[d] for d in reversed(dims))
        raise ValueError(f"{call.operation}: steps are shown for x {shapes}, got shape {x.shape}")
    grouped = [d for d in range(x.ndim) if d in ((0, 1) if len(group_of((0, 1))) == 2 else (1,))]
    over = tuple(d for d in range(x.ndim) if d not in grouped)
    shape = tuple(size if d in grouped else 1 for d, size in enumerate(x.shape))
    if fixed is None:
        arrays["m"], arrays["v"] = x.mean(axis=over), x.var(axis=over)
        # The engine's own normalised x.
        plain = {"weight": None, "bias": None, "eps": call["eps"]}
        if call.operation == "batch_norm":
            plain |= {"running_mean": None, "running_var": None}
        arrays["x̂"] = call.function(Tensor(x), **plain).numpy()
        arrays["M"] = np.array(x.size // arrays["m"].size)
    else:
        arrays["m"], arrays["v"] = fixed
        scale = np.sqrt(arrays["v"] + call["eps"])
        arrays["x̂"] = (x - arrays["m"].reshape(shape)) / scale.reshape(shape)
    arrays["s"] = np.sqrt(arrays["v"] + call["eps"])
    if call.backward:
        w = arrays["w"].reshape(1, -1, *[1] * (x.ndim - 2)) if "w" in arrays else 1
        arrays["ĝ"] = np.asarray(arrays["g"] * w, x.dtype)
        arrays["mean(ĝ)"] = arrays["ĝ"].mean(axis=over)
        arrays["mean(ĝ·x̂)"] = (arrays["ĝ"] * arrays["x̂"]).mean(axis=over)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
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


def _statistic(rec: Recorder, title: str, array: str, group: Index, role: str) -> Panel:
    """Return the panel of an array with one number a group."""
    return rec.panel(title, array, (), {(0, *group)[-2:]: role})  # type: ignore[dict-item]


def _panels(
    rec: Recorder, title: str, array: str, indices: list[Index], role: str, letters: bool = True
) -> list[Panel]:
    """Return one panel for every matrix that the indices lie in, with their cells marked."""
    planes: dict[Index, dict[Cell, str]] = {}
    tags: dict[Index, dict[Cell, str]] = {}
    for t, index in enumerate(indices):
        plane, cell = index[:-2], (index[-2], index[-1])
        planes.setdefault(plane, {})[cell] = role
        tags.setdefault(plane, {})[cell] = tag(t)
    return [
        rec.panel(title, array, plane, marks, tags[plane] if letters else {})
        for plane, marks in planes.items()
    ]


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
        [*_panels(rec, "input", "x", elements, "read"), _statistic(rec, "means", "m", group, "result")],
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
            *_panels(rec, "input", "x", elements, "read", letters=False),
            _statistic(rec, "means", "m", group, "weight"),
            _statistic(rec, "variances", "v", group, "result"),
        ],
    )


def _normalise(rec: Recorder, index: Index, group: Index, eps: float) -> None:
    c, letters = index[1], _of(group)[0]
    x, m, v, y = (rec.quantity(a, i) for a, i in (("x", index), ("m", group), ("v", group), ("y", index)))
    w = factor(rec.quantity("w", (c,)).value) + "·" if "w" in rec.arrays else ""
    b = " + " + factor(rec.quantity("b", (c,)).value) if "b" in rec.arrays else ""
    normalised = rec.quantity("x̂", index)
    panels = _panels(rec, "input", "x", [index], "read", letters=False)
    panels += [_statistic(rec, t, a, group, "weight") for t, a in (("means", "m"), ("variances", "v"))]
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
        "Mean 0 and variance 1 first; then the learned scale and shift may undo that, where it helps.",
        [*panels, rec.result_panel("output", "y", index)],
    )


def _input_gradient(rec: Recorder, index: Index, group: Index, of_data: bool) -> None:
    letters = _of(group)[0]
    g, s, result = rec.quantity("ĝ", index), rec.quantity("s", group), rec.quantity("dL/dx", index)
    panels = _panels(rec, "dL/dx̂ = g·w", "ĝ", [index], "read", letters=False)
    if not of_data:
        rec.must_add_up([Term((g,), s)], result)
        rec.add(
            "backward",
            f"{result.name}: through fixed statistics",
            "dL/dx[n,c,h,w] = ĝ[n,c,h,w] / s[c],  ĝ = g·w[c],  s[c] = √(v[c] + eps)",
            f"{result.name} = {number(g.value)} / {number(s.value)} = {number(result.value)}",
            "In evaluation mean and variance are fixed numbers, so only the scale is left.",
            [*panels, _statistic(rec, "√(v + eps)", "s", group, "weight"), _result(rec, index)],
        )
        return
    mean_g, mean_gx = rec.quantity("mean(ĝ)", group), rec.quantity("mean(ĝ·x̂)", group)
    x = rec.quantity("x̂", index)
    parts = g.value - mean_g.value - x.value * mean_gx.value
    if math.isfinite(result.value):
        eps = float(np.finfo(rec.arrays["dL/dx"].dtype).eps)
        scale = (abs(g.value) + abs(mean_g.value) + abs(x.value * mean_gx.value)) / s.value
        largest = float(np.abs(rec.arrays["ĝ"]).max()) / s.value
        if not abs(parts / s.value - result.value) <= 1e3 * eps * (scale + largest) + 1e-30:
            raise RuntimeError(f"{rec.operation}: the parts of {result.name} do not give {result.value!r}")
    rec.add(
        "backward",
        f"{result.name}: with mean and spread taken out",
        f"dL/dx = (ĝ - mean(ĝ) - x̂·mean(ĝ·x̂)) / s,  ĝ = g·w[c],  s = √(v[{letters}] + eps)",
        f"{result.name} = ({number(g.value)} - {factor(mean_g.value)} - "
        f"{factor(x.value)}·{factor(mean_gx.value)}) / {number(s.value)} = {number(result.value)}",
        "x moves the mean and the spread, too, and both are taken out of y again. So what g "
        "would do to the mean, and to the spread, is taken out of g.",
        [
            *panels,
            *_panels(rec, "normalised x", "x̂", [index], "weight", letters=False),
            _statistic(rec, "of the channel", "mean(ĝ)", group, "weight"),
            _statistic(rec, "of the channel", "mean(ĝ·x̂)", group, "weight"),
            _result(rec, index),
        ],
    )


def _result(rec: Recorder, index: Index) -> Panel:
    return rec.result_panel("gradient", "dL/dx", index)


def _sum_over_channel(rec: Recorder, name: str, c: int, of: str) -> None:
    """Explain dL/dw (of = "x̂") or dL/db (of = "")."""
    shape, result = rec.arrays["x"].shape, rec.quantity(name, (c,))
    elements = [index for index in np.ndindex(*shape) if index[1] == c]
    terms = []
    for t, index in enumerate(elements):
        factors = [rec.quantity("g", index)] + ([rec.quantity(of, index)] if of else [])
        terms.append(Term(tuple(factors), tag=tag(t)))
    panels = _panels(rec, "dL/dy", "g", elements, "read")
    if of:
        panels += _panels(rec, "normalised x", of, elements, "weight")
    rec.add_sum(
        "backward",
        f"{result.name}: the sum over channel {c}",
        f"{name}[c] = Σ g[n,c,h,w]{'·x̂[n,c,h,w]' if of else ''}",
        result,
        terms,
        f"{'The scale multiplied' if of else 'The shift was added to'} every element of the channel; all "
        "changes ADD up.",
        [*panels, rec.result_panel("gradient", name, (c,))],
    )
