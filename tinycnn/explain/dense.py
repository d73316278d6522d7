"""Steps of the dense layer (Eq. 3), forward and backward."""

from .calls import Call, run
from .recorder import Recorder, tag
from .steps import Explanation, Index, Panel, Term

Products = list[tuple[tuple[str, Index], ...]]  # what is multiplied; the products are summed


def linear(call: Call) -> Explanation:
    """Explain `tinycnn.functional.linear` on rows: x (N, in)."""
    arrays = run(call, {"x": "x", "weight": "W", "bias": "b"})
    if arrays["x"].ndim != 2:
        raise ValueError(f"linear: steps are shown for x (N, in), got shape {arrays['x'].shape}: reshape it")
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    for index in rec.asked("y"):
        _output(rec, index)
    for n, i in rec.asked("dL/dx"):
        pairs: Products = [(("g", (n, o)), ("W", (o, i))) for o in range(arrays["W"].shape[0])]
        _gradient(
            rec,
            "dL/dx",
            (n, i),
            pairs,
            "dL/dx[n,i] = Σ_o g[n,o]·W[o,i]",
            f"x[{n},{i}] fed every output o, with the weight W[o,{i}]: column {i} of W, read downwards.",
        )
    for o, i in rec.asked("dL/dW"):
        pairs = [(("g", (n, o)), ("x", (n, i))) for n in range(arrays["x"].shape[0])]
        _gradient(
            rec,
            "dL/dW",
            (o, i),
            pairs,
            "dL/dW[o,i] = Σ_n g[n,o]·x[n,i]",
            f"W[{o},{i}] was multiplied with x[n,{i}] once for every image n of the batch.",
        )
    for (o,) in rec.asked("dL/db"):
        pairs = [(("g", (n, o)),) for n in range(arrays["x"].shape[0])]
        sentence = f"b[{o}] was added to y[n,{o}] of every image n."
        _gradient(rec, "dL/db", (o,), pairs, "dL/db[o] = Σ_n g[n,o]", sentence)
    return rec.explanation()


def _output(rec: Recorder, index: Index) -> None:
    n, o = index
    bias = "b" in rec.arrays
    terms = [Term((rec.quantity("b", (o,)),))] if bias else []
    x_tags, w_tags = {}, {}
    for i in range(rec.arrays["x"].shape[1]):
        x_tags[n, i] = w_tags[o, i] = tag(i)
        terms.append(Term((rec.quantity("W", (o, i)), rec.quantity("x", (n, i))), tag=tag(i)))
    panels = [
        rec.panel("input", "x", (), dict.fromkeys(x_tags, "read"), x_tags),
        rec.panel("weight, one row an output", "W", (), dict.fromkeys(w_tags, "weight"), w_tags),
    ]
    if bias:
        panels.append(rec.panel("bias", "b", (), {(0, o): "weight"}))
    result = rec.quantity("y", index)
    rec.add_sum(
        "forward",
        f"{result.name}: output {o} of image {n}",
        f"y[n,o] = {'b[o] + ' if bias else ''}Σ_i W[o,i]·x[n,i]",
        result,
        terms,
        f"Row {o} of W is laid on row {n} of x; pairs with the same letter are multiplied, and all is added "
        "up.",
        [*panels, rec.result_panel("output", "y", index)],
    )


def _gradient(
    rec: Recorder,
    array: str,
    index: Index,
    pairs: Products,
    equation: str,
    sentence: str,
) -> None:
    """Explain one element of a gradient, the sum of the products `pairs`."""
    terms = [Term(tuple(rec.quantity(*q) for q in factors), tag=tag(t)) for t, factors in enumerate(pairs)]
    panels: list[Panel] = []
    for position, role in zip(range(len(pairs[0]) if pairs else 0), ("read", "weight"), strict=False):
        tags = {_two(factors[position][1]): tag(t) for t, factors in enumerate(pairs)}
        name = pairs[0][position][0]
        title = {"g": "dL/dy", "W": "weight", "x": "input"}[name]
        panels.append(rec.panel(title, name, (), dict.fromkeys(tags, role), tags))
    result = rec.quantity(array, index)
    sentence += " These changes ADD up."
    panels.append(rec.result_panel("gradient", array, index))
    rec.add_sum(
        "backward",
        f"{result.name}: what {result.name[4:]} did to L",
        equation,
        result,
        terms,
        sentence,
        panels,
    )


def _two(index: Index) -> tuple[int, int]:
    return index[0], index[1]
