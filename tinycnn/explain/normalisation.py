"""Steps of batch normalisation, forward and backward."""

import math

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor

from .calls import Call, leaf, run
from .recorder import Recorder, difference, tag
from .steps import Cell, Explanation, Index, Panel, Term, factor, number


def batch_norm(call: Call) -> Explanation:
    """Explain `tinycnn.functional.batch_norm` of (N, C, H, W) or (N, C); running statistics do not change."""
    running = {name: call[name] for name in ("running_mean", "running_var")}
    copies = {name: None if t is None else leaf(t).detach() for name, t in running.items()}
    arguments = dict(call.arguments) | copies
    call = Call(
        call.operation, call.function, arguments, call.backward, call.gradient, call.cells, call.shown
    )
    of_batch = call["training"] or any(t is None for t in running.values())
    if not of_batch:
        fixed = {name: leaf(t).numpy() for name, t in running.items()}
    arrays = run(call, {"x": "x", "weight": "w", "bias": "b"})
    x = arrays["x"]
    if x.ndim not in (2, 4):
        raise ValueError(f"batch_norm: steps are shown for x (N, C, H, W) or (N, C), got shape {x.shape}")
    dims = (0, *range(2, x.ndim))
    shape = (1, -1, *[1] * (x.ndim - 2))
    if of_batch:
        arrays["m"], arrays["v"] = x.mean(axis=dims), x.var(axis=dims)
        # The engine's own normalised x.
        arrays["x̂"] = F.batch_norm(Tensor(x), None, None, eps=call["eps"]).numpy()
        arrays["M"] = np.array(x.size // x.shape[1])
    else:
        arrays["m"], arrays["v"] = fixed["running_mean"], fixed["running_var"]
        scale = np.sqrt(arrays["v"] + call["eps"])
        arrays["x̂"] = (x - arrays["m"].reshape(shape)) / scale.reshape(shape)
    arrays["s"] = np.sqrt(arrays["v"] + call["eps"])
    if call.backward:
        w = arrays["w"].reshape(shape) if "w" in arrays else 1
        arrays["ĝ"] = np.asarray(arrays["g"] * w, x.dtype)
        arrays["mean(ĝ)"] = arrays["ĝ"].mean(axis=dims)
        arrays["mean(ĝ·x̂)"] = (arrays["ĝ"] * arrays["x̂"]).mean(axis=dims)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    if of_batch:
        for c in _channels(rec, "y"):
            _mean(rec, c)
            _variance(rec, c)
    for index in rec.asked("y"):
        _normalise(rec, index, float(call["eps"]))
    for index in rec.asked("dL/dx"):
        _input_gradient(rec, index, of_batch)
    for name, of in (("dL/dw", "x̂"), ("dL/db", "")):
        for (c,) in rec.asked(name):
            _sum_over_channel(rec, name, c, of)
    return rec.explanation()


def _channels(rec: Recorder, array: str) -> list[int]:
    return sorted({index[1] for index in rec.asked(array)})


def _elements(rec: Recorder, c: int) -> list[Index]:
    """Return the indices of all elements of channel `c`."""
    x = rec.arrays["x"]
    return [(n, c, *rest) for n in range(len(x)) for rest in np.ndindex(*x.shape[2:])]


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


def _mean(rec: Recorder, c: int) -> None:
    elements, m = _elements(rec, c), rec.quantity("m", (c,))
    terms = [Term((rec.quantity("x", i),), rec.quantity("M"), tag(t)) for t, i in enumerate(elements)]
    rec.add_sum(
        "forward",
        f"{m.name}: the mean of channel {c}",
        "m[c] = Σ x[n,c,h,w] / M,  over all M elements of the channel",
        m,
        terms,
        f"One mean for the channel, over all {len(terms)} of its elements in the whole batch.",
        [*_panels(rec, "input", "x", elements, "read"), rec.panel("means", "m", (), {(0, c): "result"})],
    )


def _variance(rec: Recorder, c: int) -> None:
    elements, m, v = _elements(rec, c), rec.quantity("m", (c,)), rec.quantity("v", (c,))
    squares = [f"({difference(rec.quantity('x', i).value, m.value)})²" for i in elements]
    M = number(rec.quantity("M").value)
    rec.add(
        "forward",
        f"{v.name}: the variance of channel {c}",
        "v[c] = Σ (x[n,c,h,w] - m[c])² / M",
        f"{v.name} = ({' + '.join(squares)}) / {M} = {number(v.value)}",
        "How far the elements lie from their mean, squared, on average.",
        [
            *_panels(rec, "input", "x", elements, "read", letters=False),
            rec.panel("means", "m", (), {(0, c): "weight"}),
            rec.panel("variances", "v", (), {(0, c): "result"}),
        ],
    )


def _normalise(rec: Recorder, index: Index, eps: float) -> None:
    c = index[1]
    x, m, v, y = (rec.quantity(a, i) for a, i in (("x", index), ("m", (c,)), ("v", (c,)), ("y", index)))
    w = factor(rec.quantity("w", (c,)).value) + "·" if "w" in rec.arrays else ""
    b = " + " + factor(rec.quantity("b", (c,)).value) if "b" in rec.arrays else ""
    normalised = rec.quantity("x̂", index)
    panels = _panels(rec, "input", "x", [index], "read", letters=False)
    panels += [rec.panel(t, a, (), {(0, c): "weight"}) for t, a in (("means", "m"), ("variances", "v"))]
    panels += [
        rec.panel(t, a, (), {(0, c): "weight"})
        for t, a in (("scale", "w"), ("shift", "b"))
        if a in rec.arrays
    ]
    symbols = f"{'w[c]·' if w else ''}x̂[n,c,h,w]{' + b[c]' if b else ''}"
    rec.add(
        "forward",
        f"{y.name}: normalised, scaled, shifted",
        f"y[n,c,h,w] = {symbols},  x̂ = (x - m[c]) / √(v[c] + eps)",
        f"x̂ = ({difference(x.value, m.value)}) / √({number(v.value)} + {eps:g}) = "
        f"{number(normalised.value)};  {y.name} = {w}{factor(normalised.value)}{b} = {number(y.value)}",
        "Mean 0 and variance 1 first; then the learned scale and shift may undo that, where it helps.",
        [*panels, rec.result_panel("output", "y", index)],
    )


def _input_gradient(rec: Recorder, index: Index, of_batch: bool) -> None:
    c = index[1]
    g, s, result = rec.quantity("ĝ", index), rec.quantity("s", (c,)), rec.quantity("dL/dx", index)
    panels = _panels(rec, "dL/dx̂ = g·w", "ĝ", [index], "read", letters=False)
    if not of_batch:
        rec.must_add_up([Term((g,), s)], result)
        rec.add(
            "backward",
            f"{result.name}: through fixed statistics",
            "dL/dx[n,c,h,w] = ĝ[n,c,h,w] / s[c],  ĝ = g·w[c],  s[c] = √(v[c] + eps)",
            f"{result.name} = {number(g.value)} / {number(s.value)} = {number(result.value)}",
            "In evaluation mean and variance are fixed numbers, so only the scale is left.",
            [*panels, rec.panel("√(v + eps)", "s", (), {(0, c): "weight"}), _result(rec, index)],
        )
        return
    mean_g, mean_gx = rec.quantity("mean(ĝ)", (c,)), rec.quantity("mean(ĝ·x̂)", (c,))
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
        "dL/dx = (ĝ - mean(ĝ) - x̂·mean(ĝ·x̂)) / s,  ĝ = g·w[c],  s = √(v[c] + eps)",
        f"{result.name} = ({number(g.value)} - {factor(mean_g.value)} - "
        f"{factor(x.value)}·{factor(mean_gx.value)}) / {number(s.value)} = {number(result.value)}",
        "x moves the mean and the spread of its channel, too, and both are taken out of y again. So what g "
        "would do to the mean, and to the spread, is taken out of g.",
        [
            *panels,
            *_panels(rec, "normalised x", "x̂", [index], "weight", letters=False),
            rec.panel("of the channel", "mean(ĝ)", (), {(0, c): "weight"}),
            rec.panel("of the channel", "mean(ĝ·x̂)", (), {(0, c): "weight"}),
            _result(rec, index),
        ],
    )


def _result(rec: Recorder, index: Index) -> Panel:
    return rec.result_panel("gradient", "dL/dx", index)


def _sum_over_channel(rec: Recorder, name: str, c: int, of: str) -> None:
    """Explain dL/dw (of = "x̂") or dL/db (of = "")."""
    elements, result = _elements(rec, c), rec.quantity(name, (c,))
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
