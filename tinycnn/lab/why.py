"""Why is this number what it is? One cell of a trace, and the step that computes it, from `explain`."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tinycnn import functional as F
from tinycnn.explain import Explanation, Quantity, Step, Term, explain
from tinycnn.explain.joining import total
from tinycnn.explain.layers import Layer
from tinycnn.explain.recorder import Recorder, terms_up_to

from .applied import Index, Names, applied
from .between import Made
from .trace import Trace

MOST_TERMS = 20_000  # the page scrolls; a terminal's screen does not


class Answer(NamedTuple):
    """The steps that compute a cell, and which arrays of the trace their letters stand for.

    Attributes
    ----------
    explanation
        One step; of a gradient that several layers send back their sum, and one for each of them.
    names
        For each step ``{"x": "a2", "y": "a3", "w": "3.weight"}``: letter of the equation -> array of the
        page.
    """

    explanation: Explanation
    names: list[Names]


def why(trace: Trace, array: str, index: Index) -> Answer:
    """Return how the cell `index` of the array was computed; ``p`` are the probabilities.

    Raises
    ------
    ValueError
        If there is no such array or cell, or nothing computes it: the picture.
    """
    if array == "p" and trace.probabilities is not None:
        check_index("p", index, trace.probabilities.shape)
        steps = explain(F.softmax, trace.array(trace.output), dim=1, cells={"p": [index]})
        return _answer(steps, {"z": trace.output, "p": "p"})
    check_array(trace, array)
    check_index(array, index, trace.array(array).shape)
    made = trace.maker(array)
    if made is None:
        raise ValueError(f"{array} is not computed: it is {'the picture' if array == 'a0' else 'given'}")
    call = applied(made)
    same = call.moved(index)
    if same is not None:
        source = call.names["x"]
        return _same(made, "forward", ("y", index), ("x", same), trace.array(source), call.names)
    with terms_up_to(MOST_TERMS):
        return _answer(explain(call.function, *call.arrays, cells={"y": [index]}, **call.options), call.names)


def why_gradient(trace: Trace, array: str, index: Index) -> Answer:
    """Return how dL/d(array) at `index` was computed: which later cells this one fed, with which weight.

    Raises
    ------
    ValueError
        If there is no such array or cell, or no loss was chosen.
    """
    if trace.loss is None:
        raise ValueError("choose a loss first: there is no gradient without one")
    check_array(trace, array)
    check_index(array, index, trace.array(array).shape)
    if trace.tensors[array] is trace.tensors[trace.output]:
        if trace.label is None:
            return _of_a_verdict(trace, array, index)
        steps = explain(
            F.cross_entropy, trace.array(array), [trace.label], backward=True, cells={"dL/dz": [index]}
        )
        return _answer(_only(steps, "dL/dz"), {"z": array, "dL/dz": f"dL/d{array}"})
    uses = [_sent_back(trace, made, n, array, index) for made, n in trace.users(array)]
    if len(uses) == 1:
        return uses[0][0]
    if not uses:
        raise ValueError(f"no layer reads {array}: L does not depend on it")
    parts = {f"from {result}": value for _, value, result in _numbered(uses)}
    letter = f"dL/d{array}"
    arrays = {name: np.array(value, np.float32) for name, value in parts.items()}
    rec = Recorder("sum", {}, arrays | {letter: trace.array(array, gradient=True)})
    total(rec, rec.quantity(letter, index), [rec.quantity(name) for name in parts])
    every = (*rec.steps, *(step for use in uses for step in use[0].explanation.steps))
    names = [{letter: letter}, *(names for use in uses for names in use[0].names)]
    return Answer(Explanation("sum", {}, rec.arrays, every, letter), names)


def _of_a_verdict(trace: Trace, array: str, index: Index) -> Answer:
    """Return why dL/d(array) is what it is if L is D's logit, made from the output of D."""
    letter = f"dL/d{array}"
    value = float(trace.array(array, gradient=True)[index])
    many = trace.array(array).shape[1] > 1
    equation = f"L = log Σ e^{array},  {letter} = e^{array} / Σ e^{array}" if many else f"L = {array}"
    name = f"{letter}[{','.join(map(str, index))}]"
    said = (
        f"L is D's logit for real, {trace.loss:.4g}: the more, the more D takes the picture for a real one."
    )
    step = Step("backward", f"{name}: where the gradient begins", equation, f"{name} = {value:.4g}", said, ())
    return _answer(Explanation("logit", {}, {}, (step,), letter), {letter: letter})


