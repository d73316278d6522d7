"""Steps of the dense layer (Eq. 3), forward and backward."""

from collections.abc import Callable

from .calls import Call, run
from .recorder import Products
from .steps import Explanation

TITLES = {"W": "weight, one row for each output", "b": "bias"}
# For each gradient: the letters of its element, what it sums up, and why.
GRADIENTS = {
    "dL/dx": (
        "ni",
        "Σ_o g[n,o]·W[o,i]",
        "x[{n},{i}] fed every output o, with the weight W[o,{i}]: column {i} of W, read downwards.",
    ),
    "dL/dW": (
        "oi",
        "Σ_n g[n,o]·x[n,i]",
        "W[{o},{i}] was multiplied with x[n,{i}] once for every image n of the batch.",
    ),
    "dL/db": ("o", "Σ_n g[n,o]", "b[{o}] was added to y[n,{o}] of every image n."),
}


def linear(call: Call) -> Explanation:
    """Explain `tinycnn.functional.linear` on rows: x (N, in)."""
    rec, _ = run(call, {"x": "x", "weight": "W", "bias": "b"}, TITLES)
    x = rec.arrays["x"]
    if x.ndim != 2:
        raise ValueError(f"linear: steps are shown for x (N, in), got shape {x.shape}: reshape it")
    rec.step_through("y")
    N, (outputs, inputs) = len(x), rec.arrays["W"].shape
    for y in rec.asked("y"):
        n, o = y.index
        bias = [rec.term(("b", (o,)))] if "b" in rec.arrays else []
        rec.add_sum(
            y,
            f"output {o} of image {n}",
            f"y[n,o] = {'b[o] + ' if bias else ''}Σ_i x[n,i]·W[o,i]",
            bias + rec.terms((("x", (n, i)), ("W", (o, i))) for i in range(inputs)),
            f"Row {o} of W is laid on row {n} of x. Numbers with the same letter are multiplied, and the "
            "products are added up.",
        )
    products: dict[str, Callable[..., Products]] = {
        "dL/dx": lambda n, i: [(("g", (n, o)), ("W", (o, i))) for o in range(outputs)],
        "dL/dW": lambda o, i: [(("g", (n, o)), ("x", (n, i))) for n in range(N)],
        "dL/db": lambda o: [(("g", (n, o)),) for n in range(N)],
    }
    for array, (letters, equation, sentence) in GRADIENTS.items():
        for result in rec.asked(array):
            why = sentence.format(**dict(zip(letters, result.index, strict=True)))
            rec.add_sum(
                result,
                f"what {result.name[4:]} did to L",
                f"{array}[{','.join(letters)}] = {equation}",
                rec.terms(products[array](*result.index)),
                f"{why} These changes ADD up.",
            )
    return rec.explanation()
