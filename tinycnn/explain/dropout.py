"""Steps of dropout, forward and backward."""

from tinycnn.functional.arithmetic import Mul

from .calls import Call, run
from .equations import put_in
from .steps import Explanation, number


def dropout(call: Call) -> Explanation:
    """Explain `tinycnn.functional.dropout` in training, of x of any shape."""
    if not call["training"] or call["p"] == 0:
        raise ValueError("dropout: without training, or with p=0, y is x: there is nothing to explain")
    arrays, watch = run(call, {"x": "x"})
    arrays["k"] = watch.first(Mul).inputs[1].numpy()  # what the engine drew, scaled
    p = float(call["p"])
    rec = call.recorder(arrays)
    rec.step_through_arrays("y")
    for array, by, phase in (("y", "x", "forward"), ("dL/dx", "g", "backward")):
        for index in rec.asked(array):
            result, value = rec.quantity(array, index), rec.quantity(by, index)
            kept = rec.quantity("k", index)
            sentence = (
                f"It stays, and is divided by 1 - p = {number(1 - p)}, so that the mean over many draws is x."
                if kept.value
                else f"With probability p = {p:g} it was dropped: the next layer has to do without it."
            )
            if phase == "backward":
                sentence = (
                    "The same factor as forward: what was dropped did nothing to L, and learns nothing."
                )
            factors = {by: value.value, "k": kept.value}
            rec.add(
                phase,
                f"{result.name}: {'dropped' if not kept.value else 'kept'}",
                f"{array} = {by}·k,  k = 0 with probability p, else 1 / (1 - p)",
                f"{result.name} = {put_in(f'{by}·k', factors)} = {number(result.value)}",
                sentence,
                [
                    rec.cell("input" if by == "x" else "dL/dy", by, index, "read"),
                    rec.cell("drawn factors", "k", index, "weight"),
                    rec.cell("output" if array == "y" else "gradient", array, index),
                ],
            )
    return rec.explanation()
