"""Steps of the dense layer (Eq. 3), forward and backward."""

from .calls import Call, run
from .convolution import terms_of
from .recorder import Recorder
from .steps import Explanation, Index, Term

TITLES = {"x": "input", "W": "weight, one row for each output", "b": "bias", "g": "dL/dy"}
# What a gradient sums up, and why: with the indices of its element as n, o, i.
GRADIENTS = {
    "dL/dx": (
        "dL/dx[n,i] = Σ_o g[n,o]·W[o,i]",
        "x[{n},{i}] fed every output o, with the weight W[o,{i}]: column {i} of W, read downwards.",
    ),
    "dL/dW": (
        "dL/dW[o,i] = Σ_n g[n,o]·x[n,i]",
        "W[{o},{i}] was multiplied with x[n,{i}] once for every image n of the batch.",
    ),
    "dL/db": ("dL/db[o] = Σ_n g[n,o]", "b[{o}] was added to y[n,{o}] of every image n."),
}


def linear(call: Call) -> Explanation:
    """Explain `tinycnn.functional.linear` on rows: x (N, in)."""
    arrays, _ = run(call, {"x": "x", "weight": "W", "bias": "b"})
    if arrays["x"].ndim != 2:
        raise ValueError(f"linear: steps are shown for x (N, in), got shape {arrays['x'].shape}: reshape it")
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    N, (outputs, inputs) = len(arrays["x"]), arrays["W"].shape
    for n, o in rec.asked("y"):
        bias = [Term((rec.quantity("b", (o,)),))] if "b" in arrays else []
        terms = bias + terms_of(rec, [(("x", (n, i)), ("W", (o, i))) for i in range(inputs)])
        result = rec.quantity("y", (n, o))
        rec.add_sum(
            "forward",
            f"{result.name}: output {o} of image {n}",
            f"y[n,o] = {'b[o] + ' if bias else ''}Σ_i x[n,i]·W[o,i]",
            result,
            terms,
            f"Row {o} of W is laid on row {n} of x; pairs with the same letter are multiplied, and all is "
            "added up.",
            [*rec.panels_of(terms, TITLES), rec.cell("output", "y", (n, o))],
        )
    for n, i in rec.asked("dL/dx"):
        _gradient(rec, "dL/dx", {"n": n, "i": i}, [(("g", (n, o)), ("W", (o, i))) for o in range(outputs)])
    for o, i in rec.asked("dL/dW"):
        _gradient(rec, "dL/dW", {"o": o, "i": i}, [(("g", (n, o)), ("x", (n, i))) for n in range(N)])
    for (o,) in rec.asked("dL/db"):
        _gradient(rec, "dL/db", {"o": o}, [(("g", (n, o)),) for n in range(N)])
    return rec.explanation()


def _gradient(
    rec: Recorder, array: str, at: dict[str, int], pairs: list[tuple[tuple[str, Index], ...]]
) -> None:
    """Explain one element of a gradient, the sum of the products `pairs`."""
    index, terms = tuple(at.values()), terms_of(rec, pairs)
    result, (equation, sentence) = rec.quantity(array, index), GRADIENTS[array]
    rec.add_sum(
        "backward",
        f"{result.name}: what {result.name[4:]} did to L",
        equation,
        result,
        terms,
        f"{sentence.format(**at)} These changes ADD up.",
        [*rec.panels_of(terms, TITLES), rec.cell("gradient", array, index)],
    )