def _numbered(uses: list[tuple[Answer, float, str]]) -> Iterator[tuple[Answer, float, str]]:
    """Tell two uses by the same operation apart."""
    seen: Counter[str] = Counter()
    for answer, value, name in uses:
        seen[name] += 1
        yield answer, value, name if seen[name] == 1 else f"{name} ({seen[name]})"


def _sent_back(trace: Trace, made: Made, n: int, array: str, index: Index) -> tuple[Answer, float, str]:
    """Return the steps of what one use of a cell sends back, its value, and what made the use."""
    call = applied(made)
    g = trace.array(made.result, gradient=True)
    letter = call.letters[n]
    result = f"dL/d{letter}"
    names = call.names | {"g": f"dL/d{made.result}", result: f"dL/d{array}"}
    there = call.moved_back(index)
    if there is not None:
        answer = _same(made, "backward", (result, index), ("g", there), g, names)
        return answer, float(g[there]), made.result
    with terms_up_to(MOST_TERMS):
        steps = explain(
            call.function, *call.arrays, backward=True, gradient=g, cells={result: [index]}, **call.options
        )
    return _answer(_only(steps, result), names), float(steps.arrays[result][index]), made.result


def subtotals(step: Step) -> dict[str, float]:
    """Return what each map adds to a sum: its terms together, under the indices of the map's plane.

    >>> from tinycnn.explain import explain
    >>> y = explain(F.conv2d, np.ones((1, 2, 1, 2)), np.ones((1, 2, 1, 2)))
    >>> subtotals(y[0])
    {'0,0': 2.0, '0,1': 2.0}
    """
    found: dict[str, float] = {}
    for term in step.terms:
        if len(term.factors) == 2 and all(len(q.index) == 4 for q in term.factors):
            key = ",".join(map(str, term.factors[0].index[:2]))
            found[key] = found.get(key, 0.0) + term.value
    return found


def check_array(trace: Trace, array: str) -> None:
    """Raise ValueError unless the trace has an array of this name."""
    if array not in trace.tensors:
        raise ValueError(f"there is no array {array!r:.40}; there are {', '.join(trace.tensors)} and p")


def check_index(array: str, index: Index, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless an array of this shape has the cell."""
    if len(index) != len(shape) or any(not 0 <= i < n for i, n in zip(index, shape, strict=True)):
        raise ValueError(f"there is no cell {list(index)!s:.60} in {array}, whose shape is {list(shape)}")


def _answer(explanation: Explanation, names: Names) -> Answer:
    return Answer(explanation, [names] * len(explanation.steps))


def _only(explanation: Explanation, array: str) -> Explanation:
    """Return the explanation with the steps that compute `array` alone."""
    e = explanation
    return Explanation(e.operation, e.options, e.arrays, e.steps_of(array), e.output)


def _same(
    made: Made,
    phase: str,
    result: tuple[str, Index],
    source: tuple[str, Index],
    values: np.ndarray,
    names: Names,
) -> Answer:
    """Return the step of a layer that passes numbers on, maybe in another shape."""
    quantity = Quantity(*source, float(values[source[1]]))
    name = f"{result[0]}[{','.join(map(str, result[1]))}]"
    kind = type(made.module if isinstance(made, Layer) else made.node).__name__
    unchanged = made.y.shape == (made.x if isinstance(made, Layer) else made.inputs[0]).shape
    how = "as it is" if unchanged else "in another shape"
    does = "passes every number on" if unchanged else "puts the numbers into another shape, in order"
    step = Step(
        phase,
        f"{name}: the same number, {how}",
        f"{name} = {quantity.name}",
        f"{name} = {quantity.value:.4g}",
        f"{kind} computes nothing here: it {does}.",
        (),
        (Term((quantity,)),),
    )
    return _answer(Explanation(kind, {}, {}, (step,), result[0]), names)
