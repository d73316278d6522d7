"""Steps of operations that join two arrays cell by cell: add, sub, mul, div, pow."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .calls import Call, run
from .cells import flat, lettered
from .equations import put_in
from .recorder import Recorder
from .steps import Explanation, Index, Quantity, Term


class Rule(NamedTuple):
    """The text of the steps: what y is, the gradients of a and b, and a sentence for each."""

    title: str
    equation: str
    sentence: str
    to_a: str
    to_b: str
    back: str


SAME_PLACE = "The cell of a and the cell of b in the same place are"
RULES = {
    "add": Rule(
        "the sum of two cells",
        "a + b",
        f"{SAME_PLACE} added.",
        "g",
        "g",
        "y grows by as much as each of its summands: all of g comes back to both.",
    ),
    "sub": Rule(
        "the difference of two cells",
        "a - b",
        "The cell of b is subtracted from the cell of a in the same place.",
        "g",
        "-g",
        "y grows by as much as a, and falls by as much as b grows: g comes back to a, and -g to b.",
    ),
    "mul": Rule(
        "the product of two cells",
        "a · b",
        f"{SAME_PLACE} multiplied.",
        "g·b",
        "g·a",
        "For each unit of one factor, y grows by the other factor. So g is multiplied by the other one.",
    ),
    "div": Rule(
        "the quotient of two cells",
        "a / b",
        "The cell of a is divided by the cell of b in the same place.",
        "g / b",
        "-g·y / b",
        "For each unit of a, y grows by 1 / b; for each unit of b, y falls by y / b.",
    ),
    "pow": Rule(
        "{a} to the power of {b}",
        "a^b",
        "Each number is computed by itself: its neighbours do not matter.",
        "g·b·a^(b - 1)",
        "g·y·log a",
        "g is multiplied by how much y changes for each unit of {name}.",
    ),
}
SHOWN_USES = 8  # of a number that is broadcast


def arithmetic(call: Call) -> Explanation:
    """Explain `tinycnn.functional.add`, ``sub``, ``mul``, ``div`` or ``pow``; shapes may be broadcast."""
    rule, names = RULES[call.operation], ("a", "b")
    exponents = [a for a in names if call.operation == "pow" and isinstance(call[a], int | float)]
    arguments = {name: name for name in names if name not in exponents}
    rec, _ = run(call, arguments, dict.fromkeys(names, "input"))
    arrays = rec.arrays = {name: np.asarray(call[name], float) for name in exponents} | rec.arrays
    rec.step_through("y")
    # Which cell of an array is broadcast to each cell of y, counted along the array.
    sources = {
        name: np.broadcast_to(np.arange(x.size).reshape(x.shape), arrays["y"].shape)
        for name, x in arrays.items()
        if name in (*names, "g", "y")
    }

    def at(name: str, place: Index) -> Quantity:
        """Return the cell of an array that is used for the cell `place` of y."""
        return rec.quantity(name, np.unravel_index(sources[name][place], arrays[name].shape))

    for y in rec.asked("y"):
        a, b = (at(name, y.index) for name in names)
        title, equation = rule.title.format(a=a.name, b=b.name), f"y = {rule.equation}"
        panels = [rec.cell(q, "read") for q in (a, b)]
        if call.operation in ("add", "mul"):
            terms = [Term((a,)), Term((b,))] if call.operation == "add" else [Term((a, b))]
            rec.add_sum(y, title, equation, terms, rule.sentence, panels)
        else:
            numbers = put_in(rule.equation, {"a": a.value, "b": b.value})
            rec.add_value(y, title, equation, numbers, rule.sentence, panels)
    for name, derivative in zip(names, (rule.to_a, rule.to_b), strict=True):
        for result in rec.asked(f"dL/d{name}"):
            places = np.argwhere(sources[name] == flat(result.index, arrays[name].shape))
            uses = [{q: at(q, tuple(place)) for q in sources} for place in places]
            _gradient(rec, result, derivative, uses, rule.back.format(name=name))
    return rec.explanation()


def _gradient(
    rec: Recorder, result: Quantity, derivative: str, uses: list[dict[str, Quantity]], sentence: str
) -> None:
    """Explain one element of a gradient: the sum of what each use of the number sends back."""
    name, many = result.array[-1], len(uses) > 1
    sign, formula = ("-", derivative[1:]) if derivative.startswith("-") else ("", derivative)
    letters = re.findall("[abgy]", formula.replace("log", ""))[:2]
    terms = lettered([[use[a] for a in letters] for use in uses])
    title = f"what comes back to {name}"
    equation = f"dL/d{name} = {sign}{'Σ ' * many}{formula}"
    if many:
        sentence += f" The cell was used {len(uses)} times, and what comes back adds up."
    if derivative == "·".join(letters):
        rec.add_sum(result, title, equation, terms, sentence)
        return
    parts = [put_in(formula, {a: q.value for a, q in use.items()}) for use in uses[:SHOWN_USES]]
    parts += [f"{len(uses) - SHOWN_USES} more terms"] * (len(uses) > SHOWN_USES)
    total = " + ".join(parts)
    numbers = f"{sign}({total})" if sign and (many or total.startswith("-")) else sign + total
    rec.add_value(result, title, equation, numbers, sentence, rec.panels_of(terms))


def total(rec: Recorder, result: Quantity, parts: Sequence[Quantity]) -> None:
    """Add the step of a gradient that is the sum of what several uses of a number send back."""
    terms = [Term((q,)) for q in parts]
    rec.backward(
        f"{result.name}: the sum over its {len(parts)} uses",
        f"{result.array} = " + " + ".join(q.array for q in parts),
        rec.sum_in_numbers(result, terms),
        "The number was used more than once. Each use changes L, and the changes ADD up.",
        [],
        terms,
    )
