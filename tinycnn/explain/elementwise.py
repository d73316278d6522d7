"""Steps of activations, which do the same to every number by itself, forward and backward."""

import inspect
from dataclasses import replace

from tinycnn.functional.cards import CARDS, Card

from .calls import Call, run
from .recorder import Recorder, cell_of
from .rule import Rule
from .steps import Explanation, Index, factor, number

# `forward` is given x and the slope below 0; `backward` g, x, y and that slope. An operation without a rule
# shows the equations of its Function, and `backward` is given dy/dx.
RULES = {
    "relu": Rule(
        "y = max(x, 0)",
        lambda x, _: f"max({number(x)}, 0)",
        "dL/dx = g where x > 0, else 0",
        lambda g, x, y, _: f"{factor(g)}·{int(x > 0)}",
        "Where x is above 0, y changes with it one to one, and g comes back whole; below, y stays 0.",
    ),
    "leaky_relu": Rule(
        "y = x where x > 0, else slope·x",
        lambda x, slope: number(x) if x > 0 else f"{slope:g}·{factor(x)}",
        "dL/dx = g where x > 0, else slope·g",
        lambda g, x, y, slope: f"{factor(g)}·{1 if x > 0 else slope:g}",
        "As ReLU, but below 0 a little comes through, so that no cell is dead for ever.",
    ),
    "sigmoid": Rule(
        "y = 1 / (1 + e^-x)",
        lambda x, _: f"1 / (1 + e^{factor(-x)})",
        "dL/dx = g·y·(1 - y)",
        lambda g, x, y, _: f"{factor(g)}·{number(y)}·(1 - {number(y)})",
        "The slope y·(1 - y) is at most 1/4, and nearly 0 where y is near 0 or 1: little comes back there.",
    ),
    "tanh": Rule(
        "y = tanh(x)",
        lambda x, _: f"tanh({number(x)})",
        "dL/dx = g·(1 - y²)",
        lambda g, x, y, _: f"{factor(g)}·(1 - {factor(y)}²)",
        "The slope 1 - y² is 1 in the middle, and nearly 0 where y is near -1 or 1.",
    ),
}


def equations(card: Card) -> tuple[str, str]:
    """Return what a Function's docstring begins with: the equation, and the derivative."""
    doc = inspect.getdoc(card.of) or ""
    equation, _, derivative = doc.partition("\n\n")[0].replace("\n", " ").partition(" dL/dx")
    return equation.rstrip("."), f"dL/dx{derivative}".rstrip(".")


def _rule_of(card: Card) -> Rule:
    """Return the rule of an operation that is not in `RULES`: its slope is the engine's."""
    equation, derivative = equations(card)
    return Rule(
        equation,
        lambda x, _: f"{card.name}({number(x)})",
        derivative,
        lambda g, x, y, slope: f"{factor(g)}·{factor(slope)}",
        "The second factor is the slope of y at this x: y changes by this much for each unit that x grows.",
    )


def elementwise(call: Call) -> Explanation:
    """Explain an operation that does the same to every number by itself, of x of any shape."""
    rule, slope = RULES.get(call.operation), float(call.arguments.get("negative_slope", 0))
    arrays = run(call, {"x": "x"})
    if rule is None:
        rule = _rule_of(CARDS[call.operation])
        if call.backward:
            arrays["dy/dx"] = run(replace(call, gradient=None), {"x": "x"})["dL/dx"]
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays("y")
    for index in rec.asked("y"):
        x, y = rec.quantity("x", index), rec.quantity("y", index)
        rec.add(
            "forward",
            f"{y.name}: {call.operation} of {x.name}",
            rule.equation,
            f"{y.name} = {rule.forward(x.value, slope)} = {number(y.value)}",
            "Every number by itself: its neighbours do not matter.",
            [
                rec.panel("input", "x", index[:-2], {cell_of(index): "read"}),
                rec.result_panel("output", "y", index),
            ],
        )
    for index in rec.asked("dL/dx"):
        _gradient(rec, rule, index, float(arrays["dy/dx"][index]) if "dy/dx" in arrays else slope)
    return rec.explanation()


def _gradient(rec: Recorder, rule: Rule, index: Index, slope: float) -> None:
    g, x, y = (rec.quantity(name, index) for name in ("g", "x", "y"))
    result = rec.quantity("dL/dx", index)
    by = "y" if "y" in rule.derivative else "x"
    title = "output" if by == "y" else "input"
    rec.add(
        "backward",
        f"{result.name}: what {x.name} did to L",
        rule.derivative,
        f"{result.name} = {rule.backward(g.value, x.value, y.value, slope)} = {number(result.value)}",
        rule.sentence,
        [
            rec.panel("dL/dy", "g", index[:-2], {cell_of(index): "read"}),
            rec.panel(title, by, index[:-2], {cell_of(index): "weight"}),
            rec.result_panel("gradient", "dL/dx", index),
        ],
    )
