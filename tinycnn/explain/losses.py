"""Steps of losses that compare each number with its target (Eq. 6), and of the mean all losses end in."""

import numpy as np

from tinycnn import functional as F
from tinycnn.tensor import Tensor, as_tensor

from .calls import Call, run
from .recorder import Recorder, cell_of, difference, tag
from .rule import Rule
from .steps import Explanation, Index, Term, factor, number

# The indices of an array by its dimensions, as equations write them.
LETTERS = {0: "", 1: "n", 2: "n,i", 3: "n,h,w", 4: "n,c,h,w"}


# forward is made of x and t; backward of g, x, t and sigmoid(x).
RULES = {
    "mse_loss": Rule(
        "L = (x - t)²",
        lambda x, t: f"({difference(x, t)})²",
        "dL/dx = g·2·(x - t)",
        lambda g, x, t, _: f"{factor(g)}·2·({difference(x, t)})",
        "Twice as far off counts four times, and pulls twice as hard.",
    ),
    "l1_loss": Rule(
        "L = |x - t|",
        lambda x, t: f"abs({difference(x, t)})",
        "dL/dx = g·sign(x - t)",
        lambda g, x, t, _: f"{factor(g)}·sign({difference(x, t)})",
        "The pull is as strong however far off x is.",
    ),
    "binary_cross_entropy_with_logits": Rule(
        "L = -t·log σ(x) - (1-t)·log(1 - σ(x)) = t·log(1 + e^-x) + (1-t)·log(1 + e^x)",
        lambda x, t: f"{number(t)}·log(1 + e^{factor(-x)}) + (1 - {number(t)})·log(1 + e^{factor(x)})",
        "dL/dx = g·(σ(x) - t)",
        lambda g, x, t, p: f"{factor(g)}·({number(p)} - {number(t)})",
        "The probability σ(x) minus the truth: the surer and the more wrong, the stronger the pull.",
    ),
}


def compare(call: Call) -> Explanation:
    """Explain `tinycnn.functional.mse_loss`, ``l1_loss`` or ``binary_cross_entropy_with_logits``."""
    rule, reduction = RULES[call.operation], call["reduction"]
    refuse_weights(call, "weight", "pos_weight")
    x_name = next(iter(call.arguments))
    arrays = run(call, {x_name: "x"})
    x = Tensor(arrays["x"], backend="numpy")
    arrays["t"] = as_tensor(call["target"], like=x).numpy()
    arrays["L"] = call.function(x, arrays["t"], reduction="none").numpy()
    if "σ" in rule.derivative:
        arrays["σ(x)"] = F.sigmoid(x).numpy()
    if call.backward:
        arrays["g"] = share_of_each(arrays["g"], arrays["L"], reduction)
    rec = Recorder(call.operation, call.shown, arrays, call.cells)
    rec.step_through_arrays(*(["L"] if reduction == "none" else ["L", "y"]))
    for index in rec.asked("L"):
        _one(rec, rule, index)
    for _ in rec.asked("y"):
        reduce_losses(rec, reduction, LETTERS.get(x.ndim, "..."))
    for index in rec.asked("dL/dx"):
        _gradient(rec, rule, index, reduction)
    return rec.explanation()


def refuse_weights(call: Call, *names: str) -> None:
    """Refuse options that the steps do not show."""
    for name in names:
        if call.arguments.get(name) is not None:
            raise ValueError(f"{call.operation}: steps are shown without {name}=")


def share_of_each(g: np.ndarray, losses: np.ndarray, reduction: str) -> np.ndarray:
    """Return what each loss is multiplied with on its way into L: g / M for the mean of M, else g."""
    divisor = losses.size if reduction == "mean" else 1
    return np.asarray(np.broadcast_to(g / divisor, losses.shape), losses.dtype)


def reduce_losses(rec: Recorder, reduction: str, letters: str) -> None:
    """Add the step from the losses L to the one number y, their mean or sum."""
    losses = rec.arrays["L"]
    rec.arrays["M"] = np.array(losses.size)
    divisor = rec.quantity("M") if reduction == "mean" else None
    indices = list(np.ndindex(*losses.shape))
    terms = [Term((rec.quantity("L", at),), divisor, tag(t)) for t, at in enumerate(indices)]
    panels = []
    for plane in np.ndindex(*losses.shape[:-2]):
        tags = {cell_of(at): tag(t) for t, at in enumerate(indices) if at[:-2] == plane}
        panels.append(rec.panel("the losses", "L", plane, dict.fromkeys(tags, "read"), tags))
    rec.add_sum(
        "forward",
        f"the {reduction} over the batch",
        f"y = Σ_{{{letters}}} L[{letters}]{f' / M,  M = {losses.size} losses' if divisor else ''}",
        rec.quantity("y"),
        terms,
        "One number for the whole batch: this is what training makes small.",
        [*panels, rec.panel("loss", "y", (), {(0, 0): "result"})],
    )


def _one(rec: Recorder, rule: Rule, index: Index) -> None:
    x, t, loss = (rec.quantity(name, index) for name in ("x", "t", "L"))
    rec.add(
        "forward",
        f"{loss.name}: how far {x.name} is from its target",
        rule.equation,
        f"{loss.name} = {rule.forward(x.value, t.value)} = {number(loss.value)}",
        "One number that is 0 only where x says what the target says.",
        [
            rec.panel("output of the network", "x", index[:-2], {cell_of(index): "read"}),
            rec.panel("target", "t", index[:-2], {cell_of(index): "weight"}),
            rec.result_panel("the losses", "L", index),
        ],
    )


def _gradient(rec: Recorder, rule: Rule, index: Index, reduction: str) -> None:
    g, x, t = (rec.quantity(name, index) for name in ("g", "x", "t"))
    p = rec.quantity("σ(x)", index) if "σ(x)" in rec.arrays else x
    result = rec.quantity("dL/dx", index)
    title = "probabilities" if p is not x else "output of the network"
    rec.add(
        "backward",
        f"{result.name}: what {x.name} did to L",
        rule.derivative + (",  g = 1/M" if reduction == "mean" else ""),
        f"{result.name} = {rule.backward(g.value, x.value, t.value, p.value)} = {number(result.value)}",
        rule.sentence,
        [
            rec.panel(title, p.array, index[:-2], {cell_of(index): "read"}),
            rec.panel("target", "t", index[:-2], {cell_of(index): "weight"}),
            rec.result_panel("gradient", "dL/dx", index),
        ],
    )
