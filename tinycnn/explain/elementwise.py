"""Steps of activations, which do the same to every number by itself, forward and backward."""

from dataclasses import replace

from tinycnn.functional.cards import CARDS

from .calls import Call, run
from .equations import put_in, right_side, stated
from .steps import Explanation, number

# What there is to say of a derivative beside its equation, which the operation's card has.
SENTENCES = {
    "relu": "If x is above 0, y changes with it one to one, and g comes back whole; below, y stays 0.",
    "leaky_relu": "As ReLU, but below 0 a little comes through, so that no cell is dead for ever.",
    "sigmoid": "The slope y·(1 - y) is at most 1/4, and nearly 0 if y is near 0 or 1: little comes back.",
    "tanh": "The slope 1 - y² is 1 in the middle, and nearly 0 if y is near -1 or 1.",
}
SLOPE = "What g is multiplied with is the slope: y changes by this much for each unit that x grows."


def elementwise(call: Call) -> Explanation:
    """Explain an operation that does the same to every number by itself, of x of any shape."""
    equation, derivative = stated(CARDS[call.operation].of)
    constants = {"slope": float(call.arguments.get("negative_slope", 0))}
    arrays, _ = run(call, {"x": "x"})
    forward, backward = right_side(equation), right_side(derivative)
    if call.backward and call.operation not in SENTENCES:
        arrays["dy/dx"] = run(replace(call, gradient=None), {"x": "x"})[0]["dL/dx"]
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    for index in rec.asked("y"):
        x, y = rec.quantity("x", index), rec.quantity("y", index)
        rec.add(
            "forward",
            f"{y.name}: {call.operation} of {x.name}",
            equation,
            f"{y.name} = {put_in(forward, constants | {'x': x.value})} = {number(y.value)}",
            "Every number by itself: its neighbours do not matter.",
            [
                rec.cell("input", "x", index, "read"),
                rec.cell("output", "y", index),
            ],
        )
    by = "y" if "y" in backward else "x"
    for index in rec.asked("dL/dx"):
        result, values = rec.quantity("dL/dx", index), {a: float(arrays[a][index]) for a in ("g", "x", "y")}
        numbers = put_in(backward, constants | values)
        if "dy/dx" in arrays:
            numbers += f" = {put_in('g·slope', {'g': values['g'], 'slope': float(arrays['dy/dx'][index])})}"
        rec.add(
            "backward",
            f"{result.name}: what x{result.name[5:]} did to L",
            derivative,
            f"{result.name} = {numbers} = {number(result.value)}",
            SENTENCES.get(call.operation, SLOPE),
            [
                rec.cell("dL/dy", "g", index, "read"),
                rec.cell("output" if by == "y" else "input", by, index, "weight"),
                rec.cell("gradient", "dL/dx", index),
            ],
        )
    return rec.explanation()
