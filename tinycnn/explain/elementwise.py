"""Steps of activations and dropout, which compute each number by itself, forward and backward."""

from dataclasses import replace

from tinycnn.functional.arithmetic import Mul
from tinycnn.functional.cards import CARDS

from .calls import Call, run
from .equations import put_in, right_side, stated
from .steps import Explanation, number

# What there is to say of a derivative beside its equation, which the operation's card has.
SENTENCES = {
    "relu": "If x is above 0, y changes as x does, and all of g comes back. Else y stays 0: 0 comes back.",
    "leaky_relu": "As with ReLU, but if x is below 0, a small part of g comes back: no cell stops learning.",
    "sigmoid": "The slope y·(1 - y) is at most 1/4. If y is near 0 or 1, it is nearly 0: little comes back.",
    "tanh": "The slope 1 - y² is 1 in the middle, and nearly 0 if y is near -1 or 1.",
}
DROPPED = "The factor is that of the forward pass: L does not depend on a number that was dropped."
SLOPE = "g is multiplied by the slope: by how much y changes for each unit that x grows."


def elementwise(call: Call) -> Explanation:
    """Explain an operation that computes each number of y from one number of x, which has any shape."""
    equation, derivative = stated(CARDS[call.operation].of)
    constants = {"slope": float(call.arguments.get("negative_slope", 0))}
    rec, _ = run(call, {"x": "x"})
    backward = right_side(derivative)
    if call.backward and call.operation not in SENTENCES:
        rec.arrays["dy/dx"] = run(replace(call, gradient=None), {"x": "x"})[0].arrays["dL/dx"]
    rec.step_through("y")
    for y in rec.asked("y"):
        x = rec.quantity("x", y.index)
        rec.add_value(
            y,
            f"{call.operation} of {x.name}",
            equation,
            put_in(right_side(equation), constants | {"x": x.value}),
            "Each number is computed by itself: its neighbours do not matter.",
            [x],
        )
    for result in rec.asked("dL/dx"):
        parts = {name: rec.quantity(name, result.index) for name in ("g", "x", "y")}
        values = {name: q.value for name, q in parts.items()}
        numbers = put_in(backward, constants | values)
        if "dy/dx" in rec.arrays:
            slope = {"g": values["g"], "slope": rec.quantity("dy/dx", result.index).value}
            numbers += f" = {put_in('g·slope', slope)}"
        rec.add_value(
            result,
            f"what {result.name[4:]} did to L",
            derivative,
            numbers,
            SENTENCES.get(call.operation, SLOPE),
            [parts["g"], parts["y" if "y" in backward else "x"]],
        )
    return rec.explanation()


def dropout(call: Call) -> Explanation:
    """Explain `tinycnn.functional.dropout` in training; x has any shape."""
    if not call["training"] or call["p"] == 0:
        raise ValueError("dropout: without training, or with p=0, y is x: there is nothing to explain")
    rec, watch = run(call, {"x": "x"}, {"k": "drawn factors"})
    rec.arrays["k"] = watch.first(Mul).inputs[1].numpy()  # what the engine drew, scaled
    p = float(call["p"])
    kept = f"It stays, and is divided by 1 - p = {number(1 - p)}, so that the mean over many draws is x."
    dropped = f"It was dropped, which happens with probability p = {p:g}: the next layer must do without it."
    rec.step_through("y")
    for array, by in (("y", "x"), ("dL/dx", "g")):
        for result in rec.asked(array):
            value, k = rec.quantity(by, result.index), rec.quantity("k", result.index)
            rec.add_value(
                result,
                "kept" if k.value else "dropped",
                f"{array} = {by}·k,  k = 0 with probability p, else 1 / (1 - p)",
                put_in(f"{by}·k", {by: value.value, "k": k.value}),
                DROPPED if by == "g" else kept if k.value else dropped,
                [value, k],
            )
    return rec.explanation()
