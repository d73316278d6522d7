"""Steps of batch and instance normalisation, forward and backward."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinycnn import functional as F
from tinycnn.functional.channels import ChannelAffine
from tinycnn.functional.normalisation import Normalise
from tinycnn.tensor import Tensor

from .calls import Call, leaf, run
from .cells import cell_of, difference, lettered
from .equations import put_in
from .recorder import Recorder
from .steps import Cell, Explanation, Index, Quantity, Term, factor, number

TITLES = {
    "m": "means",
    "v": "variances",
    "w": "scale",
    "b": "shift",
    "s": "√(v + eps)",
    "x̂": "normalised x",
    "ĝ": "dL/dx̂ = g·w",
    "mean(ĝ)": "of the channel",
    "mean(ĝ·x̂)": "of the channel",
}


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
    rec, watch = run(call, {"x": "x", "weight": "w", "bias": "b"}, TITLES)
    arrays, x = rec.arrays, rec.arrays["x"]
    if x.ndim not in dims:
        shapes = " or ".join({2: "(N, C)", 4: "(N, C, H, W)"}[d] for d in dims)
        raise ValueError(f"{call.operation}: steps are shown for x {shapes}, got shape {x.shape}")
    seen = watch.first(Normalise, ChannelAffine)  # fixed statistics: one scale and shift
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
    rec.step_through("y")

    def group_of(index: Index) -> Index:
        return tuple(index[d] for d in grouped)

    if fixed is None:
        for group in sorted({group_of(index) for index in rec.chosen("y")}):
            elements = [rec.quantity("x", i) for i in np.ndindex(*x.shape) if group_of(i) == group]
            _mean(rec, group, elements)
            _variance(rec, group, elements)
    for y in rec.asked("y"):
        _normalise(rec, y, group_of(y.index), float(call["eps"]))
    input_gradient = _input_gradient if fixed is None else _through_fixed_statistics
    for result in rec.asked("dL/dx"):
        input_gradient(rec, result, group_of(result.index))
    for name in ("dL/dw", "dL/db"):
        for result in rec.asked(name):
            _sum_over_channel(rec, result)
    return rec.explanation()


def _of(group: Index) -> tuple[str, str, str]:
    """Return a group's indices as equations write them, what it is called, and what its elements are."""
    if len(group) == 1:
        return "c", f"channel {group[0]}", "in the whole batch"
    return "n,c", f"channel {group[1]} of image {group[0]}", "in this image alone"


def _mean(rec: Recorder, group: Index, elements: list[Quantity]) -> None:
    letters, name, whole = _of(group)
    rec.add_sum(
        rec.quantity("m", group),
        f"the mean of {name}",
        f"m[{letters}] = Σ x[n,c,h,w] / M,  over all M elements of the channel {whole}",
        lettered([[q] for q in elements], rec.quantity("M")),
        f"One mean for the channel, over all {len(elements)} of its elements {whole}.",
    )


def _variance(rec: Recorder, group: Index, elements: list[Quantity]) -> None:
    m, (letters, name, _) = rec.quantity("m", group), _of(group)
    squares = [f"({difference(q.value, m.value)})²" for q in elements]
    planes: dict[Index, dict[Cell, str]] = {}
    for q in elements:
        planes.setdefault(q.index[:-2], {})[cell_of(q.index)] = "read"
    panels = [rec.panel("input", "x", plane, marks) for plane, marks in planes.items()]
    rec.add_value(
        rec.quantity("v", group),
        f"the variance of {name}",
        f"v[{letters}] = Σ (x[n,c,h,w] - m[{letters}])² / M",
        f"({' + '.join(squares)}) / {number(rec.quantity('M').value)}",
        "The mean of the squared distances from the mean: it says how far the elements are spread.",
        [*panels, rec.cell(m, "weight")],
    )


def _normalise(rec: Recorder, y: Quantity, group: Index, eps: float) -> None:
    letters = _of(group)[0]
    x, x_hat = rec.quantity("x", y.index), rec.quantity("x̂", y.index)
    m, v = rec.quantity("m", group), rec.quantity("v", group)
    affine = {name: rec.quantity(name, y.index[1:2]) for name in ("w", "b") if name in rec.arrays}
    w = f"{factor(affine['w'].value)}·" if "w" in affine else ""
    b = f" + {factor(affine['b'].value)}" if "b" in affine else ""
    rec.forward(
        f"{y.name}: normalised, scaled, shifted",
        f"y[n,c,h,w] = {'w[c]·' if w else ''}x̂[n,c,h,w]{' + b[c]' if b else ''},  "
        f"x̂ = (x - m[{letters}]) / √(v[{letters}] + eps)",
        f"x̂ = ({difference(x.value, m.value)}) / √({number(v.value)} + {eps:g}) = "
        f"{number(x_hat.value)};  {y.name} = {w}{factor(x_hat.value)}{b} = {number(y.value)}",
        "First the numbers get mean 0 and variance 1. The learned scale and shift may undo that if it helps.",
        [*rec.cells([x, m, v, *affine.values()]), rec.cell(y)],
    )


def _input_gradient(rec: Recorder, result: Quantity, group: Index) -> None:
    letters = _of(group)[0]
    g, x, s = rec.quantity("ĝ", result.index), rec.quantity("x̂", result.index), rec.quantity("s", group)
    mean_g, mean_gx = rec.quantity("mean(ĝ)", group), rec.quantity("mean(ĝ·x̂)", group)
    minus = Quantity("-1", (), -1.0)
    parts = [Term((g,), s), Term((minus, mean_g), s), Term((minus, x, mean_gx), s)]
    largest = float(np.abs(rec.arrays["ĝ"]).max()) / s.value
    rec.must_add_up(parts, result, tolerance=1e3, scale=largest)
    formula = "(ĝ - mean(ĝ) - x̂·mean(ĝ·x̂)) / s"
    rec.add_value(
        result,
        "with mean and spread taken out",
        f"dL/dx = {formula},  ĝ = g·w[c],  s = √(v[{letters}] + eps)",
        put_in(formula, {q.array: q.value for q in (g, mean_g, x, mean_gx, s)}),
        "x̂ has mean 0 and variance 1 whatever x is: to shift or stretch all x together changes "
        "nothing. So the parts of g that would shift or stretch them are taken out.",
        [g, x, mean_g, mean_gx],
    )


def _through_fixed_statistics(rec: Recorder, result: Quantity, group: Index) -> None:
    """Explain one element of dL/dx if mean and variance are fixed numbers."""
    factors = [("g", result.index), ("w", group)][: 1 + ("w" in rec.arrays)]
    term = rec.term(*factors, divisor=rec.quantity("s", group))
    rec.add_sum(
        result,
        "through fixed statistics",
        f"dL/dx[n,c,h,w] = g[n,c,h,w]{'·w[c]' * (len(factors) - 1)} / s[c],  s[c] = √(v[c] + eps)",
        [term],
        "In evaluation mode, mean and variance are fixed numbers. So y depends on x by a factor only.",
        [*term.factors, rec.quantity("s", group)],
    )


def _sum_over_channel(rec: Recorder, result: Quantity) -> None:
    """Explain one element of dL/dw or dL/db."""
    (c,), scale = result.index, result.array == "dL/dw"
    factors = ("g", "x̂") if scale else ("g",)
    elements = [index for index in np.ndindex(*rec.arrays["x"].shape) if index[1] == c]
    rec.add_sum(
        result,
        f"the sum over channel {c}",
        f"{result.array}[c] = Σ {'·'.join(f'{name}[n,c,h,w]' for name in factors)}",
        rec.terms(tuple((name, index) for name in factors) for index in elements),
        f"{'The scale multiplied' if scale else 'The shift was added to'} every element of the channel. All "
        "these changes ADD up.",
    )
